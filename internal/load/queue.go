package load

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/weftlattice/weft/lattice"
)

// Queue counts the calls of one endpoint, and decides which of those that find all instances in use may wait. Its clock
// must be set before it is used. It is safe for concurrent use.
type Queue struct {
	Clock func() time.Duration // since some moment, monotonic

	limit     atomic.Int64
	instances atomic.Int64
	active    atomic.Int64
	admission Admission
}

// SetLimit changes how many calls are admitted at the same time, and how many of them are served without waiting. These
// are no more than are admitted; 0 or less means all of them.
func (q *Queue) SetLimit(n, instances int) {
	if instances <= 0 || instances > n {
		instances = n
	}
	q.limit.Store(int64(n))
	q.instances.Store(int64(instances))
}

// Enter counts a call in, which is the nth in progress. Where it waits, as all instances are in use, Wait decides about
// it. Leave must follow in any case.
func (q *Queue) Enter() (n int64, waits bool) {
	n = q.active.Add(1)
	return n, n > q.instances.Load()
}

// Wait decides about the nth call in progress: an error, lattice.ErrBusy, turns it away. left is how long its caller
// still listens, 0 when that is not known; inner, whether it is made by a call that is being served.
func (q *Queue) Wait(n int64, left time.Duration, inner bool) error {
	if n > q.limit.Load() {
		return &lattice.Error{Code: lattice.ErrBusy, Detail: fmt.Sprintf("%d calls in progress, none more admitted",
			q.limit.Load())}
	}
	now, instances := q.Clock(), q.instances.Load()
	waiting, service := int(n-instances), q.admission.Pace(now)*time.Duration(instances)
	q.admission.Wait(now, service)
	expected, ok := q.admission.Admit(now, Waiter{Ahead: waiting, Service: service, Left: left, Inner: inner})
	if !ok {
		return Overloaded(waiting-1, expected)
	}
	return nil
}

// Leave counts a call out; served when an instance was used for it.
func (q *Queue) Leave(served bool) {
	switch n := q.active.Add(-1); {
	case n < q.instances.Load():
		if q.admission.Queued() {
			q.admission.Rest(q.Clock())
		}
	case served:
		q.admission.Done(q.Clock())
	}
}

// Active is the number of calls being served or waiting now.
func (q *Queue) Active() int { return int(q.active.Load()) }

// State is what an endpoint has to do.
type State struct {
	Active  int           // calls being served or waiting now
	Refused uint64        // calls that were turned away since they would have waited for too long
	Wait    time.Duration // what one more would wait now, as far as that is known
}

// State returns the present state.
func (q *Queue) State() State {
	s := State{Active: q.Active(), Refused: q.admission.Refused()}
	if waiting := int64(s.Active) - q.instances.Load() + 1; waiting > 0 {
		s.Wait = time.Duration(waiting) * q.admission.Pace(q.Clock())
	}
	return s
}
