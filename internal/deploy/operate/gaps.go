package operate

import (
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// gapTick is how exact the times of a gap are.
const gapTick = 250 * time.Millisecond

// Gap is a time without a connection to NATS, by this machine's clock.
type Gap struct{ From, To time.Time }

// TellGaps calls tell after each loss of the connection. A user who watches a stream needs that: what was sent
// meanwhile is not repeated. tell is called one at a time, until the function that TellGaps returns is called, which
// waits for the end.
func TellGaps(nc *nats.Conn, tell func(Gap)) (stop func()) {
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
				tell(Gap{good, now})
				times, good, last = n, now, now
			default:
				good, last = last, now
			}
		}
	})
	return func() { close(done); wg.Wait() }
}
