// Package localfile reads and writes the files that people name, and words what is wrong with them.
package localfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/weftlattice/weft/lattice"
)

// MaxBytes is how large a module, an archive or an executable may be.
const MaxBytes = 256 << 20

// Read reads a file of at most max bytes; a pipe will do. No such file is lattice.ErrNotFound. What cannot be read as
// it stands is lattice.ErrInvalid: a folder, an empty file, one that the user may not read. A larger one is
// lattice.ErrTooLarge.
func Read(path string, max int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, Error("open", path, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, max+1))
	switch {
	case err != nil:
		return nil, Error("read", path, err)
	case int64(len(data)) > max:
		return nil, &lattice.Error{Code: lattice.ErrTooLarge, Op: "read", Entity: path,
			Detail: "it has more than " + lattice.Size(max)}
	case len(data) == 0:
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "read", Entity: path, Detail: "it is empty"}
	}
	return data, nil
}

// Input reads a file, or stdin for "-", of at most max bytes. It may be empty. Errors are as with Read, but a folder
// and an empty file are told by what reads them.
func Input(path string, stdin io.Reader, max int64) ([]byte, error) {
	in := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, Error("read", path, err)
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, max+1))
	if err != nil {
		return nil, Error("read", path, err)
	}
	if int64(len(data)) > max {
		return nil, &lattice.Error{Code: lattice.ErrTooLarge, Op: "read", Entity: path,
			Detail: fmt.Sprintf("more than %d bytes", max)}
	}
	return data, nil
}

// Write replaces a file in one step, so that nobody ever reads half of it.
func Write(path string, data []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".weft-*")
	if err != nil {
		return Error("write", path, err)
	}
	defer os.Remove(f.Name()) // gone already when all went well
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}

// Error gives a system's error about a file the code of its kind, and says what to do where the file is not what the
// user took it for.
func Error(op, path string, err error) error {
	e := &lattice.Error{Code: lattice.ErrInternal, Op: op, Entity: path, Detail: err.Error()}
	var p *fs.PathError
	if errors.As(err, &p) {
		e.Detail = p.Err.Error()
	}
	info, statErr := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Code = lattice.ErrNotFound
	case errors.Is(err, fs.ErrPermission):
		e.Code, e.Detail = lattice.ErrInvalid, "permission denied"
		if statErr == nil {
			e.Detail += fmt.Sprintf("; its mode is %s, and this user has the id %d", info.Mode(), os.Getuid())
		}
	case statErr == nil && info.IsDir():
		e.Code, e.Detail = lattice.ErrInvalid, "it is a folder, and a file is wanted"
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.ENAMETOOLONG):
		e.Code = lattice.ErrInvalid
	}
	return e
}
