package callctx

import (
	"context"
	"sync"
	"testing"
	"time"
)

func TestContext(t *testing.T) {
	c := new(Context)
	if d, ok := c.Deadline(); ok || !d.IsZero() || c.Err() != nil || c.Value("x") != nil {
		t.Error("a new context is not empty")
	}
	child, cancel := context.WithCancel(c)
	defer cancel()
	ran := make(chan struct{})
	c.AfterFunc(func() { close(ran) })
	stop := c.AfterFunc(func() { t.Error("ran although it was stopped") })
	if !stop() || stop() {
		t.Error("stopping reports the wrong thing")
	}
	done := c.Done()
	c.Cancel(context.DeadlineExceeded)
	c.Cancel(context.Canceled) // too late
	<-done
	<-ran
	<-child.Done()
	if c.Err() != context.DeadlineExceeded || child.Err() != context.DeadlineExceeded {
		t.Errorf("ended with %v, the child with %v", c.Err(), child.Err())
	}
	late := make(chan struct{})
	if c.AfterFunc(func() { close(late) })() {
		t.Error("stopped what has begun")
	}
	<-late
	c.End()
	if d := time.Now(); true {
		with := &Context{Time: d}
		if got, ok := with.Deadline(); !ok || !got.Equal(d) {
			t.Errorf("deadline %v, %v", got, ok)
		}
		with.End()
		<-with.Done() // made only now
	}
}

// End waits for functions that run, whoever ended the context.
func TestHammer(t *testing.T) {
	for range 200 {
		c := new(Context)
		var wg sync.WaitGroup
		var mu sync.Mutex
		ran := 0
		for range 4 {
			wg.Go(func() {
				c.AfterFunc(func() {
					mu.Lock()
					defer mu.Unlock()
					ran++
				})
				_ = c.Err()
				<-c.Done()
			})
			wg.Go(func() { c.Cancel(context.Canceled) })
		}
		wg.Wait()
		c.End()
		if ran != 4 {
			t.Fatalf("%d of 4 functions ran", ran)
		}
	}
}
