package main

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/deploy/operate"
	"github.com/weftlattice/weft/lattice/control"
)

// listOnHosts is a command that lists what runs on all hosts, or on one.
func listOnHosts[T any](a *app, what, use string, list func([]control.HostInventory, *operate.View) []T, show func(io.Writer, []T)) *cobra.Command {
	var host string
	cmd := &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List the " + what + " and where they run", Args: exactArgs(0),
		Example: "  " + use + "\n  " + use + " --host edge-1 -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, done, err := a.view(cmd)
			if err != nil {
				return err
			}
			defer done()
			hosts, err := onHosts(v, host)
			if err != nil {
				return err
			}
			all := list(hosts, v)
			return a.print(all, func(w io.Writer) { show(w, all) })
		}}
	cmd.Flags().StringVar(&host, "host", "", "only on this host")
	return cmd
}

// shortDigest is as much of a digest as tells releases apart.
func shortDigest(digest string) string {
	hex := strings.TrimPrefix(digest, "sha256:")
	return hex[:min(len(hex), 12)]
}
