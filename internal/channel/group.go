package channel

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Group is the connections to one process, over which calls are spread, or the End to what runs in this process. It is
// safe for concurrent use.
type Group struct {
	mu    sync.Mutex // serialises writers
	conns atomic.Pointer[[]*Conn]
	end   atomic.Pointer[End]
	turn  atomic.Uint32
}

// Add adds a connection. The group does not own it.
func (g *Group) Add(c *Conn) { g.change(func(list []*Conn) []*Conn { return append(list, c) }) }

// Remove takes a connection out.
func (g *Group) Remove(c *Conn) {
	g.change(func(list []*Conn) []*Conn { return slices.DeleteFunc(list, func(o *Conn) bool { return o == c }) })
}

// Join makes e the way that all calls take; nil ends that.
func (g *Group) Join(e *End) { g.end.Store(e) }

// change replaces the list. Readers take it without a lock, so it is never changed in place.
func (g *Group) change(f func([]*Conn) []*Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	next := f(slices.Clone(g.All()))
	g.conns.Store(&next)
}

// All returns the connections; the list must not be changed.
func (g *Group) All() []*Conn {
	if p := g.conns.Load(); p != nil {
		return *p
	}
	return nil
}

// Up reports whether there is any connection.
func (g *Group) Up() bool {
	if e := g.end.Load(); e != nil {
		return e.Up()
	}
	return len(g.All()) > 0
}

// Notify sends a notice over one of the connections, see Conn.Notify. Without one it is lattice.ErrNoResponders.
func (g *Group) Notify(ctx context.Context, message []byte) error {
	if e := g.end.Load(); e != nil {
		return e.Notify(ctx, message)
	}
	conns := g.All()
	if len(conns) == 0 {
		return downError(nil)
	}
	return conns[0].Notify(ctx, message)
}

// Call makes a call over the connection that has the least to do, see Conn.Call. Without one, the call has not begun.
func (g *Group) Call(ctx context.Context, call *Call, timeout time.Duration) ([]byte, error) {
	if e := g.end.Load(); e != nil {
		return e.Call(ctx, call, timeout)
	}
	conns := g.All()
	var best *Conn
	switch len(conns) {
	case 0:
		return nil, downError(call)
	case 1:
		best = conns[0]
	default:
		first := int(g.turn.Add(1) % uint32(len(conns)))
		best = conns[first]
		for i := 1; i < len(conns); i++ {
			if c := conns[(first+i)%len(conns)]; c.active.Load() < best.active.Load() {
				best = c
			}
		}
	}
	return best.Call(ctx, call, timeout)
}
