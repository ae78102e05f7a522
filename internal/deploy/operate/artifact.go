package operate

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weftlattice/weft/internal/deploy/localfile"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/internal/nearest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/artifact"
	"github.com/weftlattice/weft/lattice/signing"
)

// IsLocal reports whether a reference means a file of this machine that is to be pushed, rather than something that
// hosts fetch themselves.
func IsLocal(ref string) bool {
	if strings.Contains(ref, "://") {
		return false
	}
	if strings.HasPrefix(ref, ".") || strings.HasPrefix(ref, "/") || strings.HasPrefix(ref, "~") {
		return true
	}
	switch ext := filepath.Ext(ref); ext {
	case ".wasm", ".par", ".gz":
		return true
	}
	_, err := os.Stat(ref)
	return err == nil
}

// checkRemote refuses what no host can fetch: a bare word, which is a misspelt file or one of the known names, or the
// name of what other, the noun, already is.
func (l *Lattice) checkRemote(ctx context.Context, ref string, known []string, other string) error {
	if strings.ContainsAny(ref, ":/") {
		return nil
	}
	detail := "no such file"
	v, err := l.View(ctx)
	if err != nil {
		v = &View{builtins: l.cfg.Builtins}
	}
	switch {
	case other == "provider" && v.isProvider(ref):
		detail += "; a provider has that name, and providers are started with: weft provider start " + ref
	case other == "actor" && v.isActor(ref):
		detail += "; an actor has that name, and actors are started with: weft actor start FILE"
	}
	if hint := nearest.DidYouMean(ref, known); hint != "" {
		detail += "; " + hint
	}
	return &lattice.Error{Code: lattice.ErrNotFound, Op: "find", Entity: lattice.Printable(ref), Detail: detail}
}

// jetStream is where the lattice keeps artifacts.
func (l *Lattice) jetStream() (jetstream.JetStream, error) {
	js, err := natsconn.JetStream(l.nc)
	if err != nil {
		return nil, &lattice.Error{Code: lattice.ErrUnavailable, Op: "reach the lattice's store", Err: err}
	}
	return js, nil
}

// Push stores a module or an archive in the lattice and returns its reference.
func (l *Lattice) Push(ctx context.Context, name string, data []byte) (string, error) {
	ctx, cancel := bound(ctx)
	defer cancel()
	l.step("pushing "+name+" ("+lattice.Size(int64(len(data)))+")", "")
	js, err := l.jetStream()
	if err != nil {
		return "", err
	}
	return artifact.Push(ctx, js, l.Name(), artifact.CleanName(name), data)
}

// PushActor prepares an actor for starting: a file is read, signed if it is not, and pushed; any other reference stays
// as it is, and then the module is nil.
func (l *Lattice) PushActor(ctx context.Context, s *Signer, ref string, r SignRequest) (string, *Module, error) {
	if !IsLocal(ref) {
		if artifact.IsReference(ref) || strings.HasPrefix(ref, "file:") { // no host starts these without claims
			if err := r.unused(ref); err != nil {
				return "", nil, err
			}
		}
		return ref, nil, l.checkRemote(ctx, ref, nil, "provider")
	}
	m, err := s.Module(ref, r)
	if err != nil {
		return "", nil, err
	}
	l.doubt(m)
	pushed, err := l.Push(ctx, m.Claims.Name, m.Bytes)
	return pushed, m, err
}

// doubt tells what may be wrong with a module's claims.
func (l *Lattice) doubt(m *Module) {
	for _, doubt := range m.Doubts {
		l.step("warning: "+doubt, "")
	}
}

// PushProvider prepares a provider for starting: an archive is verified and pushed, an executable is packed for this
// machine's kind, signed and pushed; any other reference stays as it is. What an executable lacks says pack, and where
// that is empty defaults. It is a usage.Error to say it of anything else in pack.
func (l *Lattice) PushProvider(ctx context.Context, s *Signer, ref string,
	pack, defaults ProviderPack) (string, error) {
	name := strings.TrimPrefix(ref, "builtin://")
	for _, b := range l.cfg.Builtins {
		if b.Name == name {
			return ref, pack.others(name, "a built-in provider", b.ContractID)
		}
	}
	if !IsLocal(ref) {
		var names []string
		for _, b := range l.cfg.Builtins {
			names = append(names, b.Name)
		}
		if err := l.checkRemote(ctx, ref, names, "actor"); err != nil {
			return ref, err
		}
		return ref, pack.others(ref, "a reference, and its archive says what it is", "")
	}
	data, err := localfile.Read(ref, localfile.MaxBytes)
	if err != nil {
		return "", err
	}
	if signing.IsArchive(data) {
		a, err := openArchive(ref, data)
		if err == nil {
			err = pack.others(ref, "an archive", a.Claims.ContractID)
		}
		if err != nil {
			return "", err
		}
		return l.Push(ctx, a.Claims.Name, data)
	}
	if err := noModule(ref, data); err != nil {
		return "", err
	}
	pack.Name = cmp.Or(pack.Name, defaults.Name, filepath.Base(ref))
	pack.ContractID = cmp.Or(pack.ContractID, defaults.ContractID)
	info, err := os.Stat(ref)
	if err != nil {
		return "", localfile.Error("open", ref, err)
	}
	if data, err = s.pack(data, info.ModTime(), pack); err != nil {
		return "", err
	}
	return l.Push(ctx, pack.Name, data)
}

func orDefault(name string) string {
	if name == "" {
		return "default"
	}
	return name
}
