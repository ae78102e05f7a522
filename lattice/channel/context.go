package channel

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/weftlattice/weft/lattice/rpc"
	"github.com/weftlattice/weft/lattice/trace"
)

// callContext is the context of a call that is served. The standard library's would need a timer per call; deadlines here
// are looked after by the connection's keeper.
type callContext struct {
	worker   *worker // that reads and serves it; nil when it is not inline
	serial   uint64  // of the worker
	deadline time.Time
	trace    trace.Context
	traced   bool
	stay     bool
	begun    time.Time // when the handler stopped waiting; zero: it did not wait
	room     rpc.Room

	mu    sync.Mutex
	done  chan struct{}  // guarded by mu; made when somebody asks
	err   error          // guarded by mu
	after []*func()      // guarded by mu; to be run at the end
	tasks sync.WaitGroup // running ones of after
}

var _ context.Context = (*callContext)(nil)

func (c *callContext) Deadline() (time.Time, bool) { return c.deadline, true }

func (c *callContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.err != nil {
			close(c.done)
		}
	}
	return c.done
}

func (c *callContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
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
	if rpc.IsRoomKey(key) {
		return &c.room
	}
	return nil
}

// AfterFunc lets the context package hook on without a goroutine.
func (c *callContext) AfterFunc(f func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		c.tasks.Go(f)
		return func() bool { return false }
	}
	entry := &f
	c.after = append(c.after, entry)
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		i := slices.Index(c.after, entry)
		if i < 0 {
			return false
		}
		c.after = slices.Delete(c.after, i, i+1)
		return true
	}
}

// cancel ends the context, once.
func (c *callContext) cancel(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = err
	if c.done != nil {
		close(c.done)
	}
	for _, f := range c.after {
		c.tasks.Go(*f)
	}
	c.after = nil
}

// Yield tells that a served call is about to wait for something: others that come over its connection need not wait with
// it. A handler calls it with its context or one made from it; elsewhere it does nothing.
func Yield(ctx context.Context) {
	if c, ok := ctx.Value(callKey{}).(*callContext); ok && c.worker != nil {
		c.worker.handOver(c.serial)
	}
}

// Begun tells that a served call, whose context ctx is, has got what it waited for at a moment: what it takes from here on is not
// waiting, and its caller hears how long that was. The first time counts.
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
