package wasm

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/weftlattice/weft/host/internal/instrument"
	"github.com/weftlattice/weft/internal/callctx"
)

// watch stops a guest when the context of its call ends.
//
// The flag is memory that compiled code reads while we write it, with one aligned store; Go code touches it only under
// mu. On architectures without a compiler the engine interprets, and its reads of the flag are plain Go loads.
type watch struct {
	flags []api.MutableGlobal // of each core module; only the goroutine that runs the guest adds one, with mu held

	mu     sync.Mutex
	call   *bound // in progress, else nil; guarded by mu
	closed bool   // every later call ends at once; guarded by mu
}

// bound is the context of a call of a guest. It is that of its caller, with an end of its own: when the call has taken
// as long as the instance lets it, or when the instance is closed.
type bound struct {
	callctx.Context
	caller   context.Context
	instance *Instance
	unhook   func() bool // from the caller's context
	timer    *time.Timer // of the instance's own limit; nil where the caller's deadline comes first
	expired  bool        // by that limit; guarded by watch.mu
	limit    time.Duration
	since    time.Time     // from when on the time of the guest counts; guarded by watch.mu
	used     time.Duration // what counted before; guarded by watch.mu
	patient  bool          // what it waits does not count; guarded by watch.mu
	over     atomic.Bool   // it has ended: cheaper to look at than Err
}

// Cancel ends the context, once.
func (b *bound) Cancel(err error) {
	b.Context.Cancel(err)
	b.over.Store(true)
}

// Value is that of context.Context.
func (b *bound) Value(key any) any {
	if key == (instanceKey{}) {
		return b.instance
	}
	return b.caller.Value(key)
}

// raise stops the guest at its next check, and lower lets it run. Each check is a visit: see Instance.visit.
func (w *watch) raise() { w.set(instrument.VisitFlag | instrument.StopFlag) }
func (w *watch) lower() { w.set(instrument.VisitFlag) }

func (w *watch) set(flags uint64) {
	for _, f := range w.flags {
		f.Set(flags)
	}
}

// add takes in a core module that has been instantiated, with its flag as it must be by now.
func (w *watch) add(guest api.Module) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flags = append(w.flags, guest.ExportedGlobal(instrument.StopGlobal).(api.MutableGlobal))
	if w.call != nil && w.call.Err() != nil {
		w.raise()
	} else {
		w.lower()
	}
}

// clear forgets the core modules.
func (w *watch) clear() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flags = nil
}

// arm begins a call, which ends with the caller's context or after the limit. disarm must follow.
func (w *watch) arm(caller context.Context, i *Instance, limit time.Duration) *bound {
	now := time.Now()
	b := &bound{caller: caller, instance: i, limit: limit, since: now}
	end := now.Add(limit)
	deadline, ok := caller.Deadline()
	own := !ok || end.Before(deadline)
	b.patient = !ok
	if !own {
		end = deadline
	}
	b.Begin(end)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.call = b
	if w.closed {
		b.Cancel(context.Canceled)
		w.raise()
	}
	b.unhook = callctx.After(caller, func() { w.end(b, caller.Err(), false) })
	if own {
		b.timer = time.AfterFunc(limit, func() { w.end(b, context.DeadlineExceeded, true) })
	}
	return b
}

// end ends a call, unless it is over.
func (w *watch) end(b *bound, err error, expired bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.call == b && b.Err() == nil {
		b.expired = expired
		b.Cancel(err)
		w.raise()
	}
}

// endless takes the deadline of its caller away from the call in progress. The limit of the instance goes on, for the
// time that the guest computes.
func (w *watch) endless() {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.call
	if b == nil || b.Err() != nil {
		return
	}
	b.Endless()
	b.patient = true
	if b.timer == nil {
		b.used = time.Since(b.since)
		b.count()
	}
}

// hurry makes what the guest waits count again: nobody waits for it any more.
func (w *watch) hurry() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.call != nil {
		w.call.patient = false
	}
}

// count lets the time of the guest count from now on. watch.mu is held.
func (b *bound) count() {
	b.since = time.Now()
	w := &b.instance.watch
	b.timer = time.AfterFunc(b.limit-b.used, func() { w.end(b, context.DeadlineExceeded, true) })
}

// rest says that the guest waits, and returns what says that the wait is over.
func (w *watch) rest() (resume func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.call
	if b == nil || !b.patient || b.timer == nil || !b.timer.Stop() {
		return func() {}
	}
	b.used += time.Since(b.since)
	b.timer = nil
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.call == b && b.timer == nil {
			b.count()
		}
	}
}

// disarm is the end of a call that has returned. It lowers the flag, and reports whether it was the instance's own
// limit that ended it.
func (w *watch) disarm(b *bound) (expired bool) {
	b.unhook()
	w.mu.Lock()
	defer w.mu.Unlock()
	if b.timer != nil {
		b.timer.Stop()
	}
	w.call = nil
	w.lower()
	return b.expired
}

// stop ends the call in progress and all that follow.
func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.call != nil && w.call.Err() == nil {
		w.call.Cancel(context.Canceled)
		w.raise()
	}
}
