package main

import (
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weftlattice/weft/internal/deploy/usage"
)

// envFallback is the annotation of a flag that lists further environment variables, in order.
const envFallback = "weft_env"

// fallback names variables that a flag is read from when WEFT_... is not set: those of NATS tools, and those that
// people already have in their hosts' environment.
func fallback(flags *pflag.FlagSet, name string, vars ...string) {
	_ = flags.SetAnnotation(name, envFallback, vars)
}

// envName is the variable of a flag: --nats-url is WEFT_NATS_URL.
func envName(flag string) string {
	return "WEFT_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// notFromEnv are flags that no variable sets.
var notFromEnv = map[string]bool{"help": true, "all": true, "detached": true}

// applyEnv sets every flag that the command line left alone from its environment variable.
func applyEnv(cmd *cobra.Command) error {
	var bad error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Changed || notFromEnv[f.Name] || bad != nil {
			return
		}
		for _, name := range append([]string{envName(f.Name)}, f.Annotations[envFallback]...) {
			value, ok := os.LookupEnv(name)
			if !ok || value == "" {
				continue
			}
			if f.Value.Type() == "bool" {
				value = truth(value)
			}
			if err := cmd.Flags().Set(f.Name, value); err != nil {
				bad = usage.Errorf("environment variable %s: %w", name, err)
			}
			return
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
			"or the flag for a file\n", name, envName(name))
	}
}

// given reports whether a flag stands on the command line itself, rather than in the environment.
func (a *app) given(name string) bool {
	return slices.ContainsFunc(a.args, func(arg string) bool {
		return arg == "--"+name ||
			strings.HasPrefix(arg, "--"+name+"=")
	})
}
