package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/internal/deploy/connect"
	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/internal/join"
	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/internal/node"
	"github.com/weftlattice/weft/lattice"
)

func tokenCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "token", Aliases: []string{"tokens"},
		Short: "Let other machines and people join the lattice",
		Long: `A token is one line that holds all that a machine needs to join: the addresses of NATS, the authority
that signs its certificate, credentials for one role, and for a host the cluster key. Whoever has the line has the role;
keep it like a password. It is made on the machine whose "weft up" or "weft nats run" listens for others.`,
		Example: `  weft up -d --nats-listen 0.0.0.0
  weft token create                                  # on another machine: weft host run --join TOKEN
  weft token create --role operator --expires 8h     # on a laptop: weft host list --join TOKEN`}
	cmd.AddCommand(tokenCreate(a), tokenList(a), tokenRevoke(a), tokenInspect(a))
	return cmd
}

// tokenView is a token as create shows it.
type tokenView struct {
	Token   string          `json:"token,omitempty"`
	Creds   string          `json:"creds_file,omitempty"`
	ID      string          `json:"id"`
	Name    string          `json:"name,omitempty"`
	Roles   []natsauth.Role `json:"roles"`
	Lattice lattice.Name    `json:"lattice"`
	Servers []string        `json:"servers"`
	Expires *time.Time      `json:"expires,omitempty"`
}

func tokenCreate(a *app) *cobra.Command {
	var roles, servers, publish, subscribe []string
	var name, creds string
	var expires time.Duration
	var cluster bool
	cmd := &cobra.Command{Use: "create", Short: "Make a token and print it", Args: exactArgs(0),
		Long: `Roles: a host runs actors and providers; an operator looks and gives commands. What each may publish and
subscribe to stands in docs/security.md. An operator who makes calls (weft call) needs the cluster key, too:
--cluster-key.

With --creds-out the credentials are written to a file for wash, nats and other clients, and nothing secret is printed;
the server's certificate is checked against the authority in DATA-DIR/access/ca/ca.pem.`,
		Example: `  weft token create --name second --expires 720h
  weft token create --role operator --server nats.example.org:4222
  weft token create --role operator --creds-out anna.creds`,
		RunE: func(*cobra.Command, []string) error {
			if err := onThisMachine(a, "token create", map[string]string{"creds": "creds-out",
				"nats-url": "server"}); err != nil {
				return err
			}
			want := natsauth.Identity{Name: name, Control: connect.OwnPrefix(a.conn.Control), Publish: publish,
				Subscribe: subscribe, SharedInbox: creds != ""}
			for _, s := range roles {
				r, err := natsauth.ParseRole(s)
				if err != nil {
					return err
				}
				want.Roles = append(want.Roles, r)
			}
			if expires > 0 {
				want.Expires = time.Now().Add(expires).Truncate(time.Second)
			}
			if a.conn.Lattice != "" {
				var err error
				if want.Lattice, err = a.conn.Name(); err != nil {
					return err
				}
			}
			view := tokenView{Creds: creds}
			invitation := node.Invitation{Want: want, Servers: servers, ClusterKey: cluster || want.Has(natsauth.Host)}
			id, err := node.Invite(a.keeper(), invitation, a.warn, func(t join.Token) (err error) {
				view.Servers = t.Servers
				if creds != "" {
					return natsauth.Credentials{JWT: t.JWT, Seed: t.Seed}.WriteFile(creds)
				}
				view.Token, err = t.Encode()
				return err
			})
			if err != nil {
				return err
			}
			view.ID, view.Name, view.Roles, view.Lattice = id.ID, id.Name, id.Roles, id.Lattice
			if !id.Expires.IsZero() {
				view.Expires = &id.Expires
			}
			a.say("weft: whoever has this is %s of lattice %s until %s; keep it like a password. To take it back: "+
				"weft token revoke %s",
				article(id.Roles), id.Lattice, validUntil(id.Expires), id.ID[:12])
			return a.print(view, func(w io.Writer) { fmt.Fprintln(w, or(view.Token, creds)) })
		}}
	f := cmd.Flags()
	f.StringSliceVar(&roles, "role", []string{string(natsauth.Host)}, "host or operator; several, separated by commas")
	f.StringVar(&name, "name", "", "name to revoke it by")
	spanFlag(f, &expires, "expires", 0, time.Second, "how long it is good; 0: until it is revoked")
	f.StringSliceVar(&servers, "server", nil, "addresses of NATS as others reach it (default: those of this machine)")
	f.StringSliceVar(&publish, "allow-publish", nil, "further subjects to publish, as those of a policy service")
	f.StringSliceVar(&subscribe, "allow-subscribe", nil, "further subjects to subscribe to")
	f.BoolVar(&cluster, "cluster-key", false, "put the cluster key into an operator's token, too")
	f.StringVar(&creds, "creds-out", "", "write a NATS credentials file instead of printing a token")
	return cmd
}

// onThisMachine refuses flags that say where NATS is or which user a command is there: tokens are made, listed and
// revoked where the server runs. meant names what stands for one of them instead.
func onThisMachine(a *app, command string, meant map[string]string) error {
	for _, name := range connectionFlagNames() {
		if !a.given(name) {
			continue
		}
		if other := meant[name]; other != "" {
			return usage.Errorf("%s does not take --%s; did you mean --%s?", command, name, other)
		}
		return usage.Errorf("%s does not take --%s: it works on the server that runs with this machine's --data-dir",
			command, name)
	}
	return nil
}

func article(roles []natsauth.Role) string {
	var s []string
	for _, r := range roles {
		s = append(s, map[natsauth.Role]string{natsauth.Host: "a host", natsauth.Operator: "an operator"}[r])
	}
	return strings.Join(s, " and ")
}

func validUntil(t time.Time) string {
	if t.IsZero() {
		return "it is revoked"
	}
	return t.Local().Format(time.DateTime)
}

func tokenList(a *app) *cobra.Command {
	return &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List the tokens that were made here",
		Args: exactArgs(0),
		Example: `  weft token list
  weft token list -o json`,
		RunE: func(*cobra.Command, []string) error {
			if err := onThisMachine(a, "token list", nil); err != nil {
				return err
			}
			list, err := a.dir.Users().List()
			if err != nil {
				return err
			}
			if list == nil {
				list = []natsauth.User{}
			}
			return a.print(list, func(w io.Writer) { tokenTable(a, w, list) })
		}}
}

// minute is how tables show times.
const minute = "2006-01-02 15:04"

func tokenTable(a *app, w io.Writer, list []natsauth.User) {
	var rows [][]string
	for _, u := range list {
		state := "good"
		switch {
		case !u.Revoked.IsZero():
			state = "revoked " + u.Revoked.Local().Format(minute)
		case !u.Expires.IsZero() && time.Now().After(u.Expires):
			state = "expired " + u.Expires.Local().Format(minute)
		case !u.Expires.IsZero():
			state = "until " + u.Expires.Local().Format(minute)
		}
		var roles []string
		for _, r := range u.Roles {
			roles = append(roles, string(r))
		}
		rows = append(rows, cells(or(u.Name, "-"), u.ID, strings.Join(roles, ","), u.Lattice,
			u.Issued.Local().Format(minute), state))
	}
	a.table(w, "NAME ID~ ROLES LATTICE MADE STATE", rows)
}

func tokenRevoke(a *app) *cobra.Command {
	return &cobra.Command{Use: "revoke NAME|ID", ValidArgsFunction: tokenNames(a),
		Short: "Make a token worthless, and disconnect who uses it", Args: exactArgs(1),
		Long: `The server that runs with this data directory disconnects the token's users within seconds, a host's
providers too. A host knew the cluster key: where it fell into wrong hands, change that as well (docs/security.md).`,
		Example: `  weft token revoke second
  weft token revoke UAB2CB576PHB`,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := onThisMachine(a, "token revoke", nil); err != nil {
				return err
			}
			id, err := node.FindToken(a.dir.Users(), args[0])
			if err != nil {
				return err
			}
			user, err := a.dir.Users().Revoke(id)
			if err != nil {
				return err
			}
			gone := []natsauth.User{user}
			return a.print(gone, func(w io.Writer) { tokenTable(a, w, gone) })
		}}
}

func tokenInspect(a *app) *cobra.Command {
	return &cobra.Command{Use: "inspect TOKEN|FILE", Short: "Show what a token is for, without its secrets",
		Args: exactArgs(1),
		Example: `  weft token inspect second.token
  weft token inspect - < second.token`,
		RunE: func(_ *cobra.Command, args []string) error {
			text := args[0]
			if text == "-" {
				data, err := a.readInput("-", 1<<17)
				if err != nil {
					return err
				}
				text = strings.TrimSpace(string(data))
			}
			t, err := join.Read(text)
			if err != nil {
				return err
			}
			id, err := t.Identity()
			if err != nil {
				return err
			}
			view := tokenView{ID: id.ID, Name: id.Name, Roles: id.Roles, Lattice: id.Lattice, Servers: t.Servers}
			if !id.Expires.IsZero() {
				view.Expires = &id.Expires
			}
			return a.print(view, func(w io.Writer) {
				cluster := "no"
				if t.ClusterSeed != "" {
					cluster = "yes"
				}
				fields(w, "lattice", t.Lattice, "for", article(id.Roles), "id", id.ID, "name", id.Name,
					"servers", strings.Join(t.Servers, ", "),
					"good until", validUntil(id.Expires), "holds the cluster key", cluster)
			})
		}}
}
