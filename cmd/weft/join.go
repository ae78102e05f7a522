package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/internal/join"
	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice"
)

// joinConfig is how the bearer of --join reaches NATS. It adopts the token's lattice.
func (a *app) joinConfig(cmd *cobra.Command) (natsconn.Config, error) {
	if strings.HasPrefix(a.conn.join, "weft") {
		a.secretFlag(cmd, "join")
	}
	if a.conn.url != "" {
		return natsconn.Config{}, usagef("--join says where NATS is; leave --nats-url away")
	}
	t, err := join.Read(a.conn.join)
	if err != nil {
		return natsconn.Config{}, err
	}
	if a.lattice != "" && a.lattice != string(t.Lattice) {
		return natsconn.Config{}, usagef("the token is for lattice %s, not %s", t.Lattice, a.lattice)
	}
	a.lattice = string(t.Lattice)
	if t.Control != "" {
		a.prefix = t.Control
	}
	if t.Expired(time.Now()) {
		a.say("weft: warning: by this machine's clock the token has expired; if NATS refuses it, make a new one with: weft token create")
	}
	a.joined = &t
	return t.Connection(), nil
}

// mayCommand reports, before anything is tried, that a token does not let its bearer give commands.
func (a *app) mayCommand(role natsauth.Role, what string) error {
	if a.joined == nil {
		return nil
	}
	id, err := a.joined.Identity()
	if err == nil && !id.Has(role) {
		err = &lattice.Error{Code: lattice.ErrDenied, Op: what, Detail: "the token does not give the role " + string(role) +
			"; make one with: weft token create --role " + string(role)}
	}
	return err
}

// contextConfig is the connection of --nats-context; flags for single settings go before it.
func (a *app) contextConfig() (natsconn.Config, error) {
	c, err := natsconn.LoadContext(a.conn.context)
	if err != nil {
		return c, err
	}
	f := a.conn
	if f.creds+f.user+f.password+f.token+f.jwt+f.seed != "" {
		c.CredsFile, c.User, c.Password, c.Token, c.JWT, c.Seed = f.creds, f.user, f.password, f.token, f.jwt, f.seed
	}
	c.URL, c.TLS, c.TLSCA = or(or(f.url, c.URL), natsconn.DefaultURL), f.tls, or(f.tlsCA, c.TLSCA)
	if f.tlsCert != "" {
		c.TLSCert, c.TLSKey = f.tlsCert, f.tlsKey
	}
	return c, nil
}

// connection is the way to the lattice that runs on this machine, for people.
func (s upState) connection() natsconn.Config {
	return natsconn.Config{URL: s.NATSURL, CredsFile: s.Creds, TLSCA: s.CA, TLSName: s.ServerName, JSDomain: s.Domain}
}

// hostConfig is the connection of a host that uses a server elsewhere, or that of "weft up" on this machine.
func (a *app) hostConfig(cmd *cobra.Command, extra natsauth.Identity) (natsconn.Config, error) {
	c, err := a.natsConfig(cmd, "")
	if err != nil {
		return c, err
	}
	if a.here == nil || a.here.Creds == "" || c.CredsFile != a.here.Creds {
		return c, a.mayCommand(natsauth.Host, "run a host")
	}
	keys, err := a.keys()
	if err != nil {
		return c, err
	}
	realm, err := natsauth.OpenRealm(a.realmDir(), keys)
	if err != nil {
		return c, err
	}
	name, err := a.latticeName()
	if err != nil {
		return c, err
	}
	creds, err := realm.Local(natsauth.Identity{Name: "local", Roles: []natsauth.Role{natsauth.Host}, Lattice: name, Control: a.controlPrefix(),
		Publish: extra.Publish, Subscribe: extra.Subscribe})
	c.CredsFile, c.JWT, c.Seed = "", creds.JWT, creds.Seed
	return c, err
}
