// Package linkfile reads the small files that settings name: certificates, keys, authorities.
//
// A name may come from an operator who may put links but not log in to the host. So what it leads to is looked at
// before it is read: a regular file of bounded size, never a device, a pipe or a folder, and, with Folders, only below
// the folders that the host's operator allows. Nothing here waits for another process, except for a file system that
// hangs.
package linkfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/weftlattice/weft/lattice"
)

// MaxBytes is how large a file may be: 1 MiB, which holds all authorities of a system several times.
const MaxBytes = 1 << 20

// Read reads a file that the operator of this process has named. Errors name the file and its kind:
// lattice.ErrNotFound, lattice.ErrDenied for what may not be read, lattice.ErrTooLarge, lattice.ErrInvalid for what is
// no regular file.
func Read(path string) ([]byte, error) {
	return read(path, os.Stat, func(name string) (*os.File, error) { return os.OpenFile(name, flags, 0) }, path)
}

// Folders are those below which files may lie that link values name. The empty list allows none.
type Folders []string

// Read reads the file that a link value names: an absolute path below one of the folders, or one relative to a folder,
// which the first one decides that has such a file. A symbolic link may lead to another place in the same folder, by a
// relative path, but not out of it. Errors are those of the function Read, Mendable; what lies elsewhere is
// lattice.ErrDenied, whether there is such a file or not.
func (f Folders) Read(path string) ([]byte, error) {
	missing := error(nil)
	for _, dir := range f {
		name, inside := below(dir, path)
		if !inside {
			continue
		}
		data, err := readBelow(dir, name, path)
		err = Mendable(err)
		if errors.Is(err, lattice.ErrNotFound) && !filepath.IsAbs(path) {
			missing = err
			continue
		}
		return data, err
	}
	if missing != nil {
		return nil, missing
	}
	return nil, &lattice.Error{Code: lattice.ErrDenied, Op: "read", Entity: lattice.Printable(path),
		Detail: f.allowed()}
}

// Mendable makes an error about what a file holds or is, lattice.ErrInvalid or lattice.ErrTooLarge, one of
// lattice.ErrUnavailable: the values of the link that names it are good, and replacing the file mends the link. So the
// link is tried again.
func Mendable(err error) error {
	var e *lattice.Error
	if errors.As(err, &e) && (e.Code == lattice.ErrInvalid || e.Code == lattice.ErrTooLarge) {
		mendable := *e
		mendable.Code = lattice.ErrUnavailable
		return &mendable
	}
	return err
}

func (f Folders) allowed() string {
	const way = "move it there, or start the host with --files-dir DIR"
	if len(f) == 0 {
		return "links of this host may name no files; start the host with --files-dir DIR"
	}
	return "files of links must lie below " + strings.Join(f, ", ") + "; " + way
}

// below is the path of a file inside a folder.
func below(dir, path string) (name string, ok bool) {
	if filepath.IsAbs(path) {
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return "", false
		}
		path = rel
	}
	path = filepath.Clean(path)
	return path, filepath.IsLocal(path) && path != "."
}

func readBelow(dir, name, path string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, failure(path, err)
	}
	defer root.Close()
	data, err := read(name, root.Stat, func(name string) (*os.File, error) { return root.OpenFile(name, flags, 0) },
		path)
	var refused *os.PathError
	var system syscall.Errno
	if errors.As(err, &refused) && !errors.As(err, &system) { // by the library, whose error for it has no name
		return nil, &lattice.Error{Code: lattice.ErrDenied, Op: "read", Entity: lattice.Printable(path),
			Detail: "a symbolic link leads out of " + dir + "; it may only lead to a place inside, by a relative path",
			Err:    err}
	}
	return data, err
}

// flags open a pipe or a device without waiting; neither is read.
const flags = os.O_RDONLY | syscall.O_NONBLOCK

// read looks at what a name leads to, opens it, looks again, since it may have been replaced, and reads it.
func read(name string, stat func(string) (fs.FileInfo, error), open func(string) (*os.File, error),
	path string) ([]byte, error) {
	info, err := stat(name) // before opening, which has effects on some devices
	if err != nil {
		return nil, failure(path, err)
	}
	if err := fit(path, info); err != nil {
		return nil, err
	}
	file, err := open(name)
	if err != nil {
		return nil, failure(path, err)
	}
	defer file.Close()
	if info, err = file.Stat(); err != nil {
		return nil, failure(path, err)
	}
	if err := fit(path, info); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(file, MaxBytes+1))
	switch {
	case err != nil:
		return nil, failure(path, err)
	case len(data) > MaxBytes: // it grows
		return nil, tooLarge(path, int64(len(data)))
	}
	return data, nil
}

// fit refuses what is no regular file of the size allowed.
func fit(path string, info fs.FileInfo) error {
	switch mode := info.Mode(); {
	case mode.IsRegular() && info.Size() <= MaxBytes:
		return nil
	case mode.IsRegular():
		return tooLarge(path, info.Size())
	default:
		return &lattice.Error{Code: lattice.ErrInvalid, Op: "read", Entity: lattice.Printable(path),
			Detail: "it is " + kind(mode) + ", not a regular file"}
	}
}

func tooLarge(path string, size int64) error {
	return &lattice.Error{Code: lattice.ErrTooLarge, Op: "read", Entity: lattice.Printable(path),
		Detail: fmt.Sprintf("it has %d bytes or more; %d at most are read", size, MaxBytes)}
}

func kind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "something else"
}

// failure gives an error of the system its code.
func failure(path string, err error) error {
	e := &lattice.Error{Code: lattice.ErrInvalid, Op: "read", Entity: lattice.Printable(path), Err: err}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Code, e.Detail = lattice.ErrNotFound, "there is no such file"
	case errors.Is(err, fs.ErrPermission):
		e.Code, e.Detail = lattice.ErrDenied, "the user that the host runs as may not read it"
	case errors.Is(err, syscall.ELOOP):
		e.Detail = "its symbolic links go in a circle"
	}
	return e
}
