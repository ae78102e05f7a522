//go:build unix

package http1

import "golang.org/x/sys/unix"

const canPeek = true

// gone reports whether the client has closed its side. Nothing is taken from the socket; while the client's next request
// waits there, nobody can tell.
func (c *conn) gone() bool {
	gone := false
	if err := c.raw.Control(func(fd uintptr) {
		var b [1]byte
		n, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		gone = err == nil && n == 0 || err != nil && err != unix.EAGAIN && err != unix.EINTR
	}); err != nil {
		return true
	}
	return gone
}
