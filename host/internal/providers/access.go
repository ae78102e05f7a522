package providers

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nkeys"
	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// AccessConfig says how the host reaches NATS.
type AccessConfig struct {
	NATS   natsconn.Config
	URL    string // that providers are given; default: NATS.URL, or a bridge to it where TLS needs more than an address
	Logger *slog.Logger
}

// Access is how providers reach NATS and as whom. Where the server knows users by roles, each gets credentials of its
// own, which the host issues; else it gets the host's. Make it with NewAccess, then Start it once. It is safe for
// concurrent use.
type Access struct {
	cfg     AccessConfig
	address string
	bridge  *natsconn.Bridge // nil: none is needed
	present atomic.Pointer[Credentials]
}

// NewAccess makes an Access.
func NewAccess(cfg AccessConfig) *Access { return &Access{cfg: cfg} }

// Start opens a bridge where one is needed, and reads the host's credentials.
func (a *Access) Start(context.Context) (err error) {
	a.address = a.cfg.NATS.URL
	switch {
	case a.cfg.URL != "":
		a.address = a.cfg.URL
	case a.cfg.NATS.NeedsBridge():
		cfg := a.cfg.NATS
		cfg.Logger = a.cfg.Logger
		if a.bridge, err = natsconn.StartBridge(cfg); err != nil {
			return err
		}
		a.address = a.bridge.URL()
	}
	c, err := a.Read()
	a.Take(c)
	return err
}

// Stop ends what Start began.
func (a *Access) Stop(context.Context) error {
	if a.bridge == nil {
		return nil
	}
	return a.bridge.Close()
}

// Read reads the host's credentials as they are now. Providers get them after Take.
func (a *Access) Read() (*Credentials, error) {
	c, err := readCredentials(a.address, a.cfg.NATS)
	if err == nil {
		c.issuer, _ = natsauth.NewHostIssuer(natsauth.Credentials{JWT: c.jwt, Seed: c.seed})
	}
	return &c, err
}

// Take lets providers reach NATS with these credentials from now on.
func (a *Access) Take(c *Credentials) { a.present.Store(c) }

// Issues reports whether each provider gets credentials of its own.
func (a *Access) Issues() bool { return a.present.Load().issuer != nil }

// direct is how providers with credentials of their own reach NATS without the bridge, which hangs when the host does;
// nil where that needs the host's certificate.
func (a *Access) direct(c Credentials) *wire.NATSAccess {
	cfg := a.cfg.NATS
	if c.issuer == nil || a.cfg.URL != "" || cfg.TLSCert != "" || !cfg.NeedsBridge() {
		return nil
	}
	roots := cfg.TLSRoots
	if cfg.TLSCA != "" {
		text, err := os.ReadFile(cfg.TLSCA)
		if err != nil {
			a.cfg.Logger.Warn("providers reach NATS through the host only", lattice.LogErr, err)
			return nil
		}
		roots = string(text)
	}
	return &wire.NATSAccess{URL: natsconn.SafeURL(cfg.URL), Roots: roots, Name: cfg.TLSName, First: cfg.TLSFirst}
}

// ownNATS are credentials that were issued to a provider, and out of what. They are for one run, and for as long as the
// host's own stay the same.
type ownNATS struct {
	mu     sync.Mutex
	from   *Credentials         // guarded by mu
	issued natsauth.Credentials // guarded by mu
}

// forget makes the next run get others.
func (o *ownNATS) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.from = nil
}

// nats is how this provider reaches NATS in the present run.
func (p *Provider) nats() Credentials {
	host := p.cfg.Access.present.Load()
	access := *host
	if access.issuer == nil {
		return access
	}
	p.own.mu.Lock()
	defer p.own.mu.Unlock()
	if p.own.from != host {
		own, err := access.issuer.Provider(p.id, p.link, natsauth.Needs{Storage: p.storage, SharedInbox: !p.builtin})
		if err != nil { // never the host's own instead: the provider will say that it cannot connect
			p.cfg.Logger.Error("no NATS credentials for the provider", lattice.LogProvider, p.name, lattice.LogErr, err)
		}
		p.own.from, p.own.issued = host, own
	}
	access.jwt, access.seed = p.own.issued.JWT, p.own.issued.Seed
	return access
}

// Credentials are how providers reach NATS: host data carries an address and, where there are any, a user's JWT and
// seed.
type Credentials struct {
	url, jwt, seed string
	issuer         *natsauth.HostIssuer // of credentials for each provider; nil: they get the host's
}

// readCredentials finds that out from the host's own connection. Passwords and tokens travel in the address, as NATS
// allows; client certificates cannot be handed over by the dialect.
func readCredentials(address string, c natsconn.Config) (Credentials, error) {
	access := Credentials{url: address, jwt: c.JWT, seed: c.Seed}
	switch {
	case c.Login != nil:
		l := c.Login()
		access.jwt, access.seed = l.JWT, l.Seed
	case c.CredsFile != "":
		b, err := os.ReadFile(c.CredsFile)
		if err != nil {
			return access, &lattice.Error{Code: lattice.ErrUnavailable, Op: "read credentials", Entity: c.CredsFile,
				Err: err}
		}
		if access.jwt, err = nkeys.ParseDecoratedJWT(b); err != nil {
			return access, credentialsError(c.CredsFile, err)
		}
		user, err := nkeys.ParseDecoratedNKey(b)
		if err != nil {
			return access, credentialsError(c.CredsFile, err)
		}
		seed, err := user.Seed()
		if err != nil {
			return access, credentialsError(c.CredsFile, err)
		}
		access.seed = string(seed)
	case c.User != "" || c.Token != "":
		u, err := url.Parse(address)
		if err != nil || u.Host == "" {
			return access, &lattice.Error{Code: lattice.ErrInvalid, Op: "hand NATS credentials to providers",
				Entity: natsconn.SafeURL(address),
				Detail: "the address must be one URL such as nats://host:4222"}
		}
		if u.User = url.UserPassword(c.User, c.Password); c.Token != "" {
			u.User = url.User(c.Token)
		}
		access.url = u.String()
	}
	return access, nil
}

func credentialsError(file string, err error) error {
	return &lattice.Error{Code: lattice.ErrInvalid, Op: "read credentials", Entity: file,
		Err: fmt.Errorf("not a NATS credentials file: %w", err)}
}
