package httpserver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/weftlattice/weft/internal/netaddr"
)

// drainPause is how long a socket goes on accepting when another one has taken over from it, since what had come to it
// before would be reset; and then how long the requests of the connections that it took last have to come.
const drainPause = 100 * time.Millisecond

// socket is what a listener listens on: the socket of its address, and perhaps one of a narrower address that it has
// taken over, whose clients would be refused while it closes.
type socket struct {
	*net.TCPListener
	narrow *net.TCPListener // nil: there is none
}

// listen opens the socket of an address. from, which may be nil, has the same port and is about to end: the new socket
// takes over from it while both are open, so that no client is refused in between.
func listen(ctx context.Context, address string, from *listener) (s socket, err error) {
	if from == nil {
		return plain((&net.ListenConfig{}).Listen(ctx, netaddr.Network(address), address))
	}
	same := from.intake.TCPListener
	if n := from.intake.narrow; n != nil && n.Addr().String() == address {
		same = n
	} else if from.address != address {
		same = nil
	}
	if same != nil {
		s.TCPListener, err = again(same)
	} else {
		s, err = plain(listenBeside(ctx, address, from.intake.socket))
	}
	if err != nil {
		return s, err
	}
	for _, have := range []*net.TCPListener{from.intake.narrow, from.intake.TCPListener} {
		if have == nil || have == same || !covers(address, have.Addr().String()) {
			continue
		}
		if s.narrow, err = again(have); err != nil {
			s.close()
		}
		return s, err
	}
	return s, nil
}

func plain(ln net.Listener, err error) (socket, error) {
	if err != nil {
		return socket{}, err
	}
	return socket{TCPListener: ln.(*net.TCPListener)}, nil
}

// again returns the same socket once more: connections that have not been accepted wait for the listener that is left.
func again(have *net.TCPListener) (*net.TCPListener, error) {
	file, err := have.File()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	ln, err := net.FileListener(file)
	if err != nil {
		return nil, err
	}
	return ln.(*net.TCPListener), nil
}

func (s socket) close() {
	_ = s.TCPListener.Close()
	if s.narrow != nil {
		_ = s.narrow.Close()
	}
}

// intake is what a server accepts from. It can let its sockets go before it closes, so that the connections that it
// took last are still served, and do not end with the server.
type intake struct {
	socket
	conns    chan net.Conn // where there are two sockets
	closed   chan struct{}
	begin    sync.Once
	let, end sync.Once
	wg       sync.WaitGroup // of the goroutines that accept where there are two sockets

	mu  sync.Mutex
	err error // of a socket, guarded by mu
}

func newIntake(s socket) *intake {
	return &intake{socket: s, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Accept is that of net.Listener.
func (in *intake) Accept() (net.Conn, error) {
	if in.narrow == nil {
		c, err := in.TCPListener.Accept()
		if errors.Is(err, net.ErrClosed) {
			<-in.closed
		}
		return c, err
	}
	in.begin.Do(func() {
		for _, ln := range []*net.TCPListener{in.TCPListener, in.narrow} {
			in.wg.Go(func() { in.take(ln) })
		}
	})
	select {
	case c := <-in.conns:
		return c, nil
	case <-in.closed:
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	return nil, in.err
}

// take hands on what comes to one of two sockets.
func (in *intake) take(ln *net.TCPListener) {
	for {
		c, err := ln.Accept()
		var passing interface{ Temporary() bool }
		switch {
		case errors.As(err, &passing) && passing.Temporary():
			time.Sleep(5 * time.Millisecond) // as net/http does, for want of files
			continue
		case err != nil:
			in.fail(err)
			return
		}
		select {
		case in.conns <- c:
		case <-in.closed:
			_ = c.Close()
			return
		}
	}
}

// fail keeps the first error, and ends the intake unless it was closed on purpose.
func (in *intake) fail(err error) {
	in.mu.Lock()
	if in.err == nil {
		in.err = err
	}
	in.mu.Unlock()
	in.release()
	if !errors.Is(err, net.ErrClosed) {
		in.end.Do(func() { close(in.closed) })
	}
}

// release lets the sockets go. Nothing more is accepted, but the server does not hear of it before Close.
func (in *intake) release() {
	in.let.Do(in.socket.close)
}

// Close is that of net.Listener.
func (in *intake) Close() error {
	in.release()
	in.end.Do(func() { close(in.closed) })
	in.begin.Do(func() {})
	in.wg.Wait()
	return nil
}

// overlap reports whether two addresses cannot both be listened on by strangers: one port, and an IP that both have.
func overlap(a, b string) bool { return covers(a, b) || covers(b, a) }

// covers reports whether a server that listens on the address wide gets all that comes to the address narrow. 0.0.0.0
// is all of IPv4, [::] and no host are all of both.
func covers(wide, narrow string) bool {
	hostW, portW, errW := net.SplitHostPort(wide)
	hostN, portN, errN := net.SplitHostPort(narrow)
	if errW != nil || errN != nil || portW != portN || portW == "0" {
		return false
	}
	w, errW := netip.ParseAddr(hostW)
	n, errN := netip.ParseAddr(hostN)
	switch w, n = w.Unmap(), n.Unmap(); {
	case hostW == "", hostW == hostN:
		return true
	case errW != nil:
		return false
	case w.IsUnspecified():
		return w.Is6() || errN == nil && n.Is4()
	}
	return errN == nil && w == n
}
