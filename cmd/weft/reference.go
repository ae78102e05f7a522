package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/adrg/xdg"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weftlattice/weft/internal/deploy/environ"
	"github.com/weftlattice/weft/lattice/signing"
)

// referenceCmd prints docs/reference.md, which is made of the commands themselves.
func referenceCmd(t *terminal) *cobra.Command {
	return &cobra.Command{Use: "reference", Short: "Print the reference of all commands, flags and variables",
		Hidden: true, Args: exactArgs(0),
		Example: `  weft reference > docs/reference.md`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			writeReference(t.out, cmd.Root())
			return nil
		}}
}

// writeReference writes every command with its flags, their defaults and variables, as Markdown. It depends on the
// program alone, not on the machine or the environment.
func writeReference(w io.Writer, root *cobra.Command) {
	fmt.Fprintf(w, `# Reference

Made by %s of the program itself; a test fails when it is out of date. Every flag is also set by a
variable: --nats-url is WEFT_NATS_URL; variables that are read after it stand in the column "also". The command line
wins over the environment, the environment over a file, a file over the default. %s tells which
server a command talks to.

`, "`weft reference`", "`weft help connection`")
	fmt.Fprint(w, "## Commands\n\n| Command | |\n|---|---|\n")
	eachCommand(root, func(c *cobra.Command) {
		if c.Runnable() && c != root {
			fmt.Fprintf(w, "| [`%s`](#%s) | %s |\n", cell(c.CommandPath()), strings.ReplaceAll(c.CommandPath(), " ",
				"-"), cell(c.Short))
		}
	})
	fmt.Fprint(w, "\n## Flags of all commands\n\n")
	flagTable(w, root.PersistentFlags())
	eachCommand(root, func(c *cobra.Command) {
		if c == root || !c.Runnable() {
			return
		}
		fmt.Fprintf(w, "## %s\n\n%s.\n\n```\n%s\n```\n", c.CommandPath(), c.Short, c.UseLine())
		if len(c.Aliases) > 0 {
			fmt.Fprintf(w, "\nAlso: %s.\n", strings.Join(c.Aliases, ", "))
		}
		if c.Long != "" {
			fmt.Fprintf(w, "\n```text\n%s\n```\n", c.Long)
		}
		fmt.Fprintln(w)
		flagTable(w, c.LocalNonPersistentFlags())
	})
	fmt.Fprint(w, "## Variables without a flag\n\n| Variable | |\n|---|---|\n")
	for _, v := range environ.WithoutFlag {
		fmt.Fprintf(w, "| %s | %s |\n", "`"+strings.ReplaceAll(v[0], ", ", "`, `")+"`", cell(v[1]))
	}
	fmt.Fprintf(w, "\n## Exit codes\n\n```text\n%s\n```\n", exitCodesHelp)
}

// eachCommand visits the commands that people see, each before those below it.
func eachCommand(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, sub := range c.Commands() {
		if !sub.Hidden && sub.Name() != "help" && sub.Name() != "completion" {
			eachCommand(sub, visit)
		}
	}
}

// flagTable writes flags, those too that help does not show, unless they are only other spellings.
func flagTable(w io.Writer, flags *pflag.FlagSet) {
	var rows []string
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" || f.Usage == "" {
			return
		}
		name := "`--" + f.Name + "`"
		if f.Shorthand != "" {
			name = "`-" + f.Shorthand + "`, " + name
		}
		kind, value := f.Value.Type(), f.DefValue
		if kind == "bool" {
			kind = ""
		}
		if value == "[]" || value == "false" && kind == "" {
			value = ""
		}
		if value == signing.CurrentTarget() {
			value = "this machine's"
		}
		if value = strings.Replace(value, xdg.DataHome, "$XDG_DATA_HOME", 1); value != "" {
			value = "`" + value + "`"
		}
		also := slices.Clone(environ.Further(f.Name))
		for i, name := range also {
			also[i] = "`" + name + "`"
		}
		variable := "`" + environ.Own(f.Name) + "`"
		if notFromEnv[f.Name] {
			variable = ""
		}
		rows = append(rows, fmt.Sprintf("| %s | %s | %s | %s | %s | %s |\n", name, cell(kind), cell(value), variable,
			strings.Join(also, " "), cell(f.Usage)))
	})
	if len(rows) == 0 {
		return
	}
	fmt.Fprint(w, "| Flag | Value | Default | Variable | also | |\n|---|---|---|---|---|---|\n")
	for _, row := range rows {
		fmt.Fprint(w, row)
	}
	fmt.Fprintln(w)
}

// cell makes text fit for a cell of a Markdown table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(s)
}
