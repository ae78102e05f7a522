package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/lattice"
)

func downCmd(a *app) *cobra.Command {
	var timeout time.Duration
	var force bool
	cmd := &cobra.Command{Use: "down", Short: "Stop the lattice that \"weft up\" runs here", Args: exactArgs(0),
		Long: `Ends the process that "weft up" started with the same --data-dir: work in flight is finished, providers are stopped, then
NATS. Keys and data stay. Where other hosts have joined that NATS server, they would be cut off: then it wants --force.`,
		Example: `  weft down
  weft down --data-dir /var/lib/weft`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, ok := a.runningHere()
			if !ok {
				return &lattice.Error{Code: lattice.ErrNotFound, Op: "find a lattice in", Entity: a.dataDir, Detail: "none runs with this data directory"}
			}
			if !force {
				if err := a.neededByOthers(cmd.Context(), s); err != nil {
					return err
				}
			}
			a.say("- stopping, pid %d", s.PID)
			if err := terminate(s.PID); err != nil {
				return fmt.Errorf("stop pid %d: %w", s.PID, err)
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			if err := a.awaitDown(ctx, s.PID); err != nil {
				return err
			}
			return a.print(struct {
				Stopped bool `json:"stopped"`
				PID     int  `json:"pid"`
			}{true, s.PID}, func(w io.Writer) { printf(w, "weft is down (pid %d)\n", s.PID) })
		}}
	cmd.Flags().BoolVar(&force, "force", false, "also where other hosts need the NATS server that ends with it")
	cmd.Flags().DurationVar(&timeout, "timeout", 30*time.Second, "how long to wait for the end")
	return cmd
}

// neededByOthers is an error when other hosts need the NATS server of what runs here. What does not say so in time,
// since it hangs or is ending, may be stopped.
func (a *app) neededByOthers(ctx context.Context, s upState) error {
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	a.lattice = string(s.Lattice)
	l, done, err := a.connectTo(ctx, s.connection(), "weft down")
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

// awaitDown waits until the process has let go of its lock.
func (a *app) awaitDown(ctx context.Context, pid int) error {
	const pause = 50 * time.Millisecond
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		if release, free, err := lock(a.lockPath()); err != nil {
			return err
		} else if free {
			release()
			return nil
		}
		select {
		case <-ctx.Done():
			return &lattice.Error{Code: lattice.ErrTimeout, Op: "stop", Entity: pidText(pid), Detail: "it has not ended yet; it may be finishing work"}
		case <-ticker.C:
		}
	}
}
