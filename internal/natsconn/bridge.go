package natsconn

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/weftlattice/weft/internal/acceptor"
	"github.com/weftlattice/weft/lattice"
)

const (
	maxGreeting      = 64 << 10
	handshakeTimeout = 10 * time.Second
)

// Bridge is a loopback address that leads to a NATS server with TLS, for clients that speak plain NATS only: the
// dialect hands a provider an address and credentials, but no authority to trust and no client certificate. The bridge
// adds TLS and nothing else; what a client may do is decided by the server, from the client's own credentials.
type Bridge struct {
	cfg    Config
	tls    func() *tls.Config // of what the files hold at the time
	log    *slog.Logger
	conns  *acceptor.Acceptor
	user   *url.Userinfo // credentials that stand in the server's address
	secret string        // that clients must show, where the bridge has a certificate to act with; "" else
}

// NeedsBridge reports whether clients that get only an address and credentials cannot use a connection's settings.
func (c Config) NeedsBridge() bool {
	return c.TLSCA != "" || c.TLSRoots != "" || c.TLSCert != "" || c.TLSName != "" || c.TLSFirst
}

// StartBridge opens a bridge to the servers of cfg.URL. The caller closes it.
func StartBridge(cfg Config) (*Bridge, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	tc, err := cfg.tlsConfig()
	if err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.ConnectTimeout <= 0 {
		cfg.ConnectTimeout = defaultConnectTimeout
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, &lattice.Error{Code: lattice.ErrUnavailable, Op: "open a loopback address for providers", Err: err}
	}
	b := &Bridge{cfg: cfg, tls: tc, log: cfg.Logger.With("part", "nats bridge"), conns: acceptor.New(l)}
	if b.user = firstUser(cfg.URL); cfg.TLSCert != "" && b.user == nil && cfg.CredsFile+cfg.JWT+cfg.Seed+cfg.User+
		cfg.Token == "" {
		b.secret = rand.Text()
	}
	b.conns.Start(func(client net.Conn) {
		if err := b.serve(client); err != nil {
			b.log.Debug("bridged connection ended", lattice.LogErr, err)
		}
	}, func(err error) { b.log.Warn("bridge accepts nothing", lattice.LogErr, err) })
	return b, nil
}

// URL is where clients connect. It may hold a secret: the credentials in the first server's address, or the bridge's
// own.
func (b *Bridge) URL() string {
	u := url.URL{Scheme: "nats", Host: b.conns.Addr().String(), User: b.user}
	if b.secret != "" {
		u.User = url.User(b.secret)
	}
	return u.String()
}

// firstUser is what the first address says of a user; nil: nothing. nats.go takes the credentials of the first one for
// all.
func firstUser(urls string) *url.Userinfo {
	first, _, _ := strings.Cut(urls, ",")
	u, err := parseURL(first)
	if err != nil {
		return nil
	}
	return u.User
}

// Close ends all connections and waits for what served them. It is idempotent.
func (b *Bridge) Close() error { return b.conns.Close() }

// serve carries one connection until either side ends it.
func (b *Bridge) serve(client net.Conn) error {
	raw, name, err := b.dial()
	if err != nil {
		return err
	}
	if !b.conns.Keep(raw) {
		return nil
	}
	defer b.conns.Drop(raw)
	server, greeting, err := b.greet(raw, name)
	if err != nil {
		return err
	}
	if _, err := client.Write(greeting); err != nil {
		return err
	}
	in := bufio.NewReaderSize(client, 32<<10)
	if b.secret != "" {
		if err := b.admit(client, in, server); err != nil {
			return err
		}
	}
	var up sync.WaitGroup
	up.Go(func() {
		_, _ = io.Copy(server, in)
		_ = server.Close() // the other direction ends by it
	})
	_, err = io.Copy(client, server)
	_ = client.Close()
	up.Wait()
	return err
}

// dial tries the servers in order.
func (b *Bridge) dial() (conn net.Conn, name string, err error) {
	urls := b.cfg.URL
	if urls == "" {
		urls = DefaultURL
	}
	for s := range strings.SplitSeq(urls, ",") {
		u, perr := parseURL(s)
		if perr != nil {
			return nil, "", perr
		}
		port := or(u.Port(), "4222")
		if conn, err = net.DialTimeout("tcp", net.JoinHostPort(u.Hostname(), port), b.cfg.ConnectTimeout); err == nil {
			return conn, u.Hostname(), nil
		}
	}
	return nil, "", err
}

// greet reads the server's greeting, turns TLS on, and returns the greeting as the client shall see it.
func (b *Bridge) greet(raw net.Conn, name string) (net.Conn, []byte, error) {
	if err := raw.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return nil, nil, err
	}
	tc := b.tls()
	tc.ServerName = or(tc.ServerName, name)
	var from io.Reader = raw
	secure := tls.Client(raw, tc)
	if b.cfg.TLSFirst {
		from = secure
	}
	line, err := readLine(from)
	if err != nil {
		return nil, nil, err
	}
	verb, body, _ := bytes.Cut(line, []byte(" "))
	var info map[string]json.RawMessage
	if string(bytes.ToUpper(verb)) != "INFO" || json.Unmarshal(body, &info) != nil {
		return nil, nil, errors.New("no NATS server")
	}
	for _, gone := range []string{"tls_required", "tls_verify", "tls_available", "connect_urls", "ws_connect_urls"} {
		delete(info, gone) // all of them lead around the bridge
	}
	if b.secret != "" {
		info["auth_required"] = json.RawMessage("true")
	}
	if err := secure.Handshake(); err != nil {
		return nil, nil, err
	}
	text, err := json.Marshal(info)
	if err != nil {
		return nil, nil, err
	}
	return secure, fmt.Appendf(nil, "INFO %s\r\n", text), raw.SetDeadline(time.Time{})
}

// readLine reads up to a line's end and not a byte more: what follows is TLS.
func readLine(r io.Reader) ([]byte, error) {
	var line []byte
	var one [1]byte
	for len(line) < maxGreeting {
		if _, err := io.ReadFull(r, one[:]); err != nil {
			return nil, err
		}
		if one[0] == '\n' {
			return bytes.TrimSpace(line), nil
		}
		line = append(line, one[0])
	}
	return nil, errors.New("the greeting of the server is too long")
}

// admit lets only a client pass that has the bridge's secret, and takes it away from what the server gets to see.
func (b *Bridge) admit(client net.Conn, in *bufio.Reader, server net.Conn) error {
	if err := client.SetReadDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return err
	}
	line, err := readLine(in)
	if err != nil {
		return err
	}
	verb, body, _ := bytes.Cut(line, []byte(" "))
	var connect map[string]json.RawMessage
	var token string
	if string(bytes.ToUpper(verb)) == "CONNECT" && json.Unmarshal(body, &connect) == nil {
		_ = json.Unmarshal(connect["auth_token"], &token) // what is no text is no secret
	}
	if subtle.ConstantTimeCompare([]byte(token), []byte(b.secret)) != 1 {
		_, _ = io.WriteString(client, "-ERR 'Authorization Violation'\r\n") // it learns it from the end, too
		return errors.New("a client without the bridge's secret")
	}
	delete(connect, "auth_token")
	text, err := json.Marshal(connect)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(server, "CONNECT %s\r\n", text); err != nil {
		return err
	}
	return client.SetReadDeadline(time.Time{})
}
