package operate

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"time"

	"github.com/weftlattice/weft/internal/deploy/localfile"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/artifact"
	"github.com/weftlattice/weft/lattice/oci"
	"github.com/weftlattice/weft/lattice/signing"
)

// Packed is a module or an archive whose claims hold, ready to be pushed.
type Packed struct {
	oci.Artifact         // without what the configuration of a component says
	ID           string  // of the actor or provider
	Module       *Module // nil for an archive
}

// Pack reads a file: a module, which is signed when it is not, or an archive, which is verified. It asks for a signer
// only for a module. What is neither is lattice.ErrBadModule.
func Pack(file string, signer func() (*Signer, error), r SignRequest) (Packed, error) {
	data, err := localfile.Read(file, localfile.MaxBytes)
	if err != nil {
		return Packed{}, err
	}
	switch {
	case signing.IsModule(data):
		s, err := signer()
		if err != nil {
			return Packed{}, err
		}
		m, err := s.Module(file, r)
		if err != nil {
			return Packed{}, err
		}
		return Packed{oci.Artifact{Bytes: m.Bytes, Name: m.Claims.Name, Version: m.Claims.Version},
			string(m.Claims.Subject), m}, nil
	case signing.IsArchive(data):
		if err := r.unused(file); err != nil {
			return Packed{}, err
		}
		par, err := signing.OpenArchive(data, time.Now())
		if err != nil {
			return Packed{}, fmt.Errorf("%s: %w", file, err)
		}
		return Packed{oci.Artifact{Bytes: data, Name: par.Claims.Name, Version: par.Claims.Version},
			string(par.Claims.Subject), nil}, nil
	}
	return Packed{}, &lattice.Error{Code: lattice.ErrBadModule, Op: "push", Entity: file,
		Detail: "neither a WebAssembly module nor a provider archive: " + signing.Form(data) +
			"; of a provider's executable make an archive with: weft par create"}
}

// ToRegistry pushes an artifact to an OCI registry, and returns the digest of its manifest there.
func ToRegistry(ctx context.Context, cfg oci.Config, ref oci.Reference, what oci.Artifact) (string, error) {
	c, err := oci.New(cfg)
	if err != nil {
		return "", err
	}
	defer c.Close()
	return c.Push(ctx, ref, what)
}

// FromRegistry pulls an artifact from an OCI registry. Its name is the last part of its repository's.
func FromRegistry(ctx context.Context, cfg oci.Config, text string) (oci.Artifact, error) {
	ref, err := oci.ParseReference(text)
	if err != nil {
		return oci.Artifact{}, err
	}
	c, err := oci.New(cfg)
	if err != nil {
		return oci.Artifact{}, err
	}
	defer c.Close()
	got, err := c.Pull(ctx, ref)
	got.Name = path.Base(ref.Repository)
	return got, err
}

// Unsigned reports whether a host refused something of a registry for want of claims; see Adopt.
func Unsigned(err error, ref string) bool {
	if lattice.CodeOf(err) != lattice.ErrUnsigned || IsLocal(ref) || artifact.IsReference(ref) {
		return false
	}
	_, bad := oci.ParseReference(ref)
	return bad == nil
}

// Adopt fetches a module without claims from a registry, as tools push them that know none, signs it as if it were a
// file, and puts it into the lattice. It returns the reference there.
func (l *Lattice) Adopt(ctx context.Context, s *Signer, cfg oci.Config, ref string, r SignRequest) (string, *Module,
	error) {
	got, err := FromRegistry(ctx, cfg, ref)
	if err != nil {
		return "", nil, err
	}
	l.step(lattice.Printable(ref)+" has no claims: it is signed here", "")
	m, err := s.Sign(filepath.Join(s.CacheDir, got.Name+".wasm"), got.Bytes, r) // no project file lies there
	if err != nil {
		return "", nil, err
	}
	l.doubt(m)
	pushed, err := l.Push(ctx, m.Claims.Name, m.Bytes)
	return pushed, m, err
}
