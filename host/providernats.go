package host

import (
	"context"
	"os"
	"sync"

	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// openProviderNATS decides how providers reach NATS and as whom. Where the server knows users by roles, each gets
// credentials of its own, which the host issues; else it gets the host's.
func (h *Host) openProviderNATS(opened func(func(context.Context) error)) (err error) {
	address := h.cfg.ProviderNATSURL
	switch {
	case address != "":
	case h.cfg.NATS.config().NeedsBridge():
		cfg := h.cfg.NATS.config()
		cfg.Logger = h.log
		bridge, err := natsconn.StartBridge(cfg)
		if err != nil {
			return err
		}
		opened(func(context.Context) error { return bridge.Close() })
		address = bridge.URL()
	default:
		address = h.cfg.NATS.URL
	}
	h.providerAddr = address
	access, err := h.providerAccess()
	h.providerNATS.Store(&access)
	return err
}

// providerAccess reads the host's credentials and tells how providers reach NATS now.
func (h *Host) providerAccess() (providerNATS, error) {
	access, err := providerAccess(h.providerAddr, h.cfg.NATS.config())
	if err == nil {
		access.issuer, _ = natsauth.NewHostIssuer(natsauth.Credentials{JWT: access.jwt, Seed: access.seed})
	}
	return access, err
}

// natsAccess is how providers with credentials of their own reach NATS without the bridge, which hangs when the host
// does; nil where that needs the host's certificate.
func (h *Host) natsAccess(access providerNATS) *wire.NATSAccess {
	cfg := h.cfg.NATS.config()
	if access.issuer == nil || h.cfg.ProviderNATSURL != "" || cfg.TLSCert != "" || !cfg.NeedsBridge() {
		return nil
	}
	roots := cfg.TLSRoots
	if cfg.TLSCA != "" {
		text, err := os.ReadFile(cfg.TLSCA)
		if err != nil {
			h.log.Warn("providers reach NATS through the host only", lattice.LogErr, err)
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
	from   *providerNATS        // guarded by mu
	issued natsauth.Credentials // guarded by mu
}

// forget makes the next run get others.
func (o *ownNATS) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.from = nil
}

// nats is how this provider reaches NATS in the present run.
func (p *provider) nats() providerNATS {
	host := p.host.providerNATS.Load()
	access := *host
	if access.issuer == nil {
		return access
	}
	p.own.mu.Lock()
	defer p.own.mu.Unlock()
	if p.own.from != host {
		own, err := access.issuer.Provider(p.id, p.link, natsauth.Needs{Storage: p.storage, SharedInbox: !p.builtin})
		if err != nil { // never the host's own instead: the provider will say that it cannot connect
			p.host.log.Error("no NATS credentials for the provider", lattice.LogProvider, p.name, lattice.LogErr, err)
		}
		p.own.from, p.own.issued = host, own
	}
	access.jwt, access.seed = p.own.issued.JWT, p.own.issued.Seed
	return access
}
