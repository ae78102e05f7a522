package channel

import (
	"context"
	"time"

	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/lattice/trace"
)

// callContext is the context of a call that is served. Of one that came over a Conn, the connection's keeper looks
// after the deadline; how deep it is nested is not said there, so that its depth is 0.
type callContext struct {
	invocation.Context
	worker *worker // that reads and serves it; nil when it is not inline
	serial uint64  // of the worker
	stay   bool
	begun  time.Time // when the handler stopped waiting; zero: it did not wait
	nested int       // how many calls over Ends it is part of; 0 over a Conn
}

// callKey is the key under which a served call's context finds itself.
type callKey struct{}

// Value finds the call itself for Yield and Stays, which get no more than a context.
func (c *callContext) Value(key any) any {
	if key == (callKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// servedIn is the served call that ctx belongs to; nil when it belongs to none.
func servedIn(ctx context.Context) *callContext {
	c, _ := ctx.Value(callKey{}).(*callContext)
	return c
}

// Yield tells that a served call is about to wait for something: others that come over its connection need not wait
// with it. A handler calls it with its context or one made from it; elsewhere it does nothing.
func Yield(ctx context.Context) {
	if c := servedIn(ctx); c != nil && c.worker != nil {
		c.worker.handOver(c.serial)
	}
}

// Begun tells that a served call, whose context ctx is, has got what it waited for at a moment: what it takes from here
// on is not waiting, and its caller hears how long that was. The first time counts.
func Begun(ctx context.Context, at time.Time) {
	if c := servedIn(ctx); c != nil && c.begun.IsZero() {
		c.begun = at
	}
}

// Stays reports whether a served call, whose context ctx is, will not be tried elsewhere when it is turned away.
func Stays(ctx context.Context) bool {
	c := servedIn(ctx)
	return c != nil && c.stay
}

// childTrace is the trace of a call that is made in ctx, if that has one. A state that is too long for a frame is left
// out.
func childTrace(ctx context.Context) (child trace.Context, ok bool) {
	t, ok := trace.From(ctx)
	if !ok {
		return t, false
	}
	if child = t.Child(); len(child.State) > trace.MaxState {
		child.State = ""
	}
	return child, true
}
