package httpserver

import (
	"context"
	"errors"
	"net"
	"syscall"

	"github.com/weftlattice/weft/internal/netaddr"
	"golang.org/x/sys/unix"
)

// listenBeside listens on an address that overlaps with that of a socket of ours. The kernel allows it to sockets of
// one user that both share their port; they do so for this moment only, so that no other process gets in later.
func listenBeside(ctx context.Context, address string, have socket) (net.Listener, error) {
	for _, own := range []*net.TCPListener{have.TCPListener, have.narrow} {
		if own == nil {
			continue
		}
		raw, err := own.SyscallConn()
		if err != nil {
			return nil, err
		}
		if err := sharePort(raw, 1); err != nil {
			return nil, err
		}
		defer func() { _ = sharePort(raw, 0) }()
	}
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error { return sharePort(c, 1) }}
	ln, err := lc.Listen(ctx, netaddr.Network(address), address)
	if err != nil {
		return nil, err
	}
	raw, err := ln.(*net.TCPListener).SyscallConn()
	if err == nil {
		err = sharePort(raw, 0)
	}
	if err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	return ln, nil
}

// sharePort lets another socket listen on the same port, or no more.
func sharePort(c syscall.RawConn, on int) error {
	var err error
	if e := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT,
			on)
	}); e != nil {
		return e
	}
	return err
}
