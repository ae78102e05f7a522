package natsconn

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/backoff"
	"github.com/weftlattice/weft/lattice"
)

// Connect makes a connection. ctx is for connecting only. Unless Config.RetryOnFailedConnect is set, the first failed
// attempt is the result. The caller ends the connection with Close.
//
// Errors: lattice.ErrInvalid for a wrong configuration, lattice.ErrUnavailable when no server can be reached,
// lattice.ErrDenied when the server refuses the credentials, and the code of ctx when it ended.
func Connect(ctx context.Context, cfg Config) (*nats.Conn, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.URL == "" {
		cfg.URL = DefaultURL
	}
	if cfg.Name == "" {
		cfg.Name = "weft"
	}
	if cfg.ConnectTimeout <= 0 {
		cfg.ConnectTimeout = defaultConnectTimeout
	}
	if cfg.ReconnectBufferBytes == 0 {
		cfg.ReconnectBufferBytes = defaultReconnectBufferBytes
	}
	if cfg.DrainTimeout <= 0 {
		cfg.DrainTimeout = defaultDrainTimeout
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	log := cfg.Logger.With("part", "nats", "connection", cfg.Name)

	creds, err := cfg.credentials()
	if err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		nc, err := dialOnce(ctx, cfg, log, creds)
		switch {
		case err == nil && nc.IsConnected():
			log.Debug("connected to NATS", "server", SafeURL(nc.ConnectedUrl()))
			return nc, nil
		case err == nil: // in the background
			log.Warn("NATS is away, trying on in the background", "server", SafeURL(cfg.URL), lattice.LogErr,
				nc.LastError())
			return nc, nil
		}
		if !cfg.RetryOnFailedConnect || ctx.Err() != nil {
			return nil, connectError(ctx, cfg, err)
		}
		if attempt == 1 {
			log.Warn("waiting for NATS", "server", SafeURL(cfg.URL), lattice.LogErr, err)
		}
		select {
		case <-time.After(reconnectPause(attempt)):
		case <-ctx.Done():
			return nil, connectError(ctx, cfg, err)
		}
	}
}

// dialOnce makes one attempt, which ends with ctx. The connection that it makes goes on trying for ever when it is lost
// later: only its owner closes it.
func dialOnce(ctx context.Context, cfg Config, log *slog.Logger, creds []nats.Option) (*nats.Conn, error) {
	timeout := cfg.ConnectTimeout
	if end, ok := ctx.Deadline(); ok {
		timeout = min(timeout, max(time.Until(end), time.Millisecond))
	}
	refusals := &refusals{cfg: cfg, log: log}
	opts := append([]nats.Option{
		nats.Name(cfg.Name),
		nats.Timeout(timeout),
		nats.MaxReconnects(-1),
		nats.CustomReconnectDelay(refusals.delay),
		nats.ReconnectBufSize(cfg.ReconnectBufferBytes),
		nats.PingInterval(pingInterval),
		nats.MaxPingsOutstanding(maxPingsOut),
		nats.DrainTimeout(cfg.DrainTimeout),
		nats.IgnoreAuthErrorAbort(), // a server that restarts may refuse for a moment; heal from that, too
	}, creds...)
	opts = append(opts, states(log, refusals)...)
	if cfg.Background {
		opts = append(opts, nats.RetryOnFailedConnect(true))
	}
	var conns *last
	if cfg.InProcess != nil {
		p := &gatheredInProcess{from: cfg.InProcess}
		conns = &p.last
		opts = append(opts, nats.InProcessServer(p))
	} else {
		d := &dialer{ctx: ctx, timeout: cfg.ConnectTimeout}
		defer d.connected() // later connections do not hang on the ctx of the first
		conns = &d.last
		opts = append(opts, nats.SetCustomDialer(d))
	}
	nc, err := nats.Connect(cfg.URL, opts...)
	if err != nil {
		conns.abandon()
		return nil, err
	}
	if cfg.JSDomain != "" {
		domains.Store(nc, cfg.JSDomain)
	}
	return nc, nil
}

// states logs what happens to the connection.
func states(log *slog.Logger, refusals *refusals) []nats.Option {
	return []nats.Option{
		nats.DisconnectErrHandler(func(nc *nats.Conn, err error) {
			switch {
			case nc.IsClosed() || nc.IsDraining():
			case err != nil:
				log.Warn("disconnected from NATS", lattice.LogErr, err)
			default:
				log.Warn("disconnected from NATS", lattice.LogErr, "the server closed the connection")
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			refusals.end(nc)
			log.Info("reconnected to NATS", "server", SafeURL(nc.ConnectedUrl()), "reconnects", nc.Stats().Reconnects)
		}),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) {
			log.Debug("could not reconnect to NATS yet", lattice.LogErr, err)
		}),
		nats.ClosedHandler(func(nc *nats.Conn) {
			domains.Delete(nc)
			refusals.end(nc)
			log.Debug("connection to NATS closed")
		}),
		nats.ErrorHandler(func(nc *nats.Conn, sub *nats.Subscription, err error) {
			if isRefusal(err) {
				refusals.add(nc)
				return
			}
			// repeated for as long as it is away, which was said
			if errors.Is(err, nats.ErrConsumerNotActive) && !nc.IsConnected() {
				log.Debug("NATS error", lattice.LogErr, err)
				return
			}
			attrs := []any{lattice.LogErr, err}
			if sub != nil {
				attrs = append(attrs, "subject", sub.Subject)
				if errors.Is(err, nats.ErrSlowConsumer) {
					if dropped, derr := sub.Dropped(); derr == nil {
						attrs = append(attrs, "dropped", dropped)
					}
				}
			}
			log.Error("NATS error", attrs...)
		}),
	}
}

// reconnectPause is the pause before attempt n (from 1) to reconnect: 100 ms doubling to a second, plus or minus
// jitter, so that a lattice does not fall upon a returning server all at once.
func reconnectPause(attempt int) time.Duration {
	return backoff.Policy{First: minReconnect, Max: maxReconnect, Jitter: reconnectJitter}.Pause(attempt - 1)
}

// dialer ends a first dial early when its ctx ends.
type dialer struct {
	timeout time.Duration
	last    last
	mu      sync.Mutex
	ctx     context.Context // of the first connection; nil afterwards. guarded by mu
}

// connected lets later connections, which nats.go makes by itself, take as long as their own time-out says.
func (d *dialer) connected() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ctx = nil
}

// Dial is nats.CustomDialer. What it returns gathers writes; see gathered.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	d.mu.Lock()
	ctx := d.ctx
	d.mu.Unlock()
	if ctx == nil {
		ctx = context.Background()
	}
	return d.last.next(func() (net.Conn, error) {
		return (&net.Dialer{Timeout: d.timeout}).DialContext(ctx, network,
			address)
	})
}

// connectError says why there is no connection, and the way out. nats.go has no typed error for most causes, so its
// texts are looked at, after what is certain. misfit asks the address itself what it speaks.
func connectError(ctx context.Context, cfg Config, err error) error {
	e := &lattice.Error{Code: lattice.ErrUnavailable, Op: "connect to NATS at", Entity: SafeURL(cfg.URL), Err: err}
	text := strings.ToLower(err.Error())
	switch {
	case ctx.Err() != nil:
		e.Code, e.Detail = lattice.CodeOf(ctx.Err()), "gave up waiting for a NATS server"
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired),
		errors.Is(err, nats.ErrNkeysNotSupported),
		strings.Contains(text, "authorization"), strings.Contains(text, "nkey"),
		strings.Contains(text, "authentication"):
		refusal := cfg.refusal(time.Now())
		e.Code, e.Detail = lattice.ErrDenied, refusal.Detail
	case hinted(&e.Detail, misfit(ctx, cfg)):
	case strings.Contains(text, "unknown authority"):
		e.Detail = "the server's certificate is of an authority that this machine does not know; " +
			"name its file with --nats-ca, or join with a token"
	case errors.Is(err, nats.ErrTLS), errors.Is(err, nats.ErrSecureConnWanted),
		errors.Is(err, nats.ErrSecureConnRequired),
		strings.Contains(text, "x509"), strings.Contains(text, "certificate"):
		e.Detail = "TLS failed; check the authority, the certificate and whether the server speaks TLS"
	default:
		e.Detail = nobodyAnswers
	}
	return e
}

// IsAway reports whether something was not sent since the connection is away and buffers nothing (NoBuffer).
func IsAway(err error) bool { return errors.Is(err, nats.ErrReconnectBufExceeded) }

// Flush waits until the server has taken what was published and subscribed before. A connection that is away, or goes
// away meanwhile, is not an error: it subscribes again when it is back. Errors are lattice.ErrTimeout and
// lattice.ErrCanceled by ctx, at the latest after defaultReconnectTimeout, and lattice.ErrUnavailable for a closed
// connection.
func Flush(ctx context.Context, nc *nats.Conn) error {
	if !nc.IsConnected() && !nc.IsClosed() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, defaultReconnectTimeout)
	defer cancel()
	err := nc.FlushWithContext(ctx)
	switch {
	case err == nil, !nc.IsConnected() && !nc.IsClosed():
		return nil
	case ctx.Err() != nil:
		return &lattice.Error{Code: lattice.CodeOf(ctx.Err()), Op: "wait for NATS to take what was sent"}
	case !nc.IsClosed() && errors.Is(err, nats.ErrConnectionClosed): // it went away, and is back already
		return nil
	}
	return &lattice.Error{Code: lattice.ErrUnavailable, Op: "wait for NATS to take what was sent", Err: err}
}

const nobodyAnswers = "no NATS server answers there; start one with \"weft up\", or give the URL of one that runs"

// Answered reports whether something answered where a connection has failed, so that the error of Connect says what is
// wrong.
func Answered(err error) bool {
	var e *lattice.Error
	return errors.As(err, &e) && e.Detail != nobodyAnswers
}

// hinted keeps a hint, and reports whether there is one.
func hinted(detail *string, hint string) bool {
	*detail = hint
	return hint != ""
}

// Close drains nc: subscriptions end, their messages are handled, what was published is flushed. It waits for that
// until ctx ends and then cuts the connection; a connection that is away is closed at once. A nil or closed nc is no
// error.
func Close(ctx context.Context, nc *nats.Conn) error {
	if nc == nil || nc.IsClosed() {
		return nil
	}
	closed := nc.StatusChanged(nats.CLOSED)
	defer nc.RemoveStatusListener(closed)
	switch err := nc.Drain(); {
	case errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrConnectionReconnecting):
		return nil // Drain has closed it
	case err != nil:
		nc.Close()
		return &lattice.Error{Code: lattice.ErrUnavailable, Op: "drain NATS connection", Err: err}
	}
	if nc.IsClosed() {
		return nil
	}
	select {
	case <-closed:
		return nil
	case <-ctx.Done():
		nc.Close()
		return &lattice.Error{Code: lattice.CodeOf(ctx.Err()), Op: "drain NATS connection"}
	}
}
