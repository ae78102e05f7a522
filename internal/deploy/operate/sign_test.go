package operate

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

func newSigner(t *testing.T) *Signer {
	t.Helper()
	keys, err := signing.OpenKeystore(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	return &Signer{Keys: keys, CacheDir: filepath.Join(t.TempDir(), "signed")}
}

func writeFile(t *testing.T, path string, data []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestModuleIsSignedOnce(t *testing.T) {
	s := newSigner(t)
	path := writeFile(t, filepath.Join(t.TempDir(), "app.wasm"), smallModule)
	first, err := s.Module(path, SignRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if c := first.Claims; !first.Signed || c.Name != "app" || c.Revision == 0 ||
		!slices.Equal(c.Caps, BuiltinContracts) {
		t.Errorf("claims %+v", c)
	}
	again, err := s.Module(path, SignRequest{})
	if err != nil || !bytes.Equal(first.Bytes, again.Bytes) {
		t.Errorf("the same file gave other bytes: %v", err)
	}
	other, err := s.Module(path, SignRequest{Caps: []lattice.ContractID{"none"}})
	if err != nil || len(other.Claims.Caps) != 0 || other.Claims.Subject != first.Claims.Subject {
		t.Errorf("other claims: %+v, %v", other.Claims, err)
	}
	fresh, err := s.Module(path, SignRequest{Fresh: true, Lifetime: time.Hour})
	if err != nil || bytes.Equal(first.Bytes, fresh.Bytes) || fresh.Claims.Expires == 0 {
		t.Errorf("fresh: %v", err)
	}
}

// What is pushed is a version of its own: what runs from the push before can be updated to it.
func TestEachPushIsARevision(t *testing.T) {
	s := newSigner(t)
	signer := func() (*Signer, error) { return s, nil }
	path := writeFile(t, filepath.Join(t.TempDir(), "app.wasm"), smallModule)
	pack := func(r SignRequest) *Module {
		t.Helper()
		p, err := Pack(path, signer, r)
		if err != nil {
			t.Fatal(err)
		}
		return p.Module
	}
	started := pack(SignRequest{})
	if again := pack(SignRequest{}); !again.Reused || !bytes.Equal(again.Bytes, started.Bytes) {
		t.Error("starting the same file twice gave two modules")
	}
	pushed := pack(SignRequest{Release: true})
	if pushed.Reused || pushed.Claims.TokenID == started.Claims.TokenID ||
		pushed.Claims.Revision < started.Claims.Revision {
		t.Errorf("pushed again: %+v, before: %+v", pushed.Claims, started.Claims)
	}
	// A revision that is said is one, however often it is pushed.
	fixed := SignRequest{Release: true, Revision: 7}
	if first, again := pack(fixed), pack(fixed); !bytes.Equal(first.Bytes, again.Bytes) || again.Claims.Revision != 7 {
		t.Errorf("revision 7 pushed twice: %+v, %+v", first.Claims, again.Claims)
	}
}

// A flag for claims does not fall by the way when the module has its own.
func TestFlagsOfWhatIsSignedAreRefused(t *testing.T) {
	s := newSigner(t)
	m, err := s.Sign("app.wasm", smallModule, SignRequest{Name: "app"})
	if err != nil {
		t.Fatal(err)
	}
	r := SignRequest{Revision: 9, Flags: []string{"--rev"}}
	_, err = s.Module(writeFile(t, filepath.Join(t.TempDir(), "app.wasm"), m.Bytes), r)
	var said usage.Error
	if !errors.As(err, &said) || !strings.Contains(err.Error(), "leave out --rev") {
		t.Errorf("a signed file: %v", err)
	}
	for _, ref := range []string{"lattice://app:1.0.0", "file:///app.wasm"} {
		if _, _, err = new(Lattice).PushActor(t.Context(), s, ref, r); !errors.As(err, &said) {
			t.Errorf("%s: %v", ref, err)
		}
	}
}

func TestModuleThatIsSigned(t *testing.T) {
	s := newSigner(t)
	dir := t.TempDir()
	m, err := s.Sign("app.wasm", smallModule, SignRequest{Name: "theirs", Caps: []lattice.ContractID{"a:b"}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := newSigner(t).Module(writeFile(t, filepath.Join(dir, "app.wasm"), m.Bytes), SignRequest{Name: "mine"})
	if err != nil || got.Signed || got.Claims.Name != "theirs" || !bytes.Equal(got.Bytes, m.Bytes) {
		t.Errorf("got %+v, %v", got, err)
	}
	altered := slices.Clone(m.Bytes)
	altered = append(altered, 0, 2, 1, 'x') // one more custom section
	if _, err := s.Module(writeFile(t, filepath.Join(dir, "altered.wasm"), altered),
		SignRequest{}); lattice.CodeOf(err) != lattice.ErrHashMismatch {
		t.Errorf("altered: %v", err)
	}
	if _, err := s.Module(writeFile(t, filepath.Join(dir, "text.wasm"), []byte("hello")),
		SignRequest{}); lattice.CodeOf(err) != lattice.ErrBadModule {
		t.Errorf("no module: %v", err)
	}
	if _, err := s.Module(filepath.Join(dir, "nowhere.wasm"),
		SignRequest{}); lattice.CodeOf(err) != lattice.ErrNotFound {
		t.Errorf("no file: %v", err)
	}
}

func TestModuleKeys(t *testing.T) {
	s := newSigner(t)
	path := writeFile(t, filepath.Join(t.TempDir(), "app.wasm"), smallModule)
	m, err := s.Module(path, SignRequest{})
	if err != nil {
		t.Fatal(err)
	}
	// An update is signed with the key of the actor that it replaces, whatever the file is called.
	next := writeFile(t, filepath.Join(t.TempDir(), "app-v2.wasm"), smallModule)
	if got, err := s.Module(next, SignRequest{Subject: m.Claims.Subject}); err != nil ||
		got.Claims.Subject != m.Claims.Subject {
		t.Errorf("got %+v, %v", got, err)
	}
	stranger, _ := signing.New(signing.KindModule)
	if _, err := s.Module(next,
		SignRequest{Subject: lattice.ActorID(stranger.Public())}); lattice.CodeOf(err) != lattice.ErrNotFound {
		t.Errorf("a key that is not here: %v", err)
	}
}

func TestModuleClaimsFromProject(t *testing.T) {
	s := newSigner(t)
	dir := t.TempDir()
	project := writeFile(t, filepath.Join(dir, "actor.yaml"),
		[]byte("name: shop\nrevision: 4\ncapabilities: [\"acme:queue\"]\n"))
	path := writeFile(t, filepath.Join(dir, "build", "x.wasm"), smallModule)
	m, err := s.Module(path, SignRequest{})
	if err != nil || m.Claims.Name != "shop" || m.Claims.Revision != 4 ||
		!slices.Equal(m.Claims.Caps, []lattice.ContractID{"acme:queue"}) {
		t.Errorf("got %+v, %v", m, err)
	}
	if m, err = s.Module(path, SignRequest{Revision: 9, Caps: []lattice.ContractID{"a:b"}}); err != nil ||
		m.Claims.Revision != 9 || m.Claims.Caps[0] != "a:b" {
		t.Errorf("flags must win: %+v, %v", m.Claims, err)
	}
	writeFile(t, project, []byte("nmae: shop\n"))
	if _, err := s.Module(path, SignRequest{}); lattice.CodeOf(err) != lattice.ErrInvalid {
		t.Errorf("broken project: %v", err)
	}
}

// What a module needs by its imports is what it is granted, where nobody says otherwise.
func TestClaimsFromWhatAModuleNeeds(t *testing.T) {
	s := newSigner(t)
	s.Contracts = func([]byte) ([]lattice.ContractID, error) { return []lattice.ContractID{"a:b"}, nil }
	dir := t.TempDir()
	path := writeFile(t, filepath.Join(dir, "app.wasm"), smallModule)
	caps := func(r SignRequest) []lattice.ContractID {
		t.Helper()
		m, err := s.Module(path, r)
		if err != nil {
			t.Fatal(err)
		}
		return m.Claims.Caps
	}
	if got := caps(SignRequest{}); !slices.Equal(got, []lattice.ContractID{"a:b"}) {
		t.Errorf("%q", got)
	}
	if got := caps(SignRequest{DefaultCaps: []lattice.ContractID{"c:d"}}); !slices.Equal(got,
		[]lattice.ContractID{"a:b"}) {
		t.Errorf("default: %q", got)
	}
	if got := caps(SignRequest{Caps: []lattice.ContractID{"e:f"}}); !slices.Equal(got, []lattice.ContractID{"e:f"}) {
		t.Errorf("flag: %q", got)
	}
	if got := caps(SignRequest{Caps: []lattice.ContractID{"none"}}); len(got) != 0 {
		t.Errorf("none: %q", got)
	}
	s.Contracts = func([]byte) ([]lattice.ContractID, error) { return []lattice.ContractID{}, nil }
	if m, err := s.Module(path, SignRequest{}); err != nil || len(m.Claims.Caps) != 0 || !m.Derived {
		t.Errorf("needs nothing: %+v, %v", m, err)
	}
	s.Contracts = func([]byte) ([]lattice.ContractID, error) { return nil, nil }
	if got := caps(SignRequest{}); !slices.Equal(got, BuiltinContracts) {
		t.Errorf("does not tell: %q", got)
	}
	s.Contracts = func([]byte) ([]lattice.ContractID, error) { return []lattice.ContractID{"a:b"}, nil }
	writeFile(t, filepath.Join(dir, "actor.yaml"), []byte("name: shop\ncapabilities: [\"g:h\"]\n"))
	if got := caps(SignRequest{}); !slices.Equal(got, []lattice.ContractID{"g:h"}) {
		t.Errorf("project: %q", got)
	}
}

func TestPackIsStable(t *testing.T) {
	s := newSigner(t)
	made := time.Unix(1_700_000_000, 0)
	p := ProviderPack{Name: "my.provider", ContractID: "acme:queue"}
	a, err := s.pack([]byte("binary"), made, p)
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.pack([]byte("binary"), made, p)
	if err != nil || !bytes.Equal(a, b) {
		t.Errorf("the same file gave another archive: %v", err)
	}
	archive, err := signing.OpenArchive(a, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if bin, err := archive.Binary(signing.CurrentTarget()); err != nil || string(bin) != "binary" ||
		archive.Claims.ContractID != "acme:queue" {
		t.Errorf("got %q, %v", bin, err)
	}
	if _, err := s.pack([]byte("binary"), made, ProviderPack{Name: "x"}); lattice.CodeOf(err) != lattice.ErrInvalid {
		t.Errorf("without contract: %v", err)
	}
}

func TestIsLocal(t *testing.T) {
	for ref, want := range map[string]bool{"./app.wasm": true, "app.wasm": true, "/abs/x": true, "p.par.gz": true,
		"sign.go":              true,
		"lattice://a@sha256:0": false, "file:///x.wasm": false, "ghcr.io/me/app:1": false, "echo": false} {
		if got := IsLocal(ref); got != want {
			t.Errorf("%s: got %v", ref, got)
		}
	}
}

// What was signed once is kept for the next time, but not for ever.
func TestSignedModulesDoNotFillTheDisk(t *testing.T) {
	long.Test(t, "signs many modules")
	s := newSigner(t)
	dir := t.TempDir()
	big := append(slices.Clone(smallModule), append([]byte{0, 0x84, 0x80, 0x80, 0x08, 1, 'x', 0, 0},
		make([]byte, 16<<20)...)...)
	for i := range 12 {
		big[len(big)-1] = byte(i)
		if _, err := s.Module(writeFile(t, filepath.Join(dir, "app.wasm"), big), SignRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(s.CacheDir)
	if err != nil {
		t.Fatal(err)
	}
	var total int64
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	if total > maxSigned || total < maxSigned/2 {
		t.Errorf("%d files of %d bytes are kept, %d allowed", len(entries), total, maxSigned)
	}
}
