package main

import (
	"context"
	"net"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/subject"
)

// connection holds the flags that say where NATS is and who we are there.
type connection struct {
	url, join, context, creds, user, password, token, jwt, seed string
	domain                                                      string // of JetStream
	tls                                                         bool
	tlsCA, tlsCert, tlsKey                                      string
}

// connectionFlags are the names of the flags that connection.flags makes.
var connectionFlags = func() (names []string) {
	var f pflag.FlagSet
	new(connection).flags(&f)
	f.VisitAll(func(flag *pflag.Flag) { names = append(names, flag.Name) })
	return names
}()

func (c *connection) flags(f *pflag.FlagSet) {
	f.StringVar(&c.url, "nats-url", "", "NATS server (default: the lattice that runs here, else "+natsconn.DefaultURL+")")
	fallback(f, "nats-url", "NATS_URL")
	f.StringVar(&c.join, "join", "", "token of \"weft token create\", or a file that holds one: where NATS is, and who we are")
	f.StringVar(&c.context, "nats-context", "", "context of the nats tool: its name, or a file")
	fallback(f, "nats-context", "NATS_CONTEXT")
	f.StringVar(&c.creds, "creds", "", "NATS credentials file")
	fallback(f, "creds", "NATS_CREDS", "WASH_CTL_CREDS")
	f.StringVar(&c.user, "nats-user", "", "NATS user name")
	fallback(f, "nats-user", "NATS_USER")
	f.StringVar(&c.password, "nats-password", "", "NATS password")
	fallback(f, "nats-password", "NATS_PASSWORD")
	f.StringVar(&c.token, "nats-token", "", "NATS token")
	fallback(f, "nats-token", "NATS_TOKEN")
	f.StringVar(&c.jwt, "nats-jwt", "", "NATS user JWT, with --nats-seed")
	fallback(f, "nats-jwt", "WASMCLOUD_CTL_JWT", "WASMCLOUD_NATS_JWT", "NATS_JWT")
	f.StringVar(&c.seed, "nats-seed", "", "NATS user seed")
	fallback(f, "nats-seed", "WASMCLOUD_CTL_SEED", "WASMCLOUD_NATS_SEED", "WASMCOULD_NATS_SEED", "NATS_SEED")
	f.StringVar(&c.domain, "js-domain", "", "JetStream domain of what the lattice stores, where NATS has it elsewhere (a leaf node's hub)")
	fallback(f, "js-domain", "WASMCLOUD_JS_DOMAIN")
	f.BoolVar(&c.tls, "nats-tls", false, "require TLS")
	fallback(f, "nats-tls", "WASMCLOUD_CTL_TLS")
	f.StringVar(&c.tlsCA, "nats-ca", "", "PEM file of the authorities to trust")
	fallback(f, "nats-ca", "NATS_CA")
	f.StringVar(&c.tlsCert, "nats-cert", "", "PEM file of the client certificate")
	fallback(f, "nats-cert", "NATS_CERT")
	f.StringVar(&c.tlsKey, "nats-key", "", "PEM file of the client certificate's key")
	fallback(f, "nats-key", "NATS_KEY")
	for _, name := range []string{"nats-user", "nats-password", "nats-token", "nats-jwt", "nats-seed", "nats-tls", "nats-ca", "nats-cert", "nats-key", "ctl-prefix", "js-domain"} {
		_ = f.MarkHidden(name) // in "weft help connection"; ctl-prefix is of globalFlags
	}
}

// elsewhere reports whether the flags lead to a lattice that somebody else runs.
func (c *connection) elsewhere() bool { return c.url != "" || c.join != "" || c.context != "" }

const connectionHelp = `Which NATS server a command talks to is decided in this order:

  1. --join: the token says all of it, credentials and authority too (WEFT_JOIN, or a file's name)
  2. --nats-url, WEFT_NATS_URL, NATS_URL
  3. --nats-context, WEFT_NATS_CONTEXT, NATS_CONTEXT: a context of the nats tool, in ~/.config/nats/context
  4. WASMCLOUD_CTL_HOST and WASMCLOUD_CTL_PORT, then NATS_HOST and NATS_PORT
  5. the lattice that "weft up" runs with the same --data-dir
  6. ` + natsconn.DefaultURL + `

Credentials: --creds FILE, or --nats-user with --nats-password, --nats-token, --nats-jwt with --nats-seed.
TLS: --nats-tls, --nats-ca, --nats-cert, --nats-key. Better than on the command line, secrets are set in the
environment: WEFT_NATS_PASSWORD, WEFT_NATS_TOKEN, WEFT_NATS_SEED, or as NATS's own tools name them, NATS_CREDS,
NATS_USER, NATS_PASSWORD, NATS_TOKEN, NATS_CA, NATS_CERT, NATS_KEY.

What the lattice stores is in the JetStream of that server, or of --js-domain, WEFT_JS_DOMAIN, WASMCLOUD_JS_DOMAIN, or the
domain that the token or the context names: where a leaf node has no JetStream of its own, its hub's.
The lattice is --lattice, WEFT_LATTICE, WASMCLOUD_LATTICE, the one that runs here, or "default".
--ctl-prefix is the first part of the control subjects, ` + subject.DefaultControlPrefix + ` unless the hosts use another.`

func connectionTopic() *cobra.Command {
	return &cobra.Command{Use: "connection", Short: "Which NATS server and lattice weft talks to", Long: connectionHelp}
}

// config is where to connect; name is shown by the server.
func (a *app) natsConfig(cmd *cobra.Command, name string) (natsconn.Config, error) {
	c, err := a.whereNATSIs(cmd)
	c.Name, c.JSDomain = name, or(a.conn.domain, c.JSDomain)
	return c, err
}

func (a *app) whereNATSIs(cmd *cobra.Command) (natsconn.Config, error) {
	for _, secret := range []string{"nats-password", "nats-token", "nats-seed"} {
		a.secretFlag(cmd, secret)
	}
	switch {
	case a.conn.join != "":
		return a.joinConfig(cmd)
	case a.conn.context != "":
		return a.contextConfig()
	}
	c := a.conn
	cfg := natsconn.Config{URL: a.natsURL(), CredsFile: c.creds, User: c.user, Password: c.password, Token: c.token,
		JWT: c.jwt, Seed: c.seed, TLS: c.tls, TLSCA: c.tlsCA, TLSCert: c.tlsCert, TLSKey: c.tlsKey}
	if a.here != nil {
		here := a.here.connection()
		cfg.JSDomain = here.JSDomain
		if c.creds+c.user+c.password+c.token+c.jwt+c.seed == "" {
			cfg.CredsFile = here.CredsFile
		}
		if c.tlsCA == "" {
			cfg.TLSCA, cfg.TLSName = here.TLSCA, here.TLSName
		}
	}
	return cfg, nil
}

// natsURL decides where NATS is, see connectionHelp. It also adopts the name of the lattice that runs here.
func (a *app) natsURL() string {
	if a.conn.url != "" {
		return a.conn.url
	}
	for _, vars := range [][2]string{{"WASMCLOUD_CTL_HOST", "WASMCLOUD_CTL_PORT"}, {"NATS_HOST", "NATS_PORT"}} {
		host, port := os.Getenv(vars[0]), os.Getenv(vars[1])
		if host == "" && port == "" {
			continue
		}
		return "nats://" + net.JoinHostPort(or(host, "127.0.0.1"), or(port, "4222"))
	}
	if s, ok := a.runningHere(); ok {
		a.lattice = or(a.lattice, string(s.Lattice))
		a.here = &s
		return s.NATSURL
	}
	return natsconn.DefaultURL
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// connect reaches the lattice. The caller calls the function that is returned at the end.
func (a *app) connect(cmd *cobra.Command) (*operate.Lattice, func(), error) {
	cfg, err := a.natsConfig(cmd, "")
	if err == nil {
		err = a.mayCommand(natsauth.Operator, "give commands")
	}
	if err != nil {
		return nil, nil, err
	}
	return a.connectTo(cmd.Context(), cfg, cmd.CommandPath())
}

// connectTo reaches the lattice at a certain place; name is shown by the server.
func (a *app) connectTo(ctx context.Context, cfg natsconn.Config, name string) (*operate.Lattice, func(), error) {
	lat, err := a.latticeName()
	if err != nil {
		return nil, nil, err
	}
	cfg.Name = name
	nc, err := natsconn.Connect(ctx, cfg)
	if lattice.CodeOf(err) == lattice.ErrUnavailable && !natsconn.Answered(err) {
		return nil, nil, &lattice.Error{Code: lattice.ErrUnavailable, Op: "reach NATS at", Entity: natsconn.SafeURL(cfg.URL),
			Detail: "nobody answers there; start a lattice with: weft up"}
	}
	if err != nil {
		return nil, nil, err
	}
	done := func() { _ = natsconn.Close(context.WithoutCancel(ctx), nc) }
	control := subject.Control{Prefix: a.prefix, Lattice: lat}
	return operate.New(nc, operate.Config{Control: control, Builtins: builtinNames(), Progress: a.progress}), done, nil
}

// progress shows a step of what operate does.
func (a *app) progress(s operate.Step) {
	if s.Host != "" {
		s.Text += " on " + s.Host
	}
	a.say("- %s", s.Text)
}
