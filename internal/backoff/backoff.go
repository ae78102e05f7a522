// Package backoff says how long to wait before something that failed is tried again: twice as long after each failure
// in a row, up to a limit.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// Policy is how long the pauses are. It is safe for concurrent use.
type Policy struct {
	First  time.Duration // the pause after the first failure
	Max    time.Duration // the pauses grow up to this one
	Jitter float64       // share by which a pause is longer or shorter by chance, beyond Max too; from 0 (never) to 1
}

// Pause is the pause after some failures in a row before the one that has just happened; 0 gives First.
func (p Policy) Pause(before int) time.Duration { return p.PauseAt(before, rand.Float64()) }

// PauseAt is Pause with a given chance, from 0 (the shortest pause) to 1 (the longest).
func (p Policy) PauseAt(before int, chance float64) time.Duration {
	pause := min(p.First, p.Max)
	for range before {
		if pause > p.Max/2 || pause <= 0 {
			pause = p.Max
			break
		}
		pause *= 2
	}
	return pause + time.Duration(float64(pause)*p.Jitter*(2*chance-1))
}

// Series counts failures in a row and gives the pause after each. The zero count is none. It is for one goroutine at a
// time.
type Series struct {
	Policy
	failures int
}

// Next notes a failure and returns the pause after it.
func (s *Series) Next() time.Duration {
	pause := s.Pause(s.failures)
	s.failures++
	return pause
}

// Reset forgets the failures: something succeeded.
func (s *Series) Reset() { s.failures = 0 }

// Sleep waits. It ends early, with the error of ctx, when ctx ends.
func Sleep(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
