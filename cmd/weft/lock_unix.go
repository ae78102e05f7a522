//go:build unix

package main

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/weftlattice/weft/lattice"
)

// canDetach says that "up -d" works on this system.
const canDetach = true

// lock takes a file's lock, which the kernel drops when the process dies, however it dies. ok is false when another
// process has it.
func lock(path string) (release func(), ok bool, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, false, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, false, &lattice.Error{Code: lattice.ErrUnavailable, Op: "use data directory", Entity: filepath.Dir(path), Err: err}
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, false, nil
		}
		return nil, false, err
	}
	return func() { _ = f.Close() }, true, nil
}

// detached are the attributes of a process that outlives this one and its terminal.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// terminate asks a process to end.
func terminate(pid int) error { return unix.Kill(pid, unix.SIGTERM) }
