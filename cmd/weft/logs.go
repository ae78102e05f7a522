package main

import (
	"fmt"
	"io"
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
	cmd := &cobra.Command{Use: "logs ACTOR", ValidArgsFunction: completer(a, actorNames), Aliases: []string{"log"},
		Short: "Show what an actor has logged", Args: exactArgs(1),
		Long: `Shows the last lines that the hosts keep of an actor, oldest first, and with -f those that come. Hosts
keep up to 1000 lines of each actor. Lines of several hosts come in the order of their times; with -f those that reach
this machine 200 ms late, or whose host's clock is wrong, stand where they came. In brackets stands the beginning of the
trace id of the request that a line belongs to: "weft errors --trace" takes it, and -o json has the whole one.`,
		Example: `  weft logs app
  weft logs -f app --lines 20`,
		RunE: func(cmd *cobra.Command, args []string) error {
			l, v, done, err := a.look(cmd)
			if err != nil {
				return err
			}
			defer done()
			id, err := v.Actor(args[0])
			if err != nil {
				return err
			}
			if follow {
				w := watchLogs(a, v, id)
				w.Kept, w.Lines = v, lines
				return l.FollowLogs(cmd.Context(), w)
			}
			kept, err := l.KeptLogs(cmd.Context(), v, id, lines)
			for _, line := range kept {
				if err := logLine(a, v, line); err != nil {
					return err
				}
			}
			return err
		}}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with the lines that come, until Ctrl-C")
	countFlag(cmd.Flags(), &lines, "lines", "n",
		"how many of the last lines to show from each host; 0 is all that it keeps")
	return cmd
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

// watchLogs shows an actor's lines as they come; v has the names of hosts.
func watchLogs(a *app, v *operate.View, id lattice.ActorID) operate.LogWatch {
	return operate.LogWatch{Actor: id, Gap: a.tellGap,
		Show: func(line control.LogLine) error { return logLine(a, v, line) },
		Lost: func(n int) { a.say("weft: warning: %d log lines were lost, this terminal is too slow", n) }}
}

// tellGap says that the connection was lost, to those who watch.
func (t *terminal) tellGap(g operate.Gap) {
	t.say("weft: warning: the connection to NATS was lost between %s and %s; what was sent meanwhile is missing",
		g.From.Format(time.TimeOnly), g.To.Format(time.TimeOnly))
}
