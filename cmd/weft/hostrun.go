package main

import (
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/host"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/internal/process/slack"
	"github.com/weftlattice/weft/lattice"
)

func hostRun(a *app) *cobra.Command {
	var flags hostFlags
	cmd := &cobra.Command{Use: "run", Short: "Run a host that joins a lattice", Args: exactArgs(0),
		Long: `Joins the lattice that a token leads to, the one at --nats-url, or the one that "weft up" runs on this machine:

  first$  weft up -d --nats-listen 0.0.0.0
  first$  weft token create > second.token
  second$ weft host run --join second.token

The token may also be in WEFT_JOIN. With --nats-url, for a NATS server of your own, the cluster key that all hosts of a
lattice share is given by --cluster-seed-file, WEFT_CLUSTER_SEED or WASMCLOUD_CLUSTER_SEED, or stored once with
"weft key import cluster.nk". Ctrl-C lets work in flight finish; a second Ctrl-C ends at once.`,
		Example: `  weft host run --join second.token --label zone=edge
  weft host run --nats-url nats://10.0.0.1:4222 --cluster-seed-file cluster.nk --label zone=edge
  weft host run --name second     # beside "weft up", on the same machine`,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			slack.Take()
			log, err := flags.logger(a)
			if err != nil {
				return err
			}
			n, err := startNode(a, cmd, &flags, nil, log)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, n.stop()) }()
			name, err := a.latticeName()
			if err != nil {
				return err
			}
			view := struct {
				ID       lattice.HostID `json:"id"`
				Name     string         `json:"name"`
				Lattice  lattice.Name   `json:"lattice"`
				NATSURL  string         `json:"nats_url"`
				HTTPAddr string         `json:"http_addr,omitempty"`
				PID      int            `json:"pid"`
			}{n.host.ID(), n.host.Name(), name, natsconn.SafeURL(n.conn.URL), n.host.HTTPAddr(), os.Getpid()}
			err = a.printEach(view, func(w io.Writer) {
				printf(w, "host %s is ready in lattice %s at %s\n", view.Name, view.Lattice, view.NATSURL)
			})
			if err != nil {
				return err
			}
			n.wait(cmd.Context())
			return nil
		}}
	flags.flags(cmd.Flags())
	return cmd
}

// hostCompiler is the process that compiles a module for a host, within limits.
func hostCompiler(a *app) *cobra.Command {
	return &cobra.Command{Use: "compiler DIR BYTES TIME", Short: "Compile a module from standard input (hosts start this)", Hidden: true, Args: exactArgs(3),
		RunE: func(_ *cobra.Command, args []string) error {
			if code := host.CompilerMain(args, a.in, a.out); code != 0 {
				return silentError(code)
			}
			return nil
		}}
}
