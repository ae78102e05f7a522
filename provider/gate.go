package provider

import (
	"sync/atomic"
	"time"

	"github.com/weftlattice/weft/internal/rpc"
)

// longWait is the wait of a call from which on there is a queue between this process and the host: in the channel, in the
// host, or for a processor. Calls that take longer may wait as long as they take.
const longWait = 25 * time.Millisecond

const (
	few       = 16                     // so many calls in progress are never too many
	confirmed = 100 * time.Millisecond // after which a queue must have been seen again, or four times the pace
)

// gate keeps calls back that would wait for too long at the host for an actor. The host can turn away only what has reached it; when
// it has no processor to spare, calls wait before. How long they did follows from their answers, which say how long they were
// served. The zero value lets everybody pass. It is safe for concurrent use.
type gate struct {
	admission rpc.Admission
	active    atomic.Int64
	service   atomic.Int64 // moving average of what a call takes at the host, in nanoseconds
	seen      atomic.Int64 // when a call ended last that had waited for long
}

// enter counts a call in, whose caller listens for so long. leave must follow unless there is an error, lattice.ErrBusy. The
// clock is read only when calls wait.
func (g *gate) enter(clock func() time.Duration, left time.Duration) error {
	n := g.active.Add(1)
	if n <= few || !g.admission.Queued() {
		return nil
	}
	now := clock()
	pace := g.admission.Pace(now)
	if now-time.Duration(g.seen.Load()) > max(confirmed, 4*pace) { // nothing ends: it is not load that they wait for
		return nil
	}
	w := rpc.Waiter{Ahead: int(n), Service: time.Duration(g.service.Load()), Left: left}
	if pace > 0 { // of those in progress, some are being served
		w.Ahead = max(0, int(n)-max(1, int(w.Service/pace)))
	}
	expected, ok := g.admission.Admit(now, w)
	if !ok {
		g.active.Add(-1)
		return rpc.Overloaded(w.Ahead, expected)
	}
	return nil
}

// leave counts a call out that ended at a moment after it had lasted some time, served by the host for some of that; all are 0
// when that is not known.
func (g *gate) leave(clock func() time.Duration, ended, lasted, served time.Duration) {
	if g.active.Add(-1) == 0 {
		if g.admission.Queued() {
			g.admission.Rest(clock())
		}
		return
	}
	if served <= 0 {
		return
	}
	service := time.Duration(g.service.Load())
	service += (served - service) / 8 // those who overtake each other are no matter
	g.service.Store(int64(service))
	if lasted-served > max(longWait, service) {
		g.seen.Store(int64(ended))
		g.admission.Wait(ended, service)
	} else {
		g.admission.Rest(ended)
	}
	g.admission.Done(ended)
}
