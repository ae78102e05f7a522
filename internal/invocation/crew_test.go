package invocation

import (
	"sync/atomic"
	"testing"
)

// A job that comes when a goroutine is idle gets that one; all have gone when Wait returns, each after its leave.
func TestCrewKeepsItsGoroutines(t *testing.T) {
	var hired, left, done atomic.Int64
	c := &Crew[chan<- struct{}]{Hire: func() (func(chan<- struct{}), func()) {
		hired.Add(1)
		return func(over chan<- struct{}) { done.Add(1); close(over) }, func() { left.Add(1) }
	}}
	for range 100 {
		over := make(chan struct{})
		c.Start(over)
		<-over
		for idle := 0; idle == 0; { // it parks right after the job
			c.mu.Lock()
			idle = len(c.idle)
			c.mu.Unlock()
		}
	}
	if n := hired.Load(); n != 1 {
		t.Errorf("%d goroutines for jobs one after another, want 1", n)
	}
	c.End()
	c.End()
	c.Wait()
	if hired.Load() != left.Load() || done.Load() != 100 {
		t.Errorf("%d hired, %d left, %d jobs done of 100", hired.Load(), left.Load(), done.Load())
	}
}

// Of many at once no more than maxIdle are kept.
func TestCrewKeepsNoMoreThanItsBound(t *testing.T) {
	c := &Crew[<-chan struct{}]{Hire: func() (func(<-chan struct{}), func()) {
		return func(end <-chan struct{}) { <-end }, nil
	}}
	end := make(chan struct{})
	for range 4 * maxIdle {
		c.Start(end)
	}
	close(end)
	c.End()
	c.Wait()
	if len(c.idle) != 0 {
		t.Errorf("%d goroutines are idle after the end", len(c.idle))
	}
}
