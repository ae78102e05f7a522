package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/weftlattice/weft/host/internal/permit"
	"github.com/weftlattice/weft/host/internal/tasks"
	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/policy"
	"github.com/weftlattice/weft/lattice/signing"
)

// loaded is a module that has been fetched and whose claims hold.
type loaded struct {
	ref, digest string // digest is of bytes
	pin         string // what ref means, for callers that want the same
	registry    bool   // it came from one
	bytes       []byte
	claims      *signing.ActorClaims
}

// load fetches a module, at a digest unless that is empty, and verifies its claims.
func (h *Host) load(ctx context.Context, ref, digest string) (loaded, error) {
	art, err := h.resolver.FetchAt(ctx, ref, digest)
	if err != nil {
		return loaded{}, err
	}
	claims, err := signing.ReadModule(art.Bytes, time.Now())
	if err != nil {
		h.metrics.Refused(err)
		return loaded{}, fmt.Errorf("%s: %w", ref, err)
	}
	if claims.HashMismatch {
		// Tools that wrote no revision hashed as today's do, so a mismatch means another module under old claims. Those
		// of revision 2 hashed otherwise for a while.
		err := &lattice.Error{Code: lattice.ErrHashMismatch, Op: "verify module", Entity: ref, Detail: "the module is not the one that was signed"}
		if claims.TokenRevision == 0 {
			h.metrics.Refused(err)
			return loaded{}, err
		}
		h.log.Warn("the hash in the module's old claims is not that of the module", lattice.LogRef, ref, lattice.LogActor, claims.Subject)
	}
	return loaded{ref: ref, digest: art.Digest, pin: art.Pin(), registry: art.Source != "", bytes: art.Bytes, claims: claims}, nil
}

// scaleRequest is what start, scale and stop come down to.
type scaleRequest struct {
	ref         string
	id          lattice.ActorID // when the client knows it
	annotations map[string]string
	max         uint32
	add         bool // max is added to what runs
	settings    actorSettings
	digest      string // what ref means, when the client knows it
	instanceID  string // of a scale that a stop takes away
}

// scale brings an actor to the wanted scale and publishes what happened. It runs as a task of the reference.
func (h *Host) scale(ctx context.Context, r scaleRequest) {
	events, err := h.scaleEvents(ctx, r)
	if err != nil {
		h.log.Error("actor not scaled", lattice.LogRef, r.ref, "max", r.max, lattice.LogErr, err)
		events = append(events, event.ActorFailure(event.ActorEntry{HostID: h.node.ID, ActorID: r.id, ImageRef: r.ref, Annotations: r.annotations}, r.max, err)...)
	}
	h.publish(events...)
	h.beats.Changed()
}

func (h *Host) scaleEvents(ctx context.Context, r scaleRequest) ([]event.Data, error) {
	var art loaded
	a, err := h.lockActor(ctx, r, &art)
	if err != nil {
		return nil, err
	}
	defer a.change.Unlock()
	if v := a.current.Load(); v != nil && v.ref != r.ref && r.ref != "" {
		return nil, &lattice.Error{Code: lattice.ErrConflict, Op: "start", Entity: string(a.id),
			Detail: fmt.Sprintf("actor is already running with a different image reference, %s. To upgrade an actor, use live update.", v.ref)}
	}
	a.mu.Lock()
	before := a.total()
	var own uint32
	if i := a.find(r.annotations); i >= 0 {
		own = a.scales[i].max
	}
	a.mu.Unlock()
	max := r.max
	if r.add {
		max = uint32(min(uint64(own)+uint64(r.max), control.Unbounded))
	}
	if max > own { // more of it, which is a start
		claims := art.claims
		if v := a.current.Load(); v != nil {
			claims = v.claims
		}
		if err := h.policy.ToStart(ctx, policy.StartActor, permit.Actor(claims)); err != nil {
			if a.current.Load() == nil {
				h.dropActor(a)
			}
			return nil, err
		}
	}
	switch {
	case before == 0 && max == 0: // nothing ran and nothing shall
		h.dropActor(a)
		return h.transition(a, art.claims, r, 0, 0), nil
	case a.current.Load() == nil:
		if err := h.bringUp(ctx, a, art, r, max); err != nil {
			h.dropActor(a)
			return nil, err
		}
		return h.transition(a, art.claims, r, 0, max), nil
	case max == 0 && before == own:
		claims := a.current.Load().claims
		events := h.transition(a, claims, r, own, 0)
		ctx, cancel := context.WithTimeout(ctx, h.cfg.DrainTimeout)
		defer cancel()
		err := h.stopActorLocked(ctx, a)
		if errors.Is(err, errNotStopped) {
			return nil, err
		}
		if err != nil { // it is gone nevertheless; what was in flight was cut off
			h.log.Warn("actor did not drain in time", lattice.LogActor, a.id, lattice.LogErr, err)
		}
		return events, nil
	}
	a.setScale(r.annotations, max)
	return h.transition(a, a.current.Load().claims, r, own, max), nil
}

// lockActor returns the actor that a request means with its change lock held: the one that runs, or else a new one for
// the module, which is fetched into art.
func (h *Host) lockActor(ctx context.Context, r scaleRequest, art *loaded) (*actor, error) {
	for {
		a := h.running(r.ref, r.id)
		if a == nil {
			if art.claims == nil {
				var err error
				if *art, err = h.load(ctx, r.ref, r.digest); err != nil {
					return nil, err
				}
			}
			if a = h.actorFor(*art); a == nil {
				return nil, tasks.ErrStopping
			}
		}
		a.change.Lock()
		if h.actor(a.id) == a && (a.current.Load() != nil || art.claims != nil) {
			return a, nil
		}
		a.change.Unlock() // stopped in between
	}
}

// bringUp makes a stopped actor run. Its change lock is held.
func (h *Host) bringUp(ctx context.Context, a *actor, art loaded, r scaleRequest, max uint32) error {
	settings := r.settings
	if settings.Limits.MemoryBytes == 0 {
		settings.Limits.MemoryBytes = h.cfg.Limits.MemoryBytes
	}
	if settings.Limits.Execution == 0 {
		settings.Limits.Execution = h.cfg.Limits.Execution
	}
	if settings.Limits.Fuel == 0 {
		settings.Limits.Fuel = h.cfg.Limits.Fuel
	}
	if settings.RecycleCalls == 0 {
		settings.RecycleCalls = h.cfg.RecycleCalls
	}
	v, err := a.newVersion(ctx, art, settings, max)
	if err != nil {
		return fmt.Errorf("start actor %s: %w", r.ref, err)
	}
	a.current.Store(v)
	a.setScale(r.annotations, max)
	if err = h.state.Keep(ctx, actorClaims(art.claims)); err == nil {
		h.state.PutClaims(actorClaims(art.claims))
		err = a.serve(max)
	}
	if art.registry && err == nil {
		h.state.KeepRef(ctx, art.ref, string(a.id))
	}
	if err != nil {
		return errors.Join(err, v.close(ctx))
	}
	h.log.Info("actor started", lattice.LogActor, art.claims.Name, "id", a.id, "max", max, lattice.LogRef, r.ref, "digest", art.pin)
	return nil
}

// updateFailed is how hosts of the dialect begin such a refusal; people look for it.
const updateFailed = "Unable to perform live update"

// update swaps the code of a running actor without dropping a call. A failed one changes nothing, and an event says so:
// the caller may have stopped waiting for the answer.
func (h *Host) update(ctx context.Context, r control.UpdateActorRequest) error {
	old, err := h.swap(ctx, r)
	if err != nil {
		err = fmt.Errorf("%s: %w", updateFailed, err)
		h.publish(h.updateFailure(r, err)...)
		return err
	}
	// Calls in progress finish on the old code, in the background: the swap itself is done.
	id := old.claims.Subject
	if h.tasks.Run("close "+old.digest+" "+string(id), func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, max(h.cfg.DrainTimeout, old.settings.Limits.Execution))
		defer cancel()
		if err := old.close(ctx); err != nil {
			h.log.Warn("old version did not end cleanly", lattice.LogActor, id, lattice.LogErr, err)
		}
	}) != nil {
		return old.close(ctx)
	}
	return nil
}

// updateFailure returns an event for each scale that goes on with the old code. Where the actor does not run, one event
// names what the request named.
func (h *Host) updateFailure(r control.UpdateActorRequest, err error) []event.Data {
	a := h.actor(r.ActorID)
	var v *version
	if a != nil {
		v = a.current.Load()
	}
	if v == nil {
		return event.ActorUpdateFailure(event.ActorEntry{HostID: h.node.ID, ActorID: r.ActorID}, r.NewActorRef, err)
	}
	a.mu.Lock()
	scales := slices.Clone(a.scales)
	a.mu.Unlock()
	var events []event.Data
	for _, s := range scales {
		events = append(events, event.ActorUpdateFailure(h.entry(a, v.claims, v.ref, s), r.NewActorRef, err)...)
	}
	return events
}

// swap lets the new version of an actor serve from now on, and returns the version that served before.
func (h *Host) swap(ctx context.Context, r control.UpdateActorRequest) (*version, error) {
	art, err := h.load(ctx, r.NewActorRef, "")
	if err != nil {
		return nil, err
	}
	id := art.claims.Subject
	if r.ActorID != "" && r.ActorID != id {
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "update", Entity: string(r.ActorID), Detail: "the new module has another key, " + string(id)}
	}
	notRunning := &lattice.Error{Code: lattice.ErrNotFound, Op: "update", Entity: string(id), Detail: "actor is not running on this host"}
	a := h.actor(id)
	if a == nil {
		return nil, notRunning
	}
	a.change.Lock()
	defer a.change.Unlock()
	old := a.current.Load()
	if old == nil {
		return nil, notRunning
	}
	if have, next := old.claims.EffectiveRevision(), art.claims.EffectiveRevision(); next <= have && art.digest != old.digest {
		return nil, &lattice.Error{Code: lattice.ErrConflict, Op: "update", Entity: string(id),
			Detail: fmt.Sprintf("the new module has revision %d, and %d is running; sign it with a greater one", next, have)}
	}
	if err := h.policy.ToStart(ctx, policy.StartActor, permit.Actor(art.claims)); err != nil {
		return nil, err
	}
	a.mu.Lock()
	total, scales := a.total(), append([]scale{}, a.scales...)
	a.mu.Unlock()
	next, err := a.newVersion(ctx, art, old.settings, total)
	if err != nil {
		return nil, err
	}
	// The claims are kept before the new code serves: where that fails, the old code goes on under claims that fit it.
	if err := h.state.Keep(ctx, actorClaims(art.claims)); err != nil {
		return nil, errors.Join(err, next.close(ctx))
	}
	h.state.PutClaims(actorClaims(art.claims))
	if art.registry {
		h.state.KeepRef(ctx, art.ref, string(id))
	}
	a.current.Store(next)
	h.log.Info("actor updated", lattice.LogActor, art.claims.Name, "id", id, "revision", art.claims.EffectiveRevision(), lattice.LogRef, r.NewActorRef, "digest", art.pin)
	h.beats.Changed()
	for _, s := range scales {
		h.publish(event.ActorUpdate(h.entry(a, art.claims, r.NewActorRef, s), old.ref, s.max)...)
	}
	return old, nil
}

// transition returns the events of a change of scale under the annotations of a request.
func (h *Host) transition(a *actor, claims *signing.ActorClaims, r scaleRequest, before, after uint32) []event.Data {
	s := scale{annotations: r.annotations, instanceID: r.instanceID}
	a.mu.Lock()
	if i := a.find(r.annotations); i >= 0 {
		s = a.scales[i]
	}
	a.mu.Unlock()
	return event.ActorTransition(h.entry(a, claims, r.ref, s), before, after)
}

// entry is what events say of an actor under one set of annotations.
func (h *Host) entry(a *actor, c *signing.ActorClaims, ref string, s scale) event.ActorEntry {
	notBefore, expires := c.HumanTimes()
	digest := ""
	if v := a.current.Load(); v != nil {
		digest = v.pin
	}
	return event.ActorEntry{HostID: h.node.ID, Digest: digest, ActorID: a.id, ImageRef: ref, InstanceID: s.instanceID, Annotations: s.annotations,
		Claims: event.ClaimsOf(actorClaims(c), notBefore, expires)}
}

// stopActor drains and stops an actor with all its annotations, and publishes that.
func (h *Host) stopActor(ctx context.Context, a *actor) error {
	a.change.Lock()
	defer a.change.Unlock()
	v := a.current.Load()
	if v == nil {
		return nil
	}
	a.mu.Lock()
	scales := append([]scale{}, a.scales...)
	a.mu.Unlock()
	err := h.stopActorLocked(ctx, a)
	if errors.Is(err, errNotStopped) {
		return err
	}
	for _, s := range scales {
		h.publish(event.ActorTransition(h.entry(a, v.claims, v.ref, s), s.max, 0)...)
	}
	return err
}

// stopActorLocked is stopActor without the events. After errNotStopped the actor is still there.
func (h *Host) stopActorLocked(ctx context.Context, a *actor) error {
	name := a.current.Load().claims.Name
	err := a.stop(ctx)
	if errors.Is(err, errNotStopped) {
		h.log.Error("actor does not stop", lattice.LogActor, name, "id", a.id, lattice.LogErr, err)
		return err
	}
	h.dropActor(a)
	h.log.Info("actor stopped", lattice.LogActor, name, "id", a.id)
	return err
}

// actorFor returns the actor with the module's key, a new one when none is there, nil when the host takes no new work.
func (h *Host) actorFor(art loaded) *actor {
	h.mu.Lock()
	defer h.mu.Unlock()
	id := art.claims.Subject
	a := h.actors[id]
	if a == nil && !h.node.Draining() {
		a = &actor{host: h, id: id, log: newActorLog(h, id, cmpName(art.claims))}
		h.actors[id] = a
	}
	return a
}

func cmpName(c *signing.ActorClaims) string {
	if c.Name != "" {
		return c.Name
	}
	return string(c.Subject)
}

// dropActor forgets an actor that does not run.
func (h *Host) dropActor(a *actor) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.actors[a.id] == a {
		delete(h.actors, a.id)
	}
}

func (h *Host) actor(id lattice.ActorID) *actor {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.actors[id]
}

// running finds an actor that runs under a reference, or has the given key.
func (h *Host) running(ref string, id lattice.ActorID) *actor {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if a := h.actors[id]; a != nil {
		return a
	}
	for _, a := range h.actors {
		if v := a.current.Load(); v != nil && v.ref == ref {
			return a
		}
	}
	return nil
}

// withAnnotations returns the scales whose annotations contain filter.
func (a *actor) withAnnotations(filter map[string]string) []scale {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []scale
	for _, s := range a.scales {
		if lattice.Matches(s.annotations, filter) {
			s.annotations = maps.Clone(s.annotations)
			out = append(out, s)
		}
	}
	return out
}

// actorClaims is the part of a module's claims that the lattice keeps.
func actorClaims(c *signing.ActorClaims) control.Claims {
	return control.Claims{Subject: string(c.Subject), Issuer: string(c.Issuer), Name: c.Name, Revision: c.EffectiveRevision(),
		Version: c.Version, CallAlias: c.CallAlias, Caps: c.Caps, Tags: c.Tags}
}

// settings turns what a request may say about limits and configuration into an actor's settings.
func settings(l *control.ActorLimits, config map[string]string) actorSettings {
	s := actorSettings{Config: config}
	if l != nil {
		s.Limits = wasm.Limits{MemoryBytes: l.MemoryBytes, Execution: time.Duration(min(l.ExecutionMs, 1<<31)) * time.Millisecond,
			Fuel: l.Fuel}
		s.Fresh, s.RecycleCalls, s.RecycleMemoryBytes = l.Instances == control.FreshInstances, l.RecycleCalls, l.RecycleMemoryBytes
	}
	return s
}

// limits is the inverse, for inventories.
func (s actorSettings) limits() *control.ActorLimits {
	l := &control.ActorLimits{MemoryBytes: s.Limits.MemoryBytes, ExecutionMs: uint64(s.Limits.Execution.Milliseconds()),
		Fuel: s.Limits.Fuel, RecycleCalls: s.RecycleCalls, RecycleMemoryBytes: s.RecycleMemoryBytes}
	if s.Fresh {
		l.Instances = control.FreshInstances
	}
	return l
}

// isFile reports whether a reference names a file of this machine.
func isFile(ref string) bool { return strings.HasPrefix(ref, "file://") || strings.HasPrefix(ref, "/") }
