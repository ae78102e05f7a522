package localfile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftlattice/weft/lattice"
)

func TestInput(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := Write(path, []byte("from the file"), 0o600); err != nil {
		t.Fatal(err)
	}
	stdin := func() *strings.Reader { return strings.NewReader("from outside") }
	for name, want := range map[string]string{path: "from the file", "-": "from outside"} {
		if got, err := Input(name, stdin(), 100); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
		if _, err := Input(name, stdin(), 5); !errors.Is(err, lattice.ErrTooLarge) || !strings.Contains(err.Error(),
			"more than 5 bytes") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Input(path+"2", stdin(), 5); !errors.Is(err, lattice.ErrNotFound) || !strings.Contains(err.Error(),
		path+"2") {
		t.Error(err)
	}
}

// A file is replaced in one step, with the mode that is asked for, and nothing is left beside it.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, text := range []string{"first", "second"} {
		if err := Write(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	info, statErr := os.Stat(path)
	entries, _ := os.ReadDir(dir)
	if err != nil || statErr != nil || string(got) != "second" || info.Mode().Perm() != 0o640 || len(entries) != 1 {
		t.Errorf("%q, %v, %d files, %v, %v", got, info, len(entries), err, statErr)
	}
	if err := Write(filepath.Join(dir, "none", "file"), nil, 0o600); !errors.Is(err, lattice.ErrNotFound) {
		t.Error(err)
	}
}
