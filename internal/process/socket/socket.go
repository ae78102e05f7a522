// Package socket reads from and writes to sockets at less cost than package net.
//
// Sockets of package net never wait in the kernel, but the runtime prepares for each call as if they might: a call that
// takes longer than 20 microseconds, as a write over loopback that delivers its bytes right away may, costs it a
// processor, another thread and a wake-up. Here the kernel is called without that preparation where that is possible
// (Linux). Such a call holds up a garbage collection that wants to begin for as long as it takes, like any other code
// between two safe points.
package socket

import (
	"io"
	"net"
	"syscall"
)

// Socket is a connection with an operating system's socket. One goroutine may read while another one writes.
type Socket struct {
	net.Conn
	raw syscall.RawConn
	in  operation
	out operation
}

// operation is a read or a write in progress. Its function is made once, so that calls need no memory.
type operation struct {
	try func(fd uintptr) bool
	b   []byte
	n   int
	err error
}

// New returns nil for connections that are no sockets, and where the system has no way to call them without waiting.
func New(conn net.Conn) *Socket {
	sc, ok := conn.(syscall.Conn)
	if !ok || !supported {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	s := &Socket{Conn: conn, raw: raw}
	s.in.try = func(fd uintptr) bool {
		s.in.n, s.in.err = read(fd, s.in.b)
		return s.in.err != syscall.EAGAIN // else it is called again when there is something
	}
	s.out.try = func(fd uintptr) bool {
		s.out.n, s.out.err = write(fd, s.out.b)
		return true // and does not wait
	}
	return s
}

// Read is that of net.Conn, with its deadline.
func (s *Socket) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := s.in.do(s.raw.Read, p)
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

// TryWrite writes as much of p as the socket takes at once, which may be nothing.
func (s *Socket) TryWrite(p []byte) (int, error) {
	n, err := s.out.do(s.raw.Write, p)
	if err == syscall.EAGAIN {
		err = nil
	}
	return n, err
}

// Write is that of net.Conn. Only what the socket does not take at once waits, with the deadline.
func (s *Socket) Write(p []byte) (int, error) {
	n, err := s.TryWrite(p)
	if err != nil || n == len(p) {
		return n, err
	}
	more, err := s.Conn.Write(p[n:])
	return n + more, err
}

// Broken reports whether the connection is broken; that the other end has only ended its side is no such thing. Nothing
// is taken from the socket; while there is something to read, it cannot tell. It may be called at any time from any
// goroutine.
func (s *Socket) Broken() bool {
	failed := false
	if err := s.raw.Control(func(fd uintptr) { failed = broken(fd) }); err != nil {
		return true
	}
	return failed
}

// do does it by the function of a RawConn.
func (o *operation) do(by func(func(uintptr) bool) error, p []byte) (int, error) {
	o.b = p
	err := by(o.try)
	n, cause := max(o.n, 0), o.err
	o.b, o.n, o.err = nil, 0, nil
	if err != nil {
		return 0, err
	}
	return n, cause
}
