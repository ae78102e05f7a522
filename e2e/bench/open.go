package main

import (
	"errors"
	"slices"
	"sync"
	"time"
)

// latencies are sorted.
type latencies []time.Duration

func (l latencies) at(q float64) time.Duration {
	if len(l) == 0 {
		return 0
	}
	return l[min(len(l)-1, int(q*float64(len(l))))]
}

// openLoop sends rate requests per second for a time, whether or not earlier ones are answered, over at most n
// connections, and measures each from when it was due: waiting for a free connection counts (no coordinated omission).
func openLoop(addr, path string, body, want []byte, n int, rate float64, d time.Duration) (latencies, error) {
	clients := make([]*client, n)
	for i := range clients {
		var err error
		if clients[i], err = dial(addr, path, body); err != nil {
			return nil, err
		}
		defer clients[i].conn.Close()
	}
	return openCalls(n, rate, d, func(i int) error { return clients[i].do(want) })
}

// openCalls makes calls at a constant rate, of which n can be under way. do gets a number below n that no other call
// has at the same time. After an error it makes no more calls there.
func openCalls(n int, rate float64, d time.Duration, do func(i int) error) (latencies, error) {
	gap := time.Duration(float64(time.Second) / rate)
	due := make(chan time.Time, int(d/gap)+1)
	var mu sync.Mutex
	var all latencies
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() {
			var own latencies
			for t := range due {
				if errs[i] = do(i); errs[i] != nil {
					break
				}
				own = append(own, time.Since(t))
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, own...)
		})
	}
	arrivals(gap, d, time.Now, time.Sleep, func(t time.Time) { due <- t })
	close(due)
	wg.Wait()
	slices.Sort(all)
	return all, errors.Join(errs...)
}

// arrivals says when requests are due, one each gap for a time d. Sleep wakes late, on virtual machines by a
// millisecond, which is the generator's fault and not that of what it measures: what should have been sent meanwhile is
// sent, and due, at the moment it woke.
func arrivals(gap, d time.Duration, now func() time.Time, sleep func(time.Duration), send func(due time.Time)) {
	start := now()
	woke := start
	for next := start; next.Sub(start) < d; next = next.Add(gap) {
		if wait := next.Sub(woke); wait > 0 {
			if wait = next.Sub(now()); wait > 0 {
				sleep(wait)
			}
			woke = now()
		}
		send(woke)
	}
}
