package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/weftlattice/weft/host/internal/pool"
	"github.com/weftlattice/weft/host/internal/turns"
	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/internal/channel"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// maxConcurrency bounds the calls of one actor that run at once. It holds for any max_instances, since 4294967295 means
// "no limit", and memory has a limit.
const maxConcurrency = 1024

// actor is an actor that runs here. Changes to it (scale, update, stop) hold change and so happen one after another;
// readers see consistent values through mu and the current version.
type actor struct {
	host    *Host
	id      lattice.ActorID
	log     *actorLog
	current atomic.Pointer[version]
	sub     atomic.Pointer[rpc.Subscription] // nil while it is not served
	max     atomic.Int64                     // instances at once
	pace    atomic.Int64                     // moving average of the time of a call, in nanoseconds

	// change is held for a whole change, across NATS and compiling, so that changes come one after another. It comes
	// before host.mu and mu.
	change sync.Mutex
	mu     sync.Mutex
	scales []scale // one for each set of annotations; guarded by mu
}

// scale is how many calls an actor may serve at once under one set of annotations.
type scale struct {
	annotations map[string]string
	max         uint32
	instanceID  string
}

// version is one revision of an actor: its claims, its code, its instances.
type version struct {
	actor    *actor
	ref      string
	digest   string
	pin      string // what ref meant when it was loaded
	claims   *signing.ActorClaims
	settings actorSettings
	module   *wasm.Module
	template *wasm.Template
	pool     *pool.Pool[*wasm.Instance]
	poolWait prometheus.Observer
	fuel     prometheus.Counter
}

// actorSettings are what an operator may choose for an actor when starting it.
type actorSettings struct {
	Limits wasm.Limits       // zero fields: the host's defaults
	Config map[string]string // the guest's environment

	Fresh              bool   // instances are restored after every call
	RecycleCalls       uint64 // calls after which an instance is restored or replaced; 0: the host's default
	RecycleMemoryBytes uint64 // size above which that happens; 0: never
}

// newVersion compiles a module and makes its first instance, so that one that cannot run fails now and the first
// call does not wait.
func (a *actor) newVersion(ctx context.Context, art loaded, settings actorSettings, max uint32) (*version, error) {
	h := a.host
	code, err := signing.WithoutToken(art.bytes) // see RATIONALE.md, "Why is a module's token removed"
	if err != nil {
		return nil, err
	}
	module, err := h.engine.Compile(ctx, code)
	if err != nil {
		return nil, err
	}
	v := &version{actor: a, ref: art.ref, digest: art.digest, pin: art.pin, claims: art.claims, settings: settings, module: module,
		poolWait: h.metrics.PoolWait.WithLabelValues(string(a.id)), fuel: h.metrics.Fuel.WithLabelValues(string(a.id))}
	v.template = module.Template(settings.Limits, v, settings.Config)
	v.pool = pool.New(pool.Config{Max: concurrency(max), MaxMaking: turns.Processors(), IdleTimeout: h.cfg.IdleTimeout,
		Fresh: settings.Fresh, MaxCalls: settings.RecycleCalls, MaxMemoryBytes: settings.RecycleMemoryBytes}, v.template.Instantiate)
	if err := v.pool.Warm(ctx); err != nil {
		return nil, errors.Join(err, v.close(ctx))
	}
	if why := v.template.Anew(); why != "" {
		level := slog.LevelDebug
		if settings.Fresh { // each call pays for it
			level = slog.LevelWarn
		}
		h.log.Log(ctx, level, "instances of this actor cannot be restored, each initialises itself", lattice.LogActor, a.id, lattice.LogRef, art.ref, "because", why)
	}
	return v, nil
}

// endOfCalls is how long calls may take to end once they have been interrupted. They do within milliseconds.
const endOfCalls = 5 * time.Second

// errNotStopped is in an error that says that calls have not ended: the version goes on, and with it the actor.
var errNotStopped = errors.New("guest code goes on")

// close waits for the calls in progress until ctx ends, and interrupts those that are left, which is an error. Then it
// frees the instances and the code, unless calls have not ended even then: errNotStopped.
func (v *version) close(ctx context.Context) error {
	var err error
	if v.pool.Close(ctx) != nil {
		cut := v.pool.Stats().InUse
		v.template.Interrupt()
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endOfCalls)
		defer cancel()
		if v.pool.Close(end) != nil {
			return &lattice.Error{Code: lattice.ErrInternal, Op: "stop actor", Entity: string(v.actor.id), Err: errNotStopped,
				Detail: fmt.Sprintf("%d calls have not ended %v after they were interrupted; end the host, which does not wait for them", v.pool.Stats().InUse, endOfCalls)}
		}
		err = &lattice.Error{Code: lattice.ErrTimeout, Op: "stop actor", Entity: cmpName(v.claims), Detail: fmt.Sprintf("%d calls were cut off", cut)}
	}
	v.template.Close()
	return errors.Join(err, v.module.Close(ctx))
}

func concurrency(max uint32) uint32 { return min(max, maxConcurrency) }

// total is the sum over all sets of annotations. mu is held.
func (a *actor) total() uint32 {
	var sum uint64
	for _, s := range a.scales {
		sum += uint64(s.max)
	}
	return uint32(min(sum, control.Unbounded))
}

// find returns the index of the scale with exactly these annotations, or -1. mu is held.
func (a *actor) find(annotations map[string]string) int {
	for i, s := range a.scales {
		if maps.Equal(s.annotations, annotations) {
			return i
		}
	}
	return -1
}

// setScale changes the max under a set of annotations and returns what it was before.
func (a *actor) setScale(annotations map[string]string, max uint32) (before uint32) {
	a.mu.Lock()
	i := a.find(annotations)
	switch {
	case i < 0 && max > 0:
		a.scales = append(a.scales, scale{annotations: maps.Clone(annotations), max: max, instanceID: uuid.NewString()})
	case i >= 0:
		before = a.scales[i].max
		a.scales[i].max = max
		if max == 0 {
			a.scales = append(a.scales[:i], a.scales[i+1:]...)
		}
	}
	total := a.total()
	a.mu.Unlock()
	if v := a.current.Load(); v != nil && total > 0 {
		v.pool.Resize(concurrency(total))
	}
	if total > 0 {
		a.max.Store(int64(concurrency(total)))
	}
	if sub := a.sub.Load(); sub != nil && total > 0 {
		sub.SetLimit(a.admitted(total), int(concurrency(total)))
	}
	return before
}

// admitted is how many calls may be in progress or waiting for an instance.
func (a *actor) admitted(max uint32) int { return int(concurrency(max)) + a.host.cfg.QueuePerActor }

// serve subscribes to the actor's subject.
func (a *actor) serve(max uint32) error {
	s := subject.Actor(a.host.cfg.Lattice, a.id)
	sub, err := a.host.peer.Server.Serve(rpc.Endpoint{Target: wire.ActorEntity(a.id), Subject: s,
		Queue: subject.ActorQueue(a.host.cfg.Lattice, a.id), Limit: a.admitted(max), Instances: int(concurrency(max)), Handler: a.invoke})
	if err != nil {
		return err
	}
	a.sub.Store(sub)
	a.host.revision.ActorsChanged()
	return nil
}

// instances is how many calls can be served at once, without waiting.
func (a *actor) instances() int { return int(a.max.Load()) }

// slow reports whether calls take long as a rule.
func (a *actor) slow() bool { return a.pace.Load() > int64(slowCall) }

// took notes the time of a call. Writers may overtake each other; it is an estimate.
func (a *actor) took(d time.Duration) {
	old := a.pace.Load()
	a.pace.Store(old + (int64(d)-old)/8)
}

// stop drains the subscription until ctx ends, interrupts what is left, and frees the instances. After errNotStopped
// the actor is as it was, but that it serves no calls, and can be stopped again.
func (a *actor) stop(ctx context.Context) error {
	a.mu.Lock()
	scales := a.scales
	a.scales = nil
	a.mu.Unlock()
	var err error
	if sub := a.sub.Swap(nil); sub != nil {
		a.host.revision.ActorsChanged()
		err = sub.Drain(ctx)
	}
	stopped := a.current.Load().close(ctx)
	if errors.Is(stopped, errNotStopped) {
		a.mu.Lock()
		a.scales = scales
		a.mu.Unlock()
		return stopped
	}
	a.current.Store(nil)
	a.host.metrics.Forget(string(a.id))
	if stopped != nil {
		return stopped // it says more
	}
	return err
}

// invoke serves one verified invocation.
func (a *actor) invoke(ctx context.Context, inv *wire.Invocation) ([]byte, error) {
	held, err := a.host.holdRequest(inv)
	if err != nil {
		return nil, fmt.Errorf("actor %s: %w", a.id, err)
	}
	defer a.host.memory.Give(held)
	for {
		v := a.current.Load()
		if v == nil { // stopped while this call was on its way; nothing of it has begun
			return nil, &lattice.Error{Code: lattice.ErrNoResponders, Op: "call", Entity: string(a.id), Detail: "the actor was stopped"}
		}
		if err := v.admit(inv); err != nil {
			return nil, err
		}
		if err := a.host.policy.CallIn(ctx, inv, v.claims); err != nil {
			return nil, err
		}
		start := time.Now()
		inst, ok := v.pool.TryAcquire(ctx)
		var err error
		if !ok {
			channel.Yield(ctx) // it may take long, and others should not wait with this call
			inst, err = v.pool.Acquire(ctx)
		}
		if errors.Is(err, lattice.ErrNoResponders) && a.current.Load() != v {
			continue // updated in between
		}
		begun := time.Now()
		channel.Begun(ctx, begun)
		v.poolWait.Observe(begun.Sub(start).Seconds())
		if err != nil {
			return nil, fmt.Errorf("actor %s: %w", a.id, err)
		}
		payload, err := inst.Call(ctx, inv.Operation, inv.Msg)
		a.took(time.Since(begun))
		v.pool.Release(inst, err)
		return payload, err
	}
}

// admit checks that the claims grant the contract of a provider that calls in. Other origins need no claim.
func (v *version) admit(inv *wire.Invocation) error {
	if inv.Origin.IsActor() || inv.Origin.ContractID == "" || !lattice.IsKey(inv.Origin.PublicKey, 'V') {
		return nil
	}
	return v.requireCapability(inv.Origin.ContractID)
}

// describe is the actor as inventories show it; false while it does not run.
func (a *actor) describe() (control.Actor, bool) {
	v := a.current.Load()
	if v == nil {
		return control.Actor{}, false
	}
	stats := v.pool.Stats()
	a.mu.Lock()
	defer a.mu.Unlock()
	out := control.Actor{ID: a.id, ImageRef: v.ref, Name: v.claims.Name, State: control.StateRunning, Digest: v.pin,
		Limits: v.settings.limits()}
	for i, s := range a.scales {
		in := control.ActorInstance{Annotations: s.annotations, InstanceID: s.instanceID,
			Revision: v.claims.EffectiveRevision(), ImageRef: v.ref, MaxInstances: s.max}
		if i == 0 {
			in.Running = stats.InUse + stats.Idle // instances are shared by all sets of annotations
		}
		out.Instances = append(out.Instances, in)
	}
	return out, true
}
