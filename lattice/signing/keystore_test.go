package signing

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/weftlattice/weft/lattice"
)

func openTemp(t *testing.T) *Keystore {
	t.Helper()
	s, err := OpenKeystore(filepath.Join(t.TempDir(), "a", "keys"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestKeystore(t *testing.T) {
	s := openTemp(t)
	k, created, err := s.LoadOrCreate(KindAccount, "default")
	if err != nil || !created || k.Kind() != KindAccount {
		t.Fatalf("%v %v %v", k, created, err)
	}
	path := filepath.Join(s.Dir(), "account_default.nk")
	for p, want := range map[string]fs.FileMode{s.Dir(): 0o700, path: 0o600} {
		if info, err := os.Stat(p); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v", p, info.Mode(), err)
		}
	}
	if text, _ := os.ReadFile(path); string(text) != k.Seed()+"\n" {
		t.Error("the file does not hold the seed")
	}
	again, err := OpenKeystore(s.Dir())
	if err != nil {
		t.Fatal(err)
	}
	if got, created, err := again.LoadOrCreate(KindAccount, "default"); err != nil || created ||
		got.Public() != k.Public() {
		t.Errorf("second time: %v %v %v", got, created, err)
	}
	other, _, err := s.LoadOrCreate(KindCluster, "default")
	if err != nil || other.Kind() != KindCluster {
		t.Errorf("another kind of the same name: %v", err)
	}
	if entries, _ := os.ReadDir(s.Dir()); len(entries) != 2 {
		t.Errorf("stray files: %v", entries)
	}
	if _, err := s.Load(KindModule, "default"); lattice.CodeOf(err) != lattice.ErrNotFound {
		t.Errorf("missing key: %v", err)
	}
}

func TestKeystoreImportAndList(t *testing.T) {
	s, k := openTemp(t), goldenKey(t, 'M')
	for range 2 {
		if err := s.Import("my_actor.v1", k); err != nil {
			t.Fatal(err)
		}
	}
	fresh, _ := New(KindModule)
	if err := s.Import("my_actor.v1", fresh); lattice.CodeOf(err) != lattice.ErrConflict {
		t.Errorf("another key: %v", err)
	}
	if err := s.Import("x", KeyPair{}); lattice.CodeOf(err) != lattice.ErrInvalid {
		t.Errorf("no key: %v", err)
	}
	if err := s.Import("b", goldenKey(t, 'A')); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"notes.txt": "x", ".new-1": k.Seed(), "sort_x.nk": k.Seed(),
		"actor_x.nk": k.Seed(), "module.nk": k.Seed(),
		"account_broken.nk": "SA", "host_wrong.nk": k.Seed()} {
		if err := os.WriteFile(filepath.Join(s.Dir(), name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list, err := s.List()
	want := []KeyInfo{{"b", "account", goldenKey(t, 'A').Public(), false}, {"my_actor.v1", "module", k.Public(), false}}
	if !reflect.DeepEqual(list, want) {
		t.Errorf("got %v", list)
	}
	if err == nil || !strings.Contains(err.Error(), "account_broken.nk") || !strings.Contains(err.Error(),
		"host_wrong.nk") ||
		strings.Contains(err.Error(), k.Seed()) {
		t.Errorf("broken files: %v", err)
	}
}

func TestKeystoreRefusals(t *testing.T) {
	s := openTemp(t)
	if _, _, err := s.LoadOrCreate(KindAccount, "default"); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(s.Dir(), "account_default.nk")
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o610, 0o602, 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, created, err := s.LoadOrCreate(KindAccount, "default")
		if lattice.CodeOf(err) != lattice.ErrInvalid || created || !strings.Contains(err.Error(),
			"chmod 600 '"+path+"'") {
			t.Errorf("%o: %v", mode, err)
		}
	}
	if err := os.Chmod(s.Dir(), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenKeystore(s.Dir()); lattice.CodeOf(err) != lattice.ErrInvalid || !strings.Contains(err.Error(),
		"chmod 700 '"+s.Dir()+"'") {
		t.Errorf("open directory: %v", err)
	}
	for _, name := range []string{"", "a/b", "..\\x", "a b", "é", "a\x00", strings.Repeat("a", 65)} {
		if _, _, err := s.LoadOrCreate(KindAccount, name); lattice.CodeOf(err) != lattice.ErrInvalid {
			t.Errorf("name %q: %v", name, err)
		}
	}
	if _, _, err := s.LoadOrCreate('X', "a"); lattice.CodeOf(err) != lattice.ErrInvalid {
		t.Errorf("kind: %v", err)
	}
	for name, prepare := range map[string]func(string) error{
		"folder":  func(p string) error { return os.Mkdir(p, 0o700) },
		"empty":   func(p string) error { return os.WriteFile(p, nil, 0o600) },
		"garbage": func(p string) error { return os.WriteFile(p, []byte("hello"), 0o600) },
		"large":   func(p string) error { return os.WriteFile(p, []byte(strings.Repeat(" ", 2000)), 0o600) },
		"kind":    func(p string) error { return os.WriteFile(p, []byte(goldenKeys[0].seed), 0o600) },
		"two keys": func(p string) error {
			return os.WriteFile(p, []byte(goldenKeys[2].seed+"\n"+goldenKeys[2].seed), 0o600)
		},
	} {
		p := filepath.Join(s.Dir(), "account_"+filepath.Base(strings.ReplaceAll(name, " ", "-"))+".nk")
		if err := prepare(p); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.LoadOrCreate(KindAccount,
			strings.ReplaceAll(name, " ", "-")); lattice.CodeOf(err) != lattice.ErrInvalid ||
			!strings.Contains(err.Error(), p) {
			t.Errorf("%s: %v", name, err)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenKeystore(file); err == nil {
		t.Error("a file as key store")
	}
	var pathErr *fs.PathError
	if _, err := s.Load(KindHost, "x"); !errors.As(err, &pathErr) {
		t.Errorf("the cause is lost: %v", err)
	}
}

// All who race for a new key must end up with the same one.
func TestKeystoreRace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	for _, name := range []string{"a", "b", "c", "d"} {
		var wg sync.WaitGroup
		var mu sync.Mutex
		got, makers := map[string]bool{}, 0
		for range 16 {
			wg.Go(func() {
				s, err := OpenKeystore(dir)
				if err != nil {
					t.Error(err)
					return
				}
				k, created, err := s.LoadOrCreate(KindCluster, name)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				got[k.Public()] = true
				if created {
					makers++
				}
			})
		}
		wg.Wait()
		if len(got) != 1 || makers != 1 {
			t.Errorf("%s: %d keys, made %d times", name, len(got), makers)
		}
	}
}
