package http1

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/weftlattice/weft/internal/backoff"
	"github.com/weftlattice/weft/internal/callctx"
	"github.com/weftlattice/weft/internal/process/socket"
	"github.com/weftlattice/weft/lattice"
)

// Config configures a Server. All fields are required.
type Config struct {
	// Handler answers a plain request. The context ends when the client has gone, which is noticed within some 200 ms,
	// or when the server is closed. It is called concurrently. One that has only ended its side may wait for its
	// answer, and gets it.
	Handler func(ctx *callctx.Context, r *Request, w *Response)
	// Stall is asked when a client does not take its answer, so that so many bytes of it have to wait, on a connection
	// that the listener has made. If they may not, the connection ends; else done is called when they wait no longer.
	Stall func(on net.Conn, bytes int) (done func(), ok bool)
	// Rest serves all that is not plain. The Server starts and stops it.
	Rest *http.Server
	Log  *slog.Logger

	MaxHeaderBytes int           // what has a larger head is not plain
	HeaderTimeout  time.Duration // for the first byte of a connection
	IdleTimeout    time.Duration // for the first byte of the next request; kept to an eighth
	WriteTimeout   time.Duration // for the client to take 64 KiB of an answer, or the rest of it
}

// Server serves one listener.
type Server struct {
	Config
	listener net.Listener
	grain    int64 // how old deadlines may be before they are moved, in nanoseconds
	rest     handedOver
	watch    watch
	closing  atomic.Bool
	wg       sync.WaitGroup // connections, and net/http

	mu    sync.Mutex
	conns map[*conn]struct{} // guarded by mu
}

// New makes a server for a listener, which it closes.
func New(l net.Listener, cfg Config) *Server {
	s := &Server{Config: cfg, listener: l, grain: int64(min(cfg.IdleTimeout, 8*time.Second) / 8),
		conns: map[*conn]struct{}{},
		rest:  handedOver{addr: l.Addr(), conns: make(chan net.Conn), done: make(chan struct{})}}
	s.watch.server = s
	return s
}

// epoch is when the clock of requests began.
var epoch = time.Now()

// now is the time by that clock, in nanoseconds. It is never 0.
func (s *Server) now() int64 { return int64(time.Since(epoch)) | 1 }

// at is a moment of that clock.
func (s *Server) at(moment int64) time.Time { return epoch.Add(time.Duration(moment)) }

// Serve serves until Shutdown or Close, and returns nil then.
func (s *Server) Serve() error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Rest.Serve(&s.rest); !errors.Is(err, http.ErrServerClosed) && !s.closing.Load() {
			s.Log.Error("net/http ended", lattice.LogErr, err)
		}
	}()
	err := s.accept(s.listener)
	_ = s.listener.Close()
	if s.closing.Load() {
		err = nil
	} else {
		err = errors.Join(err, s.Close())
	}
	<-done
	return err
}

// accept takes connections until the listener fails or is closed.
func (s *Server) accept(l net.Listener) error {
	pauses := backoff.Series{Policy: backoff.Policy{First: 5 * time.Millisecond, Max: time.Second}}
	for {
		nc, err := l.Accept()
		if err != nil {
			if s.closing.Load() || errors.Is(err, net.ErrClosed) {
				return err
			}
			if !exhausted(err) {
				return err
			}
			pause := pauses.Next()
			s.Log.Warn("no connection taken, trying again", "after", pause, lattice.LogErr, err)
			time.Sleep(pause)
			continue
		}
		pauses.Reset()
		s.start(nc)
	}
}

// exhausted reports whether taking a connection failed for want of something that others may give back, or because of
// that very connection.
func exhausted(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED,
		syscall.EINTR} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// start serves a connection, here if its socket can be looked at, else by net/http.
func (s *Server) start(nc net.Conn) {
	sock := socket.New(nc)
	if sock == nil {
		s.rest.take(nc)
		return
	}
	c := &conn{Socket: sock, server: s}
	s.mu.Lock()
	if s.closing.Load() {
		s.mu.Unlock()
		_ = nc.Close()
		return
	}
	s.conns[c] = struct{}{}
	s.wg.Go(c.serve)
	s.mu.Unlock()
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// Shutdown takes no more connections, ends the idle ones, and waits for the requests in progress, whose connections end
// after their answers. When ctx ends before, it returns its error, and Close should follow.
func (s *Server) Shutdown(ctx context.Context) error {
	s.end(func(c *conn) { _ = c.SetReadDeadline(time.Unix(1, 0)) })
	err := s.Rest.Shutdown(ctx)
	idle := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(idle)
	}()
	select {
	case <-idle:
		s.watch.stop()
	case <-ctx.Done():
		return ctx.Err()
	}
	return err
}

// Close ends all connections, cancels the requests in progress, and waits for their handlers.
func (s *Server) Close() error {
	s.end(func(c *conn) {
		c.cancel()
		_ = c.Close()
	})
	err := s.Rest.Close()
	s.wg.Wait()
	s.watch.stop()
	return err
}

// end stops the intake and does something to each connection.
func (s *Server) end(do func(*conn)) {
	s.closing.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.listener.Close()
	for c := range s.conns {
		do(c)
	}
	s.rest.end()
}

// handedOver is the listener of net/http.
type handedOver struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

// take gives net/http a connection, which is closed if that takes no more.
func (h *handedOver) take(nc net.Conn) {
	select {
	case h.conns <- nc:
	case <-h.done:
		_ = nc.Close()
	}
}

func (h *handedOver) end() { h.once.Do(func() { close(h.done) }) }

// Accept is that of net.Listener.
func (h *handedOver) Accept() (net.Conn, error) {
	select {
	case nc := <-h.conns:
		return nc, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close is that of net.Listener.
func (h *handedOver) Close() error {
	h.end()
	return nil
}

// Addr is that of net.Listener.
func (h *handedOver) Addr() net.Addr { return h.addr }
