// Package callctx has the context of a call that is served. The standard library's costs a timer and an entry with its
// parent for each call; here whoever serves many calls looks after the time of all.
package callctx

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Context is the context of one call, to be part of a type that has the call's values. It does not end by itself: see
// Cancel. The zero value has no deadline. It is safe for concurrent use once Begin has been called, where that is to
// be.
type Context struct {
	deadline time.Time
	endless  atomic.Bool

	mu    sync.Mutex
	done  chan struct{}  // guarded by mu; made when somebody asks
	err   error          // guarded by mu
	after []*func()      // guarded by mu; to be run at the end
	tasks sync.WaitGroup // running ones of after
}

var _ context.Context = (*Context)(nil)

// Begin sets when the context is to be canceled with context.DeadlineExceeded, by whoever made it.
func (c *Context) Begin(deadline time.Time) { c.deadline = deadline }

// Endless takes the deadline away: what the call had to do in time is done.
func (c *Context) Endless() { c.endless.Store(true) }

// Due reports whether the deadline has come.
func (c *Context) Due(now time.Time) bool {
	return !c.deadline.IsZero() && !c.deadline.After(now) && !c.endless.Load()
}

// Deadline implements context.Context.
func (c *Context) Deadline() (time.Time, bool) {
	if c.deadline.IsZero() || c.endless.Load() {
		return time.Time{}, false
	}
	return c.deadline, true
}

// Done implements context.Context.
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

// Err implements context.Context.
func (c *Context) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Value implements context.Context; it has none.
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

// Cancel ends the context, once.
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

// Close ends the context of a call that is over, and waits for what hung on it.
func (c *Context) Close() {
	c.Cancel(context.Canceled)
	c.tasks.Wait()
}

// After runs f in a goroutine of its own when ctx ends, as context.AfterFunc does, at less cost where ctx embeds a
// Context.
func After(ctx context.Context, f func()) (stop func() bool) {
	if c, ok := ctx.(interface{ AfterFunc(func()) func() bool }); ok {
		return c.AfterFunc(f)
	}
	return context.AfterFunc(ctx, f)
}
