package channel

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// patience is how long a call may be served inline before others are read beside it. It may take twice as long.
	patience = 500 * time.Microsecond
	// lazyTick is the keeper's tick while no call is served inline; deadlines are kept to it.
	lazyTick = 2 * time.Millisecond
	// idleTicks is how many ticks without a call let the keeper rest.
	idleTicks = 10
)

// keeper looks after the time of a connection's calls: it ends those whose deadline has come, and takes the role of the
// reader from one that serves a call for long. One timer does it for all calls; it rests while there are none.
type keeper struct {
	conn  *Conn
	timer *time.Timer
	awake atomic.Bool

	mu     sync.Mutex // serialises ticks with stop
	closed bool       // guarded by mu
	seen   uint64     // state of the reader at the last tick; guarded by mu
	who    *worker    // which reader that was; guarded by mu
	idle   int        // ticks without a call; guarded by mu
}

// init makes the timer, which wake sets.
func (k *keeper) init(c *Conn) {
	k.conn = c
	k.timer = time.AfterFunc(time.Hour, k.tick)
	k.timer.Stop()
}

// wake makes sure that it ticks.
func (k *keeper) wake() {
	if !k.awake.Load() && k.awake.CompareAndSwap(false, true) {
		k.mu.Lock()
		defer k.mu.Unlock()
		if !k.closed {
			k.timer.Reset(patience)
		}
	}
}

// tick takes the role from a reader that has served one call since the last tick, ends what is due, and sets the timer
// again, unless no call came for some ticks.
func (k *keeper) tick() {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.conn
	next := lazyTick
	if w := c.reader.Load(); w != nil {
		state := w.state.Load()
		if state&(1<<stateBits-1) == inline {
			next = patience
			if w == k.who && state == k.seen {
				w.handOver(state >> stateBits)
			}
		}
		k.who, k.seen = w, state
	}
	at := now()
	c.expire(at)
	if c.serving.Load() > 0 {
		moment := time.Now()
		for i := range c.served {
			if s := c.served[i].Load(); s != nil && s.Due(moment) {
				s.Cancel(context.DeadlineExceeded)
			}
		}
	}
	if c.Active() > 0 {
		k.idle = 0
	} else if k.idle++; k.idle > idleTicks {
		k.idle = 0
		k.awake.Store(false)
		if c.Active() == 0 || !k.awake.CompareAndSwap(false, true) { // else one came meanwhile and saw it awake
			return
		}
	}
	if !k.closed {
		k.timer.Reset(next)
	}
}

// stop ends the ticks, and waits for one that is under way.
func (k *keeper) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
	k.timer.Stop()
}
