//go:build unix

package natsserver

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/weftlattice/weft/lattice"
)

// dirLock keeps a second server out of a data directory: two would destroy each other's streams. The kernel drops it
// when the process dies, however it dies.
type dirLock struct{ f *os.File }

func lockDir(dir string) (*dirLock, error) {
	f, err := os.OpenFile(filepath.Join(dir, "nats.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, &lattice.Error{Code: lattice.ErrUnavailable, Op: "use data directory", Entity: dir, Err: err}
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, &lattice.Error{Code: lattice.ErrConflict, Op: "use data directory", Entity: dir,
				Detail: "another NATS server uses it; stop that one, join it, or choose another data directory"}
		}
		return nil, &lattice.Error{Code: lattice.ErrUnavailable, Op: "lock data directory", Entity: dir, Err: err}
	}
	return &dirLock{f}, nil
}

func (l *dirLock) release() error { return l.f.Close() }
