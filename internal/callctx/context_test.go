package callctx

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A context of the standard library that is made from one ends with it, with its error, and keeps its deadline.
func TestEndsWhatHangsOnIt(t *testing.T) {
	c := &Context{}
	if at, ok := c.Deadline(); ok || !at.IsZero() || c.Due(time.Now()) {
		t.Errorf("without a deadline: %v, %v", at, ok)
	}
	deadline := time.Now().Add(time.Hour)
	c.Begin(deadline)
	child, cancel := context.WithTimeout(c, 2*time.Hour)
	defer cancel()
	if at, ok := child.Deadline(); !ok || !at.Equal(deadline) || c.Due(time.Now()) || !c.Due(deadline) {
		t.Errorf("deadline %v, %v; want %v", at, ok, deadline)
	}
	c.Cancel(context.DeadlineExceeded)
	<-child.Done()
	c.Cancel(context.Canceled) // the first one counts
	if !errors.Is(child.Err(), context.DeadlineExceeded) || !errors.Is(c.Err(), context.DeadlineExceeded) {
		t.Errorf("%v, %v", child.Err(), c.Err())
	}
	<-c.Done()
	late, cancel := context.WithCancel(c)
	defer cancel()
	<-late.Done()
	c.Close()
}

// Each hook runs once, or was taken off in time; Close waits for those that run.
func TestHooks(t *testing.T) {
	for range 200 {
		c := &Context{}
		c.Begin(time.Now().Add(time.Hour))
		const hooks = 8
		var ran, stopped atomic.Int64
		var wg sync.WaitGroup
		for range hooks {
			stop := c.AfterFunc(func() { ran.Add(1) })
			wg.Go(func() {
				if stop() {
					stopped.Add(1)
				}
			})
		}
		wg.Go(func() { <-c.Done() })
		c.Close()
		after := ran.Load()
		wg.Wait()
		if ran.Load() != after || after+stopped.Load() != hooks {
			t.Fatalf("%d hooks ran, %d of them before Close returned, and %d were taken off; want %d together",
				ran.Load(), after, stopped.Load(), hooks)
		}
	}
}
