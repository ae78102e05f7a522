// Package natsconn makes connections to NATS that heal by themselves and say what they are doing.
//
// Every part of weft connects here, so that credentials, reconnect policy and log lines are the same everywhere. A
// connection reconnects for ever, first after 100 ms, then with jitter up to a second; what is published meanwhile is
// buffered up to Config.ReconnectBufferBytes, or not at all (NoBuffer). A peer that is silent for about six seconds
// counts as dead.
package natsconn

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/certfile"
	"github.com/weftlattice/weft/internal/linkfile"
	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/internal/netaddr"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// Defaults.
const (
	DefaultURL                  = "nats://127.0.0.1:4222"
	defaultConnectTimeout       = 2 * time.Second
	defaultReconnectBufferBytes = 8 << 20
	defaultDrainTimeout         = 10 * time.Second
	defaultReconnectTimeout     = 10 * time.Second // of Reconnect when its ctx has no deadline
)

// NoBuffer as Config.ReconnectBufferBytes makes publishing an error while the connection is away. It is for connections
// that carry calls: what is buffered would be carried out when its caller has long given up.
const NoBuffer = -1

const (
	pingInterval    = 2 * time.Second
	maxPingsOut     = 2
	minReconnect    = 100 * time.Millisecond
	maxReconnect    = time.Second
	reconnectJitter = 0.2 // share of the delay
)

// Config says where to connect and as whom. The zero value connects to DefaultURL without credentials. At most one of
// CredsFile, JWT (with Seed), Seed alone, User (with Password) and Token may be set.
type Config struct {
	URL  string // one or more, comma separated; empty is DefaultURL. User information in it counts as credentials
	Name string // shown in the server's connection list; empty is "weft"

	CredsFile      string // a NATS credentials file with JWT and seed
	JWT            string // user JWT; needs Seed
	Seed           string // user nkey seed ("SU...")
	User, Password string
	Token          string

	// Login, when set, is asked at each attempt to connect, instead of the fields above; what it returns later must be
	// something that the first can become.
	Login func() Login

	TLS      bool   // require TLS, also with a nats:// URL
	TLSCA    string // PEM file of the authorities to trust instead of the system's
	TLSRoots string // the same as text instead of a file
	TLSName  string // name that the server's certificate must have; empty: the host in the URL
	TLSCert  string // PEM files of the client's certificate; both or none
	TLSKey   string
	TLSFirst bool // the handshake comes before the server's greeting, as the server is configured to want

	JSDomain    string // JetStream domain of what is stored, see JetStream; empty: the server's own
	InboxPrefix string // where answers come; empty: as the credentials say, else that of all NATS clients

	ConnectTimeout       time.Duration // of one attempt; 0 is defaultConnectTimeout
	ReconnectBufferBytes int           // published while away; 0 is defaultReconnectBufferBytes; see NoBuffer
	DrainTimeout         time.Duration // of Close when its ctx has no deadline; 0 is defaultDrainTimeout

	// RetryOnFailedConnect makes Connect try until its ctx ends, instead of failing at the first attempt.
	RetryOnFailedConnect bool
	// Background makes Connect return after the first attempt even when that failed: the connection is then away, as
	// after a loss, and heals by itself. Subscriptions and handlers may be made at once.
	Background bool

	InProcess nats.InProcessConnProvider // an embedded server; URL is then only a name
	Logger    *slog.Logger               // nil discards
}

// String tells where the connection leads. It never shows credentials.
func (c Config) String() string { return "natsconn.Config{" + SafeURL(c.URL) + "}" }

// GoString is String, so that %#v does not show credentials either.
func (c Config) GoString() string { return c.String() }

// LogValue is String, so that slog does not show credentials either.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// SafeURL removes user information from a comma separated list of URLs, for logs and messages. What is no URL becomes
// "(malformed URL)", since it might hold a secret.
func SafeURL(urls string) string {
	if urls == "" {
		urls = DefaultURL
	}
	list := strings.Split(urls, ",")
	for i, s := range list {
		u, err := parseURL(s)
		if err != nil {
			list[i] = "(malformed URL)"
			continue
		}
		u.User = nil
		list[i] = u.String()
	}
	return strings.Join(list, ",")
}

// parseURL takes a bare host as nats:// does. Its errors do not repeat the text: a password may stand in it.
func parseURL(s string) (*url.URL, error) {
	s = strings.TrimSpace(s)
	if !strings.Contains(s, "://") {
		s = "nats://" + s
	}
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("malformed URL")
	}
	switch u.Scheme {
	case "nats", "tls", "ws", "wss":
		return u, nil
	}
	return nil, errors.New("malformed URL")
}

// bracketHint says how a URL with an IPv6 address without brackets is to be written; "" for others.
func bracketHint(s string) string {
	scheme, rest, ok := strings.Cut(strings.TrimSpace(s), "://")
	if !ok {
		scheme, rest = "nats", scheme
	}
	host := strings.TrimSuffix(rest[strings.LastIndexByte(rest, '@')+1:], "/")
	good := netaddr.Bracketed(host)
	if ip, err := netip.ParseAddr(host); good == "" && err == nil && ip.Is6() {
		good = "[" + host + "]"
	}
	if good == "" {
		return ""
	}
	return "an IPv6 address stands in brackets: " + scheme + "://" + good
}

// Validate joins everything that is wrong with c, each as lattice.ErrInvalid. It reads no files.
func (c Config) Validate() error {
	var errs []error
	bad := func(detail string) {
		errs = append(errs, &lattice.Error{Code: lattice.ErrInvalid, Op: "configure NATS connection", Detail: detail})
	}
	if c.URL != "" {
		for i, s := range strings.Split(c.URL, ",") {
			if hint := bracketHint(s); hint != "" {
				bad(hint)
			} else if _, err := parseURL(s); err != nil {
				bad(fmt.Sprintf("URL %d is malformed; want nats://HOST[:PORT], tls://, ws:// or wss://", i+1))
			}
		}
	}
	var kinds []string
	for _, k := range []struct {
		name string
		set  bool
	}{
		{"credentials file", c.CredsFile != ""},
		{"JWT", c.JWT != ""},
		{"seed", c.Seed != "" && c.JWT == ""},
		{"user", c.User != "" || c.Password != ""},
		{"token", c.Token != ""},
		{"login", c.Login != nil},
	} {
		if k.set {
			kinds = append(kinds, k.name)
		}
	}
	if len(kinds) > 1 {
		bad("give one kind of credentials, not " + strings.Join(kinds, " and "))
	}
	if strings.ContainsAny(c.JSDomain, ".*> \t\r\n") {
		bad("a JetStream domain is one word without dots and wildcards")
	}
	if c.JWT != "" && c.Seed == "" {
		bad("a JWT needs its seed")
	}
	if c.User == "" && c.Password != "" {
		bad("a password needs a user")
	}
	if c.TLSCA != "" && c.TLSRoots != "" {
		bad("give the authorities as a file or as text")
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		bad("TLS certificate and key go together")
	}
	if c.Seed != "" {
		if k, err := signing.FromSeed(c.Seed); err != nil || k.Kind() != 'U' {
			bad("the seed is no NATS user seed (\"SU...\")")
		}
	}
	return errors.Join(errs...)
}

// credentials turns the credentials and TLS settings into options.
func (c Config) credentials() ([]nats.Option, error) {
	for _, f := range []string{c.CredsFile, c.TLSCA, c.TLSCert, c.TLSKey} {
		if f == "" {
			continue
		}
		if _, err := os.Stat(f); err != nil {
			return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "read", Entity: f, Err: err}
		}
	}
	var opts []nats.Option
	switch {
	case c.Login != nil:
		var err error
		if opts, err = loginOptions(c.Login); err != nil {
			return nil, err
		}
	case c.CredsFile != "":
		opts = append(opts, nats.UserCredentials(c.CredsFile))
	case c.JWT != "":
		opts = append(opts, nats.UserJWTAndSeed(c.JWT, c.Seed))
	case c.Seed != "":
		k, err := signing.FromSeed(c.Seed)
		if err != nil {
			return nil, err
		}
		opts = append(opts, nats.Nkey(k.Public(), func(nonce []byte) ([]byte, error) { return k.Sign(nonce), nil }))
	case c.User != "":
		opts = append(opts, nats.UserInfo(c.User, c.Password))
	case c.Token != "":
		opts = append(opts, nats.Token(c.Token))
	}
	if prefix := or(c.InboxPrefix, c.ownInbox()); prefix != "" {
		opts = append(opts, nats.CustomInboxPrefix(prefix))
	}
	if c.needsTLS() {
		now, err := c.tlsConfig()
		if err != nil {
			return nil, err
		}
		opts = append(opts, nats.Secure(now()), func(o *nats.Options) error { // asked at each attempt to connect
			o.RootCAsCB = func() (*x509.CertPool, error) { return now().RootCAs, nil }
			return nil
		})
	}
	if c.TLSFirst {
		opts = append(opts, nats.TLSHandshakeFirst())
	}
	return opts, nil
}

// needsTLS reports whether only a connection with TLS will do.
func (c Config) needsTLS() bool {
	return c.TLS || c.TLSFirst || c.TLSCA != "" || c.TLSRoots != "" || c.TLSCert != "" || c.TLSName != ""
}

// tlsConfig opens the files of TLS and returns what makes a configuration of what they hold at the time. Files are
// replaced before they expire; of one that is broken then, the contents before are used.
func (c Config) tlsConfig() (now func() *tls.Config, err error) {
	tc := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.TLSName}
	now = tc.Clone
	switch {
	case c.TLSCA != "":
		roots, err := certfile.OpenRoots(c.TLSCA, false, linkfile.Read, c.Logger)
		if err != nil {
			return nil, err
		}
		now = func() *tls.Config {
			next := tc.Clone()
			next.RootCAs = roots.Pool()
			return next
		}
	case c.TLSRoots != "":
		tc.RootCAs = x509.NewCertPool()
		if !tc.RootCAs.AppendCertsFromPEM([]byte(c.TLSRoots)) {
			return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "read TLS authorities",
				Detail: "there is no PEM certificate in it"}
		}
	}
	if c.TLSCert != "" {
		pair, err := certfile.OpenPair(c.TLSCert, c.TLSKey, linkfile.Read, c.Logger)
		if err != nil {
			return nil, err
		}
		tc.GetClientCertificate = pair.Client
	}
	return now, nil
}

// ownInbox is the inbox of a user of package natsauth, who may read no others; "" for other credentials.
func (c Config) ownInbox() string {
	id, err := natsauth.Read(c.currentJWT())
	if err != nil {
		return ""
	}
	return id.Inbox()
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
