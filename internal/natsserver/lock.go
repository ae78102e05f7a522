package natsserver

import (
	"path/filepath"

	"github.com/weftlattice/weft/internal/files"
	"github.com/weftlattice/weft/lattice"
)

// lockDir keeps a second server out of a data directory: two would destroy each other's streams.
func lockDir(dir string) (*files.Lock, error) {
	l, err := files.TryLock(filepath.Join(dir, "nats.lock"))
	switch {
	case err == nil:
		return l, nil
	case lattice.CodeOf(err) == lattice.ErrConflict:
		return nil, &lattice.Error{Code: lattice.ErrConflict, Op: "use data directory", Entity: dir,
			Detail: "another NATS server uses it; stop that one, join it, or choose another data directory"}
	}
	return nil, &lattice.Error{Code: lattice.ErrUnavailable, Op: "use data directory", Entity: dir, Err: err}
}
