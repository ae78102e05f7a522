package natsconn

import (
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// maxGathered is how many bytes may wait to be written before Write waits, too.
	maxGathered = 256 << 10
	// closeTimeout bounds how long Close waits for what was written before.
	closeTimeout = time.Second
)

// gathered is a connection that writes together what is written in short order. nats.go flushes as soon as one message
// is published; here the goroutines that are ready to run may publish their messages first. See RATIONALE.md, "Why are
// writes to NATS gathered?".
//
// Write returns before the bytes are on their way; an error of theirs ends the connection, which its reader notices.
// The write deadline counts for a Write that has to wait for room. It is safe for concurrent use.
type gathered struct {
	net.Conn
	kick chan struct{} // wakes the writer
	done chan struct{} // closed when the writer has ended

	mu       sync.Mutex
	buf      []byte        // written to, not yet being sent; guarded by mu
	deadline time.Time     // of Write; guarded by mu
	room     chan struct{} // closed when there is room again; nil while no writer waits; guarded by mu
	err      error         // of the writer, or net.ErrClosed; guarded by mu
	closed   bool          // guarded by mu
}

// gather wraps a connection. Its Close ends the writer.
func gather(c net.Conn) net.Conn {
	g := &gathered{Conn: c, kick: make(chan struct{}, 1), done: make(chan struct{})}
	go g.run()
	return g
}

// Write implements net.Conn.
func (g *gathered) Write(b []byte) (int, error) {
	g.mu.Lock()
	for g.err == nil && len(g.buf) >= maxGathered {
		g.waitForRoom()
	}
	if g.err != nil {
		defer g.mu.Unlock()
		return 0, g.err
	}
	first := len(g.buf) == 0
	g.buf = append(g.buf, b...)
	g.mu.Unlock()
	if first && len(b) > 0 {
		g.wake()
	}
	return len(b), nil
}

// waitForRoom waits until the writer has taken what is there, or failed. mu is held, and is again when it returns.
func (g *gathered) waitForRoom() {
	if g.room == nil {
		g.room = make(chan struct{})
	}
	_ = g.Conn.SetWriteDeadline(g.deadline) // the writer then fails by it, in our place
	room := g.room
	g.mu.Unlock()
	<-room
	g.mu.Lock()
	if !g.closed { // Close has set one of its own
		_ = g.Conn.SetWriteDeadline(time.Time{})
	}
}

// wake tells the writer that there is something. One token is enough for all that came since it last looked.
func (g *gathered) wake() {
	select {
	case g.kick <- struct{}{}:
	default:
	}
}

// run is the writer. It ends when the connection is closed, or by an error.
func (g *gathered) run() {
	defer close(g.done)
	var spare []byte
	for range g.kick {
		runtime.Gosched() // who is ready to run may have something to add
		for {
			b, closed := g.take(spare)
			if len(b) == 0 {
				if closed {
					return
				}
				spare = b
				break
			}
			if _, err := g.Conn.Write(b); err != nil {
				g.fail(err)
				return
			}
			if spare = nil; cap(b) <= 2*maxGathered {
				spare = b[:0]
			}
		}
	}
}

// take returns what is to be sent, and leaves a buffer in its place.
func (g *gathered) take(spare []byte) (b []byte, closed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	b, g.buf = g.buf, spare
	g.release()
	return b, g.closed
}

// release lets the writers go on that wait for room. mu is held.
func (g *gathered) release() {
	if g.room != nil {
		close(g.room)
		g.room = nil
	}
}

// fail ends the connection, so that its reader hears of it.
func (g *gathered) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err == nil {
		g.err = err
	}
	g.buf = nil
	g.release()
	_ = g.Conn.Close()
}

// Close sends what was written before, within a second, and closes the connection.
func (g *gathered) Close() error {
	g.mu.Lock()
	if !g.closed {
		g.closed = true
		if g.err == nil {
			g.err = net.ErrClosed
		}
		_ = g.Conn.SetWriteDeadline(time.Now().Add(closeTimeout))
	}
	g.mu.Unlock()
	g.wake()
	<-g.done
	return g.Conn.Close()
}

// SetDeadline implements net.Conn.
func (g *gathered) SetDeadline(t time.Time) error {
	_ = g.SetWriteDeadline(t)
	return g.Conn.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn. It is set before each Write, and so costs nothing.
func (g *gathered) SetWriteDeadline(t time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.deadline = t
	return nil
}

// last is the connection that nats.go made last. It drops one that the server has refused without closing it.
type last struct {
	mu   sync.Mutex
	conn net.Conn // gathered; guarded by mu
}

// next makes the next connection, and closes the last one.
func (l *last) next(dial func() (net.Conn, error)) (net.Conn, error) {
	l.abandon()
	c, err := dial()
	if err != nil {
		return nil, err
	}
	c = gather(c)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn = c
	return c, nil
}

// abandon closes the last connection.
func (l *last) abandon() {
	l.mu.Lock()
	c := l.conn
	l.conn = nil
	l.mu.Unlock()
	if c != nil {
		_ = c.Close() // again, if nats.go has
	}
}

// gatheredInProcess gathers what goes to an embedded server.
type gatheredInProcess struct {
	from nats.InProcessConnProvider
	last last
}

func (p *gatheredInProcess) InProcessConn() (net.Conn, error) {
	return p.last.next(p.from.InProcessConn)
}
