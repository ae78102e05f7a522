package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/deploy/operate"
)

// completeTimeout is how long a shell waits for names; then it gets none.
const completeTimeout = time.Second

// completer offers the names of what is in the lattice for the first arguments of a command, one function for each.
func (a *app) completer(names ...func(*operate.View) []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= len(names) || names[len(args)] == nil || applyEnv(cmd) != nil {
			return nil, cobra.ShellCompDirectiveDefault
		}
		ctx, cancel := context.WithTimeout(context.Background(), completeTimeout)
		defer cancel()
		cfg, err := a.natsConfig(cmd, "")
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		l, done, err := a.connectTo(ctx, cfg, cmd.CommandPath())
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer done()
		v, err := l.View(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var out []string
		for _, n := range names[len(args)](v) {
			if strings.HasPrefix(n, typed) {
				out = append(out, n)
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

func hostNames(v *operate.View) []string {
	var out []string
	for _, h := range v.Hosts {
		out = append(out, or(h.FriendlyName, string(h.HostID)))
	}
	return out
}

func actorNames(v *operate.View) []string {
	var out []string
	for _, h := range v.Hosts {
		for _, x := range h.Actors {
			out = append(out, or(x.Name, string(x.ID)))
		}
	}
	return out
}

func providerNames(v *operate.View) []string {
	var out []string
	for _, b := range builtins {
		out = append(out, b.name)
	}
	for _, h := range v.Hosts {
		for _, p := range h.Providers {
			if !isBuiltin(v.ProviderName(p.ID)) {
				out = append(out, v.ProviderName(p.ID))
			}
		}
	}
	return out
}
