package main

import (
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// gapTick is how exact the times of a gap are.
const gapTick = 250 * time.Millisecond

// tellGaps says after each loss of the connection from when to when it lasted. A user who watches a stream needs that:
// what was sent meanwhile is not repeated. It does so until the function that it returns is called, which waits for the
// end.
func (a *app) tellGaps(nc *nats.Conn) (stop func()) {
	done := make(chan struct{})
	times := nc.Stats().Reconnects
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(gapTick)
		defer tick.Stop()
		// last is when it was connected; good the tick before, since a loss is noticed late
		good, last := time.Now(), time.Now()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			now := time.Now()
			switch n := nc.Stats().Reconnects; {
			case !nc.IsConnected():
			case n != times:
				a.say("weft: warning: the connection to NATS was lost between %s and %s; what was sent meanwhile is missing",
					good.Format(time.TimeOnly), now.Format(time.TimeOnly))
				times, good, last = n, now, now
			default:
				good, last = last, now
			}
		}
	})
	return func() { close(done); wg.Wait() }
}
