package main

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weftlattice/weft/host"
	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/internal/natsserver"
	"github.com/weftlattice/weft/internal/node"
	"github.com/weftlattice/weft/internal/process/slack"
)

func natsCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "nats", Short: "Run the embedded NATS server alone",
		Example: `  weft nats run
  weft nats run --nats-listen 0.0.0.0 --data-dir /var/lib/weft`}
	cmd.AddCommand(natsRun(a))
	return cmd
}

func natsRun(a *app) *cobra.Command {
	var nats natsFlags
	cmd := &cobra.Command{Use: "run", Short: "Run a NATS server with JetStream, without a host", Args: exactArgs(0),
		Long: `For lattices whose hosts come and go while NATS stays. Beyond loopback clients need what
"weft token create" makes with the same --data-dir; or, without roles, --nats-user and --nats-password, or --nats-token
(better WEFT_NATS_TOKEN).`,
		Example: `  weft nats run
  weft nats run --nats-listen 0.0.0.0 --nats-port 4222`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			slack.Take()
			a.secretFlag(cmd, "nats-password")
			a.secretFlag(cmd, "nats-token")
			log := slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelInfo}))
			c, err := nats.config(a, log, natsauth.Identity{})
			if err != nil {
				return err
			}
			s, err := node.StartServer(cmd.Context(), *c)
			if err != nil {
				return err
			}
			next := "weft host run --nats-url " + node.URL(s.ForOperator)
			if s.Joinable {
				next = "weft token create    and there: weft host run --join TOKEN"
			}
			err = a.printEach(struct {
				NATSURL string `json:"nats_url"`
				DataDir string `json:"data_dir"`
			}{node.URL(s.ForOperator), string(a.dir)}, func(w io.Writer) {
				printf(w, "NATS serves at %s, data in %s\nNext: %s\nCtrl-C ends it.\n", s.URL(), a.dir, next)
			})
			if err != nil {
				return err
			}
			select {
			case <-cmd.Context().Done():
			case <-s.Done():
			}
			ctx, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), 10*time.Second)
			defer cancel()
			return s.Close(ctx)
		}}
	nats.flags(cmd.Flags())
	return cmd
}

// natsFlags are the settings of the embedded NATS server.
type natsFlags struct {
	port          int
	listen        string
	auth, plain   bool
	cert, key, ca string
	storeMax      int64
}

func (n *natsFlags) flags(f *pflag.FlagSet) {
	f.IntVar(&n.port, "nats-port", natsserver.DefaultPort, "port of the embedded NATS server; -1 is a free one")
	f.StringVar(&n.listen, "nats-listen", natsserver.DefaultHost,
		"address that the embedded NATS server listens on; beyond loopback with TLS and credentials only")
	f.BoolVar(&n.auth, "nats-auth", false, "want credentials and TLS on loopback, too")
	f.StringVar(&n.cert, "nats-server-cert", "",
		"PEM file of the embedded server's own certificate (default: one of a generated authority)")
	f.StringVar(&n.key, "nats-server-key", "", "PEM file of that certificate's key")
	f.StringVar(&n.ca, "nats-server-ca", "",
		"PEM file of the authority that clients shall trust for it (default: those that their machines trust)")
	sizeFlag(f, &n.storeMax, "store-max", "",
		"what the embedded server may keep on disk, as 2GiB (default: all but a reserve of what is free at the time)")
	f.BoolVar(&n.plain, "nats-plain", false,
		"no TLS: whoever can listen to the network reads everything, secrets as well")
}

// config is the server that the flags ask for; host names the subjects that the host on this machine needs besides
// those of its role.
func (n *natsFlags) config(a *app, log *slog.Logger, host natsauth.Identity) (*node.ServerConfig, error) {
	c := &node.ServerConfig{Dir: a.dir, Keys: a.keeper().Store, Listen: n.listen, Port: n.port, Auth: n.auth,
		Plain: n.plain, Cert: n.cert, Key: n.key, CA: n.ca,
		User: a.conn.User, Password: a.conn.Password, Token: a.conn.Token, Domain: a.conn.Domain, Host: host,
		Logger: log, Warn: a.warn}
	c.MaxStoreBytes = n.storeMax
	var err error
	c.Control.Prefix = a.conn.Control
	c.Control.Lattice, err = a.conn.Name()
	return c, err
}

// startNode starts a host, with a NATS server of its own unless nats is nil, and waits until it serves.
func startNode(a *app, cmd *cobra.Command, flags *hostFlags, nats *natsFlags, log *slog.Logger) (*node.Node, error) {
	c := node.Config{Dir: a.dir, Keys: a.keeper().Store, Subjects: flags.policy.subjects(), Wait: flags.natsWait,
		Logger: log}
	var err error
	if nats == nil {
		c.Way, err = a.way(cmd)
	} else if c.Server, err = nats.config(a, log, c.Subjects); err == nil {
		c.Way.Control = c.Server.Control
	}
	if err != nil {
		return nil, err
	}
	c.Host = func(conn natsconn.Config) (host.Config, func(), error) { return flags.config(a, cmd, c.Way, conn, log) }
	return node.Start(cmd.Context(), c)
}
