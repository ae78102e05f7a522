package datadir

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/weftlattice/weft/lattice"
)

// asNobody calls f as a user who may not do everything, as root may.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Getuid() != 0 {
		f()
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const nobody = 65534
	if err := syscall.Setfsuid(nobody); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Setfsuid(0) }()
	f()
}

// Whatever first needs the directory, the error names it, whose fault it is and the way out.
func TestAReadOnlyDirectoryIsNamedWithTheWayOut(t *testing.T) {
	parent := t.TempDir()
	if err := errors.Join(os.Chmod(filepath.Dir(parent), 0o755), os.Chmod(parent, 0o555)); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(parent, 0o755)
	here := Dir(parent)
	for name, use := range map[string]func() error{
		"claim":   func() error { _, err := here.ClaimUp(); return err },
		"log":     func() error { _, err := here.OpenLog(); return err },
		"host":    func() error { _, _, err := here.LockHost("default"); return err },
		"keys":    func() error { _, err := here.Keys(); return err },
		"missing": func() error { return Dir(parent + "/not/there").Make() },
	} {
		var err error
		asNobody(t, func() { err = use() })
		if err == nil {
			t.Errorf("%s: it can be written to", name)
			continue
		}
		err = here.Explain(err)
		for _, part := range []string{"use data directory " + parent, "permission denied", "may not write there",
			"dr-xr-xr-x", "--data-dir or WEFT_DATA_DIR"} {
			if !errors.Is(err, lattice.ErrInvalid) || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v\nwant %s", name, err, part)
			}
		}
	}
}
