//go:build unix

package background

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Supported says that this system has programs in the background.
const Supported = true

func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// Terminate asks a process to end.
func Terminate(pid int) error { return unix.Kill(pid, unix.SIGTERM) }
