package main

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/lattice/control"
)

// listOnHosts is a command that lists what runs on all hosts, or on one.
func listOnHosts[T any](a *app, what, use string, list func([]control.HostInventory, *operate.View) []T, show func(io.Writer, []T)) *cobra.Command {
	var host string
	cmd := &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List the " + what + " and where they run", Args: exactArgs(0),
		Example: "  " + use + "\n  " + use + " --host edge-1 -o json",
		Long:    `Lists the ` + what + ` of the hosts that answer. For ten minutes, hosts that are lost are named below, with what ran there.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, done, err := a.connect(cmd)
			if err != nil {
				return err
			}
			defer done()
			v, err := l.View(cmd.Context())
			if err != nil {
				return err
			}
			if err := v.NeedHosts(); err != nil {
				return err
			}
			hosts, err := onHosts(v, host)
			if err != nil {
				return err
			}
			all := list(hosts, v)
			return a.print(all, func(w io.Writer) {
				show(w, all)
				if host == "" {
					lostLines(w, l.Lost(cmd.Context(), v))
				}
			})
		}}
	cmd.Flags().StringVar(&host, "host", "", "only on this host")
	return cmd
}

// shortDigest is as much of a digest as tells releases apart.
func shortDigest(digest string) string {
	hex := strings.TrimPrefix(digest, "sha256:")
	return hex[:min(len(hex), 12)]
}
