//go:build unix

package guard

import (
	"os"
	"syscall"
)

var ignored = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE}

// KillGroup kills every process of a group. Numbers below 2 are ignored, and so is a group that is gone.
func KillGroup(pgid int) {
	if pgid > 1 {
		_ = syscall.Kill(-pgid, syscall.SIGKILL)
	}
}
