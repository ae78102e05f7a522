// Package dev runs an actor as it is edited: it builds a project, starts it with the providers and links that its
// claims ask for, updates it whenever a source changes, and takes away at the end what it started.
package dev

import (
	"context"
	"errors"
	"io"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/deploy/scaffold"
	"github.com/weftlattice/weft/internal/deploy/values"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// Config is what a session runs, and where. All fields but Config and Build are required.
type Config struct {
	Lattice *operate.Lattice
	Signer  *operate.Signer
	Folder  scaffold.Folder
	Address string    // where the HTTP server listens, when the actor serves HTTP
	Max     uint32    // calls at once
	Config  []string  // see values.Actor; its files are watched, too
	Stdin   io.Reader // what the file "-" of Config means
	Build   scaffold.BuildOptions
	Screen  Screen
}

// Screen is what a person sees of a session. Logs is called beside the others.
type Screen interface {
	// Say shows progress.
	Say(format string, args ...any)
	// Failed shows why what was edited does not run.
	Failed(err error)
	// Serves shows where the actor serves HTTP.
	Serves(actor, address string)
	// Logs shows what an actor logs until ctx ends. v has the names of hosts, and may be empty.
	Logs(ctx context.Context, l *operate.Lattice, v *operate.View, id lattice.ActorID) error
}

// session is one run. One goroutine has it, but for the logs.
type session struct {
	Config
	id        lattice.ActorID // once it runs
	runs      deployed        // what was deployed last
	revision  int32
	embeds    []string // what the sources embed, see scaffold.Embeds
	providers providers
	logs      func() // ends the showing of logs
}

// deployed is all that decides about what runs.
type deployed struct {
	digest  string
	project scaffold.Project
	config  map[string]string
}

// Run builds and updates until ctx ends, and then takes away what it started.
func Run(ctx context.Context, c Config) (err error) {
	s := &session{Config: c, logs: func() {}}
	s.providers = newProviders(c)
	defer func() { err = errors.Join(err, s.clean(context.WithoutCancel(ctx))) }()
	defer func() { s.logs() }()
	s.follow(ctx)
	return operate.Watch(ctx, c.Folder.Dir, operate.Watching{Files: values.Files(c.Config), Wants: s.embedded,
		Ready: func() {
			s.rebuild(ctx) // changes are seen from now on
			s.Screen.Say("- watching %s; Ctrl-C ends", c.Folder.Dir)
		}, Changed: func() { s.rebuild(ctx) }})
}

// rebuild builds, and starts or updates the actor. What goes wrong is shown, and the last good build goes on.
func (s *session) rebuild(ctx context.Context) {
	if err := s.build(ctx); err != nil && ctx.Err() == nil {
		s.Screen.Failed(err)
		if s.runs.digest != "" {
			s.Screen.Say("- the build before goes on serving")
		}
	}
}

func (s *session) build(ctx context.Context) error {
	begin := time.Now()
	again, err := scaffold.Open(s.Folder.Dir, "")
	if err != nil {
		return err
	}
	renamed := again.Name != s.Folder.Name
	s.Folder = again
	config, err := values.Actor(s.Config.Config, s.Stdin)
	if err != nil {
		return err
	}
	s.Screen.Say("- building %s", again.Name)
	built, err := scaffold.Build(ctx, again.Dir, again.Out, s.Build)
	if embeds, err := scaffold.Embeds(ctx, again.Dir); err == nil {
		s.embeds = embeds
	}
	if err != nil {
		return err
	}
	now := deployed{built.Digest, *again.Project, config}
	if reflect.DeepEqual(now, s.runs) {
		s.Screen.Say("- nothing has changed in what runs")
		return nil
	}
	s.Screen.Say("- built %s, sha256 %.12s, %s, in %s", again.Name, built.Digest, lattice.Size(built.Size),
		time.Since(begin).Round(time.Millisecond))
	if renamed { // another key, and so another actor
		if err := s.clean(ctx); err != nil {
			return err
		}
		s.id, s.runs = "", deployed{}
		s.follow(ctx)
	}
	if err := s.deploy(ctx, built.Path, now); err != nil {
		return err
	}
	s.runs = now
	return nil
}

// embedded reports whether a file below the project is one that the sources embed.
func (s *session) embedded(path string) bool {
	return slices.ContainsFunc(s.embeds, func(pattern string) bool {
		for at := path; at != filepath.Dir(at); at = filepath.Dir(at) {
			if ok, _ := filepath.Match(pattern, at); ok {
				return true
			}
		}
		return false
	})
}

// deployLimit is how long a build may take to be started and linked. A host compiles it first, which may take a minute
// of processor time (--compile-time), and more on a busy machine.
const deployLimit = 3 * time.Minute

// deploy starts the actor with its providers, or updates it. It gives up after deployLimit.
func (s *session) deploy(ctx context.Context, file string, now deployed) error {
	ctx, cancel := context.WithTimeout(ctx, deployLimit)
	defer cancel()
	s.revision = max(s.revision+1, int32(time.Now().Unix()))
	ref, m, err := s.Lattice.PushActor(ctx, s.Signer, file, operate.SignRequest{Revision: s.revision, Fresh: true})
	if err != nil {
		return err
	}
	id := m.Claims.Subject
	v, err := s.Lattice.View(ctx)
	if err != nil {
		return err
	}
	running := len(v.Running(id)) > 0 // also one that an earlier session left behind
	if running && !maps.Equal(now.config, s.runs.config) {
		s.Screen.Say("- starting it again with other values of --config")
		if _, err := s.Lattice.StopActor(ctx, string(id), "", nil); err != nil {
			return err
		}
		running = false
	}
	if running {
		if _, err := s.Lattice.UpdateActor(ctx, id, ref, ""); err != nil {
			return err
		}
		s.Screen.Say("- updated")
	} else if _, err := s.Lattice.StartActor(ctx, operate.ActorStart{Ref: ref, ID: id, Max: s.Max,
		Config: now.config}); err != nil {
		return err
	}
	s.id = id
	return s.providers.attach(ctx, id, s.Folder.Name, m.Claims.Caps)
}

// follow shows the actor's logs until ctx ends, or another actor's are to be shown. The actor may not be known at the
// beginning.
func (s *session) follow(ctx context.Context) {
	s.logs()
	ctx, cancel := context.WithCancel(ctx)
	id, err := s.moduleID()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err == nil {
			v, viewErr := s.Lattice.View(ctx) // for the names of hosts
			if viewErr != nil {
				v = &operate.View{}
			}
			err = s.Screen.Logs(ctx, s.Lattice, v, id)
		}
		if err != nil && ctx.Err() == nil {
			s.Screen.Say("weft: warning: no logs: %v", err)
		}
	}()
	s.logs = func() { cancel(); <-ended }
}

// moduleID is the key that the project's actor has, running or not.
func (s *session) moduleID() (lattice.ActorID, error) {
	k, _, err := s.Signer.Keys.LoadOrCreate(signing.KindModule, operate.KeyName(s.Folder.Name))
	return lattice.ActorID(k.Public()), err
}

// clean takes away what the session started.
func (s *session) clean(ctx context.Context) error {
	const limit = 20 * time.Second
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if s.id == "" {
		return nil
	}
	s.Screen.Say("- cleaning up")
	var errs []error
	links, err := s.Lattice.Links(ctx)
	errs = append(errs, err)
	for _, k := range links {
		if k.ActorID == s.id {
			_, err := s.Lattice.DelLink(ctx, string(k.ActorID), string(k.ContractID), k.LinkName)
			errs = append(errs, err)
		}
	}
	errs = append(errs, s.providers.stop(ctx))
	_, err = s.Lattice.StopActor(ctx, string(s.id), "", nil)
	return errors.Join(append(errs, err)...)
}
