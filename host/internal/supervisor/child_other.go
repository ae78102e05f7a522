//go:build !unix

package supervisor

import (
	"syscall"

	"github.com/weftlattice/weft/host/guard"
)

func ownGroup() *syscall.SysProcAttr { return nil }

func ownSession() *syscall.SysProcAttr { return nil }

// terminateGroup kills, since there is no asking on this system.
func terminateGroup(pgid int) { guard.KillGroup(pgid) }
