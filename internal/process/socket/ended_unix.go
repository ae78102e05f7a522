//go:build unix

package socket

import "golang.org/x/sys/unix"

const supported = true

func broken(fd uintptr) bool {
	var b [1]byte
	_, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return err != nil && err != unix.EAGAIN && err != unix.EINTR
}
