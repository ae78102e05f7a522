package host

import (
	"context"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/natsauth"
	"github.com/weftlattice/weft/lattice/natsconn"
)

// openProviderNATS decides how providers reach NATS and as whom. Where the server knows users by roles, each gets
// credentials of its own, which the host issues; else it gets the host's.
func (h *Host) openProviderNATS(opened func(func(context.Context) error)) (err error) {
	address := h.cfg.ProviderNATSURL
	switch {
	case address != "":
	case h.cfg.NATS.NeedsBridge():
		cfg := h.cfg.NATS
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
	if h.providerNATS, err = providerAccess(address, h.cfg.NATS); err != nil {
		return err
	}
	h.issuer, _ = natsauth.NewHostIssuer(natsauth.Credentials{JWT: h.providerNATS.jwt, Seed: h.providerNATS.seed})
	return nil
}

// nats is how this provider reaches NATS in the run that begins now.
func (p *provider) nats() providerNATS {
	access := p.host.providerNATS
	if p.host.issuer == nil {
		return access
	}
	own, err := p.host.issuer.Provider(p.id, p.link, natsauth.Needs{Storage: p.storage, SharedInbox: !p.builtin})
	if err != nil { // never the host's own instead: the provider will say that it can not connect
		p.host.log.Error("no NATS credentials for the provider", lattice.LogProvider, p.name, lattice.LogErr, err)
	}
	access.jwt, access.seed = own.JWT, own.Seed
	return access
}
