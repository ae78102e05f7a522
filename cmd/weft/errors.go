package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/lattice/wire"
)

func errorsCmd(a *app) *cobra.Command {
	var follow bool
	var since time.Duration
	var traced string
	cmd := &cobra.Command{Use: "errors [ACTOR]", ValidArgsFunction: completer(a, actorNames),
		Aliases: []string{"error"}, Short: "Show why requests failed", Args: rangeArgs(0, 1),
		Long: `Shows the failed calls that the hosts of the lattice remember, oldest first: what an actor returned as an
error, a panic with its text, a limit, a timeout, a busy or missing actor, a missing link, a provider that is away. A
request that the HTTP server answered with 500 or above carries its trace, in the header x-trace-id and, where the
server itself answers, in the body; --trace finds all that is known of it, from any machine.

Each host keeps the last 500 of each actor, 4 MiB in all, in memory; hosts of other software keep none.`,
		Example: `  weft errors --trace 4bf92f3577b34da6a3ce929d0e0e4736
  weft errors app --since 10m
  weft errors -f -o json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			want := control.FailuresRequest{MaxAgeMs: uint64(since.Milliseconds())}
			var err error
			if want.TraceID, err = traceID(traced); err != nil {
				return err
			}
			l, v, done, err := a.look(cmd)
			if err != nil {
				return err
			}
			defer done()
			ctx := cmd.Context()
			if len(args) > 0 {
				if want.ActorID, err = v.Actor(args[0]); err != nil {
					return err
				}
			}
			failures := l.Failures(want)
			quiet := map[string]bool{}
			for {
				found, silent, err := failures.Next(ctx, v.Hosts)
				if ctx.Err() != nil && follow {
					return nil
				}
				if err != nil {
					return err
				}
				for _, host := range silent {
					if !quiet[host] {
						a.say("weft: warning: host %s does not answer; what failed there is not shown", host)
					}
					quiet[host] = true
				}
				for _, f := range found {
					if err := a.printEach(f, func(w io.Writer) { failureLine(w, f, v) }); err != nil {
						return err
					}
				}
				if !follow && len(found) == 0 && want.TraceID != "" {
					return &lattice.Error{Code: lattice.ErrNotFound, Op: "find trace", Entity: want.TraceID,
						Detail: "no host remembers a failed call of it; each keeps the last ones, in memory"}
				}
				if !follow {
					return nil
				}
				select {
				case <-ctx.Done():
					return nil
				case <-time.After(operate.FailurePause):
				}
				if next, err := l.View(ctx); err == nil && len(next.Hosts) > 0 { // hosts come and go
					v = next
				}
			}
		}}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with those that come, until Ctrl-C")
	spanFlag(cmd.Flags(), &since, "since", 0, time.Millisecond,
		"how far back to look, as 10m (default: all that the hosts remember)")
	cmd.Flags().StringVar(&traced, "trace", "",
		"only this request: the trace_id of its answer or its beginning, or a traceparent")
	return cmd
}

// traceDigits is how many digits of a trace's id are enough to ask for it, and what short leaves of it.
const traceDigits = 8

// traceID reads what a person gives as a trace: its id or the beginning of it, or a traceparent. Empty stays empty.
func traceID(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	if tc, ok := trace.Parse(s, ""); ok {
		return hex.EncodeToString(tc.TraceID[:]), nil
	}
	id := strings.ToLower(s)
	if len(id) < traceDigits || len(id) > hex.EncodedLen(len(trace.Context{}.TraceID)) ||
		strings.Trim(id, "0123456789abcdef") != "" {
		return "", usage.Errorf("--trace %s: want the 32 hexadecimal digits of a trace_id, "+
			"or at least the first %d of them, or a traceparent", lattice.Printable(s), traceDigits)
	}
	return id, nil
}

// failureLine shows the time, the host, the actor, what failed and why. A message of several lines goes on below.
func failureLine(w io.Writer, f wire.Failure, v *operate.View) {
	actor := "-"
	if f.ActorID != "" {
		actor = v.ActorName(f.ActorID)
	}
	head := []string{f.Time.Local().Format("15:04:05.000"), v.HostName(f.HostID), actor}
	switch {
	case f.Target != "" && f.Target != "none":
		head = append(head, "called "+f.Operation+" of "+entityName(v, f.Target))
	case f.Target != "":
		head = append(head, "called "+f.Operation+" of "+or(f.Contract, "-"))
	case f.Operation != "":
		head = append(head, f.Operation)
	}
	if f.Caller != "" {
		head = append(head, "for "+entityName(v, f.Caller))
	}
	if f.Status != 0 {
		head = append(head, fmt.Sprintf("status %d", f.Status))
	}
	printf(w, "%s: %s", strings.Join(head, " "), f.Code)
	if code, ok := lattice.ParseCode(f.Code); !ok || f.Message != code.Error() {
		fmt.Fprint(w, ": ", below(f.Message))
	}
	if f.TraceID != "" {
		printf(w, " (trace %s)", f.TraceID)
	}
	if f.LeftOut > 0 {
		printf(w, " (%d before it were too many to tell)", f.LeftOut)
	}
	fmt.Fprintln(w)
}

// entityName is what people call an actor or a provider.
func entityName(v *operate.View, key string) string {
	if lattice.IsKey(key, 'M') {
		return v.ActorName(lattice.ActorID(key))
	}
	return v.ProviderName(lattice.ProviderID(key))
}
