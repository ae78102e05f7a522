package main

import (
	"context"
	"net"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weftlattice/weft/deploy/operate"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/natsconn"
	"github.com/weftlattice/weft/lattice/subject"
)

// connection holds the flags that say where NATS is and who we are there.
type connection struct {
	url, creds, user, password, token, jwt, seed string
	tls                                          bool
	tlsCA, tlsCert, tlsKey                       string
}

func (c *connection) flags(f *pflag.FlagSet) {
	f.StringVar(&c.url, "nats-url", "", "NATS server (default: the lattice that runs here, else "+natsconn.DefaultURL+")")
	fallback(f, "nats-url", "NATS_URL")
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
	f.BoolVar(&c.tls, "nats-tls", false, "require TLS")
	fallback(f, "nats-tls", "WASMCLOUD_CTL_TLS")
	f.StringVar(&c.tlsCA, "nats-ca", "", "PEM file of the authorities to trust")
	fallback(f, "nats-ca", "NATS_CA")
	f.StringVar(&c.tlsCert, "nats-cert", "", "PEM file of the client certificate")
	fallback(f, "nats-cert", "NATS_CERT")
	f.StringVar(&c.tlsKey, "nats-key", "", "PEM file of the client certificate's key")
	fallback(f, "nats-key", "NATS_KEY")
	for _, name := range []string{"nats-user", "nats-password", "nats-token", "nats-jwt", "nats-seed", "nats-tls", "nats-ca", "nats-cert", "nats-key", "ctl-prefix"} {
		_ = f.MarkHidden(name) // in "weft help connection"
	}
}

const connectionHelp = `Which NATS server a command talks to is decided in this order:

  1. --nats-url
  2. WEFT_NATS_URL, then NATS_URL
  3. WASMCLOUD_CTL_HOST and WASMCLOUD_CTL_PORT, then NATS_HOST and NATS_PORT
  4. the lattice that "weft up" runs with the same --data-dir
  5. ` + natsconn.DefaultURL + `

Credentials: --creds FILE, or --nats-user with --nats-password, --nats-token, --nats-jwt with --nats-seed.
TLS: --nats-tls, --nats-ca, --nats-cert, --nats-key. Better than on the command line, secrets are set in the
environment: WEFT_NATS_PASSWORD, WEFT_NATS_TOKEN, WEFT_NATS_SEED, or as NATS's own tools name them, NATS_CREDS,
NATS_USER, NATS_PASSWORD, NATS_TOKEN, NATS_CA, NATS_CERT, NATS_KEY.

The lattice is --lattice, WEFT_LATTICE, WASMCLOUD_LATTICE, the one that runs here, or "default".
--ctl-prefix is the first part of the control subjects, ` + subject.DefaultControlPrefix + ` unless the hosts use another.`

func connectionTopic() *cobra.Command {
	return &cobra.Command{Use: "connection", Short: "Which NATS server and lattice weft talks to", Long: connectionHelp}
}

// config is where to connect; name is shown by the server.
func (a *app) natsConfig(cmd *cobra.Command, name string) natsconn.Config {
	for _, secret := range []string{"nats-password", "nats-token", "nats-seed"} {
		a.secretFlag(cmd, secret)
	}
	c := a.conn
	return natsconn.Config{URL: a.natsURL(), Name: name, CredsFile: c.creds, User: c.user, Password: c.password, Token: c.token,
		JWT: c.jwt, Seed: c.seed, TLS: c.tls, TLSCA: c.tlsCA, TLSCert: c.tlsCert, TLSKey: c.tlsKey}
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
	return a.connectTo(cmd.Context(), a.natsConfig(cmd, ""), cmd.CommandPath())
}

// connectTo reaches the lattice at a certain place; name is shown by the server.
func (a *app) connectTo(ctx context.Context, cfg natsconn.Config, name string) (*operate.Lattice, func(), error) {
	lat, err := a.latticeName()
	if err != nil {
		return nil, nil, err
	}
	cfg.Name = name
	nc, err := natsconn.Connect(ctx, cfg)
	if lattice.CodeOf(err) == lattice.ErrUnavailable {
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
