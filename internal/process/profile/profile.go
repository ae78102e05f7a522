// Package profile serves the profiles of this process as net/http/pprof makes them, on a mux of its own, so that they
// are reachable only where somebody asked for it.
package profile

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

// Path is below what Handler serves; it ends in a slash.
const Path = "/debug/pprof/"

// Handler serves the index of profiles at Path, and each one by its name below.
func Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Path, pprof.Index)
	mux.HandleFunc("GET "+Path+"cmdline", pprof.Cmdline)
	mux.HandleFunc("GET "+Path+"profile", pprof.Profile)
	mux.HandleFunc("GET "+Path+"symbol", pprof.Symbol)
	mux.HandleFunc("POST "+Path+"symbol", pprof.Symbol)
	mux.HandleFunc("GET "+Path+"trace", pprof.Trace)
	return mux
}

// Server serves Handler on a Unix socket.
type Server struct {
	srv  *http.Server
	done chan error
}

// Listen opens a socket at a path where nothing is yet, in a folder that only those may enter who may see the profiles.
// It is closed by Close.
func Listen(path string) (*Server, error) {
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("serve profiles: %w", err)
	}
	s := &Server{srv: &http.Server{Handler: Handler(), ReadHeaderTimeout: 5 * time.Second}, done: make(chan error, 1)}
	go func() { s.done <- s.srv.Serve(ln) }()
	return s, nil
}

// Close ends what is being profiled, removes the socket, and waits for both. Call it once; a nil Server is closed.
func (s *Server) Close() error {
	if s == nil {
		return nil
	}
	err := s.srv.Close()
	if serr := <-s.done; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}

// Dialer returns a transport to a Server's socket. It keeps no connections.
func Dialer(path string) *http.Transport {
	return &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn,
		error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
}
