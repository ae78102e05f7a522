package keys

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weftlattice/weft/internal/deploy/datadir"
	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

func keeper(t *testing.T) Keeper {
	t.Helper()
	return Keeper{Dir: datadir.Dir(t.TempDir()), Passphrase: &Passphrase{FD: -1, Ask: func(why string, _ bool) ([]byte,
		error) {
		return nil, errors.New("asked for " + why)
	}}, Stdin: strings.NewReader("")}
}

func key(t *testing.T, kind byte) signing.KeyPair {
	t.Helper()
	k, err := signing.New(kind)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A kind alone means the key that weft uses by itself, which for a cluster is the lattice's.
func TestAKeyIsFoundByWhatAPersonSaysOfIt(t *testing.T) {
	k := keeper(t)
	store, err := k.Store()
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs, echo := key(t, signing.KindCluster), key(t, signing.KindCluster), key(t, signing.KindModule)
	if err := errors.Join(store.Import("demo", ours), store.Import("other", theirs),
		store.Import("echo", echo)); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]signing.KeyPair{"cluster": ours, "other": theirs, "cluster/other": theirs,
		"module/echo": echo, "echo": echo, echo.Public()[:8]: echo} {
		info, damaged, err := k.Find(query, "demo")
		if err != nil || damaged != nil || info.Public != want.Public() {
			t.Errorf("%s: %+v, %v, %v", query, info, damaged, err)
			continue
		}
		if got, err := k.Load(info, false); err != nil || got.Seed() != want.Seed() {
			t.Errorf("%s: %v", query, err)
		}
		if _, err := k.Load(info, true); !errors.Is(err, lattice.ErrNotFound) || !strings.Contains(err.Error(),
			"no rotation has begun") {
			t.Errorf("%s: the next key: %v", query, err)
		}
	}
	if _, _, err := k.Find("nothing", "demo"); !errors.Is(err, lattice.ErrNotFound) {
		t.Error(err)
	}
	if got, err := k.ByPublic(signing.KindModule, echo.Public()); err != nil || got.Seed() != echo.Seed() {
		t.Error(err)
	}
	if _, err := k.ByPublic(signing.KindModule, key(t, signing.KindModule).Public()); !errors.Is(err,
		lattice.ErrNotFound) || !strings.Contains(err.Error(), "weft key import") {
		t.Error(err)
	}
}

// The first host of a name keeps its identity; a second one beside it does not share it.
func TestTwoHostsDoNotShareAnIdentity(t *testing.T) {
	k := keeper(t)
	first, release, err := k.Host("edge/1", "", "", signing.KeyPair{})
	if err != nil {
		t.Fatal(err)
	}
	second, none, err := k.Host("edge/1", "", "", signing.KeyPair{})
	if err != nil || second.Public() == first.Public() {
		t.Fatalf("%s, %v", second.Public(), err)
	}
	none()
	release()
	again, release, err := k.Host("edge/1", "", "", signing.KeyPair{})
	if err != nil || again.Public() != first.Public() {
		t.Errorf("after its end: %s, %v; want %s", again.Public(), err, first.Public())
	}
	release()
	given, named := key(t, signing.KindHost), key(t, signing.KindHost)
	for _, c := range []struct {
		file, seed string
		want       signing.KeyPair
	}{{file(t, given.Seed()), named.Seed(), given}, {"", named.Seed(), named}, {"", "", given}} {
		if got, _, err := k.Host("edge/1", c.file, c.seed, given); err != nil || got.Public() != c.want.Public() {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// A call is never signed with a key that is made for it.
func TestTheKeyOfACallIsNotMade(t *testing.T) {
	k := keeper(t)
	if _, err := k.Call("demo", "", "", ""); !errors.Is(err, lattice.ErrNotFound) || !strings.Contains(err.Error(),
		"lattice demo") || !strings.Contains(err.Error(), "--cluster-seed-file") {
		t.Error(err)
	}
	stored, a, b, c := key(t, signing.KindCluster), key(t, signing.KindCluster), key(t, signing.KindCluster),
		key(t, signing.KindCluster)
	store, err := k.Store()
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Import("demo", stored); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		file, seed, token string
		want              signing.KeyPair
	}{{file(t, a.Seed()), b.Seed(), c.Seed(), a}, {"", b.Seed(), c.Seed(), b}, {"", "", c.Seed(), c},
		{"", "", "", stored}} {
		if got, err := k.Call("demo", x.file, x.seed, x.token); err != nil || got.Seed() != x.want.Seed() {
			t.Errorf("%v", err)
		}
	}
}

// A host reads its cluster key again where it was given, and what standard input gave once stays.
func TestWhereTheClusterKeyOfAHostComesFrom(t *testing.T) {
	first, second := key(t, signing.KindCluster), key(t, signing.KindCluster)
	issuers := []lattice.ClusterID{key(t, signing.KindCluster).ClusterID()}
	made := 0
	path := file(t, first.Seed())
	stdin := keeper(t)
	stdin.Stdin = strings.NewReader(first.Seed())
	for name, c := range map[string]struct {
		cluster *Cluster
		change  func(c *Cluster) error
		again   signing.KeyPair
	}{
		"seed": {&Cluster{Keeper: keeper(t), Seed: first.Seed()}, nil, first},
		"file": {&Cluster{Keeper: keeper(t), SeedFile: path, Seed: second.Seed()},
			func(*Cluster) error { return os.WriteFile(path, []byte(second.Seed()), 0o600) }, second},
		"stdin": {&Cluster{Keeper: stdin, SeedFile: "-"}, nil, first},
		"node file": {&Cluster{Keeper: keeper(t), NodeFile: first, Reread: func() (signing.KeyPair,
			[]lattice.ClusterID, error) {
			return second, issuers, nil
		}}, nil, second},
		"token": {&Cluster{Keeper: keeper(t), Token: first.Seed()}, nil, first},
	} {
		c.cluster.Lattice, c.cluster.Issuers, c.cluster.Made = "demo", issuers, func() { made++ }
		ring, trusted, err := c.cluster.Load()
		if err != nil || ring.Signer().Seed() != first.Seed() || !slices.Equal(trusted, issuers) {
			t.Errorf("%s: trusts %v, %v", name, trusted, err)
			continue
		}
		if c.change != nil {
			if err := c.change(c.cluster); err != nil {
				t.Fatal(err)
			}
		}
		if ring, trusted, err = c.cluster.Reload(); err != nil || ring.Signer().Seed() != c.again.Seed() ||
			!slices.Equal(trusted, issuers) {
			t.Errorf("%s again: trusts %v, %v", name, trusted, err)
		}
	}
	kept := &Cluster{Keeper: keeper(t), Lattice: "demo", Made: func() { made++ }}
	ring, _, err := kept.Load()
	if err != nil || made != 1 {
		t.Fatalf("made %d times, %v", made, err)
	}
	if again, _, err := kept.Reload(); err != nil || again.Signer().Public() != ring.Signer().Public() || made != 1 {
		t.Errorf("made %d times, %v", made, err)
	}
}

// What a token brought is kept, where it can be rotated; a key of another origin is left alone.
func TestTheKeyOfATokenDoesNotReplaceAnother(t *testing.T) {
	brought, rotated, other := key(t, signing.KindCluster), key(t, signing.KindCluster), key(t, signing.KindCluster)
	c := &Cluster{Keeper: keeper(t), Lattice: "demo", Token: brought.Seed()}
	if _, _, err := c.Load(); err != nil {
		t.Fatal(err)
	}
	if err := (File{Keeper: c.Keeper, Lattice: "demo"}).Save(signing.RingOf(rotated)); err != nil {
		t.Fatal(err)
	}
	if ring, _, err := c.Reload(); err != nil || ring.Signer().Public() != rotated.Public() {
		t.Errorf("after a rotation: %v", err)
	}
	c = &Cluster{Keeper: keeper(t), Lattice: "demo", Token: brought.Seed()}
	f := File{Keeper: c.Keeper, Lattice: "demo"}
	store, err := c.Keeper.Store()
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Import("demo", other); err != nil {
		t.Fatal(err)
	}
	if ring, _, err := c.Load(); err != nil || ring.Signer().Public() != brought.Public() {
		t.Errorf("beside another: %v", err)
	}
	if ring, err := f.Load(); err != nil || ring.Signer().Public() != other.Public() {
		t.Errorf("the other: %v", err)
	}
}

// The passphrase is one line, and is needed once.
func TestPassphrase(t *testing.T) {
	asked := 0
	p := &Passphrase{FD: -1, Ask: func(string, bool) ([]byte, error) { asked++; return []byte("sesame"), nil }}
	for range 2 {
		if got, err := p.Get("a key", false); err != nil || string(got) != "sesame" {
			t.Errorf("%q, %v", got, err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	for text, want := range map[string]string{"sesame\r\n": "sesame", "se same": "se same", "": "it is empty",
		"\nsesame": "it is empty", "a\nb\n": "want one line",
		strings.Repeat("x", maxPassphraseFile+1): "want one line"} {
		got, err := (&Passphrase{FD: -1, File: file(t, text)}).Get("a key", false)
		if string(got) != want && (err == nil || !errors.Is(err, lattice.ErrInvalid) || !strings.Contains(err.Error(),
			want)) {
			t.Errorf("%.10q: %q, %v; want %s", text, got, err, want)
		}
	}
	if _, err := (&Passphrase{FD: 1 << 20}).Get("a key", false); err == nil || usage.Is(err) {
		t.Errorf("a descriptor that is none: %v", err)
	}
}
