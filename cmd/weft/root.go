package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/lattice/subject"
)

// The groups of weft's help.
const (
	groupRun     = "run"
	groupApps    = "apps"
	groupLook    = "look"
	groupDevelop = "develop"
	groupTrust   = "trust"
	groupOther   = "other"
)

func rootCmd(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "weft",
		Short: "Run WebAssembly actors and capability providers on a lattice over NATS",
		Long: `weft runs WebAssembly actors and capability providers on a lattice: hosts that find each other over NATS.

Every flag can be set by an environment variable: --nats-url is WEFT_NATS_URL.
Wherever an id is wanted, a whole name will do, or the beginning of the id, of four characters or more.`,
		Example: `  weft up -d                               # a whole lattice on this machine
  weft actor start ./app.wasm --max 3      # run an actor`,
		SilenceErrors: true, SilenceUsage: true,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return unknownCommand(cmd, args) },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := applyEnv(cmd); err != nil {
				return err
			}
			return needDataDir(a, cmd)
		},
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
	}
	root.AddGroup(
		&cobra.Group{ID: groupRun, Title: "Run a lattice:"},
		&cobra.Group{ID: groupApps, Title: "Run applications on it:"},
		&cobra.Group{ID: groupLook, Title: "See what it does:"},
		&cobra.Group{ID: groupDevelop, Title: "Write actors:"},
		&cobra.Group{ID: groupTrust, Title: "Keys and signatures:"},
		&cobra.Group{ID: groupOther, Title: "Other:"},
	)
	root.SetHelpCommandGroupID(groupOther)
	root.SetCompletionCommandGroupID(groupOther)
	root.SetFlagErrorFunc(unknownFlag)
	root.SetUsageFunc(narrow(root.UsageFunc()))
	globalFlags(a, root.PersistentFlags())

	add := func(group string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add(groupRun, upCmd(a), downCmd(a), hostCmd(a), natsCmd(a))
	add(groupApps, actorCmd(a), providerCmd(a), linkCmd(a), callCmd(a), pushCmd(a), pullCmd(a), artifactCmd(a))
	add(groupLook, eventsCmd(a), logsCmd(a), errorsCmd(a), inspectCmd(a))
	add(groupDevelop, newCmd(a), devCmd(a), buildCmd(a), parCmd(a))
	add(groupTrust, keyCmd(a), tokenCmd(a), signCmd(a), policyCmd(&a.terminal))
	add(groupOther, versionCmd(&a.terminal), referenceCmd(&a.terminal))
	root.AddCommand(exitCodesTopic(), connectionTopic())
	root.AddCommand(oldSpellings(a)...)
	nounsExplainThemselves(root)
	completeFlags(a, root)
	return root
}

// narrow makes help fit the terminal: what flags mean goes on in further lines.
func narrow(usage func(*cobra.Command) error) func(*cobra.Command) error {
	return func(c *cobra.Command) error {
		var text bytes.Buffer
		out := c.OutOrStderr()
		c.SetOut(&text)
		err := usage(c)
		c.SetOut(out)
		narrow := text.String()
		for _, flags := range []*pflag.FlagSet{c.LocalFlags(), c.InheritedFlags()} {
			trimmed := func(s string) string { return strings.TrimRight(s, " \n") }
			if wide := trimmed(flags.FlagUsages()); wide != "" {
				narrow = strings.Replace(narrow, wide, trimmed(flags.FlagUsagesWrapped(tableWidth)), 1)
			}
		}
		_, writeErr := io.WriteString(out, narrow)
		return errors.Join(err, writeErr)
	}
}

// globalFlags are the flags of every command.
func globalFlags(a *app, f *pflag.FlagSet) {
	f.VarP(&a.output, "output", "o", "how results are shown: text, wide (tables without limits), json or yaml")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "no progress on standard error")
	f.StringVarP(&a.conn.Lattice, "lattice", "x", "", "name of the lattice (default: default)")
	f.StringVar((*string)(&a.dir), "data-dir", defaultDataDir(),
		"where keys, the embedded NATS server and the state of \"weft up\" are kept")
	f.StringVar(&a.conn.Control, "ctl-prefix", subject.DefaultControlPrefix, "first tokens of the control subjects")
	f.StringVar(&a.pass.File, "key-passphrase-file", "",
		"file with the passphrase of encrypted keys (default: asked for at the terminal)")
	f.IntVar(&a.pass.FD, "key-passphrase-fd", -1, "file descriptor to read the passphrase of encrypted keys from")
	for _, name := range []string{"key-passphrase-file", "key-passphrase-fd"} {
		_ = f.MarkHidden(name) // in "weft key --help"
	}
	connectionFlags(&a.conn, f)
	f.StringVar(&a.conn.URL, "nats", "", "")
	_ = f.MarkHidden("nats")
}

// nounsExplainThemselves makes commands that only hold others show their help, and refuse unknown words.
func nounsExplainThemselves(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		if c.HasSubCommands() && !c.Runnable() {
			c.Args = cobra.ArbitraryArgs
			c.RunE = unknownCommand
		}
		nounsExplainThemselves(c)
	}
}

// unknownCommand runs when no subcommand matched.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	msg := fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath())
	if hint := meantCommand(cmd, args); hint != "" {
		msg += "; did you mean " + hint + "?"
	}
	return usage.Errorf("%s\nSee: %s --help", msg, cmd.CommandPath())
}

// executable is this very program, to be started again.
func executable() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	return path, nil
}
