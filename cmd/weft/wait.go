package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/internal/deploy/values"
)

// waiting holds the flags of commands that change something.
type waiting struct {
	noWait  bool
	timeout time.Duration
}

func (w *waiting) flags(f *pflag.FlagSet) {
	f.BoolVar(&w.noWait, "no-wait", false, "return once the host has accepted, without waiting for the outcome")
	f.BoolVar(&w.noWait, "skip-wait", false, "")
	_ = f.MarkHidden("skip-wait")
	spanFlag(f, &w.timeout, "timeout", operate.DefaultTimeout, 1, "how long to wait for the outcome")
}

// connect reaches the lattice for a command that changes something. ctx ends with --timeout.
func (w *waiting) connect(a *app, cmd *cobra.Command) (context.Context, *operate.Lattice, func(), error) {
	l, done, err := a.connect(cmd)
	if err != nil {
		return nil, nil, nil, err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), w.timeout)
	return ctx, l.NoWait(w.noWait), func() { cancel(); done() }, nil
}

// ship is connect for a command that may sign and push what it starts.
func (w *waiting) ship(a *app, cmd *cobra.Command) (context.Context, *operate.Lattice, *operate.Signer, func(), error) {
	s, err := a.signer()
	if err != nil {
		return nil, nil, nil, nil, err
	}
	ctx, l, done, err := w.connect(a, cmd)
	return ctx, l, s, done, err
}

// done words the last line of a command that changed something.
func (w *waiting) done(past string) string {
	if w.noWait {
		return "accepted: " + past
	}
	return past
}

// onlyOn is the flag of commands that go to one host instead of all that run something.
func onlyOn(f *pflag.FlagSet, host *string) { f.StringVar(host, "host", "", "only on this host") }

// placing holds the flags that choose hosts.
type placing struct {
	where       operate.Where
	constraints []string
}

func (p *placing) flags(a *app, cmd *cobra.Command, spread string) {
	p.define(cmd.Flags(), spread)
	_ = cmd.RegisterFlagCompletionFunc("host", func(cmd *cobra.Command, _ []string, typed string) ([]string,
		cobra.ShellCompDirective) {
		return completer(a, hostNames)(cmd, nil, typed)
	})
}

func (p *placing) define(f *pflag.FlagSet, spread string) {
	f.StringVar(&p.where.Host, "host", "", "host to use, by id or name (default: by auction)")
	f.StringVar(&p.where.Host, "host-id", "", "")
	_ = f.MarkHidden("host-id")
	f.StringArrayVar(&p.constraints, "constraint", nil, "label=value that hosts must have; may be repeated")
	f.BoolVar(&p.where.Spread, "spread", false, spread)
}

func (p *placing) get() (operate.Where, error) {
	var err error
	if p.where.Constraints, err = values.Pairs("--constraint", p.constraints); err != nil {
		return p.where, err
	}
	if p.where.Host != "" && (p.where.Spread || len(p.constraints) > 0) {
		return p.where,
			usage.Errorf("--host names the host; --spread and --constraint find some: give one or the other")
	}
	return p.where, nil
}

// hostScales words hosts and numbers: "edge-1 (3), edge-2 (3)".
func hostScales(hosts []operate.HostScale) string {
	var out []string
	for _, h := range hosts {
		out = append(out, fmt.Sprintf("%s (%s)", h.Name, operate.Count(h.Max)))
	}
	return strings.Join(out, ", ")
}
