package provider

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/wire"
)

// hear takes over what the host says later, and answers each line, until ctx ends.
func (p *process) hear(ctx context.Context, later <-chan wire.HostData, out io.Writer) {
	for {
		select {
		case <-ctx.Done():
			return
		case hd := <-later:
			answer := wire.ReloadedLine
			if err := p.reload(ctx, hd); err != nil {
				p.log.Warn("new keys and credentials not taken over", lattice.LogErr, err)
				answer = wire.RestartLine
			}
			if _, err := fmt.Fprintln(out, answer); err != nil {
				p.log.Warn("the host was not told", lattice.LogErr, err)
			}
		}
	}
}

// reload takes over cluster keys and NATS credentials; calls in progress go on. Everything else in host data is for the
// start of a process. With an error nothing, or the keys alone, has changed.
func (p *process) reload(ctx context.Context, hd wire.HostData) error {
	cluster, err := signing.FromSeed(hd.InvocationSeed)
	if err != nil {
		return err
	}
	if p.host != hd.HostID || p.id != hd.ProviderKey || p.link != hd.LinkName || p.lattice != hd.LatticeRPCPrefix {
		return &lattice.Error{Code: lattice.ErrInvalid, Op: "reload", Detail: "the host data is for another process"}
	}
	// trust, then sign
	if err := p.peer.Rekey(cluster, trusted(cluster, hd)...); err != nil {
		return err
	}
	address, next := loginOf(hd)
	now := *p.login.Load()
	switch {
	case address != p.natsURL || hd.NATS != nil && *hd.NATS != p.direct || !now.CanBecome(next):
		return &lattice.Error{Code: lattice.ErrInvalid, Op: "reload",
			Detail: "NATS is elsewhere, or wants another kind of credentials"}
	case now != next:
		p.login.Store(&next)
		if err := p.peer.Reconnect(ctx, p.conn, true); err != nil {
			if lattice.CodeOf(err) == lattice.ErrDenied { // the old ones may still do
				p.login.Store(&now)
			}
			return err
		}
	}
	p.log.Info("keys and credentials taken over", "issuer", cluster.Public(), "trusted", p.peer.Verifier.Issuers())
	return nil
}

// loginOf is where host data says that NATS is, without credentials in the address, and the login of the provider
// there.
func loginOf(hd wire.HostData) (address string, login natsconn.Login) {
	login = natsconn.Login{JWT: hd.LatticeRPCUserJWT, Seed: hd.LatticeRPCUserSeed}
	u, err := url.Parse(hd.LatticeRPCURL)
	if err != nil || u.User == nil || login.Seed != "" || strings.Contains(hd.LatticeRPCURL, ",") {
		return hd.LatticeRPCURL, login
	}
	if password, ok := u.User.Password(); ok {
		login.User, login.Password = u.User.Username(), password
	} else {
		login.Token = u.User.Username()
	}
	u.User = nil
	return u.String(), login
}
