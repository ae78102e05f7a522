package actors

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/weftlattice/weft/internal/channel"
	"github.com/weftlattice/weft/internal/load"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// maxConcurrency bounds the calls of one actor that run at once. It holds for any max_instances, since 4294967295 means
// "no limit", and memory has a limit.
const maxConcurrency = 1024

// Actor is an actor that runs here. Changes to it (scale, update, stop) hold change and so happen one after another;
// readers see consistent values through mu and the current revision.
type Actor struct {
	all     *Actors
	cfg     *Config
	id      lattice.ActorID
	log     *Log
	current atomic.Pointer[Revision]
	sub     atomic.Pointer[rpc.Subscription] // nil while it is not served
	max     atomic.Int64                     // instances at once
	pace    atomic.Int64                     // moving average of the time of a call, in nanoseconds

	// change is held for a whole change, across NATS and compiling, so that changes come one after another. It comes
	// before Actors.mu and mu.
	change sync.Mutex
	mu     sync.Mutex
	scales []Scale // one for each set of annotations; guarded by mu
}

// Scale is how many calls an actor may serve at once under one set of annotations.
type Scale struct {
	Annotations map[string]string
	Max         uint32
	InstanceID  string
}

// EndOfCalls is how long calls may take to end once they have been interrupted. They do within milliseconds.
const EndOfCalls = 5 * time.Second

// errNotStopped is in an error that says that calls have not ended: the revision goes on, and with it the actor.
var errNotStopped = errors.New("guest code goes on")

func concurrency(max uint32) uint32 { return min(max, maxConcurrency) }

// total is the sum over all sets of annotations. mu is held.
func (a *Actor) total() uint32 {
	var sum uint64
	for _, s := range a.scales {
		sum += uint64(s.Max)
	}
	return uint32(min(sum, control.Unbounded))
}

// find returns the index of the scale with exactly these annotations, or -1. mu is held.
func (a *Actor) find(annotations map[string]string) int {
	for i, s := range a.scales {
		if maps.Equal(s.Annotations, annotations) {
			return i
		}
	}
	return -1
}

// setScale changes the max under a set of annotations and returns what it was before.
func (a *Actor) setScale(annotations map[string]string, max uint32) (before uint32) {
	a.mu.Lock()
	i := a.find(annotations)
	switch {
	case i < 0 && max > 0:
		a.scales = append(a.scales, Scale{Annotations: maps.Clone(annotations), Max: max, InstanceID: uuid.NewString()})
	case i >= 0:
		before = a.scales[i].Max
		a.scales[i].Max = max
		if max == 0 {
			a.scales = append(a.scales[:i], a.scales[i+1:]...)
		}
	}
	total := a.total()
	a.mu.Unlock()
	// At 0 the actor is about to be stopped. A pool of size 0 would let its calls wait for ever, so the old size stays
	// and stop drains them.
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
func (a *Actor) admitted(max uint32) int { return int(concurrency(max)) + a.cfg.QueuePerActor }

// serve subscribes to the actor's subject.
func (a *Actor) serve(max uint32) error {
	s := subject.Actor(a.cfg.Self.Lattice, a.id)
	sub, err := a.cfg.Server.Serve(rpc.Endpoint{Target: wire.ActorEntity(a.id), Subject: s,
		Queue: subject.ActorQueue(a.cfg.Self.Lattice, a.id), Limit: a.admitted(max), Instances: int(concurrency(max)),
		Handler: a.invoke})
	if err != nil {
		return err
	}
	a.sub.Store(sub)
	a.cfg.Served.ActorsChanged()
	return nil
}

// instances is how many calls can be served at once, without waiting.
func (a *Actor) instances() int { return int(a.max.Load()) }

// slow reports whether calls take long as a rule.
func (a *Actor) slow() bool { return a.pace.Load() > int64(slowCall) }

// took notes the time of a call. Writers may overtake each other; it is an estimate.
func (a *Actor) took(d time.Duration) {
	// An eighth for each call: the average follows within some ten calls, and needs no memory of them.
	old := a.pace.Load()
	a.pace.Store(old + (int64(d)-old)/8)
}

// stop drains the subscription until ctx ends, interrupts what is left, and frees the instances. After errNotStopped
// the actor is as it was, but that it serves no calls, and can be stopped again.
func (a *Actor) stop(ctx context.Context) error {
	a.mu.Lock()
	scales := a.scales
	a.scales = nil
	a.mu.Unlock()
	var err error
	if sub := a.sub.Swap(nil); sub != nil {
		a.cfg.Served.ActorsChanged()
		err = sub.Drain(ctx)
	}
	stopped := a.current.Load().close(ctx)
	if errors.Is(stopped, errNotStopped) {
		// Guest code goes on, so inventories show the actor again: an operator sees it, and can stop it once more.
		a.mu.Lock()
		a.scales = scales
		a.mu.Unlock()
		return stopped
	}
	a.current.Store(nil)
	a.cfg.Metrics.Forget(string(a.id))
	if stopped != nil {
		return stopped // it says more
	}
	return err
}

// pick returns the revision that serves the next call, nil when the actor does not run. Where several serve at a time,
// this is where one is chosen.
func (a *Actor) pick() *Revision { return a.current.Load() }

// slowCall is how long the calls of an actor take on average from where on they are not served on the goroutine that
// reads a channel.
const slowCall = 200 * time.Microsecond

// invoke serves one verified invocation, whichever way it came: it is the handler of the actor's endpoint, and runs on
// many goroutines at once. Claims and policy come before the instance, so that a call that is refused takes none.
func (a *Actor) invoke(ctx context.Context, inv *wire.Invocation) ([]byte, error) {
	held, err := a.cfg.holdRequest(inv)
	if err != nil {
		return nil, fmt.Errorf("actor %s: %w", a.id, err)
	}
	defer a.cfg.Memory.Give(held)
	for {
		v := a.pick()
		if v == nil { // stopped while this call was on its way; nothing of it has begun
			return nil, &lattice.Error{Code: lattice.ErrNoResponders, Op: "call", Entity: string(a.id),
				Detail: "the actor was stopped"}
		}
		if err := v.admit(inv); err != nil {
			return nil, err
		}
		if err := a.cfg.Policy.CallIn(ctx, inv, v.claims); err != nil {
			return nil, err
		}
		offer := stream.From(ctx)
		if offer != nil && !v.guest.Streams() { // its caller knows another revision of it
			if err := gather(ctx, inv, offer); err != nil {
				return nil, fmt.Errorf("actor %s: %w", a.id, err)
			}
			offer, ctx = nil, stream.With(ctx, nil)
		}
		start := time.Now()
		inst, ok := v.pool.TryAcquire(ctx)
		var err error
		if !ok {
			channel.Yield(ctx) // it may take long, and others should not wait with this call
			inst, err = v.pool.Acquire(ctx)
		}
		// The pool of a revision that was replaced is closed. Claims and policy are asked again, of the new one's.
		if errors.Is(err, lattice.ErrNoResponders) && a.pick() != v {
			continue // updated in between
		}
		begun := time.Now()
		channel.Begun(ctx, begun)
		v.poolWait.Observe(begun.Sub(start).Seconds())
		if err != nil {
			return nil, fmt.Errorf("actor %s: %w", a.id, err)
		}
		began := func() { a.took(time.Since(begun)) }
		if offer != nil {
			offer.OnRespond(began) // a stream says nothing about how long calls take
		}
		payload, err := inst.Call(ctx, inv.Operation, inv.Msg)
		if offer == nil || !offer.Responded() {
			began()
		}
		v.pool.Release(inst, err)
		return payload, afterWaiting(err, begun.Sub(start))
	}
}

// afterWaiting says of a call that ran out of time how much of that it waited for an instance.
func afterWaiting(err error, waited time.Duration) error {
	e, ok := err.(*lattice.Error)
	if !ok || e.Code != lattice.ErrTimeout || waited < time.Millisecond {
		return err
	}
	late := *e
	late.Detail += fmt.Sprintf("; it began after it had waited for an instance for %s", waited.Round(time.Millisecond))
	return &late
}

// gather reads the body of a request that comes as a stream into the request, for a guest that wants it whole.
func gather(ctx context.Context, inv *wire.Invocation, o *stream.Offer) error {
	if !o.Body {
		return nil
	}
	if inv.Operation != httpserver.HandleRequest {
		return &lattice.Error{Code: lattice.ErrInvalid, Op: inv.Operation, Detail: "the actor takes no streams"}
	}
	req, err := httpserver.DecodeRequest(inv.Msg)
	if err != nil {
		return err
	}
	room := func(bytes int) error {
		if bytes > wire.MaxInlineBytes { // at once for all that may come
			bytes = maxGathered
		}
		return load.Ensure(ctx, bytes)
	}
	if req.Body, err = o.Stream.All(ctx, req.Body, maxGathered, room); err != nil {
		return err
	}
	inv.Msg = req.Encode()
	inv.ContentLength = uint64(len(inv.Msg))
	return nil
}

// maxGathered is how many bytes of a body that comes as a stream an actor gets that takes none: it does so only for a
// moment after an update.
const maxGathered = 8 << 20

// describe is the actor as inventories show it; false while it does not run.
func (a *Actor) describe() (control.Actor, bool) {
	v := a.current.Load()
	if v == nil {
		return control.Actor{}, false
	}
	stats := v.pool.Stats()
	a.mu.Lock()
	defer a.mu.Unlock()
	out := control.Actor{ID: a.id, ImageRef: v.ref, Name: v.claims.Name, State: control.StateRunning, Digest: v.pin,
		Limits: v.settings.limits()}
	out.InstanceMode, out.InstanceReason = v.mode()
	for i, s := range a.scales {
		in := control.ActorInstance{Annotations: s.Annotations, InstanceID: s.InstanceID,
			Revision: v.claims.EffectiveRevision(), ImageRef: v.ref, MaxInstances: s.Max}
		if i == 0 {
			in.Running = stats.InUse + stats.Idle // instances are shared by all sets of annotations
		}
		out.Instances = append(out.Instances, in)
	}
	return out, true
}
