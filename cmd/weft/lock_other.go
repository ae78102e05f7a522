//go:build !unix

package main

import (
	"os"
	"syscall"
)

// canDetach says that "up -d" works on this system.
const canDetach = false

// lock does nothing where the system has no flock.
func lock(string) (release func(), ok bool, err error) { return func() {}, true, nil }

func detached() *syscall.SysProcAttr { return nil }

// terminate ends a process.
func terminate(pid int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Kill()
}
