// Package natsserver runs nats-server inside this process, with JetStream, so that a lattice needs no other software.
//
// The defaults are those of one machine that keeps to itself: it listens on loopback only, and refuses to listen
// anywhere else without credentials. What JetStream has acknowledged is in the operating system's hands and survives
// the sudden death of the process; a power cut may lose up to Config.SyncInterval.
package natsserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/weftlattice/weft/internal/certfile"
	"github.com/weftlattice/weft/internal/files"
	"github.com/weftlattice/weft/internal/linkfile"
	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/lattice"
)

// Limits and defaults.
const (
	DefaultHost = "127.0.0.1"
	DefaultPort = 4222
	// DefaultMaxPayloadBytes is above the 1 MiB of a bare nats-server, so that values of a mebibyte and more fit into
	// JetStream's key-value store. It is the most that NATS recommends.
	DefaultMaxPayloadBytes = 8 << 20
	defaultReadyTimeout    = 20 * time.Second
)

const (
	tlsTimeout     = 5        // seconds that a handshake may take
	maxControlLine = 16 << 10 // a provider's credentials are longer than the 4 KiB of a bare nats-server
)

// Config says how a server listens and where it keeps its data. The zero value of every field but DataDir is usable.
type Config struct {
	Host string // address to listen on; empty is DefaultHost. Beyond loopback credentials are required
	Port int    // 0 is DefaultPort, -1 a free one that URL tells
	Name string // server name; empty lets the server choose one

	DataDir string // JetStream keeps its files below it; required. One server at a time may use it
	Domain  string // JetStream domain; empty: no domain

	User, Password string // required of clients when set; both or none
	Token          string // required of clients when set; excludes User and Password
	// Users admits clients by credentials of package natsauth, and bounds each by its roles; excludes the others. What
	// is revoked or expires is disconnected within a second or two.
	Users *natsauth.Verifier
	// Lattice is the one whose data a server with Users finds where a server without them keeps it; every other lattice
	// has an account, and data, of its own.
	Lattice lattice.Name

	TLSCert string      // PEM files; both or none. They are read again when they are replaced
	TLSKey  string      //
	TLS     *tls.Config // instead of TLSCert and TLSKey
	Plain   bool        // listen beyond loopback without TLS, too: who can listen in reads all, secrets as well

	// MaxStoreBytes is what all streams together may hold on disk; 0 is as much as there is room for at the time, less
	// a reserve (see Storage). At least 1 MiB.
	MaxStoreBytes int64

	MaxPayloadBytes int           // 0 is DefaultMaxPayloadBytes
	SyncInterval    time.Duration // how often files are synced to the disk; 0 is the server's default of 2 minutes
	SyncAlways      bool          // sync before each acknowledgement: survives a power cut, costs throughput

	Logger *slog.Logger // nil discards; the server's notices appear at debug level
}

// String tells where the server listens. It never shows credentials.
func (c Config) String() string {
	return "natsserver.Config{" + net.JoinHostPort(c.Host, strconv.Itoa(c.Port)) + " " + c.DataDir + "}"
}

// GoString is String, so that %#v does not show credentials either.
func (c Config) GoString() string { return c.String() }

// LogValue is String, so that slog does not show credentials either.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// Validate joins everything that is wrong with c. The errors are lattice.ErrInvalid, and lattice.ErrDenied for
// listening beyond loopback without credentials.
func (c Config) Validate() error {
	var errs []error
	bad := func(detail string) {
		errs = append(errs, &lattice.Error{Code: lattice.ErrInvalid, Op: "configure NATS server", Detail: detail})
	}
	if c.DataDir == "" {
		bad("data directory is empty")
	}
	if c.Port < -1 || c.Port > 65535 {
		bad(fmt.Sprintf("port %d is not in 0..65535 (-1 takes a free one)", c.Port))
	}
	if (c.User == "") != (c.Password == "") {
		bad("user and password go together")
	}
	if c.Token != "" && c.User != "" {
		bad("give a token or user and password, not both")
	}
	if c.Users != nil && (c.Token != "" || c.User != "") {
		bad("users come with credentials of their own; give no token or password as well")
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		bad("TLS certificate and key go together")
	}
	if c.TLS != nil && c.TLSCert != "" {
		bad("give one TLS configuration")
	}
	if c.MaxPayloadBytes < 0 || c.MaxPayloadBytes > 64<<20 {
		bad("max payload must be between 0 and 64 MiB")
	}
	if c.MaxStoreBytes != 0 && c.MaxStoreBytes < 1<<20 {
		bad("the store may hold 1 MiB or more")
	}
	refuse := func(detail string) {
		errs = append(errs, &lattice.Error{Code: lattice.ErrDenied, Op: "listen on", Entity: lattice.Printable(c.Host),
			Detail: detail})
	}
	if !loopback(c.Host) && c.User == "" && c.Token == "" && c.Users == nil {
		refuse("without credentials the NATS server listens on loopback only; " +
			"set users, a token or user and password, or listen on 127.0.0.1")
	}
	if !loopback(c.Host) && c.TLS == nil && c.TLSCert == "" && !c.Plain {
		refuse(
			"without TLS the NATS server listens on loopback only; give a certificate, or say that it shall be plain")
	}
	return errors.Join(errs...)
}

// loopback reports whether only this machine can reach an address to listen on. A name other than localhost may be
// anything.
func loopback(host string) bool {
	if host == "" || host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// Server is a running NATS server. It is safe for concurrent use.
type Server struct {
	srv    *server.Server
	lock   *files.Lock
	door   *door          // nil without Config.Users
	front  *front         // as door; nil until the server is ready
	keeper *keeper        // nil until the server is ready
	cert   *certfile.Pair // nil without Config.TLSCert

	close sync.Once
	done  chan struct{} // closed when everything is released
}

// Start runs a server and returns when it accepts connections and JetStream is ready. ctx is for starting only;
// without a deadline defaultReadyTimeout applies. Errors: those of Validate; lattice.ErrConflict when the port or the
// data directory is in use; lattice.ErrUnavailable when the data directory cannot be used; lattice.ErrTimeout.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Host == "" {
		cfg.Host = DefaultHost
	}
	if cfg.Port == 0 {
		cfg.Port = DefaultPort
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, defaultReadyTimeout)
		defer cancel()
	}
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, &lattice.Error{Code: lattice.ErrUnavailable, Op: "use data directory", Entity: cfg.DataDir,
			Err: err}
	}
	opts, cert, err := cfg.options()
	if err != nil {
		return nil, err
	}
	var d *door
	var secure *tls.Config
	if cfg.Users != nil {
		secure = behind(opts)
		d = newDoor(cfg.Users, cfg.Logger)
		if err := d.guard(opts); err != nil {
			return nil, err
		}
	}
	lock, err := lockDir(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	if err := makeRoom(cfg.DataDir); err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	ns, err := server.NewServer(opts)
	if err != nil {
		return nil, errors.Join(&lattice.Error{Code: lattice.ErrInvalid, Op: "configure NATS server", Err: err},
			lock.Release())
	}
	if d != nil {
		if err := d.prepare(ns, opts, cfg.Lattice); err != nil {
			return nil, errors.Join(err, lock.Release())
		}
	}
	log := newServerLog(cfg.Logger)
	ns.SetLoggerV2(log, false, false, false)

	s := &Server{srv: ns, lock: lock, door: d, cert: cert, done: make(chan struct{})}
	ns.Start()
	d.open(ns)
	err = s.awaitReady(ctx, log, cfg)
	if err == nil && d != nil {
		if err = d.accounts.restore(); err == nil {
			if s.front, err = openFront(d, ns, secure, int(opts.MaxPayload), cfg.Host, cfg.Port); err != nil {
				err = startError(net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port)), cfg, err.Error())
			}
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.Close(context.WithoutCancel(ctx)))
	}
	s.keeper = newKeeper(s, cfg, func() error { return s.startJetStream(opts) }, log.failed)
	s.keeper.open()
	return s, nil
}

// startJetStream starts it again in a server that goes on running.
func (s *Server) startJetStream(o *server.Options) error {
	err := s.srv.EnableJetStream(&server.JetStreamConfig{StoreDir: o.StoreDir, MaxStore: o.JetStreamMaxStore,
		Domain:       o.JetStreamDomain,
		SyncInterval: o.SyncInterval, SyncAlways: o.SyncAlways, Strict: !o.NoJetStreamStrict})
	if err == nil && s.door != nil {
		err = s.door.accounts.enableJetStream()
	}
	return err
}

// accounts are those that clients use.
func (s *Server) accounts() []*server.Account {
	if s.door != nil {
		return s.door.accounts.all()
	}
	return []*server.Account{s.srv.GlobalAccount()}
}

// Certificate is the one of Config.TLSCert; nil without one.
func (s *Server) Certificate() *certfile.Pair { return s.cert }

// Storage tells how the disk does, as it was a second ago or less.
func (s *Server) Storage() Storage { return s.keeper.now() }

// options are those of the server. pair is the certificate from files, which is read again when they change; nil where
// there are none.
func (c Config) options() (*server.Options, *certfile.Pair, error) {
	o := &server.Options{
		ServerName: c.Name, Host: c.Host, Port: c.Port,
		Username: c.User, Password: c.Password, Authorization: c.Token,
		JetStream: true, StoreDir: c.DataDir, JetStreamDomain: c.Domain, JetStreamMaxStore: maxStoreBytes,
		SyncInterval: c.SyncInterval, SyncAlways: c.SyncAlways,
		MaxPayload: int32(c.MaxPayloadBytes), MaxControlLine: maxControlLine,
		// A dead peer is noticed in half a minute instead of four.
		PingInterval: 10 * time.Second, MaxPingsOut: 2,
		NoSigs: true, DisableJetStreamBanner: true,
		// Clients reconnect at once; a long farewell only delays the end.
		LameDuckDuration: time.Second, LameDuckGracePeriod: 100 * time.Millisecond,
	}
	o.Cluster.NoAdvertise = true // clients keep to the addresses that they were given
	if o.MaxPayload == 0 {
		o.MaxPayload = DefaultMaxPayloadBytes
	}
	if c.TLS != nil {
		o.TLS, o.TLSConfig, o.TLSTimeout = true, c.TLS, tlsTimeout
	}
	if c.TLSCert != "" {
		pair, err := certfile.OpenPair(c.TLSCert, c.TLSKey, linkfile.Read, c.Logger)
		if err != nil {
			return nil, nil, err
		}
		o.TLS, o.TLSConfig, o.TLSTimeout = true, &tls.Config{MinVersion: tls.VersionTLS12,
			GetCertificate: pair.Server}, tlsTimeout
		return o, pair, nil
	}
	return o, nil, nil
}

// awaitReady polls, since the server offers a bounded wait but no way to be told.
func (s *Server) awaitReady(ctx context.Context, log *serverLog, cfg Config) error {
	addr := net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port))
	for {
		select {
		case fatal := <-log.fatal:
			return startError(addr, cfg, fatal)
		case <-ctx.Done():
			return &lattice.Error{Code: lattice.CodeOf(ctx.Err()), Op: "start NATS server on", Entity: addr,
				Detail: "it did not become ready in time"}
		default:
		}
		if s.srv.ReadyForConnections(20*time.Millisecond) && s.srv.JetStreamEnabled() {
			return nil
		}
	}
}

// startError says why the server did not start. It tells only by what it logs, and by texts.
func startError(addr string, cfg Config, fatal string) error {
	e := &lattice.Error{Code: lattice.ErrUnavailable, Op: "start NATS server on", Entity: addr, Detail: fatal}
	switch {
	case strings.Contains(fatal, "no space left"):
		e.Detail = fmt.Sprintf("the disk of %s is full; make room there (%s)", cfg.DataDir, fatal)
	case strings.Contains(fatal, "address already in use"):
		e.Code = lattice.ErrConflict
		e.Detail = fmt.Sprintf("port %d is in use; stop what listens there, choose another port, "+
			"or join the NATS server that is already running", cfg.Port)
	case strings.Contains(fatal, "permission denied") && cfg.Port > 0 && cfg.Port < 1024:
		e.Detail = fmt.Sprintf("not allowed to listen on port %d; choose one above 1023", cfg.Port)
	}
	return e
}

// URL returns the address to connect to, "nats://127.0.0.1:4222". It holds no credentials.
func (s *Server) URL() string {
	if s.front == nil {
		return s.srv.ClientURL()
	}
	scheme := "nats"
	if s.front.tls != nil {
		scheme = "tls"
	}
	return scheme + "://" + net.JoinHostPort(s.front.host, strconv.Itoa(s.Port()))
}

// Port returns the port in use.
func (s *Server) Port() int {
	addr := s.srv.Addr()
	if s.front != nil {
		addr = s.front.conns.Addr()
	}
	if a, ok := addr.(*net.TCPAddr); ok {
		return a.Port
	}
	return 0
}

// InProcessConn makes a connection that needs no network. It makes a Server a nats.InProcessConnProvider.
func (s *Server) InProcessConn() (net.Conn, error) { return s.srv.InProcessConn() }

// Done is closed when the server has ended.
func (s *Server) Done() <-chan struct{} { return s.done }

// Close ends the server and waits until its files are closed, or until ctx ends; the server then goes on ending.
// It is idempotent.
func (s *Server) Close(ctx context.Context) error {
	var err error
	s.close.Do(func() {
		go func() { // ends by itself: Shutdown is bounded. Done tells when
			defer close(s.done)
			s.front.stop()
			s.keeper.close()
			s.door.close()
			s.srv.Shutdown()
			s.srv.WaitForShutdown()
			s.front.close()
			err = s.lock.Release()
		}()
	})
	select {
	case <-s.done:
		return err
	case <-ctx.Done():
		return &lattice.Error{Code: lattice.CodeOf(ctx.Err()), Op: "close NATS server"}
	}
}
