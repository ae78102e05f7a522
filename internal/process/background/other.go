//go:build !unix

package background

import (
	"os"
	"syscall"
)

// Supported says that this system has programs in the background.
const Supported = false

func attributes() *syscall.SysProcAttr { return nil }

// Terminate ends a process.
func Terminate(pid int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Kill()
}
