//go:build !unix

package guard

import "os"

var ignored = []os.Signal{os.Interrupt}

// KillGroup kills the process of that number; there are no process groups on this system.
func KillGroup(pgid int) {
	if p, err := os.FindProcess(pgid); err == nil {
		_ = p.Kill()
		_ = p.Release()
	}
}
