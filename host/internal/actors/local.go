package actors

import (
	"context"

	"github.com/weftlattice/weft/host/internal/served"
	"github.com/weftlattice/weft/internal/channel"
	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/lattice/wire"
)

// Calls between parts of one host go over no network and need no signature. Between an actor and a provider they take
// the provider's channel; between two actors they are function calls. They pass the same gate (rpc.Subscription.Serve)
// as calls over NATS, and so the same checks, limits, metrics and errors. See RATIONALE.md, "Why a local channel?".

// maxNested bounds how deep actors of this host call each other as functions: of nested calls, one in so many goes over
// NATS, where nothing is kept on a stack.
const maxNested = 16

// ServeLocal serves a call that a provider of this host makes. What is not here, or not free here while it may be so
// elsewhere, is lattice.ErrNoResponders: the caller then goes over NATS.
func (as *Actors) ServeLocal(ctx context.Context, inv *wire.Invocation) ([]byte, error) {
	a := as.find(inv.Target.Actor())
	if a == nil {
		return nil, served.NotHere(inv.Target)
	}
	sub := a.sub.Load()
	if sub == nil {
		return nil, served.NotHere(inv.Target)
	}
	// A call that would wait here may find a free instance on another host. Where there is none, or the call must stay,
	// waiting here is all that is left.
	if waits := sub.Active() >= a.instances(); waits && !channel.Stays(ctx) && !as.cfg.Alone() {
		return nil, &lattice.Error{Code: lattice.ErrNoResponders, Op: "call", Entity: string(a.id),
			Detail: "no instance is free on this host"}
	} else if waits || a.slow() {
		channel.Yield(ctx)
	}
	return sub.Serve(ctx, inv)
}

// Call calls an actor of this host as a function. It reports false when the call has not begun and may be made over
// NATS.
func (as *Actors) Call(ctx context.Context, call rpc.Call, stay bool) (result []byte, err error, done bool) {
	depth, err := invocation.Deeper(ctx)
	if err != nil {
		return nil, err, true
	}
	a := as.find(call.Target.Actor())
	// Guests that call each other in turn stack their frames on one goroutine. Over NATS the chain goes on upon a fresh
	// one.
	if a == nil || depth%maxNested == 0 && depth > 0 {
		return nil, served.NotHere(call.Target), false
	}
	sub := a.sub.Load()
	if sub == nil || !stay && sub.Active() >= a.instances() && !as.cfg.Alone() {
		return nil, served.NotHere(call.Target), false
	}
	fail := func(code lattice.Code) error {
		return &lattice.Error{Code: code, Op: "call " + call.Operation + " of", Entity: call.Target.PublicKey}
	}
	// Over NATS a call without a deadline gets the same one.
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, as.cfg.RPCTimeout)
		defer cancel()
	}
	if tc, ok := trace.From(ctx); ok {
		ctx = trace.With(ctx, tc.Child())
	}
	ctx = invocation.WithDepth(ctx, depth)
	if stream.From(ctx) != nil { // of the caller's own caller
		ctx = stream.With(ctx, nil)
	}
	result, err = sub.Serve(ctx, &wire.Invocation{Origin: call.Origin, Target: call.Target, Operation: call.Operation,
		Msg:           call.Payload,
		ContentLength: uint64(len(call.Payload)), HostID: as.cfg.Self.ID})
	switch {
	case err == nil:
		return result, nil, true
	case ctx.Err() != nil: // as it is for a caller over NATS, which waits no longer
		return nil, fail(lattice.CodeOf(ctx.Err())), true
	case lattice.CodeOf(err) == lattice.ErrNoResponders && invocation.NotBegun(err):
		return nil, err, false
	}
	return nil, invocation.AsRemote(err), true
}
