package rpc

import (
	"fmt"
	"time"

	"github.com/weftlattice/weft/lattice"
)

// wait decides about the nth call in progress, which finds all instances in use: an error turns it away, and it must be
// counted out.
func (sub *Subscription) wait(n int64, left time.Duration, inner bool) error {
	if n > sub.limit.Load() {
		return &lattice.Error{Code: lattice.ErrBusy, Detail: fmt.Sprintf("%d calls in progress, none more admitted", sub.limit.Load())}
	}
	now, instances := sub.server.now(), sub.instances.Load()
	waiting, service := int(n-instances), sub.admission.Pace(now)*time.Duration(instances)
	sub.admission.Wait(now, service)
	expected, ok := sub.admission.Admit(now, Waiter{Ahead: waiting, Service: service, Left: left, Inner: inner})
	if !ok {
		return Overloaded(waiting-1, expected)
	}
	return nil
}

// finish counts a call out; served when an instance was used for it.
func (sub *Subscription) finish(served bool) {
	switch n := sub.active.Add(-1); {
	case n < sub.instances.Load():
		if sub.admission.Queued() {
			sub.admission.Rest(sub.server.now())
		}
	case served:
		sub.admission.Done(sub.server.now())
	}
}

// Load is what a Subscription has to do.
type Load struct {
	Active  int           // calls being served or waiting now
	Refused uint64        // calls that were turned away since they would have waited for too long
	Wait    time.Duration // what one more would wait now, as far as that is known
}

// Load returns the present state.
func (sub *Subscription) Load() Load {
	l := Load{Active: sub.Active(), Refused: sub.admission.Refused()}
	if waiting := int64(l.Active) - sub.instances.Load() + 1; waiting > 0 {
		l.Wait = time.Duration(waiting) * sub.admission.Pace(sub.server.now())
	}
	return l
}
