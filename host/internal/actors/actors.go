// Package actors runs the actors of a host: it fetches and verifies their modules, makes their instances, and serves
// calls of them.
//
// Locks, outermost first: Actor.change, Actors.mu, Actor.mu. None is held across NATS, a guest or a disk, but for
// Actor.change, which orders the changes of one actor.
package actors

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/weftlattice/weft/host/internal/artifact"
	"github.com/weftlattice/weft/host/internal/failures"
	"github.com/weftlattice/weft/host/internal/hostcall"
	"github.com/weftlattice/weft/host/internal/identity"
	"github.com/weftlattice/weft/host/internal/memory"
	"github.com/weftlattice/weft/host/internal/metrics"
	"github.com/weftlattice/weft/host/internal/permit"
	"github.com/weftlattice/weft/host/internal/served"
	"github.com/weftlattice/weft/host/internal/state"
	"github.com/weftlattice/weft/host/internal/tasks"
	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/wire"
)

// Artifacts fetches modules.
type Artifacts interface {
	FetchAt(ctx context.Context, ref, digest string) (artifact.Artifact, error)
}

// Server lets calls over NATS in.
type Server interface {
	Serve(e rpc.Endpoint) (*rpc.Subscription, error)
}

// Config is what Actors need. Fields without a remark are necessary.
type Config struct {
	Self          *identity.Self
	Limits        wasm.Limits   // of actors that are started without their own
	QueuePerActor int           // calls of one actor that may wait for an instance
	IdleTimeout   time.Duration // instances unused for so long are freed
	RecycleCalls  uint64        // an instance is replaced after so many calls; 0: never
	Drain         time.Duration // how long stopping waits for calls in progress
	RPCTimeout    time.Duration // calls that say no deadline

	Engine    *wasm.Engine
	Memory    *memory.Budget // of guests; nil: no limit
	Artifacts Artifacts
	State     *state.State
	Policy    *permit.Policy
	Server    Server
	Calls     *hostcall.Calls // serves the calls that guests make
	Served    *served.Changes
	Tasks     *tasks.Queue
	Alone     func() bool // reports that no other host can serve a call

	Log      LogConfig // of what actors say themselves
	Metrics  *metrics.Metrics
	Failures *failures.Log
	Refusals *rate.Limiter              // of lines in the log about calls that were refused
	Publish  func(events ...event.Data) // tells the lattice
	Changed  func()                     // takes that the inventory may be another one
	Logger   *slog.Logger
}

// Actors are those that run on a host. They are safe for concurrent use.
type Actors struct {
	cfg Config

	mu    sync.RWMutex
	table map[lattice.ActorID]*Actor // guarded by mu
}

// New makes Actors, of which none runs.
func New(cfg Config) *Actors { return &Actors{cfg: cfg, table: map[lattice.ActorID]*Actor{}} }

// Stop drains and stops all actors. The host takes no new work by then.
func (as *Actors) Stop(ctx context.Context) error {
	return tasks.Each(as.list(), func(a *Actor) error { return as.stop(ctx, a) })
}

// Has reports whether an actor is here.
func (as *Actors) Has(id lattice.ActorID) bool { return as.find(id) != nil }

// Running returns the reference that an actor runs under, and its scales whose annotations contain filter.
func (as *Actors) Running(id lattice.ActorID, filter map[string]string) (ref string, scales []Scale, runs bool) {
	a := as.find(id)
	if a == nil {
		return "", nil, false
	}
	r := a.current.Load()
	if r == nil {
		return "", nil, false
	}
	return r.ref, a.withAnnotations(filter), true
}

// Tail returns the last n lines that an actor logged; n <= 0 means all that are kept. An actor that is not here has
// none.
func (as *Actors) Tail(id lattice.ActorID, n int) []control.LogLine {
	if a := as.find(id); a != nil {
		return a.log.tail(n)
	}
	return nil
}

// Inventory is what runs, as inventories show it.
func (as *Actors) Inventory() (all []control.Actor) {
	for _, a := range as.list() {
		if d, ok := a.describe(); ok {
			all = append(all, d)
		}
	}
	return all
}

// Served are those that take calls.
func (as *Actors) Served() (ids []lattice.ActorID) {
	for _, a := range as.list() {
		if a.sub.Load() != nil {
			ids = append(ids, a.id)
		}
	}
	return ids
}

// Streams reports whether an actor takes requests, and answers, as streams.
func (as *Actors) Streams(id lattice.ActorID) bool {
	a := as.find(id)
	if a == nil {
		return false
	}
	v := a.pick()
	return v != nil && v.guest.Streams()
}

// Load is how many calls are in progress or wait, and how many can be served at once.
func (as *Actors) Load() (calls, capacity uint32) {
	for _, a := range as.list() {
		if sub := a.sub.Load(); sub != nil {
			calls += uint32(sub.Active())
			capacity += uint32(a.instances())
		}
	}
	return calls, capacity
}

// Busy names the actors that have calls in progress.
func (as *Actors) Busy() []string {
	names := []string{}
	for _, a := range as.list() {
		if r := a.current.Load(); r != nil && r.pool.Stats().InUse > 0 {
			names = append(names, fmt.Sprintf("%s (%s)", cmpName(r.claims), a.id))
		}
	}
	return names
}

// Observe counts an invocation that was served or refused here, and remembers why it failed.
func (as *Actors) Observe(ctx context.Context, inv *wire.Invocation, took time.Duration, err error) {
	// Anybody who may publish can make up targets and operations. As labels they would be series without end, so what
	// does not run here is one series, "other".
	who, operation := "other", "other"
	if inv != nil && as.find(inv.Target.Actor()) != nil {
		who, operation = inv.Target.PublicKey, inv.Operation
	}
	as.cfg.Metrics.Invoked(who, operation, took, err)
	if err != nil {
		as.cfg.Failures.Served(ctx, inv, err, who != "other")
	}
	// Refusals are what a person looks for after an attack or a wrong key. Their rate in the log is bounded, since the
	// sender chooses it; the metrics count all.
	if code := lattice.CodeOf(err); code.Refusal() && as.cfg.Refusals.Allow() {
		origin := ""
		if inv != nil {
			origin = lattice.Printable(inv.Origin.PublicKey)
		}
		as.cfg.Logger.Warn("invocation refused", lattice.LogCode, code.Name(), "origin", origin, lattice.LogActor, who,
			lattice.LogErr, err)
	}
}

// list is a copy, so that callers may take other locks and wait.
func (as *Actors) list() []*Actor {
	as.mu.RLock()
	defer as.mu.RUnlock()
	out := make([]*Actor, 0, len(as.table))
	for _, a := range as.table {
		out = append(out, a)
	}
	return out
}

// find returns nil when the actor is not here. What it returns may stop at any moment: whoever changes it takes its
// change lock and looks again.
func (as *Actors) find(id lattice.ActorID) *Actor {
	as.mu.RLock()
	defer as.mu.RUnlock()
	return as.table[id]
}

// running finds an actor that runs under a reference, or has the given key.
func (as *Actors) running(ref string, id lattice.ActorID) *Actor {
	as.mu.RLock()
	defer as.mu.RUnlock()
	if a := as.table[id]; a != nil {
		return a
	}
	// A command may name only the reference. There are few actors on a host, and commands are rare: no index is kept.
	for _, a := range as.table {
		if v := a.current.Load(); v != nil && v.ref == ref {
			return a
		}
	}
	return nil
}

// forModule returns the actor with the module's key, a new one when none is there, nil when the host takes no new work.
func (as *Actors) forModule(art loaded) *Actor {
	as.mu.Lock()
	defer as.mu.Unlock()
	id := art.claims.Subject
	a := as.table[id]
	if a == nil && !as.cfg.Self.Draining() {
		a = &Actor{all: as, cfg: &as.cfg, id: id, log: newLog(&as.cfg.Log, id, cmpName(art.claims))}
		as.table[id] = a
	}
	return a
}

// drop forgets an actor that does not run. The caller holds its change lock. Another actor under the same key, made
// since, stays.
func (as *Actors) drop(a *Actor) {
	as.mu.Lock()
	defer as.mu.Unlock()
	if as.table[a.id] == a {
		delete(as.table, a.id)
	}
}

// Reclaim gives up the instance of this host that has been idle the longest, and reports whether there was one. No lock
// is held from the look to the deed: an instance that is lent meanwhile is not taken, another idle one of the same
// actor may be.
func (as *Actors) Reclaim() bool {
	var oldest *Revision
	var since time.Time
	for _, a := range as.list() {
		v := a.current.Load()
		if v == nil {
			continue
		}
		if at, idle := v.pool.OldestIdle(); idle && (oldest == nil || at.Before(since)) {
			oldest, since = v, at
		}
	}
	return oldest != nil && oldest.pool.Reclaim()
}

// holdRequest counts a request while it waits for an instance and is served; give back what it returns. Those above
// wire.MaxInlineBytes are counted as large payloads already.
func (c *Config) holdRequest(inv *wire.Invocation) (held uint64, err error) {
	n := uint64(len(inv.Msg))
	if n > wire.MaxInlineBytes {
		return 0, nil
	}
	return n, c.Memory.Take("a request", n)
}
