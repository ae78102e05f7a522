package main

import (
	"cmp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weftlattice/weft/internal/deploy/connect"
	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice/subject"
)

// connectionFlags say where NATS is and who we are there.
func connectionFlags(c *connect.Settings, f *pflag.FlagSet) {
	f.StringVar(&c.URL, "nats-url", "", "NATS server (default: the lattice that runs here, else "+natsconn.DefaultURL+
		")")
	f.StringVar(&c.Join, "join", "",
		"token of \"weft token create\", or a file that holds one: where NATS is, and who we are")
	f.StringVar(&c.Context, "nats-context", "", "context of the nats tool: its name, or a file")
	f.StringVar(&c.Creds, "creds", "", "NATS credentials file")
	f.StringVar(&c.User, "nats-user", "", "NATS user name")
	f.StringVar(&c.Password, "nats-password", "", "NATS password")
	f.StringVar(&c.Token, "nats-token", "", "NATS token")
	f.StringVar(&c.JWT, "nats-jwt", "", "NATS user JWT, with --nats-seed")
	f.StringVar(&c.Seed, "nats-seed", "", "NATS user seed")
	f.StringVar(&c.Domain, "js-domain", "",
		"JetStream domain of what the lattice stores, where NATS has it elsewhere (a leaf node's hub)")
	f.BoolVar(&c.TLS, "nats-tls", false, "require TLS")
	f.StringVar(&c.TLSCA, "nats-ca", "", "PEM file of the authorities to trust")
	f.StringVar(&c.TLSCert, "nats-cert", "", "PEM file of the client certificate")
	f.StringVar(&c.TLSKey, "nats-key", "", "PEM file of the client certificate's key")
	for _, name := range []string{"nats-user", "nats-password", "nats-token", "nats-jwt", "nats-seed", "nats-tls",
		"nats-ca", "nats-cert", "nats-key", "ctl-prefix", "js-domain"} {
		_ = f.MarkHidden(name) // in "weft help connection"; ctl-prefix is of globalFlags
	}
}

// connectionFlagNames are the names of the flags that connectionFlags makes.
func connectionFlagNames() (names []string) {
	var f pflag.FlagSet
	connectionFlags(new(connect.Settings), &f)
	f.VisitAll(func(flag *pflag.Flag) { names = append(names, flag.Name) })
	return names
}

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

What the lattice stores is in the JetStream of that server, or of --js-domain, WEFT_JS_DOMAIN, WASMCLOUD_JS_DOMAIN, or
the domain that the token or the context names: where a leaf node has no JetStream of its own, its hub's.
The lattice is --lattice, WEFT_LATTICE, WASMCLOUD_LATTICE, the one that runs here, or "default".
--ctl-prefix is the first part of the control subjects, ` + subject.DefaultControlPrefix +
	` unless the hosts use another.`

func connectionTopic() *cobra.Command {
	return &cobra.Command{Use: "connection", Short: "Which NATS server and lattice weft talks to", Long: connectionHelp}
}

// way decides where the lattice is, and warns of what is doubtful in how that was said.
func (a *app) way(cmd *cobra.Command) (connect.Way, error) {
	for _, secret := range []string{"nats-password", "nats-token", "nats-seed"} {
		a.secretFlag(cmd, secret)
	}
	if strings.HasPrefix(a.conn.Join, "weft") {
		a.secretFlag(cmd, "join")
	}
	w, err := connect.Find(a.conn, a.dir)
	if err == nil && w.Expired() {
		a.say("weft: warning: by this machine's clock the token has expired; if NATS refuses it, " +
			"make a new one with: weft token create")
	}
	return w, err
}

// connect reaches the lattice. The caller calls the function that is returned at the end.
func (a *app) connect(cmd *cobra.Command) (*operate.Lattice, func(), error) {
	w, err := a.way(cmd)
	if err == nil {
		err = w.May(natsauth.Operator, "give commands")
	}
	if err != nil {
		return nil, nil, err
	}
	return w.Open(cmd.Context(), cmd.CommandPath(), a.operating())
}

// look reaches the lattice and sees what is there, which is a host at least.
func (a *app) look(cmd *cobra.Command) (*operate.Lattice, *operate.View, func(), error) {
	l, done, err := a.connect(cmd)
	if err != nil {
		return nil, nil, nil, err
	}
	v, err := l.View(cmd.Context())
	if err == nil {
		err = v.NeedHosts()
	}
	if err != nil {
		done()
		return nil, nil, nil, err
	}
	return l, v, done, nil
}

// operating is what all connections to a lattice have in common.
func (a *app) operating() operate.Config {
	return operate.Config{Builtins: builtinNames(), Progress: a.progress}
}

// progress shows a step of what operate does.
func (a *app) progress(s operate.Step) {
	if s.Host != "" {
		s.Text += " on " + s.Host
	}
	a.say("- %s", s.Text)
}

// warn says what a person should know.
func (t *terminal) warn(text string) { t.say("weft: warning: %s", text) }

func or[A, B ~string](a A, b B) string { return cmp.Or(string(a), string(b)) }
