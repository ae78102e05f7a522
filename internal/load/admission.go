package load

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/weftlattice/weft/lattice"
)

// What a call may be expected to wait. See RATIONALE.md, "Why are calls turned away by the time that they would wait?".
const (
	waitBound  = 50 * time.Millisecond  // in a queue that does not go away,
	waitCalls  = 2                      // or the time that so many calls take,
	burstBound = 200 * time.Millisecond // less the age of the queue, as long as that is more,
	burstCalls = 4                      // or the time that so many calls take, less the same
	rejuvenate = 4                      // how much younger the next queue is for each moment without one
)

const (
	paceWindow = 10 * time.Millisecond // over which the pace is measured at least
	paceLasts  = 10 * time.Second      // after which it is forgotten
	// the most that one measurement counts for, of the last one: it may have been a pause
	paceLeap = 4
)

// Admission decides who may wait in a queue. It learns the pace, the time between two calls done while others wait, and
// from it how long one more would wait. A queue that has just begun may be long, since bursts are no overload; one that
// stands is kept short. Nothing is known at first, and then everybody may wait: a bound on their number is the owner's.
//
// Moments are given by the caller, by any clock that does not go back. The zero value is ready. It is safe for
// concurrent use and takes no lock; those that overtake each other make it err by a call or two.
type Admission struct {
	queued  atomic.Bool  // somebody waits
	began   atomic.Int64 // when the queue did, or the last one; earlier by what is left of the age of those before
	ended   atomic.Int64 // when the last one did
	from    atomic.Int64 // when measuring the pace began
	done    atomic.Int64 // calls since
	pace    atomic.Int64 // nanoseconds; 0: unknown
	paced   atomic.Int64 // when it was measured
	refused atomic.Uint64
}

// Waiter is a call that would have to wait.
type Waiter struct {
	Ahead   int           // calls that are to be done before it begins
	Service time.Duration // what a call takes when it has begun
	Left    time.Duration // how long its caller still listens; 0 when that is not known
	// made by one that is being served, whose work would be lost with it: every queue has just begun
	Inner bool
}

// Admit reports whether a call may wait, in a queue that has been told of by Wait. expected is how long it would; 0
// when that is not known.
func (a *Admission) Admit(now time.Duration, w Waiter) (expected time.Duration, ok bool) {
	pace := a.Pace(now)
	if pace == 0 {
		return 0, true
	}
	burst := max(burstBound, burstCalls*w.Service)
	if !w.Inner {
		burst -= now - time.Duration(a.began.Load())
	}
	expected = time.Duration(w.Ahead) * pace
	ok = expected <= max(waitBound, waitCalls*w.Service, burst) && (w.Left <= 0 || expected <= w.Left)
	if !ok {
		a.refused.Add(1)
	}
	return expected, ok
}

// Wait says that somebody waits from now on. The queue is as old as the last one was, less some times the time without
// one: otherwise each short pause of an overload would let a long queue in. service is what a call takes, as for Admit.
func (a *Admission) Wait(now, service time.Duration) {
	if a.queued.Load() {
		return
	}
	began, ended := time.Duration(a.began.Load()), time.Duration(a.ended.Load())
	age := min(ended-began, max(burstBound, burstCalls*service)) - rejuvenate*(now-ended)
	a.began.Store(int64(now - max(0, age)))
	a.from.Store(int64(now))
	a.done.Store(0)
	a.queued.Store(true) // from here on calls that are done count
}

// Done counts a call that was done while others waited.
func (a *Admission) Done(now time.Duration) {
	if !a.queued.Load() {
		return
	}
	a.done.Add(1)
	from := a.from.Load()
	if now-time.Duration(from) < paceWindow || !a.from.CompareAndSwap(from, int64(now)) {
		return
	}
	n := a.done.Swap(0)
	if n <= 0 {
		return
	}
	pace := (int64(now) - from) / n
	if last := int64(a.Pace(now)); last > 0 {
		pace = (last + min(pace, paceLeap*last)) / 2
	}
	a.pace.Store(max(1, pace))
	a.paced.Store(int64(now))
}

// Rest says that no call waits any more.
func (a *Admission) Rest(now time.Duration) {
	if a.queued.Load() && a.queued.CompareAndSwap(true, false) {
		a.ended.Store(int64(now))
	}
}

// Queued reports whether somebody waits.
func (a *Admission) Queued() bool { return a.queued.Load() }

// Pace is the mean time between two calls done while others wait; 0 when it is not known.
func (a *Admission) Pace(now time.Duration) time.Duration {
	pace := time.Duration(a.pace.Load())
	if now-time.Duration(a.paced.Load()) > paceLasts+paceLeap*pace {
		return 0
	}
	return pace
}

// Refused is how many calls were turned away.
func (a *Admission) Refused() uint64 { return a.refused.Load() }

// Overloaded is the error of a call that was turned away, lattice.ErrBusy: nothing was done for it.
func Overloaded(waiting int, expected time.Duration) error {
	return &lattice.Error{Code: lattice.ErrBusy, Detail: fmt.Sprintf("%d calls wait about %d ms", waiting,
		max(1, expected.Milliseconds()))}
}
