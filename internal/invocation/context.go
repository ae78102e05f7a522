package invocation

import (
	"context"
	"time"

	"github.com/weftlattice/weft/internal/callctx"
	"github.com/weftlattice/weft/internal/load"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice/trace"
)

// Context is the context of one call that is served. Its fields are set before the call is; see callctx.Context for
// when it ends.
type Context struct {
	callctx.Context
	Caller  context.Context // of a call that is served on its caller's goroutine, whose values it has too; else nil
	Trace   trace.Context   // of the caller, where Traced
	Traced  bool
	Patient bool // see Patient
	Depth   int  // see WithDepth
	Room    load.Room
	Offer   *stream.Offer // of the caller, who takes a stream; nil: it takes none
}

// Value implements context.Context.
func (c *Context) Value(key any) any {
	switch {
	case load.IsRoomKey(key):
		return &c.Room
	case stream.IsKey(key): // also where there is none: that of an outer call is not for this one
		return c.Offer
	case c.Traced && trace.IsKey(key):
		return c.Trace
	case key == (depthKey{}):
		return c.Depth
	case c.Patient && key == (patientKey{}):
		return true
	case c.Caller != nil:
		return c.Caller.Value(key)
	}
	return nil
}

// Follow makes it end with its caller's, or after the timeout where that has no deadline. The function that it returns
// ends it when the call is over.
func (c *Context) Follow(timeout time.Duration) (end func()) {
	var timer *time.Timer
	deadline, ok := c.Caller.Deadline()
	if !ok {
		deadline = time.Now().Add(timeout)
	}
	c.Begin(deadline)
	if !ok {
		timer = time.AfterFunc(timeout, func() {
			if c.Due(time.Now()) {
				c.Cancel(context.DeadlineExceeded)
			}
		})
	}
	unhook := callctx.After(c.Caller, func() { c.Cancel(c.Caller.Err()) })
	return func() {
		unhook()
		if timer != nil {
			timer.Stop()
		}
		c.Cancel(context.Canceled)
	}
}

type patientKey struct{}

// Patient reports whether a handler's ctx is that of a call whose caller did not say how long it waits. Its deadline
// then says nothing about how long the calls should wait that the handler makes itself.
func Patient(ctx context.Context) bool { return ctx.Value(patientKey{}) != nil }
