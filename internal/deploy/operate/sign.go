package operate

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/weftlattice/weft/internal/deploy/localfile"
	"github.com/weftlattice/weft/internal/deploy/scaffold"
	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/internal/files"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
	"github.com/weftlattice/weft/lattice/contract/keyvalue"
	"github.com/weftlattice/weft/lattice/contract/logging"
	"github.com/weftlattice/weft/lattice/contract/numbergen"
	"github.com/weftlattice/weft/lattice/signing"
)

// Signer signs what an operator starts from files, with keys that it makes on first use. It is safe for concurrent use.
type Signer struct {
	Keys     *signing.Keystore
	CacheDir string // signed modules are kept here, so that starting a file twice gives the same bytes; empty: not
	// Check says why no host would run a module, as host.CheckModule does; nil: the first check is that of a host.
	Check func(module []byte) error
	// Contracts are those that a module needs by what it imports and exports, as host.Contracts says; nil: that is not
	// looked at.
	Contracts func(module []byte) ([]lattice.ContractID, error)
}

// SignRequest is what signed claims are to say. Empty fields come from the project file, then from the file's name.
type SignRequest struct {
	Name        string
	Version     string
	CallAlias   string
	Caps        []lattice.ContractID // contracts; "none" alone: no contract at all
	Tags        []string
	Revision    int32                // 0: the project's, else the time in seconds, which always grows
	Account     string               // name of the account key; default "default"
	Key         string               // name of the module key; default: Name
	Subject     lattice.ActorID      // the module key must be this one; it is looked up by it instead of by name
	Lifetime    time.Duration        // 0: for ever
	DefaultCaps []lattice.ContractID // when neither Caps, a project file nor the module says; nil: BuiltinContracts
	// name of the actor whose code it becomes; a project file that names another one is lattice.ErrConflict
	Replaces string
	Fresh    bool // sign again even if the same file has been signed before
	// it becomes a version of its own: where nobody says a revision, it is the time of now and not that of an earlier
	// signing
	Release bool
	// the flags by which the user said some of it; of a module that has claims they are a usage.Error
	Flags []string
}

// Module is an actor module whose claims hold.
type Module struct {
	Bytes   []byte
	Claims  *signing.ActorClaims
	Signed  bool   // by us, now or earlier; false: it came signed
	Reused  bool   // signed by us earlier: the same bytes as then
	Project string // the project file that the claims come from; may be empty
	Derived bool   // what it may use was read off what it imports and exports
	// what it may use was said in the request
	CapsSaid bool
	// what is probably wrong with what it may use, for people; it is no error, since contracts may be anybody's
	Doubts []string
}

// Module reads a module from a file. A signed one is verified and stays as it is; one without claims is signed. Claims
// that do not hold are refused with their own code, never replaced. What no host would run is lattice.ErrBadModule.
func (s *Signer) Module(path string, r SignRequest) (*Module, error) {
	wasm, err := localfile.Read(path, localfile.MaxBytes)
	if err != nil {
		return nil, err
	}
	if err := judge(path, wasm, s.Check); err != nil {
		return nil, err
	}
	claims, err := signing.ReadModule(wasm, time.Now())
	switch {
	case err == nil:
		m := &Module{Bytes: wasm, Claims: claims}
		return m, cmp.Or(r.unused(path), s.compare(path, wasm, m))
	case lattice.CodeOf(err) != lattice.ErrUnsigned:
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s.Sign(path, wasm, r)
}

// unused refuses flags that say the claims of what is not signed here.
func (r SignRequest) unused(ref string) error {
	if len(r.Flags) == 0 {
		return nil
	}
	return usage.Errorf("%s keeps its own claims; leave out %s, which only a file without claims needs. Other claims "+
		"for a file: weft sign FILE", lattice.Printable(ref), strings.Join(r.Flags, " and "))
}

// Sign puts new claims into a module, in place of those it may have. path tells where the project file may be.
func (s *Signer) Sign(path string, wasm []byte, r SignRequest) (*Module, error) {
	if err := judge(path, wasm, s.Check); err != nil {
		return nil, err
	}
	given := r.Caps != nil
	project, err := r.complete(path)
	if err != nil {
		return nil, err
	}
	derived := false
	if r.Caps == nil && project == "" {
		if derived, err = s.grant(wasm, &r); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	account, _, err := s.Keys.LoadOrCreate(signing.KindAccount, cmp.Or(r.Account, "default"))
	if err != nil {
		return nil, err
	}
	module, err := s.moduleKey(r)
	if err != nil {
		return nil, err
	}
	m := &Module{Signed: true, Project: project, Derived: derived, CapsSaid: given}
	for _, c := range r.Caps {
		if doubt := scaffold.DoubtCapability(c); doubt != "" {
			m.Doubts = append(m.Doubts, m.source()+" grants a contract: "+doubt)
		}
	}
	cached := s.cachePath(wasm, r, account.Public(), module.Public())
	if !r.Fresh && !(r.Release && r.Revision == 0) {
		if m.Bytes, err = os.ReadFile(cached); err == nil {
			if m.Claims, err = signing.ReadModule(m.Bytes, time.Now()); err == nil {
				files.Used(cached)
				m.Reused = true
				return m, s.compare(path, wasm, m)
			}
		}
	}
	claims := signing.ActorClaims{Name: r.Name, Version: r.Version, CallAlias: r.CallAlias, Caps: r.Caps, Tags: r.Tags,
		Revision: r.Revision}
	if claims.Revision == 0 {
		claims.Revision = int32(time.Now().Unix())
	}
	if r.Lifetime > 0 {
		claims.Expires = time.Now().Add(r.Lifetime).Unix()
	}
	if m.Bytes, err = signing.SignModule(wasm, account, module, claims); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if m.Claims, err = signing.ReadModule(m.Bytes, time.Now()); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := s.compare(path, wasm, m); err != nil {
		return nil, err
	}
	return m, s.keep(cached, m.Bytes)
}

// compare doubts claims that do not grant what the module needs.
func (s *Signer) compare(path string, wasm []byte, m *Module) error {
	if s.Contracts == nil {
		return nil
	}
	needed, err := s.Contracts(wasm)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	lacks := Lacking(needed, m.Claims)
	if len(lacks) == 0 {
		return nil
	}
	way := "sign it anew: weft sign " + path + GrantFlags(m.Claims, lacks)
	if m.Signed {
		way = "grant it with" + GrantFlags(m.Claims, lacks) + ", or in " + cmp.Or(m.Project, "an "+
			scaffold.ProjectFile+" beside "+path)
	}
	m.Doubts = append(m.Doubts, fmt.Sprintf("the claims do not grant %s, which it imports or exports, so such calls "+
		"fail with missing_capability; %s", strings.Join(lattice.Texts(lacks), " and "), way))
	return nil
}

// Lacking are the contracts among needed that claims do not grant.
func Lacking(needed []lattice.ContractID, claims *signing.ActorClaims) []lattice.ContractID {
	return slices.DeleteFunc(slices.Clone(needed),
		func(c lattice.ContractID) bool { return slices.Contains(claims.Caps, c) })
}

// GrantFlags are the flags that grant what claims grant and more, with a space before each.
func GrantFlags(claims *signing.ActorClaims, more []lattice.ContractID) string {
	var flags strings.Builder
	for _, c := range slices.Concat(claims.Caps, more) {
		flags.WriteString(" --cap " + lattice.Printable(string(c)))
	}
	return flags.String()
}

// source is where a person says what m may use.
func (m *Module) source() string {
	if m.CapsSaid || m.Project == "" {
		return "--cap"
	}
	return m.Project
}

// BuiltinContracts are the contracts of the providers that come with weft and of the host itself: what an actor is
// granted that a user starts from a file without saying more. It can use none of them before a link is put, but for the
// last two.
var BuiltinContracts = []lattice.ContractID{httpserver.ID, keyvalue.ID, logging.ID, numbergen.ID}

// complete fills empty fields from the project file of the module, and returns its path: NAME.yaml beside NAME.wasm, or
// actor.yaml beside it or in the folder above.
func (r *SignRequest) complete(path string) (project string, err error) {
	dir := filepath.Dir(path)
	stem := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	for _, file := range []string{filepath.Join(dir, stem+".yaml"), filepath.Join(dir, scaffold.ProjectFile),
		filepath.Join(dir, "..", scaffold.ProjectFile)} {
		p, err := scaffold.Load(file)
		if lattice.CodeOf(err) == lattice.ErrNotFound {
			continue
		}
		if err != nil {
			return "", err
		}
		if r.Replaces != "" && p.Name != "" && p.Name != r.Replaces {
			return "", &lattice.Error{Code: lattice.ErrConflict, Op: "update actor", Entity: r.Replaces,
				Detail: file + " says that the module is " + lattice.Printable(p.Name) +
					", another actor; start that with: weft actor start, or say --name " + r.Replaces +
					" if the code is meant"}
		}
		r.Name, r.Version, r.CallAlias = cmp.Or(r.Name, p.Name), cmp.Or(r.Version, p.Version),
			cmp.Or(r.CallAlias, p.CallAlias)
		if r.Caps == nil {
			r.Caps = p.Capabilities
		}
		if r.Tags == nil {
			r.Tags = p.Tags
		}
		if r.Revision == 0 {
			r.Revision = p.Revision
		}
		project = file
		break
	}
	if slices.Equal(r.Caps, []lattice.ContractID{"none"}) {
		r.Caps = []lattice.ContractID{}
	}
	r.Name = cmp.Or(r.Name, strings.TrimSuffix(stem, "_s"))
	return project, nil
}

// grant fills in what a module may use that nobody has said: a component what its imports and exports need, a module
// what is usual. It reports whether that was read off the module.
func (s *Signer) grant(wasm []byte, r *SignRequest) (derived bool, err error) {
	if s.Contracts != nil {
		if r.Caps, err = s.Contracts(wasm); err != nil || r.Caps != nil {
			return err == nil, err
		}
	}
	if r.Caps = r.DefaultCaps; r.Caps == nil {
		r.Caps = BuiltinContracts
	}
	return false, nil
}

// moduleKey is the identity of the actor: one key per name, unless a certain one is wanted.
func (s *Signer) moduleKey(r SignRequest) (signing.KeyPair, error) {
	if r.Subject == "" {
		k, _, err := s.Keys.LoadOrCreate(signing.KindModule, KeyName(cmp.Or(r.Key, r.Name)))
		return k, err
	}
	list, err := s.Keys.List()
	for _, info := range list {
		if info.Public == string(r.Subject) {
			return s.Keys.Load(signing.KindModule, info.Name)
		}
	}
	return signing.KeyPair{}, errors.Join(err, &lattice.Error{Code: lattice.ErrNotFound, Op: "sign for",
		Entity: string(r.Subject),
		Detail: "its module key is not in " + s.Keys.Dir() + "; give a module that is signed with it"})
}

// KeyName makes a name fit for a file.
func KeyName(name string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' {
			return c
		}
		return '-'
	}, name)
}

// cachePath depends on all that decides about the result, apart from the time.
func (s *Signer) cachePath(wasm []byte, r SignRequest, keys ...string) string {
	if s.CacheDir == "" || r.Lifetime > 0 {
		return ""
	}
	r.Fresh, r.Release, r.Flags = false, false, nil
	what, _ := json.Marshal(r) // plain data
	h := sha256.New()
	h.Write(what)
	h.Write([]byte(strings.Join(keys, ",")))
	h.Write(wasm)
	return filepath.Join(s.CacheDir, hex.EncodeToString(h.Sum(nil))+".wasm")
}

func (s *Signer) keep(path string, data []byte) error {
	if path == "" {
		return nil
	}
	if err := os.MkdirAll(s.CacheDir, 0o700); err != nil {
		return fmt.Errorf("keep signed module: %w", err)
	}
	if err := localfile.Write(path, data, 0o600); err != nil {
		return err
	}
	return files.Prune(s.CacheDir, maxSigned, path)
}

// maxSigned bounds the signed modules that are kept, in bytes: one that was not used for long is signed anew when it
// comes again.
const maxSigned = 128 << 20
