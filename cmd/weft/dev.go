package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/internal/deploy/connect"
	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/deploy/scaffold"
	"github.com/weftlattice/weft/internal/process/slack"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
	"github.com/weftlattice/weft/lattice/contract/keyvalue"
	"github.com/weftlattice/weft/lattice/signing"
)

// devFlags are the choices of a "weft dev".
type devFlags struct {
	address string
	max     instances
	config  []string
	build   scaffold.BuildOptions
}

func devCmd(a *app) *cobra.Command {
	d := devFlags{max: 4}
	var flags hostFlags
	var nats natsFlags
	cmd := &cobra.Command{Use: "dev [DIR]", Short: "Build, run and update an actor as you edit it", Args: rangeArgs(0, 1),
		Long: `Builds the project in DIR (default: the current folder), starts it with the providers that its actor.yaml asks for, and
updates it whenever a source changes: Go files, what they embed, actor.yaml, files of --config. A capability that is added
to actor.yaml brings its provider and link, one that is removed takes them away. While a build is broken, the last good
one goes on serving. The actor's logs are shown. Ctrl-C ends it and takes away what it started.

Uses the lattice that "weft up" runs here, or starts one for as long as it runs.`,
		Example: `  weft dev
  weft dev ./hello --address 127.0.0.1:9000 --config greeting=hi`,
		RunE: func(cmd *cobra.Command, args []string) error {
			slack.Take()
			dir := "."
			if len(args) > 0 {
				dir = args[0]
			}
			p, err := openProject(dir, "")
			if err != nil {
				return err
			}
			way, stop, err := devLattice(a, cmd, &flags, &nats)
			if err != nil {
				return err
			}
			err = runDev(a, cmd.Context(), way, cmd.CommandPath(), p, d)
			return errors.Join(err, stop())
		}}
	f := cmd.Flags()
	f.StringVar(&d.address, "address", "127.0.0.1:8080", "where the HTTP server listens, when the actor serves HTTP")
	f.Var(&d.max, "max", "instances, that is calls at once")
	f.StringArrayVar(&d.config, "config", nil, configHelp)
	f.BoolVar(&d.build.TinyGo, "tinygo", false, "build with TinyGo")
	flags.flags(f)
	nats.flags(f)
	f.VisitAll(hideAllBut("address", "max", "tinygo", "config"))
	return cmd
}

// devLattice uses the lattice that is there, or starts one. stop ends what was started.
func devLattice(a *app, cmd *cobra.Command, flags *hostFlags, nats *natsFlags) (way connect.Way, stop func() error, err error) {
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

// devSession is one run of dev. One goroutine has it, but for the logs.
type devSession struct {
	app      *app
	l        *operate.Lattice
	signer   *operate.Signer
	project  project
	flags    devFlags
	id       lattice.ActorID // once it runs
	runs     devBuild        // what was deployed last
	revision int32
	embeds   []string        // what the sources embed, see scaffold.Embeds
	attached map[string]bool // contracts whose provider is linked
	started  []operate.ProviderState
	logs     func() // ends the showing of logs
}

// devBuild is all that decides about what runs.
type devBuild struct {
	digest  string
	project scaffold.Project
	config  map[string]string
}

// dev runs the loop until ctx ends.
func runDev(a *app, ctx context.Context, way connect.Way, name string, p project, flags devFlags) (err error) {
	l, done, err := way.Open(context.WithoutCancel(ctx), name, a.operating())
	if err != nil {
		return err
	}
	defer done()
	s, err := a.signer()
	if err != nil {
		return err
	}
	d := &devSession{app: a, l: l, signer: s, project: p, flags: flags, attached: map[string]bool{}, logs: func() {}}
	defer func() { err = errors.Join(err, d.clean(context.WithoutCancel(ctx))) }()
	defer func() { d.logs() }()
	d.follow(ctx)
	w := operate.Watching{Wants: d.embedded, Ready: func() {
		d.rebuild(ctx) // changes are seen from now on
		a.say("- watching %s; Ctrl-C ends", p.dir)
	}, Changed: func() { d.rebuild(ctx) }}
	for _, c := range flags.config {
		if !strings.Contains(c, "=") {
			w.Files = append(w.Files, c)
		}
	}
	return operate.Watch(ctx, p.dir, w)
}

// rebuild builds, and starts or updates the actor. What goes wrong is shown, and the last good build goes on.
func (d *devSession) rebuild(ctx context.Context) {
	if err := d.build(ctx); err != nil && ctx.Err() == nil {
		fmt.Fprintf(d.app.err, "weft: %s\n", err)
		if d.runs.digest != "" {
			d.app.say("- the build before goes on serving")
		}
	}
}

func (d *devSession) build(ctx context.Context) error {
	a, begin := d.app, time.Now()
	again, err := openProject(d.project.dir, "")
	if err != nil {
		return err
	}
	renamed := again.Name != d.project.Name
	d.project = again
	config, err := configValues(a, d.flags.config)
	if err != nil {
		return err
	}
	a.say("- building %s", again.Name)
	built, err := scaffold.Build(ctx, again.dir, again.out, d.flags.build)
	if embeds, err := scaffold.Embeds(ctx, again.dir); err == nil {
		d.embeds = embeds
	}
	if err != nil {
		return err
	}
	now := devBuild{built.Digest, *again.Project, config}
	if reflect.DeepEqual(now, d.runs) {
		a.say("- nothing has changed in what runs")
		return nil
	}
	a.say("- built %s, sha256 %.12s, %s, in %s", again.Name, built.Digest, lattice.Size(built.Size), time.Since(begin).Round(time.Millisecond))
	if renamed { // another key, and so another actor
		if err := d.clean(ctx); err != nil {
			return err
		}
		d.id, d.runs = "", devBuild{}
		d.follow(ctx)
	}
	if err := d.deploy(ctx, built.Path, now); err != nil {
		return err
	}
	d.runs = now
	return nil
}

// embedded reports whether a file below the project is one that the sources embed.
func (d *devSession) embedded(path string) bool {
	return slices.ContainsFunc(d.embeds, func(pattern string) bool {
		for at := path; at != filepath.Dir(at); at = filepath.Dir(at) {
			if ok, _ := filepath.Match(pattern, at); ok {
				return true
			}
		}
		return false
	})
}

// devLimit is how long a build may take to be started and linked. A host compiles it first, which may take a minute of
// processor time (--compile-time), and more on a busy machine.
const devLimit = 3 * time.Minute

// deploy starts the actor with its providers, or updates it. It gives up after devLimit.
func (d *devSession) deploy(ctx context.Context, file string, now devBuild) error {
	ctx, cancel := context.WithTimeout(ctx, devLimit)
	defer cancel()
	d.revision = max(d.revision+1, int32(time.Now().Unix()))
	ref, m, err := d.l.PushActor(ctx, d.signer, file, operate.SignRequest{Revision: d.revision, Fresh: true})
	if err != nil {
		return err
	}
	id := m.Claims.Subject
	v, err := d.l.View(ctx)
	if err != nil {
		return err
	}
	running := len(v.Running(id)) > 0 // also one that an earlier session left behind
	if running && !maps.Equal(now.config, d.runs.config) {
		d.app.say("- starting it again with other values of --config")
		if _, err := d.l.StopActor(ctx, string(id), "", nil); err != nil {
			return err
		}
		running = false
	}
	if running {
		if _, err := d.l.UpdateActor(ctx, id, ref, ""); err != nil {
			return err
		}
		d.app.say("- updated")
	} else if _, err := d.l.StartActor(ctx, operate.ActorStart{Ref: ref, ID: id, Max: uint32(d.flags.max), Config: now.config}); err != nil {
		return err
	}
	d.id = id
	return d.attach(ctx, m.Claims.Caps)
}

// attach starts and links the providers that the actor's claims ask for, and takes away those that they ask for no
// more.
func (d *devSession) attach(ctx context.Context, caps []string) error {
	ours := []struct {
		contract, name string
		values         map[string]string
	}{
		{keyvalue.ID, "keyvalue-nats", nil},
		{httpserver.ID, "httpserver", map[string]string{"address": d.flags.address}},
	}
	for _, p := range ours {
		wanted := slices.Contains(caps, p.contract)
		if wanted == d.attached[p.contract] {
			continue
		}
		if !wanted {
			if err := d.detach(ctx, p.contract); err != nil {
				return err
			}
			continue
		}
		state, err := d.l.StartProvider(ctx, operate.ProviderStart{Ref: p.name})
		if err != nil {
			return err
		}
		if !state.Already {
			d.started = append(d.started, *state)
		}
		if _, err := d.l.PutLink(ctx, operate.LinkPut{Actor: string(d.id), Provider: string(state.ID), ContractID: p.contract, Values: p.values}); err != nil {
			return err
		}
		d.attached[p.contract] = true
		if p.contract == httpserver.ID {
			printf(shown{d.app.out}, "%s serves at http://%s\n", d.project.Name, d.flags.address)
		}
	}
	for _, c := range caps {
		inside := strings.HasPrefix(c, "wasmcloud:builtin:") || c == keyvalue.ID || c == httpserver.ID
		if !inside && !d.attached[c] {
			d.app.say("- no provider of weft's serves %s: start one with weft provider start, then weft link put %s PROVIDER", c, d.project.Name)
			d.attached[c] = true // told once
		}
	}
	return nil
}

// detach takes away a link that the claims no longer ask for, and its provider when the session started it.
func (d *devSession) detach(ctx context.Context, contract string) error {
	d.app.say("- unlinking %s", contract)
	if _, err := d.l.DelLink(ctx, string(d.id), contract, lattice.DefaultLink); err != nil {
		return err
	}
	delete(d.attached, contract)
	for i, p := range d.started {
		if p.ContractID == contract {
			d.started = slices.Delete(d.started, i, i+1)
			_, err := d.l.StopProvider(ctx, string(p.ID), p.LinkName, "")
			return err
		}
	}
	return nil
}

// follow shows the actor's logs until ctx ends, or another actor's are to be shown. The actor may not be known at the
// beginning.
func (d *devSession) follow(ctx context.Context) {
	d.logs()
	ctx, cancel := context.WithCancel(ctx)
	id, err := d.moduleID()
	var shown sync.WaitGroup
	shown.Go(func() {
		if err == nil {
			v, _ := d.l.View(ctx) // for the names of hosts
			err = showLogs(d.app, ctx, d.l, cmp.Or(v, &operate.View{}), id, nil, nil)
		}
		if err != nil && ctx.Err() == nil {
			d.app.say("weft: warning: no logs: %v", err)
		}
	})
	d.logs = func() { cancel(); shown.Wait() }
}

// moduleID is the key that the project's actor has, running or not.
func (d *devSession) moduleID() (lattice.ActorID, error) {
	k, _, err := d.signer.Keys.LoadOrCreate(signing.KindModule, operate.KeyName(d.project.Name))
	return lattice.ActorID(k.Public()), err
}

// clean takes away what the session started.
func (d *devSession) clean(ctx context.Context) error {
	const limit = 20 * time.Second
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if d.id == "" {
		return nil
	}
	d.app.say("- cleaning up")
	var errs []error
	links, err := d.l.Links(ctx)
	errs = append(errs, err)
	for _, k := range links {
		if k.ActorID == d.id {
			_, err := d.l.DelLink(ctx, string(k.ActorID), k.ContractID, k.LinkName)
			errs = append(errs, err)
		}
	}
	for _, p := range d.started {
		_, err := d.l.StopProvider(ctx, string(p.ID), p.LinkName, "")
		errs = append(errs, err)
	}
	d.started, d.attached = nil, map[string]bool{}
	_, err = d.l.StopActor(ctx, string(d.id), "", nil)
	return errors.Join(append(errs, err)...)
}
