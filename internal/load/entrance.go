package load

import (
	"sync/atomic"
	"time"
)

// longWait is the wait of a call from which on there is a queue between this process and the host: in the channel, in
// the host, or for a processor. Calls that take longer may wait as long as they take.
const longWait = 25 * time.Millisecond

const (
	few       = 16                     // so many calls in progress are never too many
	confirmed = 100 * time.Millisecond // after which a queue must have been seen again, or four times the pace
)

// Entrance keeps calls back that would wait for too long at the host for an actor. The host can turn away only what has
// reached it; when it has no processor to spare, calls wait before. How long they did follows from their answers, which
// say how long they were served. The zero value lets everybody pass. It is safe for concurrent use.
type Entrance struct {
	admission Admission
	active    atomic.Int64
	service   atomic.Int64 // moving average of what a call takes at the host, in nanoseconds
	seen      atomic.Int64 // when a call ended last that had waited for long
}

// Enter counts a call in, whose caller listens for so lone. Leave must follow unless there is an error,
// lattice.ErrBusy. The clock is read only when calls wait.
func (e *Entrance) Enter(clock func() time.Duration, left time.Duration) error {
	n := e.active.Add(1)
	if n <= few || !e.admission.Queued() {
		return nil
	}
	now := clock()
	pace := e.admission.Pace(now)
	if now-time.Duration(e.seen.Load()) > max(confirmed, 4*pace) { // nothing ends: it is not load that they wait for
		return nil
	}
	w := Waiter{Ahead: int(n), Service: time.Duration(e.service.Load()), Left: left}
	if pace > 0 { // of those in progress, some are being served
		w.Ahead = max(0, int(n)-max(1, int(w.Service/pace)))
	}
	expected, ok := e.admission.Admit(now, w)
	if !ok {
		e.active.Add(-1)
		return Overloaded(w.Ahead, expected)
	}
	return nil
}

// Leave counts a call out that ended at a moment after it had lasted some time, served by the host for some of that;
// all are 0 when that is not known.
func (e *Entrance) Leave(clock func() time.Duration, ended, lasted, served time.Duration) {
	if e.active.Add(-1) == 0 {
		if e.admission.Queued() {
			e.admission.Rest(clock())
		}
		return
	}
	if served <= 0 {
		return
	}
	service := time.Duration(e.service.Load())
	service += (served - service) / 8 // calls that overtake each other here do no harm
	e.service.Store(int64(service))
	if lasted-served > max(longWait, service) {
		e.seen.Store(int64(ended))
		e.admission.Wait(ended, service)
	} else {
		e.admission.Rest(ended)
	}
	e.admission.Done(ended)
}
