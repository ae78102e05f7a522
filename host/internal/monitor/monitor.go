// Package monitor serves what observers of a host ask over HTTP: /metrics, /healthz, /readyz, and profiles.
package monitor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/weftlattice/weft/internal/netaddr"
	"github.com/weftlattice/weft/lattice"
)

// readyTimeout bounds how long /readyz waits for an answer.
const readyTimeout = time.Second

// Config is what a Server needs. Fields without a remark are necessary.
type Config struct {
	Addr     string // "": nothing is served
	AnyPort  bool   // when Addr is taken, listen on any port of that address instead
	Metrics  prometheus.Gatherer
	NotReady func(ctx context.Context) error // why the host should get no work now; nil when it should
	Profiles http.HandlerFunc                // of the provider that the path names; nil: no profiles are served
}

// Server serves them from Start until Stop. It is safe for concurrent use.
type Server struct {
	cfg    Config
	addr   atomic.Pointer[string]
	server *http.Server
	end    context.CancelFunc // of the requests in progress
	done   chan error
}

// New makes a Server.
func New(cfg Config) *Server { return &Server{cfg: cfg} }

// Addr is where it listens; "" when it does not.
func (s *Server) Addr() string {
	if addr := s.addr.Load(); addr != nil {
		return *addr
	}
	return ""
}

// Start listens and serves.
func (s *Server) Start(context.Context) error {
	if s.cfg.Addr == "" {
		return nil
	}
	l, err := net.Listen(netaddr.Network(s.cfg.Addr), s.cfg.Addr)
	if err != nil && s.cfg.AnyPort {
		if ip, _, splitErr := net.SplitHostPort(s.cfg.Addr); splitErr == nil {
			l, err = net.Listen(netaddr.Network(ip), net.JoinHostPort(ip, "0"))
		}
	}
	if err != nil {
		return &lattice.Error{Code: lattice.ErrConflict, Op: "listen for metrics on", Entity: s.cfg.Addr, Err: err}
	}
	addr := l.Addr().String()
	s.addr.Store(&addr)
	requests, end := context.WithCancel(context.Background())
	s.server = &http.Server{Handler: s.handler(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute,
		BaseContext: func(net.Listener) context.Context { return requests }}
	s.end, s.done = end, make(chan error, 1)
	go func() { s.done <- s.server.Serve(l) }()
	return nil
}

// Stop ends what Start began.
func (s *Server) Stop(ctx context.Context) error {
	if s.server == nil {
		return nil
	}
	s.end() // a profile may take minutes
	err := s.server.Shutdown(ctx)
	if serr := <-s.done; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics",
		promhttp.HandlerFor(s.cfg.Metrics, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		if err := s.cfg.NotReady(ctx); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	if s.cfg.Profiles != nil {
		handleProfiles(mux, s.cfg.Profiles)
	}
	return mux
}
