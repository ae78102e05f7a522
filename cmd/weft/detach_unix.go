//go:build unix

package main

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// canDetach says that "up -d" works on this system.
const canDetach = true

// detached are the attributes of a process that outlives this one and its terminal.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// terminate asks a process to end.
func terminate(pid int) error { return unix.Kill(pid, unix.SIGTERM) }
