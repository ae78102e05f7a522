package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/internal/deploy/connect"
	"github.com/weftlattice/weft/internal/deploy/dev"
	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/deploy/scaffold"
	"github.com/weftlattice/weft/internal/process/slack"
	"github.com/weftlattice/weft/lattice"
)

func devCmd(a *app) *cobra.Command {
	var d dev.Config
	var max instances = 4
	var flags hostFlags
	var nats natsFlags
	cmd := &cobra.Command{Use: "dev [DIR]", Short: "Build, run and update an actor as you edit it",
		Args: rangeArgs(0, 1),
		Long: `Builds the project in DIR (default: the current folder), starts it with the providers that its actor.yaml
asks for, and updates it whenever a source changes: files of Go and Rust, what Go's embed, WIT, Cargo.toml, actor.yaml,
files of --config. A capability that is added to actor.yaml brings its provider and link, one that is removed takes them
away. While a build is broken, the last good one goes on serving. The actor's logs are shown. Ctrl-C ends it and takes
away what it started.

Uses the lattice that "weft up" runs here, or starts one for as long as it runs.`,
		Example: `  weft dev
  weft dev ./hello --address 127.0.0.1:9000 --config greeting=hi`,
		RunE: func(cmd *cobra.Command, args []string) error {
			slack.Take()
			dir := "."
			if len(args) > 0 {
				dir = args[0]
			}
			var err error
			if d.Folder, err = scaffold.Open(dir, ""); err != nil {
				return err
			}
			d.Max = uint32(max)
			way, stop, err := devLattice(a, cmd, &flags, &nats)
			if err != nil {
				return err
			}
			err = runDev(cmd, a, way, d)
			return errors.Join(err, stop())
		}}
	f := cmd.Flags()
	f.StringVar(&d.Address, "address", "127.0.0.1:8080", "where the HTTP server listens, when the actor serves HTTP")
	f.Var(&max, "max", "instances, that is calls at once")
	f.StringArrayVar(&d.Config, "config", nil, configHelp)
	f.BoolVar(&d.Build.TinyGo, "tinygo", false, "build with TinyGo")
	flags.flags(f)
	nats.flags(f)
	f.VisitAll(hideAllBut("address", "max", "tinygo", "config"))
	return cmd
}

// devLattice uses the lattice that is there, or starts one. stop ends what was started.
func devLattice(a *app, cmd *cobra.Command, flags *hostFlags, nats *natsFlags) (way connect.Way, stop func() error,
	err error) {
	none := func() error { return nil }
	if _, running := a.dir.Up(); running || a.conn.Elsewhere() {
		way, err = a.way(cmd)
		return way, none, err
	}
	release, err := claimUp(a)
	if err != nil {
		return way, none, err
	}
	log := slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	a.say("- starting a lattice")
	n, err := startNode(a, cmd, flags, nats, log)
	if lattice.CodeOf(err) == lattice.ErrConflict && !cmd.Flags().Changed("nats-port") {
		nats.port = -1
		n, err = startNode(a, cmd, flags, nats, log)
	}
	if err != nil {
		release()
		return way, none, err
	}
	stop = func() error { defer release(); return n.Stop() }
	if err := a.dir.SaveUp(n.Up(a.dir)); err != nil {
		return way, none, errors.Join(err, stop())
	}
	return n.Way(), stop, nil
}

func runDev(cmd *cobra.Command, a *app, way connect.Way, d dev.Config) error {
	l, done, err := way.Open(context.WithoutCancel(cmd.Context()), cmd.CommandPath(), a.operating())
	if err != nil {
		return err
	}
	defer done()
	if d.Signer, err = a.signer(); err != nil {
		return err
	}
	d.Lattice, d.Screen, d.Stdin = l, devScreen{a}, a.in
	return dev.Run(cmd.Context(), d)
}

// devScreen shows a session of dev.
type devScreen struct{ app *app }

func (s devScreen) Say(format string, args ...any) { s.app.say(format, args...) }
func (s devScreen) Failed(err error)               { fmt.Fprintf(s.app.err, "weft: %s\n", err) }
func (s devScreen) Serves(actor, address string) {
	printf(shown{s.app.out}, "%s serves at http://%s\n", actor, address)
}
func (s devScreen) Logs(ctx context.Context, l *operate.Lattice, v *operate.View, id lattice.ActorID) error {
	return l.FollowLogs(ctx, watchLogs(s.app, v, id))
}
