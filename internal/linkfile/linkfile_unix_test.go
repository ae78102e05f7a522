//go:build unix

package linkfile_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weftlattice/weft/internal/linkfile"
	"github.com/weftlattice/weft/lattice"
)

func write(t *testing.T, path string, size int) string {
	t.Helper()
	if err := os.WriteFile(path, bytes.Repeat([]byte("x"), size), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func link(t *testing.T, to, path string) string {
	t.Helper()
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// A pipe without a writer would block the process that opens it; /dev/zero never ends.
func TestOnlySmallRegularFilesAreReadAndNothingWaits(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := syscall.Mkfifo(in("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(in("folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, in("largest"), linkfile.MaxBytes)
	write(t, in("larger"), linkfile.MaxBytes+1)
	link(t, "circle", in("circle"))
	for name, tc := range map[string]struct {
		path, detail string
		code         lattice.Code
	}{
		"zeroes without end": {"/dev/zero", "it is a device, not a regular file", lattice.ErrInvalid},
		"pipe":               {in("pipe"), "it is a pipe, not a regular file", lattice.ErrInvalid},
		"folder":             {in("folder"), "it is a folder, not a regular file", lattice.ErrInvalid},
		"circle":             {in("circle"), "circle", lattice.ErrInvalid},
		"missing":            {in("missing"), "there is no such file", lattice.ErrNotFound},
		"too large":          {in("larger"), "1048576 at most", lattice.ErrTooLarge},
	} {
		for way, read := range map[string]func(string) ([]byte, error){"": linkfile.Read,
			" in a folder": linkfile.Folders{dir, "/dev"}.Read} {
			_, err := read(tc.path)
			code := tc.code
			if way != "" && code != lattice.ErrNotFound { // a link's file: replacing it mends the link
				code = lattice.ErrUnavailable
			}
			if lattice.CodeOf(err) != code || !strings.Contains(err.Error(), tc.detail) ||
				!strings.Contains(err.Error(), lattice.Printable(tc.path)) {
				t.Errorf("%s%s: %v, want %v with %q", name, way, err, code, tc.detail)
			}
		}
	}
	if data, err := linkfile.Read(in("largest")); err != nil || len(data) != linkfile.MaxBytes {
		t.Errorf("a file of the greatest size: %d bytes, %v", len(data), err)
	}
	// /proc files say that they are empty, and are not.
	if data, err := linkfile.Read("/proc/self/status"); err != nil || len(data) == 0 {
		t.Errorf("/proc/self/status: %d bytes, %v", len(data), err)
	}
}

func TestLinksReadNoFileOutsideOfTheAllowedFolders(t *testing.T) {
	base := t.TempDir()
	first, second, other := filepath.Join(base, "first"), filepath.Join(base, "second"),
		filepath.Join(base, "firstborn")
	for _, dir := range []string{first, second, other, filepath.Join(first, "..data")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	secret := write(t, filepath.Join(other, "secret"), 7)
	write(t, filepath.Join(first, "..data", "cert"), 1)
	link(t, "..data/cert", filepath.Join(first, "cert")) // as Kubernetes mounts secrets
	write(t, filepath.Join(second, "cert"), 2)
	write(t, filepath.Join(second, "key"), 3)
	link(t, secret, filepath.Join(first, "absolute"))
	link(t, "../firstborn/secret", filepath.Join(first, "relative"))
	link(t, "../firstborn", filepath.Join(first, "folder"))
	folders := linkfile.Folders{first, second}
	for path, size := range map[string]int{
		"cert": 1, filepath.Join(first, "cert"): 1, "key": 3, filepath.Join(second, "cert"): 2, "./key": 3,
		first + "//cert": 1,
		filepath.Join(base, "second/../first/cert"): 1,
	} {
		if data, err := folders.Read(path); err != nil || len(data) != size {
			t.Errorf("%s: %d bytes, %v; want %d", path, len(data), err, size)
		}
	}
	for _, path := range []string{secret, filepath.Join(other, "missing"), "../firstborn/secret",
		first + "/../firstborn/secret", "/etc/passwd",
		filepath.Join(first, "absolute"), filepath.Join(first, "relative"), filepath.Join(first, "folder", "secret"),
		"folder/secret", first, ".", ""} {
		data, err := folders.Read(path)
		if lattice.CodeOf(err) != lattice.ErrDenied || data != nil {
			t.Errorf("%q: %d bytes, %v; want denied", path, len(data), err)
		}
	}
	if _, err := folders.Read(secret); err == nil || !strings.Contains(err.Error(), first) ||
		!strings.Contains(err.Error(), "--files-dir DIR") {
		t.Errorf("%v; want the folders and the flag", err)
	}
	if _, err := (linkfile.Folders{}).Read(secret); err == nil || !strings.Contains(err.Error(), "--files-dir DIR") {
		t.Errorf("without folders: %v", err)
	}
	if _, err := folders.Read("missing"); lattice.CodeOf(err) != lattice.ErrNotFound {
		t.Errorf("a missing file: %v", err)
	}
}
