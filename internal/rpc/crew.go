package rpc

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/callctx"
	"github.com/weftlattice/weft/internal/load"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/lattice/wire"
)

// maxIdle bounds how many workers of a server wait for work.
const maxIdle = 64

// job is an admitted call to be served.
type job struct {
	sub *Subscription
	msg *nats.Msg
	inv *wire.Invocation // nil: it is to be decoded
}

// crew is the goroutines that serve a server's calls. They are kept, since a new one would grow its stack for each
// call. How many there are is up to the limits of the endpoints.
type crew struct {
	mu    sync.Mutex
	idle  []*worker            // those that came last go first: their memory is warm; guarded by mu
	all   map[*worker]struct{} // guarded by mu
	ended bool                 // guarded by mu
	wg    sync.WaitGroup
}

// worker serves one call at a time, and looks after its deadline with one timer for all of them.
type worker struct {
	wake  chan job
	timer *time.Timer

	mu    sync.Mutex
	call  *callContext // guarded by mu
	armed bool         // the timer; guarded by mu
	at    time.Time    // when it fires; guarded by mu
}

// start gives a job to an idle worker, or to a new one. It does not block.
func (c *crew) start(j job) {
	c.mu.Lock()
	if n := len(c.idle); n > 0 {
		w := c.idle[n-1]
		c.idle = c.idle[:n-1]
		c.mu.Unlock()
		w.wake <- j
		return
	}
	defer c.mu.Unlock()
	w := &worker{wake: make(chan job, 1)}
	w.timer = time.AfterFunc(time.Hour, w.expire)
	w.timer.Stop()
	if c.all == nil {
		c.all = map[*worker]struct{}{}
	}
	c.all[w] = struct{}{}
	w.wake <- j
	c.wg.Go(func() { c.run(w) })
}

func (c *crew) run(w *worker) {
	defer w.timer.Stop()
	for j := range w.wake {
		j.sub.serve(w, j)
		if j = (job{}); !c.park(w) {
			return
		}
	}
}

// park puts a worker where start finds it; false when it is to end.
func (c *crew) park(w *worker) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || len(c.idle) >= maxIdle {
		delete(c.all, w)
		return false
	}
	c.idle = append(c.idle, w)
	return true
}

// cancel ends the calls that are being served.
func (c *crew) cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for w := range c.all {
		w.mu.Lock()
		if w.call != nil {
			w.call.Cancel(context.Canceled)
		}
		w.mu.Unlock()
	}
}

// close ends the workers and waits for them. Nothing may be started meanwhile.
func (c *crew) close() {
	c.mu.Lock()
	c.ended = true
	for _, w := range c.idle {
		close(w.wake)
		delete(c.all, w)
	}
	c.idle = nil
	c.mu.Unlock()
	c.wg.Wait()
}

// begin makes call the one that the worker serves. Most calls leave the timer alone: it fires for an earlier one, finds
// nothing due, and goes on.
func (w *worker) begin(call *callContext, now time.Time) {
	deadline, _ := call.Deadline()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.call = call
	if !w.armed || deadline.Before(w.at) {
		w.armed, w.at = true, deadline
		w.timer.Reset(deadline.Sub(now))
	}
}

// end ends a call that is over.
func (w *worker) end(call *callContext) {
	w.mu.Lock()
	w.call = nil
	w.mu.Unlock()
	call.Close()
}

// expire cancels the call when its deadline has come.
func (w *worker) expire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed = false
	if w.call == nil || w.call.Err() != nil {
		return
	}
	now := time.Now()
	if w.call.Due(now) {
		w.call.Cancel(context.DeadlineExceeded)
		return
	}
	w.armed = true
	w.at, _ = w.call.Deadline()
	w.timer.Reset(w.at.Sub(now))
}

// callContext is the context of a call that came over NATS.
type callContext struct {
	callctx.Context
	patient bool // see Patient
	depth   int  // see WithDepth
	traced  bool
	trace   trace.Context
	room    load.Room
}

// Value implements context.Context.
func (c *callContext) Value(key any) any {
	switch {
	case load.IsRoomKey(key):
		return &c.room
	case c.traced && trace.IsKey(key):
		return c.trace
	case IsDepthKey(key):
		return c.depth
	case c.patient && key == (patientKey{}):
		return true
	}
	return nil
}
