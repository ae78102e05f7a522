package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weftlattice/weft/internal/deploy/environ"
	"github.com/weftlattice/weft/internal/deploy/usage"
)

// notFromEnv are flags that no variable sets.
var notFromEnv = map[string]bool{"help": true, "all": true, "detached": true}

// applyEnv sets every flag that the command line left alone from its environment variable.
func applyEnv(cmd *cobra.Command) error {
	var bad error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Changed || notFromEnv[f.Name] || bad != nil {
			return
		}
		name, value, found := environ.Lookup(f.Name)
		if !found {
			return
		}
		if f.Value.Type() == "bool" {
			value = truth(value)
		}
		if err := cmd.Flags().Set(f.Name, value); err != nil {
			bad = usage.Errorf("environment variable %s: %w", name, err)
		}
	})
	return bad
}

// truth reads a switch as hosts of the dialect do.
func truth(s string) string {
	switch strings.ToLower(s) {
	case "1", "true", "yes", "on", "y", "t":
		return "true"
	case "0", "false", "no", "off", "n", "f":
		return "false"
	}
	return s
}

// hideAllBut leaves only the named flags in a command's help; the others still work.
func hideAllBut(names ...string) func(*pflag.Flag) {
	return func(f *pflag.Flag) { f.Hidden = f.Hidden || !slices.Contains(names, f.Name) }
}

// secretFlag warns about a secret on the command line, where every user of the machine can read it.
func (a *app) secretFlag(cmd *cobra.Command, name string) {
	if a.given(name) {
		printf(a.err, "weft: warning: --%s shows a secret to everybody on this machine; use %s, "+
			"or the flag for a file\n", name, environ.Own(name))
	}
}

// given reports whether a flag stands on the command line itself, rather than in the environment.
func (a *app) given(name string) bool {
	return slices.ContainsFunc(a.args, func(arg string) bool {
		return arg == "--"+name ||
			strings.HasPrefix(arg, "--"+name+"=")
	})
}
