package channel

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weftlattice/weft/internal/clip"
	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/internal/load"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// End is one end of a channel inside one process, between a host and a provider that runs in it. A call is a function
// call: the goroutine that makes it serves it. Checks, what a handler sees and what a caller gets are as over a Conn,
// with one difference. A call returns when its handler does, so handlers must keep to their contexts. It is safe for
// concurrent use.
type End struct {
	peer *End
	cfg  atomic.Pointer[Config] // what is served here; nil: nothing yet
	down *down

	active atomic.Int64 // calls being served here
}

// down is the end of both ends.
type down struct {
	once sync.Once
	done chan struct{}
}

// maxNested bounds how deep calls over Ends are nested on one goroutine: actors and providers may call each other in
// turns. Deeper ones have to go another way.
const maxNested = 8

// Pair returns the two ends of a channel. Nothing is served at either until Serve.
func Pair() (*End, *End) {
	d := &down{done: make(chan struct{})}
	a, b := &End{down: d}, &End{down: d}
	a.peer, b.peer = b, a
	return a, b
}

// Serve begins to serve the calls and notices of the other end. Config.Admit is asked for every call; Config.Inline
// means nothing here.
func (e *End) Serve(cfg Config) { e.cfg.Store(cfg.withDefaults()) }

// Done is closed when the channel is down.
func (e *End) Done() <-chan struct{} { return e.down.done }

// Up reports whether the other end serves.
func (e *End) Up() bool { return !e.isDown() && e.peer.cfg.Load() != nil }

func (e *End) isDown() bool {
	select {
	case <-e.down.done:
		return true
	default:
		return false
	}
}

// Close takes the channel down, for both ends. Calls in progress go on. Closing twice is no error.
func (e *End) Close() { e.down.once.Do(func() { close(e.down.done) }) }

// Notify is Conn.Notify: the other end has taken the message when it returns.
func (e *End) Notify(_ context.Context, message []byte) error {
	cfg := e.peer.cfg.Load()
	if cfg == nil || e.isDown() {
		return downError(nil)
	}
	if cfg.Notice != nil {
		cfg.Notice(message)
	}
	return nil
}

// Call is Conn.Call.
func (e *End) Call(ctx context.Context, call *Call, timeout time.Duration) ([]byte, error) {
	p := e.peer
	cfg := p.cfg.Load()
	outer := servedIn(ctx)
	switch err := ctx.Err(); {
	case err != nil:
		return nil, unbegun{contextError(call, err)}
	case cfg == nil || e.isDown() || outer != nil && outer.nested >= maxNested:
		return nil, downError(call)
	case call.size() > cfg.MaxBytes:
		return nil, tooLarge(call, cfg.MaxBytes)
	}
	defer p.active.Add(-1)
	if p.active.Add(1) > int64(cfg.Window) {
		return nil, full(call, cfg.Window)
	}
	if err := cfg.refusal(call.Origin, call.Target); err != nil {
		return nil, answered(err)
	}
	depth, err := invocation.Deeper(ctx)
	if err != nil {
		return nil, err
	}
	within := newPairContext(ctx, outer, call.Stay)
	within.Depth = depth
	within.Room.Use(cfg.Budget)
	defer within.Room.End()
	payload := call.Payload
	if call.Body != nil {
		var err error
		if payload, err = call.whole(ctx, &within.Room, timeout); err != nil {
			return nil, err
		}
	}
	defer within.Follow(timeout)()
	beside := e.pass(call, within, cfg, timeout)
	beside.start()
	inv := wire.Invocation{Origin: call.Origin, Target: call.Target, Operation: call.Operation, Msg: payload,
		ContentLength: uint64(len(payload))}
	result, err := cfg.Handler.Serve(within, &inv, cfg.Logger)
	if outcome, taken := beside.end(err); taken {
		return nil, outcome
	}
	switch {
	case err != nil && within.Err() != nil:
		return nil, contextError(call, within.Err())
	case err != nil:
		return nil, answered(err)
	case uint64(len(result)) > cfg.MaxBytes:
		return nil, answered(invocation.TooLarge("response", uint64(len(result)), cfg.MaxBytes))
	}
	if mine := e.cfg.Load(); mine != nil && large(len(result)) { // counted anew, as what this end holds
		// it has been carried out: not the caller's to try again
		if call.Held, err = mine.Budget.Hold(within, "response", int64(len(result))); err != nil {
			return nil, callError(call, lattice.CodeOf(err), "its answer found no place", err)
		}
		if !call.Keep {
			mine.Budget.Release(call.Held)
			call.Held = 0
		}
	}
	return result, nil
}

// whole reads the body of a call to the end of its payload, once there is room.
func (c *Call) whole(ctx context.Context, room *load.Room, timeout time.Duration) ([]byte, error) {
	size := int(c.size())
	if large(size) {
		wait, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		if err := room.Request(wait, int64(size)); err != nil {
			return nil, answered(err)
		}
	}
	payload := append(make([]byte, 0, size), c.Payload...)[:size]
	_, err := io.ReadFull(c.Body, payload[len(c.Payload):])
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return payload, err
}

// answered is an error as it reaches a caller over a Conn.
func answered(err error) error {
	remote := lattice.FromWire(lattice.CodeOf(err).Name(), clip.Text(invocation.Text(err), segment))
	if invocation.NotBegun(err) {
		return unbegun{remote}
	}
	return remote
}

// newPairContext is the context of a call that is served on the goroutine of its caller, whose context is ctx; outer is
// the call that this one is made in, or nil.
func newPairContext(ctx context.Context, outer *callContext, stay bool) *callContext {
	c := &callContext{stay: stay, nested: 1}
	c.Caller = ctx
	if outer != nil { // whose reader must not wait with this goroutine
		c.worker, c.serial, c.nested = outer.worker, outer.serial, outer.nested+1
	}
	c.Trace, c.Traced = childTrace(ctx)
	return c
}
