package rpc

import (
	"context"
	"time"

	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/internal/load"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// errStopped answers a local call that came while the subscription was draining.
var errStopped = &lattice.Error{Code: lattice.ErrNoResponders, Op: "call", Detail: "its target is stopping here"}

// Serve serves an invocation that did not come over NATS and whose origin is known without a signature. All else is as
// for those that did: admission, target, panics, limits, observation. A subscription that drains turns it away with
// lattice.ErrNoResponders. Neither the server nor the handler keeps inv.
func (sub *Subscription) Serve(ctx context.Context, inv *wire.Invocation) ([]byte, error) {
	sub.mu.Lock()
	if sub.drained {
		sub.mu.Unlock()
		return nil, errStopped
	}
	sub.calls.Add(1)
	sub.mu.Unlock()
	defer sub.calls.Done()
	start := time.Now()
	payload, err := sub.serveLocal(ctx, inv)
	if observe := sub.server.cfg.Observe; observe != nil {
		observe(ctx, inv, time.Since(start), err)
	}
	return payload, err
}

// leaveOnce returns what leaves the gate, at the latest when the call is over. A stream that has begun is not waited
// for.
func (s *Server) leaveOnce(o *stream.Offer) func() {
	if o == nil {
		return s.gate.Leave
	}
	o.OnRespond(s.gate.Leave)
	return func() {
		if !o.Responded() {
			s.gate.Leave()
		}
	}
}

// serveLocal is serve without what NATS makes necessary: decoding, claims, replays, the store of large payloads. Its
// order is the same, so that a call fares alike whichever way it comes.
func (sub *Subscription) serveLocal(ctx context.Context, inv *wire.Invocation) (payload []byte, err error) {
	served := false
	defer func() { sub.queue.Leave(served) }()
	if n, waits := sub.queue.Enter(); waits {
		var left time.Duration
		if deadline, ok := ctx.Deadline(); ok {
			left = max(1, time.Until(deadline))
		}
		if err := sub.queue.Wait(n, left, inv.Origin.IsActor()); err != nil {
			return nil, err
		}
	}
	if inv.Target.PublicKey != sub.ep.Target.PublicKey {
		return nil, &lattice.Error{Code: lattice.ErrWrongTarget, Detail: lattice.Printable(inv.Target.PublicKey)}
	}
	s := sub.server
	ctx, room, fresh := s.cfg.Budget.RoomOf(ctx)
	if fresh {
		defer room.End()
	}
	if err := room.Ensure(ctx, len(inv.Msg)); err != nil {
		return nil, err
	}
	if err := s.gate.Enter(ctx); err != nil {
		return nil, err
	}
	if end, ok := ctx.Deadline(); ok && !time.Now().Before(end) { // what it waited in here
		s.gate.Leave()
		return nil, context.DeadlineExceeded
	}
	leave := s.leaveOnce(stream.From(ctx))
	payload, err = sub.ep.Handler.Serve(ctx, inv, s.cfg.Logger)
	leave()
	served = !invocation.NotBegun(err)
	if n := uint64(len(payload)); err == nil && n > s.cfg.MaxBytes {
		err = invocation.TooLarge("response", n, s.cfg.MaxBytes)
	} else if err == nil {
		err = load.Reserve(ctx, len(payload))
	}
	if invocation.NotBegun(err) && room.Answering() { // it has: the caller must not make the call again
		err = invocation.AsRemote(err)
	}
	if err != nil {
		payload = nil
	}
	return payload, err
}
