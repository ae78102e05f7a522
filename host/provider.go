package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/weftlattice/weft/host/internal/supervisor"
	"github.com/weftlattice/weft/host/internal/tasks"
	"github.com/weftlattice/weft/internal/channel"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/policy"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/wire"
)

// providerKey tells providers on one host apart.
type providerKey struct {
	id   lattice.ProviderID
	link lattice.LinkName
}

// provider is a capability provider that this host has started.
type provider struct {
	host *Host
	providerKey
	ref         string
	digest      string // what ref meant when it was started; empty for a built-in one
	registry    bool   // it came from one
	name        string
	contract    string
	version     string
	issuer      string
	revision    int32
	validity    signing.Validity
	annotations map[string]string
	config      string
	instanceID  string
	builtin     bool
	storage     bool   // keeps data in JetStream
	run         Inside // nil: it is a process

	process *supervisor.Process // nil until its first start returns; guarded by mu
	health  context.CancelFunc  // ends the health checks; guarded by mu
	own     ownNATS             // credentials of this run
	told    atomic.Uint64       // the generation of keys and credentials that the process has
	checks  sync.WaitGroup
	kick    chan struct{}            // makes the next health check come at once
	extra   map[lattice.ActorID]bool // actors whose link the last check found too much; owned by the checks

	channel channel.Group // to the process
	opened  atomic.Bool   // the present process has opened its channel, so that it can be asked over it
	direct  atomic.Bool   // it takes calls that are meant for it alone

	mu        sync.Mutex
	state     supervisor.State // guarded by mu
	healthy   bool             // guarded by mu
	ailing    ailing           // while the process is up but not healthy; guarded by mu
	channelID string           // of the credentials that the process has; guarded by mu
	profile   string           // socket where the process may serve profiles; guarded by mu
}

// builtin finds a provider that comes with the binary, by "builtin://NAME" or the bare name.
func (h *Host) builtin(ref string) (Builtin, bool) {
	b, ok := h.cfg.Builtins[strings.TrimPrefix(ref, "builtin://")]
	return b, ok
}

// resolveProvider finds out what a reference names: a built-in provider, or an archive that is fetched and verified.
func (h *Host) resolveProvider(ctx context.Context, ref, digest string, link lattice.LinkName) (p *provider, path string, args []string, err error) {
	p = &provider{host: h, ref: ref, instanceID: uuid.NewString(), providerKey: providerKey{link: link}, kick: make(chan struct{}, 1)}
	if b, ok := h.builtin(ref); ok {
		p.id, p.name, p.contract, p.version, p.revision, p.builtin = b.ID, b.Name, b.ContractID, b.Version, b.Revision, true
		p.storage, p.run = b.Storage, b.Inside
		p.issuer = "weft"
		return p, b.Path, b.Args, nil
	}
	art, err := h.resolver.FetchAt(ctx, ref, digest)
	if err != nil {
		return nil, "", nil, err
	}
	path, c, err := h.resolver.Executable(art.Bytes)
	if err != nil {
		h.metrics.Refused(err)
		return nil, "", nil, fmt.Errorf("%s: %w", ref, err)
	}
	p.id, p.name, p.contract, p.version, p.issuer = c.Subject, c.Name, c.ContractID, c.Version, string(c.Issuer)
	p.digest, p.registry = art.Pin(), art.Source != ""
	p.revision, p.validity = c.EffectiveRevision(), c.Validity
	return p, path, nil, nil
}

// startProvider resolves a reference, starts the process and publishes what came of it.
func (h *Host) startProvider(ctx context.Context, r control.StartProviderRequest) {
	err := h.startProviderErr(ctx, r)
	if err != nil {
		h.log.Error("provider not started", lattice.LogRef, r.ProviderRef, lattice.LogLink, r.LinkName, lattice.LogErr, err)
		h.publish(event.ProviderStartFailed{ProviderRef: r.ProviderRef, LinkName: r.LinkName, Error: err.Error(), Code: lattice.CodeOf(err).Name(), HostID: h.node.ID})
	}
}

func (h *Host) startProviderErr(ctx context.Context, r control.StartProviderRequest) error {
	p, path, args, err := h.resolveProvider(ctx, r.ProviderRef, r.Digest, r.LinkName)
	if err != nil {
		return err
	}
	if err := h.policy.ToStart(ctx, policy.StartProvider, p.party()); err != nil {
		return err
	}
	if r.Replaces != "" {
		return h.replaceProvider(ctx, r, p, path, args)
	}
	return h.launchProvider(ctx, r, p, path, args)
}

// replaceProvider starts p in the place of the one that runs under its id and link name. Since one process serves an id
// under a link name, the old one ends first; p is fetched, verified and permitted by then. When p does not start, the
// old one is started again.
func (h *Host) replaceProvider(ctx context.Context, r control.StartProviderRequest, p *provider, path string, args []string) error {
	if p.id != r.Replaces {
		return &lattice.Error{Code: lattice.ErrConflict, Op: "update provider", Entity: string(r.Replaces),
			Detail: fmt.Sprintf("%s is another provider, %s (%s); an update has the same key", lattice.Printable(r.ProviderRef), lattice.Printable(p.name), p.id)}
	}
	old := h.provider(p.providerKey)
	if old == nil {
		return &lattice.Error{Code: lattice.ErrNotFound, Op: "update provider", Entity: string(p.id), Detail: "it does not run on this host under link name " + string(p.link)}
	}
	if r.Configuration == "" {
		r.Configuration = old.config
	}
	if r.Annotations == nil {
		r.Annotations = old.annotations
	}
	end, cancel := context.WithTimeout(ctx, h.cfg.DrainTimeout)
	err := h.stopProvider(end, old)
	cancel()
	if err != nil {
		h.log.Warn("provider did not end cleanly", lattice.LogProvider, old.id, lattice.LogErr, err)
	}
	if err = h.launchProvider(ctx, r, p, path, args); err == nil {
		return nil
	}
	again := h.startProviderErr(ctx, control.StartProviderRequest{ProviderRef: old.ref, Digest: old.digest, LinkName: old.link, HostID: h.node.ID,
		Configuration: old.config, Annotations: old.annotations})
	if again != nil {
		return fmt.Errorf("%w; and %s, which ran before, does not start again: %w", err, old.ref, again)
	}
	return fmt.Errorf("%w; %s, which ran before, runs again", err, old.ref)
}

// launchProvider starts a provider that is resolved and permitted.
func (h *Host) launchProvider(ctx context.Context, r control.StartProviderRequest, p *provider, path string, args []string) error {
	p.annotations, p.config = maps.Clone(r.Annotations), r.Configuration
	if p.annotations == nil {
		p.annotations = map[string]string{}
	}
	var err error
	h.mu.Lock()
	switch {
	case h.node.Draining():
		err = tasks.ErrStopping
	case h.providers[p.providerKey] != nil:
		err = errProviderRuns(string(p.id))
	default:
		h.providers[p.providerKey] = p
	}
	h.mu.Unlock()
	if err != nil {
		return err
	}
	if err := h.state.Keep(ctx, p.claims()); err != nil {
		h.dropProvider(p)
		return err
	}
	if p.registry {
		h.state.KeepRef(ctx, p.ref, string(p.id))
	}
	process, err := supervisor.Start(ctx, supervisor.Spec{
		Path: path, Args: args, Run: p.inside(p.run), Stdin: p.firstLine, ReadyLine: wire.ReadyLine, Answers: []string{wire.ReloadedLine, wire.RestartLine}, RequireReadyLine: p.builtin, Probe: p.probe,
		ReadyTimeout: h.cfg.ProviderReady, Shutdown: p.askToEnd, Grace: h.cfg.ProviderGrace, Guard: h.guard, Excused: h.natsAway,
		OnState: p.onState, Logger: h.log.With(lattice.LogProvider, p.name, lattice.LogLink, p.link),
	})
	if err != nil {
		p.closeChannel()
		h.dropProvider(p)
		return fmt.Errorf("start provider %s: %w", r.ProviderRef, err)
	}
	p.mu.Lock()
	p.process = process
	check, end := context.WithCancel(context.Background())
	p.health = end
	p.mu.Unlock()
	p.checks.Go(func() { p.watch(check) })
	if h.node.Draining() { // since it was asked for; the drain may not have seen the process
		return errors.Join(tasks.ErrStopping, h.stopProvider(ctx, p))
	}
	return nil
}

func errProviderRuns(who string) error {
	return &lattice.Error{Code: lattice.ErrConflict, Op: "start provider", Entity: who,
		Detail: "Provider with that link name is already running on this host"}
}

// stopProvider asks the process to end, and ends it when it does not.
func (h *Host) stopProvider(ctx context.Context, p *provider) error {
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
	h.dropProvider(p)
	return err
}

func (h *Host) dropProvider(p *provider) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.providers[p.providerKey] == p {
		delete(h.providers, p.providerKey)
	}
}

func (h *Host) allProviders() []*provider {
	h.mu.RLock()
	defer h.mu.RUnlock()
	out := make([]*provider, 0, len(h.providers))
	for _, p := range h.providers {
		out = append(out, p)
	}
	return out
}

// claims is what the lattice keeps about the provider.
func (p *provider) claims() control.Claims {
	return control.Claims{Subject: string(p.id), Issuer: p.issuer, Name: p.name, Revision: p.revision, Version: p.version, ContractID: p.contract}
}

// hostData is the line that the process gets, with the links of this moment and, where it starts, its local channel and
// where to serve profiles.
func (p *provider) hostData(local *wire.Channel, profile string) []byte {
	c, keys, access := p.host.cfg, p.host.keys.Load(), p.nats()
	return wire.HostData{
		HostID: p.host.node.ID, LatticeRPCPrefix: c.Lattice, LinkName: p.link,
		LatticeRPCUserJWT: access.jwt, LatticeRPCUserSeed: access.seed, LatticeRPCURL: access.url,
		ProviderKey: p.id, InvocationSeed: keys.Cluster.Seed(), InstanceID: p.instanceID,
		LinkDefinitions: p.host.state.Of(p.id, p.link), ClusterIssuers: keys.trusted(), ConfigJSON: p.config,
		DefaultRPCTimeoutMS: uint64(c.RPCTimeout.Milliseconds()), StructuredLogging: c.StructuredLogging,
		Channel: local, NATS: p.host.natsAccess(access), ProfileSocket: profile, FilesDirs: c.FilesDirs, JSDomain: c.JSDomain,
	}.Encode()
}

// onState publishes what becomes of the process. The supervisor calls it for one change at a time.
func (p *provider) onState(s supervisor.State) {
	h := p.host
	p.mu.Lock()
	before := p.state
	p.state = s
	p.mu.Unlock()
	switch s.Phase {
	case supervisor.Ready:
		if s.Restarts > before.Restarts || s.Restarts > 0 && before.Phase == supervisor.Starting {
			h.metrics.Restarts.WithLabelValues(p.name, string(p.link)).Inc()
		}
		h.log.Info("provider started", lattice.LogProvider, p.name, "id", p.id, lattice.LogLink, p.link, "pid", s.PID, "inline", p.run != nil, "restarts", s.Restarts, lattice.LogRef, p.ref, "digest", p.digest)
		notBefore, expires := p.validity.HumanTimes()
		h.publish(event.ProviderStarted{HostID: h.node.ID, PublicKey: p.id, ImageRef: p.ref, LinkName: p.link, ContractID: p.contract,
			InstanceID: p.instanceID, Annotations: p.annotations, Claims: event.ProviderClaimsOf(p.claims(), notBefore, expires), Digest: p.digest})
		// A link that was put between the host data and the process's subscriptions would be lost.
		for _, def := range h.state.Of(p.id, p.link) {
			h.state.Tell(def)
		}
		p.catchUp()
	case supervisor.Backoff:
		h.log.Warn("provider ended, starting it again", lattice.LogProvider, p.name, lattice.LogLink, p.link, "reason", s.Reason, "in", s.Retry)
		p.stoppedEvent(s.Reason)
		h.publish(event.ProviderRestarting{HostID: h.node.ID, PublicKey: p.id, LinkName: p.link, ContractID: p.contract, Reason: s.Reason,
			Restarts: uint64(s.Restarts), DelayMs: uint64(s.Retry.Milliseconds())})
	case supervisor.Stopped:
		h.log.Info("provider stopped", lattice.LogProvider, p.name, lattice.LogLink, p.link)
		p.stoppedEvent("stop")
	}
	h.revision.Changed()
	h.beats.Changed()
	if s.Phase != supervisor.Ready {
		h.metrics.Healthy.WithLabelValues(p.name, string(p.link)).Set(0)
	}
}

func (p *provider) stoppedEvent(reason string) {
	p.mu.Lock()
	p.healthy, p.ailing = false, ailing{}
	p.mu.Unlock()
	p.host.publish(event.ProviderStopped{HostID: p.host.node.ID, PublicKey: p.id, LinkName: p.link,
		ContractID: p.contract, InstanceID: p.instanceID, Annotations: p.annotations, Reason: reason})
}

// serves reports whether the process is up.
func (p *provider) serves() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state.Phase == supervisor.Ready
}

// describe is the provider as inventories show it.
func (p *provider) describe() control.Provider {
	p.mu.Lock()
	defer p.mu.Unlock()
	state := map[supervisor.Phase]string{supervisor.Ready: control.StateRunning, supervisor.Backoff: control.StateRestarting,
		supervisor.Stopping: control.StateStopping, supervisor.Failed: control.StateFailed}[p.state.Phase]
	if state == "" {
		state = control.StateStarting
	}
	reason := p.state.Reason
	if p.state.Phase == supervisor.Ready && reason == "" {
		reason = p.ailing.String()
	}
	return control.Provider{ID: p.id, ImageRef: p.ref, ContractID: p.contract, LinkName: p.link, Name: p.name, Annotations: p.annotations,
		Revision: p.revision, InstanceID: p.instanceID, State: state, Error: reason, Restarts: uint64(p.state.Restarts), PID: p.state.PID, Inline: p.run != nil, Digest: p.digest}
}

// party is a provider that is about to start.
func (p *provider) party() policy.Party {
	return policy.Party{Kind: policy.Provider, Key: string(p.id), Name: p.name, Issuer: p.issuer, Contract: p.contract, Link: string(p.link),
		IssuedAt: p.validity.IssuedAt, Expires: p.validity.Expires}
}
