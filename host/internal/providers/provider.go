package providers

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/weftlattice/weft/host/internal/supervisor"
	"github.com/weftlattice/weft/internal/announce"
	"github.com/weftlattice/weft/internal/channel"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/policy"
	"github.com/weftlattice/weft/lattice/signing"
)

// key tells providers on one host apart.
type key struct {
	id   lattice.ProviderID
	link lattice.LinkName
}

// Provider is a capability provider that this host has started. It outlives its processes: the supervisor starts one
// after another, with the same id, instance id and place in the inventory. Fields without a remark do not change once
// it has started.
type Provider struct {
	all *Providers
	cfg *Config
	key
	ref         string
	digest      string // what ref meant when it was started; empty for a built-in one
	registry    bool   // it came from one
	name        string
	contract    lattice.ContractID
	version     string
	issuer      lattice.AccountID
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
	streams atomic.Bool   // it streams
	takes   atomic.Bool   // it uses the streams that are beside calls of it
	opened  atomic.Bool   // the present process has opened its channel, so that it can be asked over it
	direct  atomic.Bool   // it takes calls that are meant for it alone

	mu        sync.Mutex
	state     supervisor.State // guarded by mu
	healthy   bool             // guarded by mu
	ailing    ailing           // while the process is up but not healthy; guarded by mu
	channelID string           // of the credentials that the process has; guarded by mu
	profile   string           // socket where the process may serve profiles; guarded by mu
}

// ErrRuns refuses a provider that runs here already.
func ErrRuns(who string) error {
	return &lattice.Error{Code: lattice.ErrConflict, Op: "start provider", Entity: who,
		Detail: "Provider with that link name is already running on this host"}
}

// claims is what the lattice keeps about the provider.
func (p *Provider) claims() control.Claims {
	return control.Claims{Subject: string(p.id), Issuer: p.issuer, Name: p.name, Revision: p.revision,
		Version:    p.version,
		ContractID: p.contract}
}

// onState publishes what becomes of the process. The supervisor calls it for one change at a time, and waits for it: so
// events come in the order of the changes.
func (p *Provider) onState(s supervisor.State) {
	p.mu.Lock()
	before := p.state
	p.state = s
	p.mu.Unlock()
	switch s.Phase {
	case supervisor.Ready:
		if s.Restarts > before.Restarts || s.Restarts > 0 && before.Phase == supervisor.Starting {
			p.cfg.Metrics.Restarts.WithLabelValues(p.name, string(p.link)).Inc()
		}
		p.cfg.Logger.Info("provider started", lattice.LogProvider, p.name, "id", p.id, lattice.LogLink, p.link, "pid",
			s.PID,
			"inline", p.run != nil, "restarts", s.Restarts, lattice.LogRef, p.ref, "digest", p.digest)
		notBefore, expires := p.validity.HumanTimes()
		p.cfg.Publish(event.ProviderStarted{HostID: p.cfg.Self.ID, PublicKey: p.id, ImageRef: p.ref, LinkName: p.link,
			ContractID: p.contract,
			InstanceID: p.instanceID, Annotations: p.annotations, Claims: announce.ProviderClaims(p.claims(), notBefore,
				expires),
			Digest: p.digest})
		// A link that was put between the host data and the process's subscriptions would be lost.
		for _, def := range p.cfg.State.Of(p.id, p.link) {
			p.cfg.State.Tell(def)
		}
		p.catchUp()
	case supervisor.Backoff:
		p.cfg.Logger.Warn("provider ended, starting it again", lattice.LogProvider, p.name, lattice.LogLink, p.link,
			"reason",
			s.Reason, "in", s.Retry)
		p.stoppedEvent(s.Reason)
		p.cfg.Publish(event.ProviderRestarting{HostID: p.cfg.Self.ID, PublicKey: p.id, LinkName: p.link,
			ContractID: p.contract, Reason: s.Reason,
			Restarts: uint64(s.Restarts), DelayMs: uint64(s.Retry.Milliseconds())})
	case supervisor.Stopped:
		p.cfg.Logger.Info("provider stopped", lattice.LogProvider, p.name, lattice.LogLink, p.link)
		p.stoppedEvent("stop")
	}
	p.cfg.Served.Changed()
	p.cfg.Changed()
	if s.Phase != supervisor.Ready {
		p.cfg.Metrics.Healthy.WithLabelValues(p.name, string(p.link)).Set(0)
	}
}

// stoppedEvent tells that the process is gone, and forgets its health: that of the next one is asked anew.
func (p *Provider) stoppedEvent(reason string) {
	p.mu.Lock()
	p.healthy, p.ailing = false, ailing{}
	p.mu.Unlock()
	p.cfg.Publish(event.ProviderStopped{HostID: p.cfg.Self.ID, PublicKey: p.id, LinkName: p.link,
		ContractID: p.contract, InstanceID: p.instanceID, Annotations: p.annotations, Reason: reason})
}

// serves reports whether the process is up.
func (p *Provider) serves() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state.Phase == supervisor.Ready
}

// describe is the provider as inventories show it.
func (p *Provider) describe() control.Provider {
	p.mu.Lock()
	defer p.mu.Unlock()
	state := map[supervisor.Phase]string{supervisor.Ready: control.StateRunning,
		supervisor.Backoff:  control.StateRestarting,
		supervisor.Stopping: control.StateStopping, supervisor.Failed: control.StateFailed}[p.state.Phase]
	if state == "" {
		state = control.StateStarting
	}
	reason := p.state.Reason
	if p.state.Phase == supervisor.Ready && reason == "" {
		reason = p.ailing.String()
	}
	return control.Provider{ID: p.id, ImageRef: p.ref, ContractID: p.contract, LinkName: p.link, Name: p.name,
		Annotations: p.annotations,
		Revision:    p.revision, InstanceID: p.instanceID, State: state, Error: reason,
		Restarts: uint64(p.state.Restarts),
		PID:      p.state.PID, Inline: p.run != nil, Digest: p.digest}
}

// party is a provider that is about to start.
func (p *Provider) party() policy.Party {
	return policy.Party{Kind: policy.Provider, Key: string(p.id), Name: p.name, Issuer: p.issuer, Contract: p.contract,
		Link:     p.link,
		IssuedAt: p.validity.IssuedAt, Expires: p.validity.Expires}
}

// Ref is the reference that the provider was started from.
func (p *Provider) Ref() string { return p.ref }
