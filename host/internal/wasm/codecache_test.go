package wasm_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/lattice"
)

// compileIn compiles "echo" with compiled code kept in dir, makes a call, and returns what is in dir then.
func compileIn(t *testing.T, dir string, meanwhile func()) map[string][]byte {
	t.Helper()
	e, err := wasm.New(t.Context(), wasm.Config{CacheDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(context.Background())
	meanwhile()
	i, err := compile(t, e, load(t, "echo")).Instantiate(t.Context(), wasm.Limits{}, &host{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := i.Call(t.Context(), "x", []byte("hi")); string(out) != "hi" || err != nil {
		t.Fatalf("%q, %v", out, err)
	}
	return files(t, dir)
}

func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		found[path], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func nothing() {}

// Compiled code that is damaged in whatever way is not executed and stops nobody: it is compiled again.
func TestDamagedCodeIsCompiledAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "code")
	good := compileIn(t, dir, nothing)
	var code, sum string
	for path := range good {
		if strings.HasSuffix(path, ".sum") {
			sum = path
		} else {
			code = path
		}
	}
	if len(good) != 2 || sum != code+".sum" {
		t.Fatalf("%d files, %s and %s", len(good), code, sum)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	write := func(path string, b []byte) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	damages := map[string]func(){
		"no checksum": func() { _ = os.Remove(sum) },
		"empty":       func() { write(code, nil) },
		"longer":      func() { write(code, append(append([]byte{}, good[code]...), 0)) },
		"other":       func() { write(code, []byte("WAZEVO and so on")) },
	}
	for _, at := range []int{0, 6, 9, 15, 18, 30, 60, len(good[code]) / 2, len(good[code]) - 1} {
		flipped := append([]byte{}, good[code]...)
		flipped[at] ^= 0x80
		damages[fmt.Sprint("flipped at ", at)] = func() { write(code, flipped) }
		damages[fmt.Sprint("cut at ", at)] = func() { write(code, good[code][:at]) }
	}
	for name, damage := range damages {
		damage()
		after := compileIn(t, dir, nothing)
		if len(after) != 2 || string(after[code]) != string(good[code]) {
			t.Errorf("%s: %d files, the code is right: %t", name, len(after), string(after[code]) == string(good[code]))
		}
	}
	// Also when it happens while the engine runs, as far as the engine notices.
	for name, damage := range map[string]func(){
		"empty": damages["empty"], "other": damages["other"],
		"code": func() { b := append([]byte{}, good[code]...); b[len(b)/2] ^= 1; write(code, b) },
	} {
		if after := compileIn(t, dir, damage); string(after[code]) != string(good[code]) {
			t.Errorf("meanwhile %s: not compiled again", name)
		}
		_ = compileIn(t, dir, nothing) // brings the checksum up to date
	}
}

func TestCodeThatOthersCanWriteIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "code")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o770); err != nil {
		t.Fatal(err)
	}
	_, err := wasm.New(t.Context(), wasm.Config{CacheDir: dir})
	wantCode(t, err, lattice.ErrInvalid)
	if !strings.Contains(err.Error(), "chmod 700") {
		t.Error(err)
	}
}
