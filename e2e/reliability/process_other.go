//go:build unix && !linux

package main

import "syscall"

// attributes make a process the head of a process group. There are no network namespaces here, so that none is started.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
