package main

import (
	"os"
	"path/filepath"

	"github.com/weftlattice/weft/internal/files"
	"github.com/weftlattice/weft/lattice"
)

// lock takes a file's lock until release. ok is false when another process has it.
func lock(path string) (release func(), ok bool, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, false, err
	}
	l, err := files.TryLock(path)
	switch {
	case err == nil:
		return func() { _ = l.Release() }, true, nil
	case lattice.CodeOf(err) == lattice.ErrConflict:
		return nil, false, nil
	}
	return nil, false, &lattice.Error{Code: lattice.ErrUnavailable, Op: "use data directory", Entity: filepath.Dir(path), Err: err}
}
