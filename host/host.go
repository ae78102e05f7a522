// Package host is one node of a lattice: it runs actors, starts and supervises providers, and answers the control
// interface. To a host a provider is a process and some subjects.
//
// The two journeys meet here. An invocation arrives at invoke (actor.go), borrows an instance, may call out through
// HostCall (hostcall.go), and goes back. A command arrives at commands.go, is accepted, is carried out by a task, and
// each change that it makes returns the events that observers see. Links and claims come from the bucket that all hosts
// watch (internal/state).
//
// Locks: ARCHITECTURE.md says which nest, and which are held across NATS, a guest or a disk. Draining is in drain.go.
package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/weftlattice/weft/host/internal/apps"
	"github.com/weftlattice/weft/host/internal/artifact"
	"github.com/weftlattice/weft/host/internal/beats"
	"github.com/weftlattice/weft/host/internal/company"
	"github.com/weftlattice/weft/host/internal/failures"
	"github.com/weftlattice/weft/host/internal/memory"
	"github.com/weftlattice/weft/host/internal/metrics"
	"github.com/weftlattice/weft/host/internal/node"
	"github.com/weftlattice/weft/host/internal/permit"
	"github.com/weftlattice/weft/host/internal/served"
	"github.com/weftlattice/weft/host/internal/state"
	"github.com/weftlattice/weft/host/internal/supervisor"
	"github.com/weftlattice/weft/host/internal/sweep"
	"github.com/weftlattice/weft/host/internal/tasks"
	"github.com/weftlattice/weft/host/internal/twin"
	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/internal/certfile"
	"github.com/weftlattice/weft/internal/files"
	"github.com/weftlattice/weft/internal/load"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/internal/peer"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/oci"
	"github.com/weftlattice/weft/lattice/store"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
	"golang.org/x/time/rate"
)

// Host is a node of a lattice. Make it with New, then Run it once. Its other methods are safe for concurrent use.
type Host struct {
	cfg  Config
	node *node.Node
	log  *slog.Logger

	registry *prometheus.Registry
	metrics  *metrics.Metrics
	large    *load.Budget
	memory   *memory.Budget // of guests; nil: no limit
	revision *served.Revision
	failures *failures.Log
	tasks    *tasks.Queue
	ready    chan struct{}
	quit     chan time.Duration // a stop command; the value is how long to drain

	// Set by Run before anything can use them.
	ctl, rpc  *nats.Conn
	engine    *wasm.Engine
	resolver  *artifact.Resolver
	state     *state.State
	beats     *beats.Beats
	twins     *twin.Guard
	peer      *peer.Peer
	publisher *event.Publisher
	guard     *supervisor.Guard
	policy    *permit.Policy

	local        local
	company      *company.Company
	profiles     profiles
	keys         atomic.Pointer[Keys]
	providerNATS atomic.Pointer[providerNATS]
	providerAddr string        // the NATS address of providers
	generation   atomic.Uint64 // of keys and credentials; providers are told when it grows
	reloading    chan struct{} // holds one element during a reload
	natsPrint    string        // of the credentials in use; guarded by reloading
	refusalLog   *rate.Limiter // an attacker must not fill the log
	connected    atomic.Int64  // when NATS was back last, in Unix nanoseconds; 0: it has not been away

	domain atomic.Pointer[string] // of the JetStream that keeps the lattice's state; nil: not known

	mu        sync.RWMutex
	actors    map[lattice.ActorID]*actor // guarded by mu
	providers map[providerKey]*provider  // guarded by mu
	httpAddr  string                     // guarded by mu
}

// New makes a host. It has no side effects; all that is wrong with cfg is reported at once.
func New(cfg Config) (*Host, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	id := lattice.HostID(cfg.HostKey.Public())
	guests, large := cfg.divide(memory.Available())
	h := &Host{cfg: cfg, node: node.New(id, cfg.FriendlyName, cfg.Lattice, cfg.labels()), registry: prometheus.NewRegistry(),
		large: load.NewBudget(large), memory: newBudget(guests), failures: failures.New(id), tasks: tasks.New(),
		ready: make(chan struct{}), quit: make(chan time.Duration, 1), reloading: make(chan struct{}, 1), refusalLog: rate.NewLimiter(10, 100),
		actors: map[lattice.ActorID]*actor{}, providers: map[providerKey]*provider{}}
	h.revision = served.NewRevision(h.node.Started)
	h.memory.OnShort(h.reclaim)
	h.keys.Store(&Keys{Cluster: cfg.Cluster, Issuers: cfg.Issuers})
	h.log = cfg.Logger.With(lattice.LogHost, h.node.Name)
	h.metrics = metrics.New(h.registry)
	if cfg.Storage != nil {
		registerStorage(h.registry, cfg.Storage)
	}
	h.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), inventoryCollector{h})
	return h, nil
}

// ID is the host's public key.
func (h *Host) ID() lattice.HostID { return h.node.ID }

// Name is the host's friendly name.
func (h *Host) Name() string { return h.node.Name }

// Ready is closed once the host serves.
func (h *Host) Ready() <-chan struct{} { return h.ready }

// Run joins the lattice and serves until ctx ends or a stop command comes; then it drains, stops all that it started,
// and returns. It returns an error when it could not start or not stop cleanly. A host runs once.
//
// Run returns within the time to drain, Config.ProviderGrace and eight seconds, even when guests do not end. With
// ErrStuck it leaves goroutines behind that hold what the host has opened: the process must end then.
func (h *Host) Run(ctx context.Context) error {
	stopping, ended := make(chan time.Duration, 1), make(chan error, 1)
	go func() { ended <- h.run(ctx, stopping) }()
	select {
	case err := <-ended:
		return err
	case drain := <-stopping:
		select {
		case err := <-ended:
			return err
		case <-time.After(h.stopsWithin(drain)):
			return h.stuck()
		}
	}
}

// stopsWithin is how long the end of the host takes at most.
func (h *Host) stopsWithin(drain time.Duration) time.Duration {
	return drain + h.cfg.ProviderGrace + stopMargin
}

// stopMargin is how much longer the end of the host may take than draining and ending providers.
const stopMargin = endOfCalls + 3*time.Second

// ErrStuck is in the error of a host that did not end in time.
var ErrStuck = errors.New("the host does not end")

// stuck says what keeps the host from ending, as far as that can be found out: the goroutine that keeps it may hold its
// locks or its log.
func (h *Host) stuck() error {
	found := make(chan []string, 1)
	go func() {
		names := []string{}
		for _, a := range h.allActors() {
			if v := a.current.Load(); v != nil && v.pool.Stats().InUse > 0 {
				names = append(names, fmt.Sprintf("%s (%s)", cmpName(v.claims), a.id))
			}
		}
		found <- names
		h.log.Error("the host does not end, its process has to", "actors", names)
	}()
	detail := "what keeps it cannot be found out; is its log read?"
	select {
	case names := <-found:
		if detail = "no call is in progress; is its log read?"; len(names) > 0 {
			detail = "calls go on in " + strings.Join(names, ", ")
		}
	case <-time.After(time.Second):
	}
	return &lattice.Error{Code: lattice.ErrInternal, Op: "stop host", Entity: h.node.Name, Detail: detail, Err: ErrStuck}
}

// run is Run without an end that is sure. It says when it begins to stop, and how long draining may take.
func (h *Host) run(ctx context.Context, stopping chan<- time.Duration) (err error) {
	var closers []func(context.Context) error // in order of starting
	opened := func(close func(context.Context) error) { closers = append(closers, close) }
	drain := h.cfg.DrainTimeout
	defer func() {
		select {
		case stopping <- drain:
		default: // said already
		}
		stop, cancel := context.WithTimeout(context.Background(), drain)
		defer cancel()
		for i := len(closers) - 1; i >= 0; i-- {
			err = errors.Join(err, closers[i](stop))
		}
	}()
	if err := h.start(ctx, opened); err != nil {
		return fmt.Errorf("start host: %w", err)
	}
	close(h.ready)
	h.log.Info("host is ready", lattice.LogLattice, h.cfg.Lattice, "id", h.node.ID, "nats", natsconn.SafeURL(h.cfg.NATS.URL), "http", h.HTTPAddr())
	select {
	case <-ctx.Done():
	case d := <-h.quit:
		if d > 0 {
			drain = d
		}
	}
	stopping <- drain
	h.log.Info("host is stopping", "drain", drain)
	h.node.EndWithin(h.stopsWithin(drain))
	h.takeNoMore()
	return nil
}

// start brings the parts up inside out, intake last, and registers what undoes each.
func (h *Host) start(ctx context.Context, opened func(func(context.Context) error)) (err error) {
	// before they are read: what changes since is taken over later
	if h.natsPrint, err = h.cfg.NATS.config().Fingerprint(); err != nil {
		return err
	}
	for _, c := range []struct {
		conn **nats.Conn
		name string
	}{{&h.ctl, "ctl"}, {&h.rpc, natsRPC}} {
		if *c.conn, err = natsconn.Connect(ctx, h.natsConfig(c.name)); err != nil {
			return err
		}
		opened(func(ctx context.Context) error { return natsconn.Close(ctx, *c.conn) })
	}
	h.twins = &twin.Guard{Node: h.node, Conn: h.rpc, Revision: h.revision, Metrics: h.metrics, Limit: h.refusalLog, Logger: h.log}
	if err := h.twins.Start(ctx); err != nil {
		return err
	}
	if err := h.openProviderNATS(opened); err != nil {
		return err
	}
	h.publisher = event.NewPublisher(h.ctl, h.cfg.Lattice, h.node.ID)

	if h.engine, err = wasm.New(ctx, wasm.Config{CacheDir: h.dir(compiledDir), Logger: h.log,
		Compiler: h.cfg.Compiler, Memory: h.memory, CompileMemory: h.cfg.compileMemory(memory.Available()), CompileCPU: h.cfg.CompileCPU}); err != nil {
		return err
	}
	opened(h.engine.Close)
	bucket, err := store.Open(ctx, h.rpc, h.cfg.Lattice, store.Config{Logger: h.log})
	if err != nil {
		return err
	}
	h.state = state.New(state.Config{Lattice: h.cfg.Lattice, Store: bucket, Conn: h.rpc, Publish: h.publish, Run: h.tasks.Run,
		Foreign: h.runsForeign, Logger: h.log})
	h.learnDomain(ctx)
	if h.resolver, err = h.newResolver(opened); err != nil {
		return err
	}
	opened(func(context.Context) error { h.resolver.Close(); return nil })
	h.policy = permit.New(permit.Config{Settings: permit.Settings(h.cfg.Policy), Conn: h.ctl, Asker: h.asks, Known: h.state.ClaimsOf,
		Metrics: h.metrics, Logger: h.log})
	opened(h.policy.Stop)
	if err := h.policy.Start(ctx); err != nil {
		return err
	}
	if err := h.openCalls(ctx, opened); err != nil {
		return err
	}
	set := &served.Set{Node: h.node, Revision: h.revision, Actors: h, Providers: h, Beat: h.cfg.Beat, Issuer: h.peer.Agreement.Issuer}
	h.beats = beats.New(beats.Config{Node: h.node, Conn: h.ctl, Beat: h.cfg.Beat, Heartbeat: h.cfg.Heartbeat, OldForm: h.cfg.OldHeartbeat,
		Direct: set.Direct, Inventory: h.inventory, Publish: h.publish})
	if len(h.cfg.Guard) > 0 {
		if h.guard, err = supervisor.StartGuard(ctx, h.cfg.Guard[0], h.cfg.Guard[1:], h.log); err != nil {
			return err
		}
		opened(h.guard.Close)
	}
	if err := h.openProfiles(opened); err != nil {
		return err
	}
	h.openLocal(opened)
	h.company = company.New(company.Config{Lattice: h.cfg.Lattice, Self: h.node.ID, Beat: h.cfg.Beat, Grace: natsGrace, Conn: h.ctl, Domain: h.domain.Load,
		Beats: h.peer.Directory.Listen, Own: h.twins.Note, Away: h.natsAway, Publish: h.publish, Logger: h.log})
	opened(h.company.Stop)
	if err := h.company.Start(ctx); err != nil {
		return err
	}
	opened(h.state.Stop)
	if err := h.state.Start(ctx); err != nil {
		return err
	}
	opened(func(context.Context) error {
		select {
		case <-h.ready: // otherwise no observer was told that it started
			h.publish(event.HostStopped{Labels: h.node.Labels()})
		default:
		}
		return nil
	})
	opened(h.stopWork)
	opened(func(ctx context.Context) error { h.tasks.Close(ctx); return nil })

	if err := h.serveHTTP(opened); err != nil {
		return err
	}
	if _, err := h.peer.Server.ServeDirect(subject.Host(h.cfg.Lattice, h.node.ID), set.Encode); err != nil {
		return err
	}
	intake := control.NewServer(h.ctl, control.ServerConfig{Control: subject.Control{Prefix: h.cfg.ControlPrefix, Lattice: h.cfg.Lattice}, HostID: h.node.ID, Handler: commands{h}, Logger: h.log, Late: h.peer.Directory.Late})
	if err := intake.Start(ctx); err != nil {
		return err
	}
	opened(intake.Close)
	answers := apps.New(h.ctl, h.cfg.Lattice, h.log)
	opened(answers.Stop)
	if err := answers.Start(ctx); err != nil {
		return err
	}
	h.publish(event.HostStarted{Labels: h.node.Labels(), FriendlyName: h.node.Name, Version: Version})
	opened(h.beats.Stop)
	if err := h.beats.Start(ctx); err != nil {
		return err
	}
	sweeper := sweep.New(h.rpc, h.cfg.Lattice, h.log)
	opened(sweeper.Stop)
	if err := sweeper.Start(ctx); err != nil {
		return err
	}
	h.followConnection(opened)
	return nil
}

// followConnection checks the providers when the connection is back, since they may have missed something.
func (h *Host) followConnection(opened func(func(context.Context) error)) {
	back := h.rpc.StatusChanged(nats.CONNECTED)
	ctx, end := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-back:
				h.connected.Store(time.Now().UnixNano())
			}
			select { // give the providers the time to come back, too
			case <-ctx.Done():
				return
			case <-time.After(2 * time.Second):
			}
			for _, p := range h.allProviders() {
				select {
				case p.kick <- struct{}{}:
				default:
				}
			}
			h.takeOver(ctx)
			h.learnDomain(ctx) // it may be another server
			h.beats.Changed()
		}
	})
	opened(func(context.Context) error {
		end()
		wg.Wait()
		h.rpc.RemoveStatusListener(back)
		return nil
	})
}

// each does something to all at the same time and joins the errors.
func each[T any](all []T, do func(T) error) error {
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, one := range all {
		wg.Go(func() { errs[i] = do(one) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// observe counts an invocation that was served or refused here.
func (h *Host) observe(ctx context.Context, inv *wire.Invocation, took time.Duration, err error) {
	who, operation := "other", "other"
	if inv != nil && h.actor(inv.Target.Actor()) != nil {
		who, operation = inv.Target.PublicKey, inv.Operation
	}
	h.metrics.Invoked(who, operation, took, err)
	if err != nil {
		h.failures.Served(ctx, inv, err, who != "other")
	}
	if code := lattice.CodeOf(err); code.Refusal() && h.refusalLog.Allow() {
		origin := ""
		if inv != nil {
			origin = lattice.Printable(inv.Origin.PublicKey)
		}
		h.log.Warn("invocation refused", lattice.LogCode, code.Name(), "origin", origin, lattice.LogActor, who, lattice.LogErr, err)
	}
}

// dir is a folder for one kind of cached thing, or "" when nothing is kept on disk.
func (h *Host) dir(kind string) string {
	if h.cfg.CacheDir == "" {
		return ""
	}
	return filepath.Join(h.cfg.CacheDir, kind)
}

func (h *Host) newResolver(opened func(func(context.Context) error)) (*artifact.Resolver, error) {
	dir := h.dir("artifacts")
	if dir == "" {
		temp, err := files.NewTemp("", "weft-artifacts-")
		if err != nil {
			return nil, fmt.Errorf("make a folder for artifacts: %w", err)
		}
		opened(func(context.Context) error { return temp.Close() })
		dir = temp.Dir()
	}
	js, err := natsconn.JetStream(h.rpc)
	if err != nil {
		return nil, err
	}
	registries := h.cfg.OCI
	registries.Logger = h.log
	client, err := oci.New(registries)
	if err != nil {
		return nil, err
	}
	var files []certfile.Expiring
	for _, c := range h.cfg.Certificates {
		files = append(files, c)
	}
	if roots := client.Authorities(); roots != nil {
		files = append(files, roots)
	}
	if err := h.registry.Register(certfile.NewCollector(func() []certfile.Expiring { return files })); err != nil {
		return nil, err
	}
	return artifact.New(artifact.Config{Lattice: h.cfg.Lattice, JetStream: js, CacheDir: dir, AllowFileLoad: h.cfg.AllowFileLoad, OCI: client, Logger: h.log})
}

// publish sends events; that observers are not there is no fault.
func (h *Host) publish(events ...event.Data) {
	if err := h.publisher.Publish(events...); err != nil {
		h.log.Warn("event not published", lattice.LogErr, err)
	}
}
