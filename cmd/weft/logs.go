package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
)

func logsCmd(a *app) *cobra.Command {
	var follow bool
	var lines int
	cmd := &cobra.Command{Use: "logs ACTOR", ValidArgsFunction: completer(a, actorNames), Aliases: []string{"log"}, Short: "Show what an actor has logged", Args: exactArgs(1),
		Long: `Shows the last lines that the hosts keep of an actor, oldest first, and with -f those that come. Hosts keep up to 1000
lines of each actor. Lines of several hosts come in the order of their times; with -f those that reach this machine 200 ms
late, or whose host's clock is wrong, stand where they came. In brackets stands the beginning of the trace id of the request that a
line belongs to: "weft errors --trace" takes it, and -o json has the whole one.`,
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
				return keptLogs(a, cmd.Context(), l, v, id, lines)
			}
			return followLogs(a, cmd.Context(), l, v, id, lines)
		}}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with the lines that come, until Ctrl-C")
	cmd.Flags().IntVarP(&lines, "lines", "n", 0, "how many of the last lines to show from each host; 0 is all that it keeps")
	return cmd
}

// keptLogs shows what the hosts keep.
func keptLogs(a *app, ctx context.Context, l *operate.Lattice, v *operate.View, id lattice.ActorID, n int) error {
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
		if err := logLine(a, v, line); err != nil {
			return err
		}
	}
	if len(all) > 0 {
		return nil
	}
	return errors.Join(errs...)
}

// followLogs subscribes first, then shows what is kept, then what came meanwhile and comes; a line is shown once. Lines
// of several hosts come in the order of their times, see reorder.
func followLogs(a *app, ctx context.Context, l *operate.Lattice, v *operate.View, id lattice.ActorID, n int) error {
	seen := map[control.LogLine]int{}
	var failed error
	return showLogs(a, ctx, l, v, id, func(ctx context.Context, show func(control.LogLine)) error {
		for _, on := range v.Running(id) {
			kept, err := l.Control().Logs(ctx, on.Host.HostID, id, n)
			failed = errors.Join(failed, err)
			for _, line := range kept {
				seen[line]++
				show(line)
			}
		}
		return failed
	}, func(line control.LogLine) bool {
		if seen[line] == 0 {
			return true
		}
		seen[line]--
		return false
	})
}

// showLogs shows an actor's lines until ctx ends. kept, when not nil, is called once those that come are seen, and may
// show others before them; fresh, when not nil, decides about each that comes. Both are called one at a time.
func showLogs(a *app, ctx context.Context, l *operate.Lattice, v *operate.View, id lattice.ActorID, kept func(context.Context, func(control.LogLine)) error,
	fresh func(control.LogLine) bool) error {
	defer a.tellGaps(l.Conn())()
	stop, cancel := context.WithCancel(ctx)
	lines := make(chan control.LogLine)
	ended := make(chan error, 1)
	show := func(line control.LogLine) {
		select {
		case lines <- line:
		case <-stop.Done():
		}
	}
	var keptErr error
	go func() {
		err := l.Control().FollowLogs(stop, id, func() {
			if kept != nil {
				keptErr = kept(stop, show)
			}
		}, func(line control.LogLine) {
			if fresh == nil || fresh(line) {
				show(line)
			}
		}, func(n int) { a.say("weft: warning: %d log lines were lost, this terminal is too slow", n) })
		ended <- errors.Join(err, keptErr)
	}()
	var order reorder
	tick := time.NewTicker(reorderWindow / 4)
	defer tick.Stop()
	for {
		var err error
		select {
		case line := <-lines:
			order.add(line, time.Now())
			continue
		case <-tick.C:
			err = logLines(a, v, order.due(time.Now()))
		case err = <-ended:
			cancel()
			err = errors.Join(logLines(a, v, order.all()), err)
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if err != nil { // the output is not read any more
			cancel()
			<-ended
			return err
		}
	}
}

func logLines(a *app, v *operate.View, lines []control.LogLine) error {
	for _, line := range lines {
		if err := logLine(a, v, line); err != nil {
			return err
		}
	}
	return nil
}

// reorderWindow is how long a line waits for earlier ones that other hosts send. A person at a terminal does not notice
// it.
const reorderWindow = 200 * time.Millisecond

// reorder gives lines in the order of their times, as far as they come within reorderWindow of each other.
type reorder struct {
	lines []arrived // by time
}

type arrived struct {
	control.LogLine
	at time.Time
}

func (r *reorder) add(line control.LogLine, now time.Time) {
	i, _ := slices.BinarySearchFunc(r.lines, line.Time, func(l arrived, t time.Time) int {
		if l.Time.After(t) {
			return 1
		}
		return -1 // the same time: after those that came before
	})
	r.lines = slices.Insert(r.lines, i, arrived{line, now})
}

// due takes out the lines that have waited for long enough, with all that are earlier.
func (r *reorder) due(now time.Time) []control.LogLine {
	n := 0
	for i, l := range r.lines {
		if now.Sub(l.at) >= reorderWindow {
			n = i + 1
		}
	}
	return r.take(n)
}

// all takes out all lines.
func (r *reorder) all() []control.LogLine { return r.take(len(r.lines)) }

func (r *reorder) take(n int) []control.LogLine {
	var out []control.LogLine
	for _, l := range r.lines[:n] {
		out = append(out, l.LogLine)
	}
	r.lines = slices.Delete(r.lines, 0, n)
	return out
}

func logLine(a *app, v *operate.View, line control.LogLine) error {
	return a.printEach(line, func(w io.Writer) {
		where := v.HostName(line.HostID)
		if line.TraceID != "" {
			where += " [" + short(line.TraceID) + "]"
		}
		printf(w, "%s %-5s %s ", line.Time.Local().Format("15:04:05.000"), strings.ToUpper(line.Level), where)
		fmt.Fprintln(w, below(line.Text))
	})
}
