package rpc

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/lattice/wire"
)

// job is an admitted call to be served.
type job struct {
	sub  *Subscription
	msg  *nats.Msg
	inv  *wire.Invocation // nil: it is to be decoded
	flow *flow            // of the stream that its caller offers; nil: none
}

// crew is the goroutines that serve a server's calls. How many there are is up to the limits of the endpoints.
type crew struct {
	invocation.Crew[job]

	mu  sync.Mutex
	all map[*worker]struct{} // guarded by mu
}

// worker serves one call at a time, and looks after its deadline with one timer for all of them.
type worker struct {
	timer *time.Timer

	mu    sync.Mutex
	call  *invocation.Context // guarded by mu
	armed bool                // the timer; guarded by mu
	at    time.Time           // when it fires; guarded by mu
}

// hire makes a worker. Its timer is stopped at once: begin sets it for the first call.
func (c *crew) hire() (serve func(job), leave func()) {
	w := &worker{}
	w.timer = time.AfterFunc(time.Hour, w.expire)
	w.timer.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = map[*worker]struct{}{}
	}
	c.all[w] = struct{}{}
	return func(j job) { j.sub.serve(w, j) }, func() { c.leave(w) }
}

func (c *crew) leave(w *worker) {
	w.timer.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.all, w)
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

// begin makes call the one that the worker serves. Most calls leave the timer alone: it fires for an earlier one, finds
// nothing due, and goes on.
func (w *worker) begin(call *invocation.Context, now time.Time) {
	deadline, limited := call.Deadline()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.call = call
	if limited && !w.armed || limited && deadline.Before(w.at) {
		w.armed, w.at = true, deadline
		w.timer.Reset(deadline.Sub(now))
	}
}

// end ends a call that is over.
func (w *worker) end(call *invocation.Context) {
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
	if w.at, w.armed = w.call.Deadline(); w.armed {
		w.timer.Reset(w.at.Sub(now))
	}
}
