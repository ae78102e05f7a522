package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/linkvalue"
)

// completeTimeout is how long a shell waits for names; then it gets none.
const completeTimeout = time.Second

// completer offers the names of what is in the lattice for the first arguments of a command, one function for each.
func completer(a *app, names ...func(*operate.View) []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= len(names) || names[len(args)] == nil || applyEnv(cmd) != nil {
			return nil, cobra.ShellCompDirectiveDefault
		}
		ctx, cancel := context.WithTimeout(context.Background(), completeTimeout)
		defer cancel()
		w, err := a.way(cmd)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		l, done, err := w.Open(ctx, cmd.CommandPath(), a.operating())
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer done()
		v, err := l.View(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return startingWith(names[len(args)](v), typed), cobra.ShellCompDirectiveNoFileComp
	}
}

// startingWith are the names that begin as typed, each once, in order.
func startingWith(names []string, typed string) []string {
	out := slices.DeleteFunc(slices.Clone(names), func(n string) bool {
		return n == "" ||
			!strings.HasPrefix(n, typed)
	})
	slices.Sort(out)
	return slices.Compact(out)
}

// words offers fixed words, for values separated by commas those of the last one.
func words(list ...string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		before := typed[:strings.LastIndex(typed, ",")+1]
		var out []string
		for _, w := range startingWith(list, typed[len(before):]) {
			out = append(out, before+w)
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFlags offers values for the flags of cmd and all below it: fixed words, and what is in the lattice.
func completeFlags(a *app, cmd *cobra.Command) {
	live := func(names func(*operate.View) []string) cobra.CompletionFunc {
		return func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
			return completer(a, names)(cmd, nil, typed)
		}
	}
	var kinds []string
	for _, b := range builtins {
		kinds = append(kinds, b.name)
	}
	known := map[string]cobra.CompletionFunc{
		"host": live(hostNames), "link-name": live(linkNames), "constraint": live(hostLabelPairs),
		"contract": live(contracts), "cap": live(contracts), "lattice": cobra.NoFileCompletions,
		"role": words(string(natsauth.Host), string(natsauth.Operator)), "inline": words(kinds...),
		"log-level": words("debug", "info", "warn", "error"), "log-format": words("text", "json"),
		"type": words(event.Names()...),
	}
	visit := func(f *pflag.Flag) {
		complete := known[f.Name]
		switch kind := f.Value.Type(); {
		case complete != nil && kind != "bool":
		case strings.Contains(kind, "|"):
			complete = words(strings.Split(kind, "|")...)
		case kind == "duration" || kind == "size" || kind == "int" || strings.HasPrefix(kind, "uint"):
			complete = cobra.NoFileCompletions
		default:
			return
		}
		_ = cmd.RegisterFlagCompletionFunc(f.Name, complete) // an error: it has one of its own
	}
	cmd.PersistentFlags().VisitAll(visit)
	cmd.LocalFlags().VisitAll(visit)
	for _, c := range cmd.Commands() {
		completeFlags(a, c)
	}
}

// tokenNames offers the names of tokens that were made here and hold.
func tokenNames(a *app) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 || applyEnv(cmd) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		users, _ := a.dir.Users().List()
		var names []string
		for _, u := range users {
			if u.Revoked.IsZero() {
				names = append(names, or(u.Name, u.ID))
			}
		}
		return startingWith(names, typed), cobra.ShellCompDirectiveNoFileComp
	}
}

// keyNames offers the names of the keys that are stored here.
func keyNames(a *app) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		if applyEnv(cmd) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		keys, err := a.keeper().Store()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		list, _ := keys.List()
		var names []string
		for _, k := range list {
			names = append(names, k.Name)
		}
		return startingWith(names, typed), cobra.ShellCompDirectiveNoFileComp
	}
}

func hostNames(v *operate.View) []string {
	var out []string
	for _, h := range v.Hosts {
		out = append(out, or(h.FriendlyName, string(h.HostID)))
	}
	return out
}

func hostLabelPairs(v *operate.View) []string {
	var out []string
	for _, h := range v.Hosts {
		for k, value := range h.Labels {
			out = append(out, k+"="+value)
		}
	}
	return out
}

func linkNames(v *operate.View) []string {
	out := []string{string(lattice.DefaultLink)}
	for _, h := range v.Hosts {
		for _, p := range h.Providers {
			out = append(out, string(p.LinkName))
		}
	}
	return out
}

// contracts are those that weft's providers and hosts serve, and those that run.
func contracts(v *operate.View) []string {
	out := lattice.Texts(operate.BuiltinContracts)
	for _, h := range v.Hosts {
		for _, p := range h.Providers {
			out = append(out, string(p.ContractID))
		}
	}
	return out
}

// builtinOrFile offers the built-in providers, and files.
func builtinOrFile(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, b := range builtins {
		names = append(names, b.name)
	}
	return startingWith(names, typed), cobra.ShellCompDirectiveDefault
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

// completeCall offers actors, and then the functions that the actor exports.
func completeCall(a *app) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		functions := func(v *operate.View) (names []string) {
			id, err := v.Actor(args[0])
			if err != nil {
				return nil
			}
			for _, f := range v.Surface(id).Exports {
				names = append(names, f.String())
			}
			return names
		}
		return completer(a, actorNames, functions)(cmd, args, typed)
	}
}

// linkPutWords offers actors, providers and actors, and then the interfaces that the first actor imports, or the names
// of the values that a built-in provider knows.
func linkPutWords(a *app) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) < 2 || len(args) == 2 && linkvalue.Builtin(args[1]) == nil {
			targets := func(v *operate.View) []string { return append(providerNames(v), actorNames(v)...) }
			imports := func(v *operate.View) []string {
				id, err := v.Actor(args[0])
				if err != nil {
					return nil
				}
				return lattice.Texts(v.Imports(id))
			}
			return completer(a, actorNames, targets, imports)(cmd, args, typed)
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
}
