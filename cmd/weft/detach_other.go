//go:build !unix

package main

import (
	"os"
	"syscall"
)

// canDetach says that "up -d" works on this system.
const canDetach = false

func detached() *syscall.SysProcAttr { return nil }

// terminate ends a process.
func terminate(pid int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Kill()
}
