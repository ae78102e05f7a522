package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/internal/deploy/connect"
	"github.com/weftlattice/weft/internal/deploy/datadir"
	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/process/background"
	"github.com/weftlattice/weft/lattice"
)

func downCmd(a *app) *cobra.Command {
	var timeout time.Duration
	var force bool
	cmd := &cobra.Command{Use: "down", Short: "Stop the lattice that \"weft up\" runs here", Args: exactArgs(0),
		Long: `Ends the process that "weft up" started with the same --data-dir: work in flight is finished, providers
are stopped, then NATS. Keys and data stay. Where other hosts have joined that NATS server, they would be cut off: then
it wants --force.`,
		Example: `  weft down
  weft down --data-dir /var/lib/weft`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, ok := a.dir.Up()
			if !ok {
				return &lattice.Error{Code: lattice.ErrNotFound, Op: "find a lattice in", Entity: string(a.dir),
					Detail: "none runs with this data directory"}
			}
			if !force {
				if err := neededByOthers(cmd.Context(), a, s); err != nil {
					return err
				}
			}
			a.say("- stopping, pid %d", s.PID)
			if err := background.Terminate(s.PID); err != nil {
				return fmt.Errorf("stop pid %d: %w", s.PID, err)
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			if err := a.dir.AwaitDown(ctx, s.PID); err != nil {
				return err
			}
			return a.print(struct {
				Stopped bool `json:"stopped"`
				PID     int  `json:"pid"`
			}{true, s.PID}, func(w io.Writer) { printf(w, "weft is down (pid %d)\n", s.PID) })
		}}
	cmd.Flags().BoolVar(&force, "force", false, "also where other hosts need the NATS server that ends with it")
	spanFlag(cmd.Flags(), &timeout, "timeout", 30*time.Second, 1, "how long to wait for the end")
	return cmd
}

// neededByOthers is an error when other hosts need the NATS server of what runs here. What does not say so in time,
// since it hangs or is ending, may be stopped.
func neededByOthers(ctx context.Context, a *app, s datadir.Up) error {
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	l, done, err := connect.Here(s, a.conn.Control).Open(ctx, "weft down", a.operating())
	if err == nil {
		defer done()
		var v *operate.View
		if v, err = l.View(ctx); err == nil {
			return v.MayEnd(s.HostID)
		}
	}
	a.say("weft: warning: it is not known whether other hosts need the NATS server that ends with it: %v", err)
	return nil
}
