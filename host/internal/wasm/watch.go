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

// watch stops a guest when the context of its call ends, by a flag that the guest looks at.
//
// The flag is memory that compiled code reads while we write it, with one aligned store; Go code touches it only under
// mu. On architectures without a compiler the engine interprets, and its reads of the flag are plain Go loads.
//
// An instance has one for all its calls, with one timer and no goroutine: a call takes mu twice, and mostly
// sets no timer.
type watch struct {
	flags []api.MutableGlobal // of each core module; only the goroutine that runs the guest adds one, with mu held

	mu     sync.Mutex
	call   *bound      // in progress, else nil; guarded by mu
	closed bool        // every later call ends at once; guarded by mu
	timer  *time.Timer // calls tick; nil before the first call; guarded by mu
	rings  time.Time   // when it does; zero: it is not set; guarded by mu
}

// bound is the context of a call of a guest. It is that of its caller, with an end of its own: when the call has taken
// as long as the instance lets it, or when the instance is closed.
type bound struct {
	callctx.Context
	caller   context.Context
	instance *Instance
	hook     callctx.Hook // on the caller's context
	limit    time.Duration
	due      time.Time     // when the instance's own limit ends it; zero: that does not run; guarded by watch.mu
	expired  bool          // by that limit; guarded by watch.mu
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

// set writes to all core modules of a component, since any of them may be the one that runs. mu is held, but for what
// the goroutine of the guest itself raises at a check.
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
	if w.timer != nil {
		w.timer.Stop()
		w.rings = time.Time{}
	}
}

// arm begins a call, which ends with the caller's context or after the limit. disarm must follow.
func (w *watch) arm(caller context.Context, i *Instance, limit time.Duration) *bound {
	now := time.Now()
	b := &bound{caller: caller, instance: i, limit: limit, since: now}
	end := now.Add(limit)
	deadline, ok := caller.Deadline()
	// The earlier end counts, and decides whose fault it is: lattice.ErrInterrupted for the instance's limit,
	// lattice.ErrTimeout for the caller's deadline. The caller's own timer ends the latter.
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
	b.hook.Hang(caller, b)
	if own {
		w.ring(b, end)
	}
	return b
}

// CallerEnded implements callctx.Ender.
func (b *bound) CallerEnded() {
	w := &b.instance.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end(b, b.caller.Err(), false)
}

// ring lets a call end at a time. The timer is that of all calls, and is left to ring: most calls find it set to a time
// before theirs, which tick puts off. mu is held.
func (w *watch) ring(b *bound, due time.Time) {
	b.due = due
	if !w.rings.IsZero() && !w.rings.After(due) {
		return
	}
	w.rings = due
	if w.timer == nil {
		w.timer = time.AfterFunc(time.Until(due), w.tick)
		return
	}
	w.timer.Reset(time.Until(due))
}

// tick ends the call that is due, or sets the timer anew for one that will be.
func (w *watch) tick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rings = time.Time{}
	switch b := w.call; {
	case b == nil || b.due.IsZero():
	case time.Now().Before(b.due):
		w.ring(b, b.due)
	default:
		w.end(b, context.DeadlineExceeded, true)
	}
}

// end ends a call, unless it is over. mu is held.
func (w *watch) end(b *bound, err error, expired bool) {
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
	if b.due.IsZero() {
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
	b.instance.watch.ring(b, b.since.Add(b.limit-b.used))
}

// rest says that the guest waits, and returns what says that the wait is over.
func (w *watch) rest() (resume func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.call
	if b == nil || !b.patient || b.due.IsZero() || b.Err() != nil {
		return func() {}
	}
	b.used += time.Since(b.since)
	b.due = time.Time{}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.call == b && b.due.IsZero() {
			b.count()
		}
	}
}

// disarm is the end of a call that has returned. It lowers the flag, and reports whether it was the instance's own
// limit that ended it.
func (w *watch) disarm(b *bound) (expired bool) {
	b.hook.Off()
	w.mu.Lock()
	defer w.mu.Unlock()
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
