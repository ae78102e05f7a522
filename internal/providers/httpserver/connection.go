package httpserver

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/weftlattice/weft/lattice"
)

// door lets connections in, as many as there may be.
type door struct {
	net.Listener
	handler *handler
	scheme  string
	proxies proxies
	conns   *ledger
}

// Accept is that of net.Listener. Connections for which there is no room are reset.
func (d *door) Accept() (net.Conn, error) {
	for {
		nc, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := d.admit(nc); c != nil {
			return c, nil
		}
	}
}

// admit counts a connection in until it is closed; nil: there is no room.
func (d *door) admit(nc net.Conn) *connection {
	c := &connection{Conn: nc, handler: d.handler, origin: origin{scheme: d.scheme}}
	if tcp, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		c.address = tcp.AddrPort().Addr().Unmap().WithZone("")
		c.origin.chain = c.address.String()
		if d.proxies.trust(c.address) {
			c.proxies = &d.proxies
		} else {
			c.origin.client = clientOf(c.address)
		}
	}
	c.held = &hold{client: c.origin.client, amount: 1, busy: func() bool { return c.requests.Load() > 0 },
		drop: func() { c.reset() }}
	why := d.conns.take(c.held)
	if why == granted {
		return c
	}
	d.handler.refused(context.Background(), "connection", why, c.origin.chain)
	c.reset()
	return nil
}

// connection is a connection that has been let in.
type connection struct {
	net.Conn
	handler  *handler
	held     *hold
	address  netip.Addr
	origin   origin   // of requests that come directly
	proxies  *proxies // nil: it is not one of them
	requests atomic.Int32
	broken   atomic.Bool // reading has failed, and not for the other end's having ended its side, or for want of time
}

// from is where a request on the connection comes from; each yields its header with names in lower case.
func (c *connection) from(each func(yield func(name, value string) bool)) origin {
	if c.proxies == nil {
		return c.origin
	}
	return c.proxies.origin(c.origin, c.address, each)
}

// Read is that of net.Conn.
func (c *connection) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.broken.Store(true)
	}
	return n, err
}

// Write is that of net.Conn. A client that has taken nothing within the time for writing loses the connection: net/http
// would go on reading from one of HTTP/2 to which it cannot write.
func (c *connection) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		c.broken.Store(true)
		c.reset()
	}
	return n, err
}

// Close is that of net.Conn.
func (c *connection) Close() error {
	c.held.release()
	return c.Conn.Close()
}

// reset closes the socket without a word.
func (c *connection) reset() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // else what it holds would stay in the kernel
	}
	_ = c.Conn.Close() // its owner notices
}

// CloseWrite ends this side of the connection.
func (c *connection) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// SyscallConn is that of syscall.Conn.
func (c *connection) SyscallConn() (syscall.RawConn, error) {
	if sc, ok := c.Conn.(syscall.Conn); ok {
		return sc.SyscallConn()
	}
	return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "look at", Entity: "connection", Detail: "it is no socket"}
}

// connKey is where net/http's contexts have the connection.
type connKey struct{}

// withConnection is for http.Server.ConnContext.
func withConnection(ctx context.Context, nc net.Conn) context.Context {
	for {
		switch c := nc.(type) {
		case *connection:
			return context.WithValue(ctx, connKey{}, c)
		case interface{ NetConn() net.Conn }: // TLS, or one of which something has been read
			nc = c.NetConn()
		default:
			return ctx // unreachable: all come through the door
		}
	}
}
