//go:build unix

package supervisor

import "syscall"

// errBusy is the system's word for a program that somebody has open for writing.
const errBusy = syscall.ETXTBSY

func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// terminateGroup asks every process of the child's group to end.
func terminateGroup(pgid int) {
	if pgid > 1 {
		_ = syscall.Kill(-pgid, syscall.SIGTERM)
	}
}
