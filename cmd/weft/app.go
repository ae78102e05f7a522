package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/adrg/xdg"
	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/host"
	"github.com/weftlattice/weft/internal/deploy/connect"
	"github.com/weftlattice/weft/internal/deploy/datadir"
	"github.com/weftlattice/weft/internal/deploy/keys"
	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/lattice"
)

// app is one run of weft: its terminal and the flags that every command has.
type app struct {
	terminal
	args []string
	dir  datadir.Dir
	conn connect.Settings
	pass keys.Passphrase
}

// run runs one command line and returns the exit code.
func run(args []string, in io.Reader, out, errs io.Writer) int {
	a := &app{terminal: terminal{in: in, out: out, err: shown{errs}, output: formatText}, args: args}
	a.pass.Ask = a.askPassphrase
	ctx, stop := interrupted()
	defer stop()
	root := rootCmd(a)
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(a.err)
	a.guessOutput(args)
	err := root.ExecuteContext(ctx)
	if err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = &lattice.Error{Code: lattice.ErrCanceled, Op: "interrupted"}
	}
	err = a.explain(err)
	if errors.Is(err, host.ErrStuck) { // maybe since its output is not read
		time.AfterFunc(time.Second, func() { os.Exit(exitStuck) })
	}
	if err != nil {
		a.printError(err)
	}
	return exitCode(err)
}

// explain adds what to do about errors that are not the command's but the machine's.
func (a *app) explain(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("%w\nThe disk of this machine is full: make room there, "+
			"or keep weft's files elsewhere with --data-dir", err)
	}
	return a.dir.Explain(err)
}

// interrupted returns a context that the first signal ends; the second ends the process at once.
func interrupted() (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		select {
		case <-signals:
			cancel()
		case <-done:
			return
		}
		select {
		case <-signals:
			os.Exit(exitFailure)
		case <-done:
		}
	}()
	return ctx, func() { signal.Stop(signals); close(done); cancel() }
}

// defaultDataDir is empty when nothing says where the home of this user is, as in a systemd unit without User=.
func defaultDataDir() string {
	if os.Getenv("HOME") == "" && os.Getenv("XDG_DATA_HOME") == "" {
		if home, err := os.UserHomeDir(); err != nil || home == "" {
			return ""
		}
	}
	return filepath.Join(xdg.DataHome, "weft")
}

// needDataDir refuses to go on without a data directory, except for commands that have no use for one.
func needDataDir(a *app, cmd *cobra.Command) error {
	if a.dir != "" {
		return nil
	}
	for c := cmd; c != nil; c = c.Parent() {
		ours := c.Hidden && slices.Contains([]string{"run", "guard", "compiler"}, c.Name()) // hosts start these
		if ours || slices.Contains([]string{"version", "help", "completion"}, c.Name()) {
			return nil
		}
	}
	return usage.Errorf("there is no folder for keys and state: set HOME, XDG_DATA_HOME or --data-dir")
}

// keeper finds the keys of this machine.
func (a *app) keeper() keys.Keeper {
	return keys.Keeper{Dir: a.dir, Passphrase: &a.pass, Stdin: a.in}
}

// signer signs with the keys below the data directory.
func (a *app) signer() (*operate.Signer, error) {
	store, err := a.keeper().Store()
	if err != nil {
		return nil, err
	}
	return &operate.Signer{Keys: store, CacheDir: a.dir.Signed(), Check: host.CheckModule,
		Contracts: host.Contracts}, nil
}

// exactArgs, minArgs and noArgs say what is missing, in the words of the command's usage line.
func exactArgs(n int) cobra.PositionalArgs { return rangeArgs(n, n) }

func rangeArgs(low, high int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < low {
			return usage.Errorf("missing argument: %s", cmd.UseLine())
		}
		if high >= 0 && len(args) > high {
			return usage.Errorf("unexpected argument %q: %s", args[high], cmd.UseLine())
		}
		return nil
	}
}
