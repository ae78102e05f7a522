//go:build !unix

package supervisor

import (
	"errors"
	"syscall"

	"github.com/weftlattice/weft/internal/guard"
)

var errBusy = errors.New("never")

func ownGroup() *syscall.SysProcAttr { return nil }

func ownSession() *syscall.SysProcAttr { return nil }

// terminateGroup kills, since there is no asking on this system.
func terminateGroup(pgid int) { guard.KillGroup(pgid) }
