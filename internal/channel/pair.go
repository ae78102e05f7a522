package channel

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weftlattice/weft/internal/callctx"
	"github.com/weftlattice/weft/internal/load"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/trace"
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
	outer, _ := ctx.Value(pairKey{}).(*pairContext)
	switch err := ctx.Err(); {
	case err != nil:
		return nil, unbegun{contextError(call, err)}
	case cfg == nil || e.isDown() || outer != nil && outer.depth >= maxNested:
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
	nested, err := rpc.Deeper(ctx)
	if err != nil {
		return nil, err
	}
	within := newPairContext(ctx, outer, call.Stay)
	within.nested = nested
	within.own.room.Use(cfg.Budget)
	defer within.own.room.End()
	payload := call.Payload
	if call.Body != nil {
		var err error
		if payload, err = call.whole(ctx, &within.own.room, timeout); err != nil {
			return nil, err
		}
	}
	defer within.begin(timeout)()
	inv := wire.Invocation{Origin: call.Origin, Target: call.Target, Operation: call.Operation, Msg: payload, ContentLength: uint64(len(payload))}
	result, err := guarded(cfg, within, &inv)
	switch {
	case err != nil && within.Err() != nil:
		return nil, contextError(call, within.Err())
	case err != nil:
		return nil, answered(err)
	case uint64(len(result)) > cfg.MaxBytes:
		return nil, answered(&lattice.Error{Code: lattice.ErrTooLarge, Detail: fmt.Sprintf("response of %d bytes, limit %d", len(result), cfg.MaxBytes)})
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
	text := err.Error()
	if text == "" {
		text = lattice.CodeOf(err).Error()
	}
	remote := lattice.FromWire(lattice.CodeOf(err).Name(), text[:min(len(text), segment)])
	if turnedAway(err) {
		return unbegun{remote}
	}
	return remote
}

// pairContext is the context of a call that is served on its caller's goroutine. It ends with its caller's, or after
// the timeout where that has no deadline.
type pairContext struct {
	callctx.Context
	caller context.Context
	own    callContext // what Stays, Yield and package rpc look at
	trace  trace.Context
	traced bool
	depth  int // of calls over Ends
	nested int // see rpc.WithDepth
}

// pairKey is the key under which a pairContext finds itself.
type pairKey struct{}

func newPairContext(ctx context.Context, outer *pairContext, stay bool) *pairContext {
	c := &pairContext{caller: ctx, depth: 1}
	if outer != nil {
		c.depth = outer.depth + 1
	}
	c.own.stay = stay
	if served, ok := ctx.Value(callKey{}).(*callContext); ok { // whose reader must not wait with this goroutine
		c.own.worker, c.own.serial = served.worker, served.serial
	}
	if t, ok := trace.From(ctx); ok {
		c.trace, c.traced = t.Child(), true
		if len(c.trace.State) > trace.MaxState {
			c.trace.State = ""
		}
	}
	return c
}

// begin makes it end in time. The function that it returns ends it when the call is over.
func (c *pairContext) begin(timeout time.Duration) (end func()) {
	var timer *time.Timer
	deadline, ok := c.caller.Deadline()
	if !ok {
		deadline = time.Now().Add(timeout)
	}
	c.Begin(deadline)
	if !ok {
		timer = time.AfterFunc(timeout, func() { c.Cancel(context.DeadlineExceeded) })
	}
	unhook := callctx.After(c.caller, func() { c.Cancel(c.caller.Err()) })
	return func() {
		unhook()
		if timer != nil {
			timer.Stop()
		}
		c.Cancel(context.Canceled)
	}
}

func (c *pairContext) Value(key any) any {
	switch {
	case key == (callKey{}):
		return &c.own
	case key == (pairKey{}):
		return c
	case c.traced && trace.IsKey(key):
		return c.trace
	case load.IsRoomKey(key):
		return &c.own.room
	case rpc.IsDepthKey(key):
		return c.nested
	}
	return c.caller.Value(key)
}
