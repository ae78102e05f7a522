//go:build unix && (!linux || race)

package socket

import "syscall"

func read(fd uintptr, p []byte) (int, error)  { return again(syscall.Read, fd, p) }
func write(fd uintptr, p []byte) (int, error) { return again(syscall.Write, fd, p) }

func again(call func(int, []byte) (int, error), fd uintptr, p []byte) (int, error) {
	for {
		if n, err := call(int(fd), p); err != syscall.EINTR {
			return n, err
		}
	}
}
