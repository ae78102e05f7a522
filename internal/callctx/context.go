// Package callctx has the context of a call that is served. The standard library's costs a timer and an entry with its
// parent for each call; here whoever serves many calls looks after the time of all.
package callctx

import (
	"context"
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
	first *Hook          // guarded by mu; the list of those that hang on it
	tasks sync.WaitGroup // running ones of them
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

// Ender is what wants to know when a context ends.
type Ender interface {
	// CallerEnded is called once, on a goroutine of its own.
	CallerEnded()
}

// Hook hangs an Ender on a context. It is a part of what hangs there, so that nothing is allocated for it. The zero
// value is ready, and may be used again after Off.
type Hook struct {
	ender      Ender
	on         *Context    // nil: it hangs on none of ours
	prev, next *Hook       // guarded by on.mu
	hangs      bool        // guarded by on.mu: it is in the list
	stop       func() bool // from another context; nil: it hangs on none
}

// Off takes the hook off, and reports false when the Ender is told, or has been.
func (h *Hook) Off() bool {
	if h.on == nil {
		return h.stop != nil && h.stop()
	}
	h.on.mu.Lock()
	defer h.on.mu.Unlock()
	if !h.hangs {
		return false
	}
	h.unlink()
	return true
}

// unlink takes h out of the list. on.mu is held.
func (h *Hook) unlink() {
	if h.prev != nil {
		h.prev.next = h.next
	} else {
		h.on.first = h.next
	}
	if h.next != nil {
		h.next.prev = h.prev
	}
	h.prev, h.next, h.hangs = nil, nil, false
}

// hang puts h into the list, or tells its Ender at once.
func (c *Context) hang(h *Hook) {
	h.on = c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		c.tasks.Go(h.ender.CallerEnded)
		return
	}
	if h.next = c.first; h.next != nil {
		h.next.prev = h
	}
	c.first, h.hangs = h, true
}

// Hang has e told when ctx ends, unless h is taken off before. It costs little where ctx embeds a Context.
func (h *Hook) Hang(ctx context.Context, e Ender) {
	h.ender, h.on, h.stop = e, nil, nil
	if c, ok := ctx.(interface{ hang(*Hook) }); ok {
		c.hang(h)
		return
	}
	h.stop = context.AfterFunc(ctx, e.CallerEnded)
}

// after is the Ender of AfterFunc.
type after func()

func (f after) CallerEnded() { f() }

// AfterFunc lets the context package hook on without a goroutine.
func (c *Context) AfterFunc(f func()) (stop func() bool) {
	h := &Hook{ender: after(f)}
	c.hang(h)
	return h.Off
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
	for c.first != nil {
		c.tasks.Go(c.first.ender.CallerEnded)
		c.first.unlink()
	}
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
