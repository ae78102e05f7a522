package host

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/weftlattice/weft/host/internal/actors"
	"github.com/weftlattice/weft/host/internal/beats"
	"github.com/weftlattice/weft/host/internal/commands"
	"github.com/weftlattice/weft/host/internal/company"
	"github.com/weftlattice/weft/host/internal/failures"
	"github.com/weftlattice/weft/host/internal/hostcall"
	"github.com/weftlattice/weft/host/internal/identity"
	"github.com/weftlattice/weft/host/internal/permit"
	"github.com/weftlattice/weft/host/internal/providers"
	"github.com/weftlattice/weft/host/internal/served"
	"github.com/weftlattice/weft/host/internal/state"
	"github.com/weftlattice/weft/host/internal/tasks"
	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/internal/announce"
	"github.com/weftlattice/weft/internal/certfile"
	"github.com/weftlattice/weft/internal/controlserver"
	"github.com/weftlattice/weft/internal/peer"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/policy"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// natsGrace is for how long others may be silent after this host's connection to NATS is back: theirs may still be
// away.
const natsGrace = providers.NATSGrace

// units are what a host is made of. Each owns its state and its locks and knows only what it is given; none knows Host.
// Run makes them.
type units struct {
	peer      *peer.Peer
	publisher *publisher
	policy    *permit.Policy
	state     *state.State
	domain    *state.Domain
	company   *company.Company
	tasks     *tasks.Queue
	failures  *failures.Log
	actors    *actors.Actors
	providers *providers.Providers
	set       *served.Set
	beats     *beats.Beats
	intake    *controlserver.Server
}

// publisher sends events; that observers are not there is no fault.
type publisher struct {
	to    *announce.Publisher
	self  *identity.Self
	ready <-chan struct{}
	log   *slog.Logger
}

// publish logs a failure and goes on: what an event tells of has happened already.
func (p *publisher) publish(events ...event.Data) {
	if err := p.to.Publish(events...); err != nil {
		p.log.Warn("event not published", lattice.LogErr, err)
	}
}

// greet tells the lattice that the host has started.
func (p *publisher) greet(context.Context) error {
	p.publish(event.HostStarted{Labels: p.self.Labels(), FriendlyName: p.self.Name, Version: Version})
	return nil
}

// farewell tells the lattice that the host has stopped, if it was told that it started.
func (p *publisher) farewell(context.Context) error {
	select {
	case <-p.ready:
		p.publish(event.HostStopped{Labels: p.self.Labels()})
	default:
	}
	return nil
}

// assemble makes the units. Where two know each other, one gets a function that finds the other when it is called.
func (h *Host) assemble() error {
	h.publisher = &publisher{announce.NewPublisher(h.base.nats.ctl, h.cfg.Lattice, h.self.ID), h.self, h.ready, h.log}
	h.tasks, h.failures = tasks.New(), failures.New(h.self.ID)
	err := h.makePeer(func(ctx context.Context, inv *wire.Invocation, took time.Duration, err error) {
		h.actors.Observe(ctx, inv, took, err)
	})
	if err != nil {
		return err
	}
	h.state = state.New(state.Config{
		Lattice: h.cfg.Lattice,
		Store:   h.base.bucket,
		Conn:    h.base.nats.rpc,
		Publish: h.publisher.publish,
		Run:     h.tasks.Run,
		Foreign: func(l wire.LinkDefinition) bool { return h.providers.RunsForeign(l) },
		Runs: func(id lattice.ActorID) bool {
			return h.actors.Has(id) || h.peer.Directory.Others(wire.ActorEntity(id), h.self.ID)
		},
		Logger: h.log,
	})
	h.domain = state.NewDomain(h.base.nats.rpc, h.log)
	h.policy = permit.New(permit.Config{
		Settings: permit.Settings(h.cfg.Policy),
		Conn:     h.base.nats.ctl,
		Asker:    h.asker,
		Known:    h.state.ClaimsOf,
		Metrics:  h.metrics,
		Logger:   h.log,
	})
	h.company = company.New(company.Config{
		Lattice: h.cfg.Lattice,
		Self:    h.self.ID,
		Beat:    h.cfg.Beat,
		Grace:   natsGrace,
		Conn:    h.base.nats.ctl,
		Domain:  h.domain.Known,
		Made:    h.base.bucket.Made,
		Beats:   h.peer.Directory.Listen,
		Own:     h.base.twins.Note,
		Away:    h.base.nats.away,
		Issuers: h.peer.Verifier.Issuers,
		Publish: h.publisher.publish,
		Logger:  h.log,
	})
	h.set = &served.Set{Self: h.self, Changes: h.changes, Beat: h.cfg.Beat, Issuer: h.peer.Agreement.Issuer}
	inv := &inventory{cfg: &h.cfg, self: h.self, domain: h.domain, made: h.base.bucket.Made, keys: h.keys.Load,
		issuers: h.peer.Verifier.Issuers}
	h.beats = beats.New(beats.Config{
		Self:      h.self,
		Conn:      h.base.nats.ctl,
		Beat:      h.cfg.Beat,
		Heartbeat: h.cfg.Heartbeat,
		OldForm:   h.cfg.OldHeartbeat,
		Direct:    h.set.Direct,
		Inventory: inv.all,
		Publish:   h.publisher.publish,
	})
	h.actors = actors.New(h.actorsConfig())
	h.providers = providers.New(h.providersConfig())
	h.set.Actors, h.set.Providers = h.actors, h.providers
	inv.actors, inv.providers = h.actors, h.providers
	h.base.guests.OnShort(h.actors.Reclaim)
	h.intake = controlserver.New(h.base.nats.ctl,
		controlserver.Config{
			Control: subject.Control{Prefix: h.cfg.ControlPrefix, Lattice: h.cfg.Lattice},
			HostID:  h.self.ID,
			Handler: commands.New(h.commandsConfig(inv)),
			Logger:  h.log,
			Late:    h.peer.Directory.Late,
		})
	if h.cfg.Storage != nil {
		registerStorage(h.registry, h.cfg.Storage)
	}
	h.registry.MustRegister(h.streams.Metrics(false)...)
	h.registry.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collector{h.self, h.company, h.large, h.base.guests}, h.actors, h.providers)
	h.renewal.tasks, h.renewal.peer, h.renewal.policy, h.renewal.providers = h.tasks, h.peer, h.policy, h.providers
	return h.registry.Register(certfile.NewCollector(func() []certfile.Expiring {
		return h.base.artifacts.certificates
	}))
}

// actorsConfig is what actors need of the host. Here closes over units that are made later: it is called when they are
// there.
func (h *Host) actorsConfig() actors.Config {
	c := &h.cfg
	outbound := hostcall.New(hostcall.Config{
		Lattice:    c.Lattice,
		RPCTimeout: c.RPCTimeout,
		State:      h.state,
		Policy:     h.policy,
		Client:     h.peer.Client,
		Here: func(ctx context.Context, call rpc.Call, stay bool) ([]byte, error, bool) {
			if call.Target.IsActor() {
				return h.actors.Call(ctx, call, stay)
			}
			return h.providers.Call(ctx, call, stay)
		},
		Streams: func(to wire.Entity, route wire.Route) bool {
			return route != wire.AnyHost && h.providers.Streams(to) ||
				route != wire.LocalOnly && h.peer.Directory.Streams(to)
		},
		Metrics:  h.metrics,
		Failures: h.failures,
	})
	limits := wasm.Limits{MemoryBytes: c.Limits.MemoryBytes, Execution: c.Limits.Execution, Fuel: c.Limits.Fuel}
	return actors.Config{
		Self:          h.self,
		Limits:        limits,
		QueuePerActor: c.QueuePerActor,
		IdleTimeout:   c.IdleTimeout,
		RecycleCalls:  c.RecycleCalls,
		Drain:         c.DrainTimeout,
		RPCTimeout:    c.RPCTimeout,
		Engine:        h.base.engine,
		Memory:        h.base.guests,
		Artifacts:     h.base.artifacts.Resolver,
		State:         h.state,
		Policy:        h.policy,
		Server:        h.peer.Server,
		Calls:         outbound,
		Served:        h.changes,
		Tasks:         h.tasks,
		Alone:         h.company.Alone,
		Log:           actors.LogConfig{Self: h.self, Conn: h.base.nats.ctl, Metrics: h.metrics, Logger: h.log},
		Metrics:       h.metrics,
		Failures:      h.failures,
		Refusals:      h.refusals,
		Publish:       h.publisher.publish,
		Changed:       h.beats.Changed,
		Logger:        h.log,
	}
}

func (h *Host) providersConfig() providers.Config {
	c := &h.cfg
	return providers.Config{
		Self:              h.self,
		Builtins:          c.builtins(),
		Drain:             c.DrainTimeout,
		Grace:             c.ProviderGrace,
		Ready:             c.ProviderReady,
		RPCTimeout:        c.RPCTimeout,
		SocketsDir:        c.dir("run"),
		Profiles:          c.Pprof,
		StructuredLogging: c.StructuredLogging,
		FilesDirs:         c.FilesDirs,
		JSDomain:          c.JSDomain,
		Conn:              h.base.nats.rpc,
		Access:            h.base.access,
		Keys: func() providers.Keys {
			k := h.keys.Load()
			return providers.Keys{Seed: k.Cluster.Seed(), Trusted: k.trusted()}
		},
		Artifacts: h.base.artifacts.Resolver,
		State:     h.state,
		Policy:    h.policy,
		Actors:    h.actors,
		Guard:     h.base.guard,
		Budget:    h.large,
		Streams:   h.streams,
		Served:    h.changes,
		Tasks:     h.tasks,
		Renewing:  h.renewal.lock,
		Failures:  h.failures,
		Metrics:   h.metrics,
		Observe:   h.actors.Observe,
		Publish:   h.publisher.publish,
		Changed:   h.beats.Changed,
		Logger:    h.log,
	}
}

// commandsConfig is what the control interface needs of the host. Stop only tells Run: the one who commands waits for
// an answer, which must go out before the host does.
func (h *Host) commandsConfig(inv *inventory) commands.Config {
	stop := func(drain time.Duration) {
		select {
		case h.quit <- drain:
		default: // it is stopping already
		}
	}
	return commands.Config{
		Self:          h.self,
		AllowFileLoad: h.cfg.AllowFileLoad,
		Drain:         h.cfg.DrainTimeout,
		Actors:        h.actors,
		Providers:     h.providers,
		State:         h.state,
		Failures:      h.failures,
		Company:       h.company,
		Tasks:         h.tasks,
		Artifacts:     h.base.artifacts.Resolver,
		Describe:      inv.host,
		Inventory:     inv.all,
		TakeNoMore:    h.takeNoMore,
		Stop:          stop,
		Reload:        h.Reload,
		Publish:       h.publisher.publish,
		Changed:       h.beats.Changed,
		Logger:        h.log,
	}
}

// asker is this host as it is told to those that decide what may be started and called.
func (h *Host) asker() policy.Host {
	return policy.Host{ID: h.self.ID, Cluster: h.keys.Load().Cluster.ClusterID(), Lattice: h.cfg.Lattice,
		Labels:  h.self.Labels(),
		Issuers: h.peer.Verifier.Issuers()}
}
