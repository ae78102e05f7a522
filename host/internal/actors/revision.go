package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weftlattice/weft/host/internal/hostcall"
	"github.com/weftlattice/weft/host/internal/pool"
	"github.com/weftlattice/weft/host/internal/turns"
	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/internal/load"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/wire"
)

// Revision is one revision of an actor: what it was made from, its claims and settings, its code and its instances.
// Nothing of it changes while it lives. An actor may have several at a time: the one that serves, and those whose calls
// finish. Actor.pick decides which of them takes a call. It is the surroundings of its guests.
type Revision struct {
	actor    *Actor
	ref      string
	digest   string
	pin      string // what ref meant when it was loaded
	claims   *signing.ActorClaims
	settings Settings
	guest    Guest
	fresh    bool // each call gets an instance as it began
	pool     *pool.Pool[Instance]
	caller   hostcall.Caller // as which its guests call
	poolWait prometheus.Observer
	fuel     prometheus.Counter
}

// newRevision compiles a module and makes its first instance, so that one that cannot run fails now and the first
// call does not wait.
func (a *Actor) newRevision(ctx context.Context, art loaded, settings Settings, max uint32) (*Revision, error) {
	code, err := signing.WithoutToken(art.bytes) // see RATIONALE.md, "Why is a module's token removed"
	if err != nil {
		return nil, err
	}
	r := &Revision{actor: a, ref: art.ref, digest: art.digest, pin: art.pin, claims: art.claims, settings: settings,
		caller:   hostcall.Caller{ID: a.id, Claims: art.claims, Log: a.log.write},
		poolWait: a.cfg.Metrics.PoolWait.WithLabelValues(string(a.id)),
		fuel:     a.cfg.Metrics.Fuel.WithLabelValues(string(a.id))}
	if r.guest, err = a.all.compile(ctx, code, settings, r); err != nil {
		return nil, err
	}
	r.fresh = settings.Instances == control.FreshInstances || settings.Instances == "" && r.guest.Fresh()
	r.pool = pool.New(pool.Config{Max: concurrency(max), MaxMaking: turns.Processors(), IdleTimeout: a.cfg.IdleTimeout,
		Fresh: r.fresh, MaxCalls: settings.RecycleCalls, MaxMemoryBytes: settings.RecycleMemoryBytes},
		r.guest.Instantiate)
	if err := r.pool.Warm(ctx); err != nil {
		return nil, errors.Join(err, r.close(ctx))
	}
	if why := r.guest.Anew(); why != "" {
		level := slog.LevelDebug
		if r.fresh { // each call pays for it
			level = slog.LevelWarn
		}
		a.cfg.Logger.Log(ctx, level, "instances of this actor cannot be restored, each initialises itself",
			lattice.LogActor,
			a.id, lattice.LogRef, art.ref, "because", why)
	}
	return r, nil
}

// maxSurface is how many bytes of interfaces the lattice keeps of one actor. It tells those of all actors in one
// message.
const maxSurface = 16 << 10

// known is what the lattice keeps of the revision.
func (r *Revision) known() control.Claims {
	c := actorClaims(r.claims)
	whole := false
	if c.Interfaces, whole = r.guest.Surface().Within(maxSurface); !whole {
		r.actor.cfg.Logger.Warn(
			"the lattice is not told of all functions of this actor: their types take too much room",
			lattice.LogActor, r.actor.id, lattice.LogRef, r.ref, "most", lattice.Size(maxSurface))
	}
	return c
}

// mode says what becomes of an instance after a call, and why.
func (r *Revision) mode() (mode, because string) {
	switch single, anew := r.guest.Single(), r.guest.Anew(); {
	case !r.fresh && single != "":
		return control.FreshInstances, single
	case !r.fresh && r.settings.Instances == "":
		return control.SharedInstances, "it is a module"
	case !r.fresh:
		return control.SharedInstances, "as it was started"
	case anew != "":
		return control.FreshInstances, "each instance initialises itself: " + anew
	case r.settings.Instances == "":
		return control.FreshInstances, "it is a component"
	}
	return control.FreshInstances, "as it was started"
}

// close waits for the calls in progress until ctx ends, and interrupts those that are left, which is an error. Then it
// frees the instances and the code, unless calls have not ended even then: errNotStopped.
func (r *Revision) close(ctx context.Context) error {
	var err error
	if r.pool.Close(ctx) != nil {
		cut := r.pool.Stats().InUse
		r.guest.Interrupt()
		// ctx has ended, and interrupted calls need some milliseconds to give their instances back.
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), EndOfCalls)
		defer cancel()
		if r.pool.Close(end) != nil {
			return &lattice.Error{Code: lattice.ErrInternal, Op: "stop actor", Entity: string(r.actor.id),
				Err: errNotStopped,
				Detail: fmt.Sprintf("%d calls have not ended %v after they were interrupted; end the host, "+
					"which does not wait for them", r.pool.Stats().InUse, EndOfCalls)}
		}
		err = &lattice.Error{Code: lattice.ErrTimeout, Op: "stop actor", Entity: cmpName(r.claims),
			Detail: fmt.Sprintf("%d calls were cut off", cut)}
	}
	return errors.Join(err, r.guest.Close(ctx))
}

// admit checks that the claims grant the contract of a provider that calls in: the wire dialect asks that of the actor
// that is called. Other origins need no claim. Actors call each other without one, and an operator's call has no
// contract.
func (r *Revision) admit(inv *wire.Invocation) error {
	if inv.Origin.IsActor() || inv.Origin.ContractID == "" || !lattice.IsKey(inv.Origin.PublicKey, 'V') {
		return nil
	}
	return hostcall.RequireCapability(r.claims, inv.Origin.ContractID)
}

// HostCall serves a call that a guest makes.
func (r *Revision) HostCall(ctx context.Context, link lattice.LinkName, contract lattice.ContractID, operation string,
	payload []byte, beside *stream.Caller) ([]byte, error) {
	return r.actor.cfg.Calls.Call(ctx, &r.caller, link, contract, operation, payload, beside)
}

// Streams reports whether such a call would reach a provider that takes a body beside it.
func (r *Revision) Streams(link lattice.LinkName, contract lattice.ContractID) bool {
	return r.actor.cfg.Calls.Streams(&r.caller, link, contract)
}

// Reserve makes room for a large response. See load.Budget.
func (r *Revision) Reserve(ctx context.Context, bytes int) error { return load.Reserve(ctx, bytes) }

// Spent counts fuel.
func (r *Revision) Spent(fuel uint64) { r.fuel.Add(float64(fuel)) }

// Log takes what a guest prints through the ABI or its standard streams.
func (r *Revision) Log(ctx context.Context, source wasm.Source, text string) {
	level := "info"
	if source == wasm.Stderr {
		level = "warn"
	}
	r.actor.log.write(ctx, level, text)
}
