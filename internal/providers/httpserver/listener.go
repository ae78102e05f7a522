package httpserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/weftlattice/weft/internal/callctx"
	"github.com/weftlattice/weft/internal/certfile"
	"github.com/weftlattice/weft/internal/providers/httpserver/internal/http1"
	"github.com/weftlattice/weft/lattice"
)

// maxStreams bounds the requests in progress on one HTTP/2 connection.
const maxStreams = 100

// headerTimeout bounds the header of a request, so that no client holds a connection by sending it slowly.
const headerTimeout = 5 * time.Second

// listener serves the routes of one address.
type listener struct {
	address  string
	at       net.Addr // what it became
	settings listenSettings
	intake   *intake
	tls      bool
	cert     *certfile.Pair // nil: without TLS
	table    atomic.Pointer[table]
	server   server
	done     chan struct{} // closed when serving has ended
	err      error         // why, when unexpected; written before done is closed
}

// server is what serves a listener: http1.Server in front of net/http, or that alone.
type server interface {
	Serve() error // until Shutdown or Close, and returns nil then
	Shutdown(context.Context) error
	Close() error
}

// netServer is net/http alone.
type netServer struct {
	*http.Server
	listener net.Listener
}

// Serve is that of http.Server; that it was closed is no error.
func (s netServer) Serve() error {
	err := s.Server.Serve(s.listener)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// openListener listens, at first without routes, and does not serve yet: serve or abandon comes next. It takes over
// from another listener of its port, if there is one; that goes on until it is closed.
func openListener(ctx context.Context, s settings, h *handler, from *listener, log *slog.Logger) (*listener, error) {
	cert, err := s.listen.certificate(h.env.ReadFile, log)
	if err != nil {
		return nil, err
	}
	var tc *tls.Config
	if cert != nil {
		tc = &tls.Config{GetCertificate: cert.Server, MinVersion: tls.VersionTLS12}
	}
	ln, err := listen(ctx, s.address, from)
	if err != nil {
		return nil, listenError(s.address, err)
	}
	l := &listener{address: s.address, at: ln.Addr(), settings: s.listen, intake: newIntake(ln), tls: tc != nil,
		cert: cert, done: make(chan struct{})}
	scheme := "http"
	if l.tls {
		scheme = "https"
	}
	h.patience, h.reading = s.listen.write, s.listen.read
	h.waiting = newLedger(s.listen.maxWaiting, s.listen.share)
	front := &door{Listener: l.intake, handler: h, scheme: scheme, proxies: s.listen.trusted(),
		conns: newLedger(s.listen.maxConns, s.listen.share)}
	l.table.Store(newTable(nil))
	all := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.serveNet(w, r, &l.table) }),
		// and none for writing: netResponse sets deadlines
		ReadHeaderTimeout: min(headerTimeout, s.listen.read), ReadTimeout: s.listen.read,
		IdleTimeout: s.listen.idle, MaxHeaderBytes: s.listen.maxHeader, TLSConfig: tc,
		HTTP2:    &http.HTTP2Config{MaxConcurrentStreams: maxStreams, WriteByteTimeout: s.listen.write},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), ConnContext: withConnection,
	}
	all.Protocols = new(http.Protocols)
	all.Protocols.SetHTTP1(true)
	all.Protocols.SetHTTP2(true)
	all.Protocols.SetUnencryptedHTTP2(true) // for clients that know of it beforehand
	if tc != nil {
		tc.NextProtos = []string{"h2", "http/1.1"}
		l.server = netServer{all, tls.NewListener(front, tc)}
	} else {
		l.server = http1.New(front, http1.Config{
			Handler: func(ctx *callctx.Context, r *http1.Request, w *http1.Response) {
				h.servePlain(ctx, r, w,
					&l.table)
			},
			Rest: all, Log: log, MaxHeaderBytes: all.MaxHeaderBytes, HeaderTimeout: all.ReadHeaderTimeout,
			IdleTimeout:  all.IdleTimeout,
			WriteTimeout: s.listen.write, Stall: h.stall,
		})
	}
	return l, nil
}

// serve serves until close.
func (l *listener) serve(log *slog.Logger) {
	go func() { // close waits for it
		defer close(l.done)
		if err := l.server.Serve(); err != nil {
			l.err = fmt.Errorf("serve %s: %w", l.address, err)
			log.Error("listener ended", "address", l.address, lattice.LogErr, err)
		}
	}()
	log.Info("listening", "address", l.intake.Addr().String(), "tls", l.tls)
}

// abandon closes a listener that has never served.
func (l *listener) abandon() { _ = l.intake.Close() }

// listenError says what a person can do. Where the port may become free the code says that trying again may help.
func listenError(address string, err error) error {
	// its form is good: the machine lacks something
	e := &lattice.Error{Code: lattice.ErrUnavailable, Op: "listen on", Entity: address, Err: err}
	switch {
	case errors.Is(err, syscall.EADDRINUSE): // it may become free
		e.Detail = "another process has it; stop that one or set another port in the link"
	case errors.Is(err, syscall.EACCES):
		e.Code, e.Detail = lattice.ErrDenied, "ports below 1024 need a privilege; set another port in the link"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		e.Detail = "this machine does not have the address; 0.0.0.0 is all it has"
	}
	return e
}

// replace swaps the route table for one without old and with next; either may be nil. It returns how many routes there
// are.
func (l *listener) replace(old, next *route) int {
	routes := slices.DeleteFunc(l.table.Load().all(), func(r *route) bool { return r == old })
	if next != nil {
		routes = append(routes, next)
	}
	l.table.Store(newTable(routes))
	return len(routes)
}

// failure is why serving has ended although it was not closed.
func (l *listener) failure() error {
	select {
	case <-l.done:
		return l.err
	default:
		return nil
	}
}

// close takes no more connections, waits for the requests in progress, and cuts those that ctx does not leave time for.
func (l *listener) close(ctx context.Context) error {
	err := l.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("close %s with requests in progress: %w", l.address, err), l.server.Close())
	}
	<-l.done
	return err
}
