//go:build unix

package channel

import (
	"errors"
	"net"
	"syscall"
)

// direct writes to a socket without waiting.
type direct struct {
	raw syscall.RawConn
	try func(fd uintptr) bool

	// Of the write in progress; there is one at a time.
	out []byte
	n   int
	err error
}

// newDirect returns nil for connections that are no sockets.
func newDirect(conn net.Conn) *direct {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	d := &direct{raw: raw}
	d.try = func(fd uintptr) bool {
		for {
			d.n, d.err = syscall.Write(int(fd), d.out)
			if d.err != syscall.EINTR {
				return true // and do not wait
			}
		}
	}
	return d
}

// write returns how much the socket has taken.
func (d *direct) write(out []byte) (int, error) {
	d.out = out
	err := d.raw.Write(d.try)
	n, werr := d.n, d.err
	d.out, d.n, d.err = nil, 0, nil
	if err != nil {
		return 0, err
	}
	if errors.Is(werr, syscall.EAGAIN) {
		return 0, nil
	}
	return max(n, 0), werr
}
