package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/deploy/operate"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
)

func (a *app) logsCmd() *cobra.Command {
	var follow bool
	var lines int
	cmd := &cobra.Command{Use: "logs ACTOR", ValidArgsFunction: a.completer(actorNames), Aliases: []string{"log"}, Short: "Show what an actor has logged", Args: exactArgs(1),
		Long: `Shows the last lines that the hosts keep of an actor, oldest first, and with -f those that come. Hosts keep up to 1000
lines of each actor.`,
		Example: `  weft logs app
  weft logs -f app --lines 20`,
		RunE: func(cmd *cobra.Command, args []string) error {
			l, done, err := a.connect(cmd)
			if err != nil {
				return err
			}
			defer done()
			v, err := l.View(cmd.Context())
			if err == nil {
				err = v.NeedHosts()
			}
			if err != nil {
				return err
			}
			id, err := v.Actor(args[0])
			if err != nil {
				return err
			}
			if !follow {
				return a.keptLogs(cmd.Context(), l, v, id, lines)
			}
			return a.followLogs(cmd.Context(), l, v, id, lines)
		}}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with the lines that come, until Ctrl-C")
	cmd.Flags().IntVarP(&lines, "lines", "n", 0, "how many of the last lines to show from each host; 0 is all that it keeps")
	return cmd
}

// keptLogs shows what the hosts keep.
func (a *app) keptLogs(ctx context.Context, l *operate.Lattice, v *operate.View, id lattice.ActorID, n int) error {
	var all []control.LogLine
	var errs []error
	for _, on := range v.Running(id) {
		kept, err := l.Control().Logs(ctx, on.Host.HostID, id, n)
		all = append(all, kept...)
		if err != nil {
			errs = append(errs, err)
		}
	}
	slices.SortStableFunc(all, func(x, y control.LogLine) int { return x.Time.Compare(y.Time) })
	for _, line := range all {
		if err := a.logLine(v, line); err != nil {
			return err
		}
	}
	if len(all) > 0 {
		return nil
	}
	return errors.Join(errs...)
}

// followLogs subscribes first, then shows what is kept, then what came meanwhile and comes; a line is shown once.
func (a *app) followLogs(ctx context.Context, l *operate.Lattice, v *operate.View, id lattice.ActorID, n int) error {
	seen := map[control.LogLine]int{}
	var failed error
	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	started := func() {
		for _, on := range v.Running(id) {
			kept, err := l.Control().Logs(stop, on.Host.HostID, id, n)
			failed = errors.Join(failed, err)
			for _, line := range kept {
				seen[line]++
				if err := a.logLine(v, line); err != nil {
					failed = err
					cancel()
				}
			}
		}
	}
	err := l.Control().FollowLogs(stop, id, started, func(line control.LogLine) {
		if seen[line] > 0 {
			seen[line]--
			return
		}
		if err := a.logLine(v, line); err != nil {
			failed = err
			cancel()
		}
	})
	if ctx.Err() != nil {
		return err
	}
	return errors.Join(err, failed)
}

func (a *app) logLine(v *operate.View, line control.LogLine) error {
	return a.printEach(line, func(w io.Writer) {
		fmt.Fprintf(w, "%s %-5s %s %s\n", line.Time.Local().Format("15:04:05.000"), strings.ToUpper(line.Level), v.HostName(line.HostID), line.Text)
	})
}
