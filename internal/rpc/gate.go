package rpc

import (
	"context"
	"sync"
)

// gate holds calls back for a moment. The zero value is open.
type gate struct {
	mu     sync.Mutex
	inside int           // guarded by mu
	opened chan struct{} // nil while the gate is open, else closed when it opens; guarded by mu
	empty  chan struct{} // closed when nobody is inside any more; nil when nobody waits for that; guarded by mu
}

// enter waits until the gate is open. Without an error leave must follow.
func (g *gate) enter(ctx context.Context) error {
	for {
		g.mu.Lock()
		opened := g.opened
		if opened == nil {
			g.inside++
			g.mu.Unlock()
			return nil
		}
		g.mu.Unlock()
		select {
		case <-opened:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside--; g.inside == 0 && g.empty != nil {
		close(g.empty)
		g.empty = nil
	}
}

// shut holds back who comes, and waits until nobody is inside or ctx ends. open must follow.
func (g *gate) shut(ctx context.Context) {
	g.mu.Lock()
	g.opened = make(chan struct{})
	if g.inside == 0 {
		g.mu.Unlock()
		return
	}
	empty := make(chan struct{})
	g.empty = empty
	g.mu.Unlock()
	select {
	case <-empty:
	case <-ctx.Done():
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.opened)
	g.opened, g.empty = nil, nil
}

// Hold lets no call begin while do runs, which waits for those in progress first, until ctx ends at the latest. Calls
// that come meanwhile wait, as long as their callers do. Holds must not overlap.
func (s *Server) Hold(ctx context.Context, do func() error) error {
	s.gate.shut(ctx)
	defer s.gate.open()
	return do()
}
