package channel

import (
	"context"
	"time"

	"github.com/weftlattice/weft/internal/callctx"
	"github.com/weftlattice/weft/internal/load"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice/trace"
)

// callContext is the context of a call that is served; its deadline is looked after by the connection's keeper.
type callContext struct {
	callctx.Context
	worker *worker // that reads and serves it; nil when it is not inline
	serial uint64  // of the worker
	trace  trace.Context
	traced bool
	stay   bool
	begun  time.Time // when the handler stopped waiting; zero: it did not wait
	room   load.Room
}

// callKey is the key under which a served call's context finds itself.
type callKey struct{}

func (c *callContext) Value(key any) any {
	if key == (callKey{}) {
		return c
	}
	if c.traced && trace.IsKey(key) {
		return c.trace
	}
	if load.IsRoomKey(key) {
		return &c.room
	}
	if rpc.IsDepthKey(key) { // it is not said over a channel
		return 0
	}
	return nil
}

// Yield tells that a served call is about to wait for something: others that come over its connection need not wait
// with it. A handler calls it with its context or one made from it; elsewhere it does nothing.
func Yield(ctx context.Context) {
	if c, ok := ctx.Value(callKey{}).(*callContext); ok && c.worker != nil {
		c.worker.handOver(c.serial)
	}
}

// Begun tells that a served call, whose context ctx is, has got what it waited for at a moment: what it takes from here
// on is not waiting, and its caller hears how long that was. The first time counts.
func Begun(ctx context.Context, at time.Time) {
	if c, ok := ctx.Value(callKey{}).(*callContext); ok && c.begun.IsZero() {
		c.begun = at
	}
}

// Stays reports whether a served call, whose context ctx is, will not be tried elsewhere when it is turned away.
func Stays(ctx context.Context) bool {
	c, ok := ctx.Value(callKey{}).(*callContext)
	return ok && c.stay
}
