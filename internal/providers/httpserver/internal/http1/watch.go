package http1

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// watchTick is how often the watch looks, and how long a request takes before its client is looked for.
	watchTick = 100 * time.Millisecond
	restTicks = 20 // without a request after which the watch rests
)

// watch notices clients that have broken off while their request is in progress. One timer does it for all connections;
// it rests while there are no requests.
type watch struct {
	server *Server
	awake  atomic.Bool

	mu    sync.Mutex
	timer *time.Timer // guarded by mu
	ended bool        // guarded by mu
	idle  int         // ticks without a request; guarded by mu
}

// wake makes sure that it ticks.
func (w *watch) wake() {
	if w.awake.Load() || !w.awake.CompareAndSwap(false, true) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.ended:
	case w.timer == nil:
		w.timer = time.AfterFunc(watchTick, w.tick)
	default:
		w.timer.Reset(watchTick)
	}
}

func (w *watch) tick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return
	}
	if w.idle++; w.look() {
		w.idle = 0
	}
	if w.idle > restTicks {
		w.idle = 0
		w.awake.Store(false)
		if !w.look() || !w.awake.CompareAndSwap(false, true) { // else a request began meanwhile and saw it awake
			return
		}
	}
	w.timer.Reset(watchTick)
}

// look cancels the requests whose clients have broken off, and reports whether there are any requests.
func (w *watch) look() (busy bool) {
	s := w.server
	long := s.now() - int64(watchTick)
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		begun := c.begun.Load()
		busy = busy || begun != 0
		if begun != 0 && begun <= long && c.Broken() { // from a request that has ended meanwhile, too
			c.cancel()
		}
	}
	return busy
}

// stop ends the ticks, and waits for one that is under way.
func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	if w.timer != nil {
		w.timer.Stop()
	}
}
