package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/lattice"
)

func (a *app) downCmd() *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{Use: "down", Short: "Stop the lattice that \"weft up\" runs here", Args: exactArgs(0),
		Long: `Ends the process that "weft up" started with the same --data-dir: work in flight is finished, providers are stopped, then
NATS. Keys and data stay.`,
		Example: `  weft down
  weft down --data-dir /var/lib/weft`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, ok := a.runningHere()
			if !ok {
				return &lattice.Error{Code: lattice.ErrNotFound, Op: "find a lattice in", Entity: a.dataDir, Detail: "none runs with this data directory"}
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
			}{true, s.PID}, func(w io.Writer) { fmt.Fprintf(w, "weft is down (pid %d)\n", s.PID) })
		}}
	cmd.Flags().DurationVar(&timeout, "timeout", 30*time.Second, "how long to wait for the end")
	return cmd
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
