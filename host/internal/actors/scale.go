package actors

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weftlattice/weft/host/internal/permit"
	"github.com/weftlattice/weft/host/internal/state"
	"github.com/weftlattice/weft/host/internal/tasks"
	"github.com/weftlattice/weft/internal/announce"
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
func (as *Actors) load(ctx context.Context, ref, digest string) (loaded, error) {
	art, err := as.cfg.Artifacts.FetchAt(ctx, ref, digest)
	if err != nil {
		return loaded{}, err
	}
	claims, err := signing.ReadModule(art.Bytes, time.Now())
	if err != nil {
		as.cfg.Metrics.Refused(err)
		return loaded{}, fmt.Errorf("%s: %w", ref, err)
	}
	if claims.HashMismatch {
		// Tools that wrote no revision hashed as today's do, so a mismatch means another module under old claims. Those
		// of revision 2 hashed otherwise for a while.
		err := &lattice.Error{Code: lattice.ErrHashMismatch, Op: "verify module", Entity: ref,
			Detail: "the module is not the one that was signed; to sign it as it is: weft sign FILE"}
		if claims.TokenRevision == 0 {
			as.cfg.Metrics.Refused(err)
			return loaded{}, err
		}
		as.cfg.Logger.Warn("the hash in the module's old claims is not that of the module", lattice.LogRef, ref,
			lattice.LogActor, claims.Subject)
	}
	return loaded{ref: ref, digest: art.Digest, pin: art.Pin(), registry: art.Source != "", bytes: art.Bytes,
		claims: claims}, nil
}

// ScaleRequest is what start, scale and stop come down to.
type ScaleRequest struct {
	Ref         string
	ID          lattice.ActorID // when the client knows it
	Annotations map[string]string
	Max         uint32
	Add         bool // max is added to what runs
	Settings    Settings
	Digest      string // what ref means, when the client knows it
	InstanceID  string // of a scale that a stop takes away
}

// Scale brings an actor to the wanted scale and publishes what happened. It runs as a task of the reference.
func (as *Actors) Scale(ctx context.Context, r ScaleRequest) {
	events, err := as.scaleEvents(ctx, r)
	if err != nil {
		as.cfg.Logger.Error("actor not scaled", lattice.LogRef, r.Ref, "max", r.Max, lattice.LogErr, err)
		events = append(events, announce.Failed(announce.Actor{HostID: as.cfg.Self.ID, ActorID: r.ID,
			ImageRef:    r.Ref,
			Annotations: r.Annotations}, r.Max, err)...)
	}
	as.cfg.Publish(events...)
	as.cfg.Changed()
}

// scaleEvents is Scale without the publishing. It returns the events of what it did; with an error nothing has changed,
// but that guest code may go on (errNotStopped).
func (as *Actors) scaleEvents(ctx context.Context, r ScaleRequest) ([]event.Data, error) {
	var art loaded
	a, err := as.lockActor(ctx, r, &art)
	if err != nil {
		return nil, err
	}
	defer a.change.Unlock()
	if v := a.current.Load(); v != nil && v.ref != r.Ref && r.Ref != "" {
		return nil, &lattice.Error{Code: lattice.ErrConflict, Op: "start", Entity: string(a.id),
			Detail: fmt.Sprintf("actor is already running with a different image reference, %s. To upgrade an actor, "+
				"use live update.", v.ref)}
	}
	a.mu.Lock()
	before := a.total()
	var own uint32
	if i := a.find(r.Annotations); i >= 0 {
		own = a.scales[i].Max
	}
	a.mu.Unlock()
	max := r.Max
	if r.Add {
		max = uint32(min(uint64(own)+uint64(r.Max), control.Unbounded))
	}
	// The policy is asked for more only. One that denies must not keep running what somebody wants to stop.
	if max > own { // more of it, which is a start
		claims := art.claims
		if v := a.current.Load(); v != nil {
			claims = v.claims
		}
		if err := as.cfg.Policy.ToStart(ctx, policy.StartActor, permit.Actor(claims)); err != nil {
			if a.current.Load() == nil {
				as.drop(a)
			}
			return nil, err
		}
	}
	switch {
	case before == 0 && max == 0: // nothing ran and nothing shall
		as.drop(a)
		return as.transition(a, art.claims, r, 0, 0), nil
	case a.current.Load() == nil:
		if err := as.bringUp(ctx, a, art, r, max); err != nil {
			as.drop(a)
			return nil, err
		}
		return as.transition(a, art.claims, r, 0, max), nil
	case max == 0 && before == own:
		claims := a.current.Load().claims
		// The events name the scale that goes, so they are made while it is there.
		events := as.transition(a, claims, r, own, 0)
		ctx, cancel := context.WithTimeout(ctx, as.cfg.Drain)
		defer cancel()
		err := as.stopLocked(ctx, a)
		if errors.Is(err, errNotStopped) {
			return nil, err
		}
		if err != nil { // it is gone nevertheless; what was in flight was cut off
			as.cfg.Logger.Warn("actor did not drain in time", lattice.LogActor, a.id, lattice.LogErr, err)
		}
		return events, nil
	}
	a.setScale(r.Annotations, max)
	return as.transition(a, a.current.Load().claims, r, own, max), nil
}

// lockActor returns the actor that a request means with its change lock held: the one that runs, or else a new one for
// the module, which is fetched into art. Finding and locking are two steps, since a change may hold the lock for
// seconds, and nothing waits for it under Actors.mu. An actor that was stopped between them is looked for again.
func (as *Actors) lockActor(ctx context.Context, r ScaleRequest, art *loaded) (*Actor, error) {
	for {
		a := as.running(r.Ref, r.ID)
		if a == nil {
			if art.claims == nil {
				var err error
				if *art, err = as.load(ctx, r.Ref, r.Digest); err != nil {
					return nil, err
				}
			}
			if a = as.forModule(*art); a == nil {
				return nil, tasks.ErrStopping
			}
		}
		a.change.Lock()
		if as.find(a.id) == a && (a.current.Load() != nil || art.claims != nil) {
			return a, nil
		}
		a.change.Unlock() // stopped in between
	}
}

// bringUp makes a stopped actor run. Its change lock is held. Serving comes last: what can fail comes before it, so
// that no call reaches an actor whose start fails. The caller drops the actor after an error.
func (as *Actors) bringUp(ctx context.Context, a *Actor, art loaded, r ScaleRequest, max uint32) error {
	settings := r.Settings
	if settings.Limits.MemoryBytes == 0 {
		settings.Limits.MemoryBytes = as.cfg.Limits.MemoryBytes
	}
	if settings.Limits.Execution == 0 {
		settings.Limits.Execution = as.cfg.Limits.Execution
	}
	if settings.Limits.Fuel == 0 {
		settings.Limits.Fuel = as.cfg.Limits.Fuel
	}
	if settings.RecycleCalls == 0 {
		settings.RecycleCalls = as.cfg.RecycleCalls
	}
	v, err := a.newRevision(ctx, art, settings, max)
	if err != nil {
		return fmt.Errorf("start actor %s: %w", r.Ref, err)
	}
	a.current.Store(v)
	a.setScale(r.Annotations, max)
	known := v.known()
	as.tellLinks(known)
	if err = as.cfg.State.Keep(ctx, known); err == nil {
		as.cfg.State.PutClaims(known)
		err = a.serve(max)
	}
	if art.registry && err == nil {
		as.cfg.State.KeepRef(ctx, art.ref, string(a.id))
	}
	if err != nil {
		return errors.Join(err, v.close(ctx))
	}
	as.cfg.Logger.Info("actor started", lattice.LogActor, art.claims.Name, "id", a.id, "max", max, lattice.LogRef,
		r.Ref,
		"digest", art.pin)
	return nil
}

// tellLinks says what links an actor that starts lacks, and which do not fit it: it runs nevertheless.
func (as *Actors) tellLinks(c control.Claims) {
	for _, contract := range as.cfg.State.Unlinked(c) {
		as.cfg.Logger.Warn("the actor waits for a link; calls of the interface fail until there is one",
			lattice.LogActor, c.Name, lattice.LogContract, contract,
			"make", fmt.Sprintf("weft link put %s ACTOR %s", c.Subject, contract))
	}
	for _, m := range as.cfg.State.Misfits(c) {
		as.cfg.Logger.Error("a link does not fit; calls over it fail", lattice.LogActor, m.Link.ActorID, "to",
			m.Link.ProviderID, lattice.LogContract, m.Link.ContractID, "because", m.Why)
	}
}

// fitsLinks refuses a revision that a link does not fit which the one before fitted.
func (as *Actors) fitsLinks(old, next control.Claims) error {
	before := as.cfg.State.Misfits(old)
	for _, m := range as.cfg.State.Misfits(next) {
		if !slices.ContainsFunc(before, func(b state.Misfit) bool { return b.Link.ID() == m.Link.ID() }) {
			return &lattice.Error{Code: lattice.ErrConflict, Op: "update", Entity: next.Subject,
				Detail: fmt.Sprintf("the link from %s to %s would not fit any more: %s; delete it first, with: "+
					"weft link del %s %s",
					m.Link.ActorID, m.Link.ProviderID, m.Why, m.Link.ActorID, m.Link.ContractID)}
		}
	}
	return nil
}

// updateFailed is how hosts of the dialect begin such a refusal; people look for it.
const updateFailed = "Unable to perform live update"

// Update swaps the code of a running actor without dropping a call. A failed one changes nothing, and an event says so:
// the caller may have stopped waiting for the answer.
func (as *Actors) Update(ctx context.Context, r control.UpdateActorRequest) error {
	old, err := as.swap(ctx, r)
	if err != nil {
		err = fmt.Errorf("%s: %w", updateFailed, err)
		as.cfg.Publish(as.updateFailure(r, err)...)
		return err
	}
	// Calls in progress finish on the old code, in the background: the swap itself is done.
	id := old.claims.Subject
	if as.cfg.Tasks.Run("close "+old.digest+" "+string(id), func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, max(as.cfg.Drain, old.settings.Limits.Execution))
		defer cancel()
		if err := old.close(ctx); err != nil {
			as.cfg.Logger.Warn("old version did not end cleanly", lattice.LogActor, id, lattice.LogErr, err)
		}
	}) != nil {
		return old.close(ctx)
	}
	return nil
}

// updateFailure returns an event for each scale that goes on with the old code. Where the actor does not run, one event
// names what the request named.
func (as *Actors) updateFailure(r control.UpdateActorRequest, err error) []event.Data {
	a := as.find(r.ActorID)
	var v *Revision
	if a != nil {
		v = a.current.Load()
	}
	if v == nil {
		return announce.UpdateFailed(announce.Actor{HostID: as.cfg.Self.ID, ActorID: r.ActorID}, r.NewActorRef,
			err)
	}
	a.mu.Lock()
	scales := slices.Clone(a.scales)
	a.mu.Unlock()
	var events []event.Data
	for _, s := range scales {
		events = append(events, announce.UpdateFailed(as.entry(a, v.claims, v.ref, s), r.NewActorRef, err)...)
	}
	return events
}

// swap lets the new version of an actor serve from now on, and returns the version that served before.
func (as *Actors) swap(ctx context.Context, r control.UpdateActorRequest) (*Revision, error) {
	art, err := as.load(ctx, r.NewActorRef, "")
	if err != nil {
		return nil, err
	}
	id := art.claims.Subject
	if r.ActorID != "" && r.ActorID != id {
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "update", Entity: string(r.ActorID),
			Detail: "the new module has another key, " + string(id)}
	}
	notRunning := &lattice.Error{Code: lattice.ErrNotFound, Op: "update", Entity: string(id),
		Detail: "actor is not running on this host"}
	a := as.find(id)
	if a == nil {
		return nil, notRunning
	}
	a.change.Lock()
	defer a.change.Unlock()
	old := a.current.Load()
	if old == nil {
		return nil, notRunning
	}
	// The wire dialect asks for a greater revision, so that a command that comes late cannot bring old code back. The
	// same bytes are let through: an update that is sent twice is no error.
	if have, next := old.claims.EffectiveRevision(), art.claims.EffectiveRevision(); next <= have &&
		art.digest != old.digest {
		return nil, &lattice.Error{Code: lattice.ErrConflict, Op: "update", Entity: string(id),
			Detail: fmt.Sprintf("the new module has revision %d, and %d is running; sign it with a greater one", next,
				have)}
	}
	if err := as.cfg.Policy.ToStart(ctx, policy.StartActor, permit.Actor(art.claims)); err != nil {
		return nil, err
	}
	a.mu.Lock()
	total, scales := a.total(), append([]Scale{}, a.scales...)
	a.mu.Unlock()
	next, err := a.newRevision(ctx, art, old.settings, total)
	if err != nil {
		return nil, err
	}
	// The claims are kept before the new code serves: where that fails, the old code goes on under claims that fit it.
	known := next.known()
	if err := as.fitsLinks(old.known(), known); err != nil {
		return nil, errors.Join(err, next.close(ctx))
	}
	if err := as.cfg.State.Keep(ctx, known); err != nil {
		return nil, errors.Join(err, next.close(ctx))
	}
	as.cfg.State.PutClaims(known)
	if art.registry {
		as.cfg.State.KeepRef(ctx, art.ref, string(id))
	}
	a.current.Store(next)
	if next.guest.Streams() != old.guest.Streams() { // callers are to know
		as.cfg.Served.ActorsChanged()
	}
	as.cfg.Logger.Info("actor updated", lattice.LogActor, art.claims.Name, "id", id, "revision",
		art.claims.EffectiveRevision(), lattice.LogRef, r.NewActorRef, "digest", art.pin)
	as.cfg.Changed()
	for _, s := range scales {
		as.cfg.Publish(announce.Updated(as.entry(a, art.claims, r.NewActorRef, s), old.ref, s.Max)...)
	}
	return old, nil
}

// transition returns the events of a change of scale under the annotations of a request.
func (as *Actors) transition(a *Actor, claims *signing.ActorClaims, r ScaleRequest, before, after uint32) []event.Data {
	s := Scale{Annotations: r.Annotations, InstanceID: r.InstanceID}
	a.mu.Lock()
	if i := a.find(r.Annotations); i >= 0 {
		s = a.scales[i]
	}
	a.mu.Unlock()
	return announce.Scaled(as.entry(a, claims, r.Ref, s), before, after)
}

// entry is what events say of an actor under one set of annotations.
func (as *Actors) entry(a *Actor, c *signing.ActorClaims, ref string, s Scale) announce.Actor {
	notBefore, expires := c.HumanTimes()
	digest := ""
	if v := a.current.Load(); v != nil {
		digest = v.pin
	}
	return announce.Actor{HostID: as.cfg.Self.ID, Digest: digest, ActorID: a.id, ImageRef: ref,
		InstanceID:  s.InstanceID,
		Annotations: s.Annotations,
		Claims:      announce.Claims(actorClaims(c), notBefore, expires)}
}

// stop drains and stops an actor with all its annotations, and publishes that.
func (as *Actors) stop(ctx context.Context, a *Actor) error {
	a.change.Lock()
	defer a.change.Unlock()
	v := a.current.Load()
	if v == nil {
		return nil
	}
	a.mu.Lock()
	scales := append([]Scale{}, a.scales...)
	a.mu.Unlock()
	err := as.stopLocked(ctx, a)
	if errors.Is(err, errNotStopped) {
		return err
	}
	for _, s := range scales {
		as.cfg.Publish(announce.Scaled(as.entry(a, v.claims, v.ref, s), s.Max, 0)...)
	}
	return err
}

// stopLocked is stopActor without the events. After errNotStopped the actor is still there.
func (as *Actors) stopLocked(ctx context.Context, a *Actor) error {
	name := a.current.Load().claims.Name
	err := a.stop(ctx)
	if errors.Is(err, errNotStopped) {
		as.cfg.Logger.Error("actor does not stop", lattice.LogActor, name, "id", a.id, lattice.LogErr, err)
		return err
	}
	as.drop(a)
	as.cfg.Logger.Info("actor stopped", lattice.LogActor, name, "id", a.id)
	return err
}

func cmpName(c *signing.ActorClaims) string {
	if c.Name != "" {
		return c.Name
	}
	return string(c.Subject)
}

// withAnnotations returns the scales whose annotations contain filter.
func (a *Actor) withAnnotations(filter map[string]string) []Scale {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []Scale
	for _, s := range a.scales {
		if lattice.Matches(s.Annotations, filter) {
			s.Annotations = maps.Clone(s.Annotations)
			out = append(out, s)
		}
	}
	return out
}

// actorClaims is the part of a module's claims that the lattice keeps.
func actorClaims(c *signing.ActorClaims) control.Claims {
	return control.Claims{Subject: string(c.Subject), Issuer: c.Issuer, Name: c.Name,
		Revision: c.EffectiveRevision(),
		Version:  c.Version, CallAlias: c.CallAlias, Caps: c.Caps, Tags: c.Tags}
}
