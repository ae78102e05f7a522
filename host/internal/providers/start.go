package providers

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/google/uuid"

	"github.com/weftlattice/weft/host/internal/supervisor"
	"github.com/weftlattice/weft/host/internal/tasks"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/policy"
	"github.com/weftlattice/weft/lattice/wire"
)

// resolve finds out what a reference names: a built-in provider, or an archive that is fetched and verified. path and
// args are the program to run. Nothing is started or remembered yet, so an error leaves nothing behind.
func (ps *Providers) resolve(ctx context.Context, ref, digest string, link lattice.LinkName) (p *Provider, path string,
	args []string, err error) {
	p = &Provider{all: ps, cfg: &ps.cfg, ref: ref, instanceID: uuid.NewString(), key: key{link: link},
		kick: make(chan struct{}, 1)}
	if b, ok := ps.Builtin(ref); ok {
		p.id, p.name, p.contract, p.version, p.revision, p.builtin = b.ID, b.Name, b.ContractID, b.Version, b.Revision,
			true
		p.storage, p.run = b.Storage, b.Inside
		p.issuer = "weft"
		return p, b.Path, b.Args, nil
	}
	art, err := ps.cfg.Artifacts.FetchAt(ctx, ref, digest)
	if err != nil {
		return nil, "", nil, err
	}
	path, c, err := ps.cfg.Artifacts.Executable(art.Bytes)
	if err != nil {
		ps.cfg.Metrics.Refused(err)
		return nil, "", nil, fmt.Errorf("%s: %w", ref, err)
	}
	p.id, p.name, p.contract, p.version, p.issuer = c.Subject, c.Name, c.ContractID, c.Version, c.Issuer
	p.digest, p.registry = art.Pin(), art.Source != ""
	p.revision, p.validity = c.EffectiveRevision(), c.Validity
	return p, path, nil, nil
}

// Launch resolves a reference, starts the process and publishes what came of it.
func (ps *Providers) Launch(ctx context.Context, r control.StartProviderRequest) {
	err := ps.launch(ctx, r)
	if err != nil {
		ps.cfg.Logger.Error("provider not started", lattice.LogRef, r.ProviderRef, lattice.LogLink, r.LinkName,
			lattice.LogErr, err)
		ps.cfg.Publish(event.ProviderStartFailed{ProviderRef: r.ProviderRef, LinkName: r.LinkName, Error: err.Error(),
			Code: lattice.CodeOf(err).Name(), HostID: ps.cfg.Self.ID})
	}
}

// launch is Launch, but tells nobody what came of it.
func (ps *Providers) launch(ctx context.Context, r control.StartProviderRequest) error {
	p, path, args, err := ps.resolve(ctx, r.ProviderRef, r.Digest, r.LinkName)
	if err != nil {
		return err
	}
	if err := ps.cfg.Policy.ToStart(ctx, policy.StartProvider, p.party()); err != nil {
		return err
	}
	if r.Replaces != "" {
		return ps.replace(ctx, r, p, path, args)
	}
	return ps.start(ctx, r, p, path, args)
}

// replace starts p in the place of the one that runs under its id and link name. Since one process serves an id
// under a link name, the old one ends first; p is fetched, verified and permitted by then. When p does not start, the
// old one is started again.
func (ps *Providers) replace(ctx context.Context, r control.StartProviderRequest, p *Provider, path string,
	args []string) error {
	if p.id != r.Replaces {
		return &lattice.Error{Code: lattice.ErrConflict, Op: "update provider", Entity: string(r.Replaces),
			Detail: fmt.Sprintf("%s is another provider, %s (%s); an update has the same key",
				lattice.Printable(r.ProviderRef),
				lattice.Printable(p.name), p.id)}
	}
	old := ps.Find(p.id, p.link)
	if old == nil {
		return &lattice.Error{Code: lattice.ErrNotFound, Op: "update provider", Entity: string(p.id),
			Detail: "it does not run on this host under link name " + string(p.link)}
	}
	if r.Configuration == "" {
		r.Configuration = old.config
	}
	if r.Annotations == nil {
		r.Annotations = old.annotations
	}
	end, cancel := context.WithTimeout(ctx, ps.cfg.Drain)
	err := old.End(end)
	cancel()
	if err != nil {
		ps.cfg.Logger.Warn("provider did not end cleanly", lattice.LogProvider, old.id, lattice.LogErr, err)
	}
	if err = ps.start(ctx, r, p, path, args); err == nil {
		return nil
	}
	again := ps.launch(ctx, control.StartProviderRequest{ProviderRef: old.ref, Digest: old.digest, LinkName: old.link,
		HostID:        ps.cfg.Self.ID,
		Configuration: old.config, Annotations: old.annotations})
	if again != nil {
		return fmt.Errorf("%w; and %s, which ran before, does not start again: %w", err, old.ref, again)
	}
	return fmt.Errorf("%w; %s, which ran before, runs again", err, old.ref)
}

// start starts a provider that is resolved and permitted. It enters the table before anything else, which is what keeps
// a second one of the same id and link name out while this one starts. It returns when the process serves.
func (ps *Providers) start(ctx context.Context, r control.StartProviderRequest, p *Provider, path string,
	args []string) error {
	p.annotations, p.config = maps.Clone(r.Annotations), r.Configuration
	if p.annotations == nil {
		p.annotations = map[string]string{}
	}
	var err error
	ps.mu.Lock()
	switch {
	case ps.cfg.Self.Draining():
		err = tasks.ErrStopping
	case ps.table[p.key] != nil:
		err = ErrRuns(string(p.id))
	default:
		ps.table[p.key] = p
	}
	ps.mu.Unlock()
	if err != nil {
		return err
	}
	// Claims before the process: observers that hear of the start look them up.
	if err := ps.cfg.State.Keep(ctx, p.claims()); err != nil {
		ps.drop(p)
		return err
	}
	if p.registry {
		ps.cfg.State.KeepRef(ctx, p.ref, string(p.id))
	}
	process, err := supervisor.Start(ctx, supervisor.Spec{
		Path: path, Args: args, Run: p.inside(p.run), Stdin: p.firstLine, ReadyLine: wire.ReadyLine,
		Answers: []string{wire.ReloadedLine, wire.RestartLine}, RequireReadyLine: p.builtin, Probe: p.probe,
		ReadyTimeout: ps.cfg.Ready, Shutdown: p.askToEnd, Grace: ps.cfg.Grace, Guard: ps.cfg.Guard,
		Excused: ps.cfg.away,
		OnState: p.onState, Logger: ps.cfg.Logger.With(lattice.LogProvider, p.name, lattice.LogLink, p.link),
	})
	if err != nil {
		p.closeChannel()
		ps.drop(p)
		return fmt.Errorf("start provider %s: %w", r.ProviderRef, err)
	}
	p.mu.Lock()
	p.process = process
	check, end := context.WithCancel(context.Background())
	p.health = end
	p.mu.Unlock()
	p.checks.Go(func() { p.watch(check) })
	if ps.cfg.Self.Draining() { // since it was asked for; the drain may not have seen the process
		return errors.Join(tasks.ErrStopping, p.End(ctx))
	}
	return nil
}

// End asks the process to end, and ends it when it does not; ctx ends the patience. The health checks end first, so
// that none starts a process anew that was meant to end. The provider leaves the table last: a start under the same key
// is refused until the process is gone, since two would take each other's calls and listeners.
func (p *Provider) End(ctx context.Context) error {
	p.mu.Lock()
	process, end := p.process, p.health
	p.mu.Unlock()
	if process == nil {
		return nil // its start is under way and will find the host draining, or fail
	}
	end()
	p.checks.Wait()
	err := process.Stop(ctx)
	p.closeChannel()
	p.all.drop(p)
	return err
}
