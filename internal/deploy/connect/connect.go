// Package connect decides where NATS is, who we are there, and which lattice is meant: from flags, a token, a context
// of the nats tool, the environment, and what runs on this machine.
package connect

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/weftlattice/weft/internal/deploy/datadir"
	"github.com/weftlattice/weft/internal/deploy/environ"
	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/internal/join"
	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/subject"
)

// Settings are what a person says; all may be empty. Join goes before URL and Context, Context before the environment.
type Settings struct {
	Lattice string
	Control string // prefix of the control subjects; required
	URL     string
	Join    string // a token, or a file that holds one
	Context string // of the nats tool: its name, or a file

	Creds, User, Password, Token, JWT, Seed string
	Domain                                  string // of JetStream
	TLS                                     bool
	TLSCA, TLSCert, TLSKey                  string
}

// Elsewhere reports whether the settings lead to a lattice that somebody else runs.
func (s Settings) Elsewhere() bool { return s.URL != "" || s.Join != "" || s.Context != "" }

// login reports whether the settings say who we are.
func (s Settings) login() bool {
	return s.Creds+s.User+s.Password+s.Token+s.JWT+s.Seed != ""
}

// Name is the lattice that the settings name.
func (s Settings) Name() (lattice.Name, error) {
	if s.Lattice == "" {
		return lattice.DefaultName, nil
	}
	return lattice.ParseName(s.Lattice)
}

// Way is a way to a lattice.
type Way struct {
	NATS    natsconn.Config
	Control subject.Control // with the lattice

	token *join.Token // of Join
	join  string      // what Join said
	here  *datadir.Up // when the way leads to what runs on this machine
}

// Find decides for settings. dir is the data directory whose lattice is taken when nothing else is said.
func Find(s Settings, dir datadir.Dir) (w Way, err error) {
	switch {
	case s.Join != "":
		err = w.byToken(&s)
	case s.Context != "":
		w.NATS, err = byContext(s)
	default:
		w.byURL(&s, dir)
	}
	if err != nil {
		return w, err
	}
	w.NATS.JSDomain = cmp.Or(s.Domain, w.NATS.JSDomain)
	w.Control.Prefix = s.Control
	w.Control.Lattice, err = s.Name()
	return w, err
}

// Here is the way to a lattice that runs on this machine.
func Here(u datadir.Up, control string) Way {
	return Way{NATS: u.Connection(), Control: subject.Control{Prefix: control, Lattice: u.Lattice}, here: &u}
}

// byToken adopts the token's lattice and prefix.
func (w *Way) byToken(s *Settings) error {
	if s.URL != "" {
		return usage.Errorf("--join says where NATS is; leave --nats-url away")
	}
	t, err := join.Read(s.Join)
	if err != nil {
		return err
	}
	if s.Lattice != "" && s.Lattice != string(t.Lattice) {
		return usage.Errorf("the token is for lattice %s, not %s", t.Lattice, s.Lattice)
	}
	s.Lattice, s.Control = string(t.Lattice), cmp.Or(t.Control, s.Control)
	w.token, w.join, w.NATS = &t, s.Join, t.Connection()
	return nil
}

// byContext reads a context of the nats tool. What the settings say besides goes before it.
func byContext(s Settings) (natsconn.Config, error) {
	c, err := natsconn.LoadContext(s.Context)
	if err != nil {
		return c, err
	}
	if s.login() {
		c.CredsFile, c.User, c.Password, c.Token, c.JWT, c.Seed = s.Creds, s.User, s.Password, s.Token, s.JWT, s.Seed
	}
	c.URL, c.TLS, c.TLSCA = cmp.Or(s.URL, c.URL, natsconn.DefaultURL), s.TLS, cmp.Or(s.TLSCA, c.TLSCA)
	if s.TLSCert != "" {
		c.TLSCert, c.TLSKey = s.TLSCert, s.TLSKey
	}
	return c, nil
}

// byURL takes a URL, else the environment, else what runs here, whose lattice it adopts.
func (w *Way) byURL(s *Settings, dir datadir.Dir) {
	w.NATS = natsconn.Config{URL: cmp.Or(s.URL, environ.Server()), CredsFile: s.Creds, User: s.User,
		Password: s.Password, Token: s.Token,
		JWT: s.JWT, Seed: s.Seed, TLS: s.TLS, TLSCA: s.TLSCA, TLSCert: s.TLSCert, TLSKey: s.TLSKey}
	if w.NATS.URL != "" {
		return
	}
	u, ok := dir.Up()
	if !ok {
		w.NATS.URL = natsconn.DefaultURL
		return
	}
	here := u.Connection()
	w.here, s.Lattice = &u, cmp.Or(s.Lattice, string(u.Lattice))
	w.NATS.URL, w.NATS.JSDomain = here.URL, here.JSDomain
	if !s.login() {
		w.NATS.CredsFile = here.CredsFile
	}
	if s.TLSCA == "" {
		w.NATS.TLSCA, w.NATS.TLSName = here.TLSCA, here.TLSName
	}
}

// Expired reports whether the way is by a token that is no longer good by this machine's clock.
func (w Way) Expired() bool { return w.token != nil && w.token.Expired(time.Now()) }

// ClusterSeed is the cluster key that the token brought, or "".
func (w Way) ClusterSeed() string {
	if w.token == nil {
		return ""
	}
	return w.token.ClusterSeed
}

// HostLogin reads the token again each time, since its file may have been replaced, and returns the NATS user that it
// names now. Where it is broken, or not for a host of this lattice, the error says so, and the user is the one before.
// Where NATS is stays as it was. nil: the way is by no token.
func (w Way) HostLogin() func() (jwt, seed string, err error) {
	if w.token == nil {
		return nil
	}
	var mu sync.Mutex
	now := *w.token // guarded by mu
	return func() (jwt, seed string, err error) {
		mu.Lock()
		defer mu.Unlock()
		next, err := join.Read(w.join)
		if err == nil && (next.Lattice != now.Lattice || next.Control != now.Control) {
			err = &lattice.Error{Code: lattice.ErrConflict, Op: "use the new token", Detail: "it is for lattice " +
				string(next.Lattice) +
				", this host is of " + string(now.Lattice)}
		}
		if err == nil {
			if err = (Way{token: &next}).May(natsauth.Host, "use the new token"); err == nil {
				now = next
			}
		}
		return now.JWT, now.Seed, err
	}
}

// Issuers are the clusters to trust besides, as the token says.
func (w Way) Issuers() []lattice.ClusterID {
	if w.token == nil {
		return nil
	}
	return w.token.Issuers
}

// May reports, before anything is tried, that the token does not give a role: lattice.ErrDenied. what is the deed for
// the error. Without a token the server decides.
func (w Way) May(role natsauth.Role, what string) error {
	if w.token == nil {
		return nil
	}
	id, err := w.token.Identity()
	if err == nil && !id.Has(role) {
		err = &lattice.Error{Code: lattice.ErrDenied, Op: what, Detail: "the token does not give the role " +
			string(role) +
			"; make one with: weft token create --role " + string(role)}
	}
	return err
}

// Open connects. cfg is that of the lattice, whose Control is the way's; name is shown by the server. The caller calls
// the function that is returned at the end. lattice.ErrUnavailable: nobody answers.
func (w Way) Open(ctx context.Context, name string, cfg operate.Config) (*operate.Lattice, func(), error) {
	w.NATS.Name = name
	nc, err := natsconn.Connect(ctx, w.NATS)
	if lattice.CodeOf(err) == lattice.ErrUnavailable && !natsconn.Answered(err) {
		return nil, nil, &lattice.Error{Code: lattice.ErrUnavailable, Op: "reach NATS at",
			Entity: natsconn.SafeURL(w.NATS.URL),
			Detail: "nobody answers there; start a lattice with: weft up"}
	}
	if err != nil {
		return nil, nil, err
	}
	cfg.Control = w.Control
	return operate.New(nc, cfg), func() { _ = natsconn.Close(context.WithoutCancel(ctx), nc) }, nil
}

// ForHost is the connection of a host. One that uses the server of this machine gets credentials of a host made here;
// extra names the subjects that it needs besides those of its role.
func (w Way) ForHost(dir datadir.Dir, keys func() (*signing.Keystore, error),
	extra natsauth.Identity) (natsconn.Config, error) {
	c := w.NATS
	if w.here == nil || w.here.Creds == "" || c.CredsFile != w.here.Creds {
		return c, w.May(natsauth.Host, "run a host")
	}
	store, err := keys()
	if err != nil {
		return c, err
	}
	realm, err := dir.Realm(store)
	if err != nil {
		return c, err
	}
	creds, err := realm.Local(LocalHost(w.Control, extra))
	c.CredsFile, c.JWT, c.Seed = "", creds.JWT, creds.Seed
	return c, err
}

// LocalHost is who a host of this machine is to the machine's NATS server.
func LocalHost(control subject.Control, extra natsauth.Identity) natsauth.Identity {
	return natsauth.Identity{Name: "local", Roles: []natsauth.Role{natsauth.Host}, Lattice: control.Lattice,
		Control: OwnPrefix(control.Prefix),
		Publish: extra.Publish, Subscribe: extra.Subscribe}
}

// OwnPrefix is a prefix of the control subjects, empty for the usual one.
func OwnPrefix(prefix string) string {
	if prefix == subject.DefaultControlPrefix {
		return ""
	}
	return prefix
}
