//go:build unix

package files

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/weftlattice/weft/lattice"
)

// Lock is the lock of a file, which the kernel drops when the process dies, however it dies.
type Lock struct{ f *os.File }

// TryLock takes the lock of a file, which is made where it is missing (mode 0600). It is lattice.ErrConflict when
// another process, or another Lock of this one, has it. Where the system has no such locks, every caller gets one.
func TryLock(path string) (*Lock, error) { return lock(path, os.O_CREATE) }

func lock(path string, flag int) (*Lock, error) {
	f, err := os.OpenFile(path, flag|os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, &lattice.Error{Code: lattice.ErrConflict, Op: "lock", Entity: path,
				Detail: "another process has it"}
		}
		return nil, &fs.PathError{Op: "lock", Path: path, Err: err}
	}
	return &Lock{f}, nil
}

// Release gives the lock up. The file stays.
func (l *Lock) Release() error { return l.f.Close() }

// abandoned takes the lock of a process that is gone; nil when it is not.
func abandoned(path string, dir fs.FileInfo) *Lock {
	if stat, ok := dir.Sys().(*syscall.Stat_t); !ok || int(stat.Uid) != os.Getuid() {
		return nil
	}
	l, err := lock(path, 0)
	if err != nil {
		return nil
	}
	return l
}
