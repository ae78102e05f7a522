package http1

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/weftlattice/weft/internal/callctx"
	"github.com/weftlattice/weft/internal/process/socket"
	"github.com/weftlattice/weft/lattice"
)

const (
	firstBuffer = 4 << 10  // of a connection, for requests
	keptBuffer  = 16 << 10 // the largest that is kept for the next request
	maxGathered = 64 << 10 // of answers, before they are written
	// patience is how long the rest of a request may take before the connection goes to net/http, which has timeouts
	// for that.
	patience = 100 * time.Millisecond
)

// conn is a connection that has only brought plain requests so far. Its goroutine owns it, except where a field says
// otherwise.
type conn struct {
	*socket.Socket
	server *Server
	in     []byte // in[from:to] has been read and not yet served
	from   int
	to     int
	out    []byte // answers not yet sent

	answered int  // how much of out is of earlier answers
	broken   bool // no more can be sent
	w        Response

	// By the server's clock.
	partial int64 // since when a part of a request is here; 0: none is
	read    int64 // when the deadline for reading was last moved

	// when the request in progress began, by the server's clock; 0: no request is in progress. Read by the watch.
	begun   atomic.Int64
	request atomic.Pointer[callctx.Context] // of the request in progress. Canceled by the watch and by Close.
}

// serve serves the connection until it ends or goes to net/http.
func (c *conn) serve() {
	defer c.server.forget(c)
	c.in = make([]byte, firstBuffer)
	first := true
	r := Request{Conn: c.Conn}
	for {
		size, v := 0, incomplete
		if c.to > c.from {
			size, v = r.parse(c.in[c.from:c.to], c.server.MaxHeaderBytes)
		}
		switch v {
		case plain:
			if !c.answer(&r) {
				_ = c.Close()
				return
			}
			first = false
			c.from += size
		case other:
			c.leave()
			return
		case incomplete:
			if c.to == c.from && !c.idle() {
				return
			}
			if err := c.fill(first); err != nil {
				if c.to > c.from && (errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.EOF)) {
					c.leave()
				} else {
					_ = c.Close()
				}
				return
			}
		}
	}
}

// idle sends what is to be sent, and makes the connection small. It reports false when it has ended.
func (c *conn) idle() bool {
	c.from, c.to = 0, 0
	if len(c.out) > 0 {
		runtime.Gosched() // who is ready to compute goes first, see RATIONALE.md
	}
	if c.flush(); cap(c.out) > keptBuffer {
		c.out = nil
	}
	if len(c.in) > keptBuffer {
		c.in = make([]byte, firstBuffer)
	}
	if c.broken || c.server.closing.Load() {
		_ = c.Close()
		return false
	}
	return true
}

// fill reads more. Within a request it waits for a moment only.
func (c *conn) fill(first bool) error {
	s := c.server
	now := s.now()
	switch {
	case c.to > c.from:
		if c.flush(); c.broken { // the client may wait for that before it sends the rest
			return net.ErrClosed
		}
		if c.partial == 0 {
			c.partial = now
		}
		c.to = copy(c.in, c.in[c.from:c.to])
		if c.from = 0; c.to == len(c.in) {
			c.in = append(c.in, make([]byte, len(c.in))...)
		}
		c.read = 0
		_ = c.SetReadDeadline(s.at(c.partial + int64(patience)))
	case first:
		_ = c.SetReadDeadline(s.at(now + int64(s.HeaderTimeout)))
	case now-c.read > s.grain || c.read == 0:
		c.read = now
		_ = c.SetReadDeadline(s.at(now + int64(s.IdleTimeout)))
	}
	if s.closing.Load() { // which may have set a deadline before this did
		return net.ErrClosed
	}
	n, err := c.Read(c.in[c.to:])
	c.to += n
	if n > 0 {
		return nil
	}
	return err
}

// flush sends the answers that have been gathered.
func (c *conn) flush() {
	if len(c.out) > 0 {
		_, _ = c.Write(c.out) // which marks it broken
	}
	c.out, c.answered = c.out[:0], 0
}

// answer serves a request. It reports false when the connection is to end.
func (c *conn) answer(r *Request) bool {
	s := c.server
	now := s.now()
	ctx := new(callctx.Context)
	c.partial, c.answered = 0, len(c.out)
	c.w = Response{out: c.out, conn: c, head: r.Method == "HEAD", close: r.close}
	c.request.Store(ctx)
	c.begun.Store(now)
	s.watch.wake()
	c.guard(ctx, r)
	c.begun.Store(0)
	c.request.Store(nil)
	ctx.Close()
	c.out = c.w.out
	if !c.w.ended { // the handler panicked
		_, _ = c.Write(c.out[:c.answered])
		c.broken = true
		return false
	}
	if len(c.out) > maxGathered || c.w.close {
		c.flush()
	}
	return !c.w.close && !c.broken
}

// guard keeps a panic from ending the process. As in net/http, one with http.ErrAbortHandler ends the connection
// without a word.
func (c *conn) guard(ctx *callctx.Context, r *Request) {
	defer func() {
		if p := recover(); p != nil {
			c.w.ended = false
			if p != http.ErrAbortHandler {
				c.server.Log.Error("handler panicked", lattice.LogErr, p, "stack", string(debug.Stack()))
			}
		}
	}()
	c.server.Handler(ctx, r, &c.w)
}

// progress is how much of an answer a client has to take within the time for writing.
const progress = 64 << 10

// errStalled ends a connection whose client does not take its answer, and for which no more may wait.
var errStalled = errors.New("the client does not take its answer, and too much waits already")

// Write sends bytes of an answer. What the client does not take at once waits for it, if there is room for that. An
// error is for good.
func (c *conn) Write(b []byte) (int, error) {
	if c.broken {
		return 0, net.ErrClosed
	}
	n, err := 0, error(nil)
	if len(b) > 0 {
		n, err = c.TryWrite(b)
	}
	if err == nil && n < len(b) {
		var more int
		more, err = c.wait(b[n:])
		n += more
	}
	c.broken = err != nil
	return n, err
}

// wait sends bytes as the client takes them.
func (c *conn) wait(b []byte) (n int, err error) {
	done, ok := c.server.Stall(c.Conn, len(b))
	if !ok {
		return 0, errStalled
	}
	defer done()
	for n < len(b) && err == nil {
		_ = c.SetWriteDeadline(time.Now().Add(c.server.WriteTimeout))
		var more int
		more, err = c.Conn.Write(b[n:min(len(b), n+progress)])
		n += more
	}
	_ = c.SetWriteDeadline(time.Time{}) // what never waits needs none
	return n, err
}

// leave gives the connection to net/http with what has been read of it.
func (c *conn) leave() {
	if c.flush(); c.broken {
		_ = c.Close()
		return
	}
	_ = c.SetDeadline(time.Time{})
	c.server.rest.take(&begun{Conn: c.Conn, Reader: io.MultiReader(bytes.NewReader(bytes.Clone(c.in[c.from:c.to])),
		c.Conn)})
}

// begun is a connection of which something has been read.
type begun struct {
	net.Conn
	io.Reader
}

func (b *begun) Read(p []byte) (int, error) { return b.Reader.Read(p) }

// NetConn is the connection itself.
func (b *begun) NetConn() net.Conn { return b.Conn }

// CloseWrite lets net/http end its side first, so that the client gets the last answer.
func (b *begun) CloseWrite() error {
	if c, ok := b.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// cancel ends the request in progress, if there is one.
func (c *conn) cancel() {
	if ctx := c.request.Load(); ctx != nil {
		ctx.Cancel(context.Canceled)
	}
}
