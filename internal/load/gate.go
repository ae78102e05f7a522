package load

import (
	"context"
	"sync"
)

// Gate holds calls back for a moment. The zero value is open. It is safe for concurrent use.
type Gate struct {
	mu     sync.Mutex
	inside int           // guarded by mu
	opened chan struct{} // nil while the gate is open, else closed when it opens; guarded by mu
	empty  chan struct{} // closed when the last one is out; nil when Shut does not wait for that; guarded by mu
}

// Enter waits until the gate is open. Without an error Leave must follow.
func (g *Gate) Enter(ctx context.Context) error {
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

// Leave undoes one Enter.
func (g *Gate) Leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside--; g.inside == 0 && g.empty != nil {
		close(g.empty)
		g.empty = nil
	}
}

// Shut holds back all that come, and waits until the last one inside is out, or ctx ends. Open must follow.
func (g *Gate) Shut(ctx context.Context) {
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

// Open lets all in that were held back.
func (g *Gate) Open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.opened)
	g.opened, g.empty = nil, nil
}
