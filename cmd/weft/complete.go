package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/deploy/operate"
	"github.com/weftlattice/weft/lattice/linkvalue"
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

// completeLinkPut offers actors, providers, and then the names of the values that a built-in provider knows.
func (a *app) completeLinkPut(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) < 2 {
		return a.completer(actorNames, providerNames)(cmd, args, typed)
	}
	table := linkvalue.Builtin(args[1])
	if table == nil || strings.Contains(typed, "=") {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []string
	for _, name := range table.Names() {
		given := slices.ContainsFunc(args[2:], func(arg string) bool { return strings.HasPrefix(arg, name+"=") })
		if strings.HasPrefix(name, typed) && !given {
			out = append(out, name+"=")
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}
