// Package callctx has a context for calls that are many and short. The standard library's would need a timer and a channel
// for each; this one has neither until somebody asks, and whoever serves the call ends it.
package callctx

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Context is the context of one call. Its zero value is ready for use, without a deadline, and must not be copied
// afterwards. It tells of a deadline but does not keep it: somebody calls Cancel when it has come. It is safe for concurrent
// use once Deadline is set.
type Context struct {
	Time time.Time // the deadline; zero: none

	mu    sync.Mutex
	done  chan struct{}  // made when somebody asks; guarded by mu
	err   error          // guarded by mu
	after []*func()      // to be run at the end; guarded by mu
	tasks sync.WaitGroup // running ones of after
}

var _ context.Context = (*Context)(nil)

// Deadline is that of context.Context.
func (c *Context) Deadline() (time.Time, bool) { return c.Time, !c.Time.IsZero() }

// Done is that of context.Context.
func (c *Context) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.err != nil {
			close(c.done)
		}
	}
	return c.done
}

// Err is that of context.Context.
func (c *Context) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Value is that of context.Context: there are none. Who embeds a Context may have some.
func (c *Context) Value(any) any { return nil }

// AfterFunc lets the context package hook on without a goroutine.
func (c *Context) AfterFunc(f func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		c.tasks.Go(f)
		return func() bool { return false }
	}
	entry := &f
	c.after = append(c.after, entry)
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		i := slices.Index(c.after, entry)
		if i < 0 {
			return false
		}
		c.after = slices.Delete(c.after, i, i+1)
		return true
	}
}

// Cancel ends the context with an error of package context. The first one counts.
func (c *Context) Cancel(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = err
	if c.done != nil {
		close(c.done)
	}
	for _, f := range c.after {
		c.tasks.Go(*f)
	}
	c.after = nil
}

// End cancels the context when its call is over, and waits for what hung on it.
func (c *Context) End() {
	c.Cancel(context.Canceled)
	c.tasks.Wait()
}
