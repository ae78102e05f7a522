package rpc

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/lattice"
)

// awayPatience is how long after the loss of a connection calls wait for its return: a server that was started anew is
// back sooner, and callers need not notice. Calls that come later fail at once, so that they hold nothing that others
// need.
const awayPatience = 500 * time.Millisecond

// away knows since when a connection is away, as the calls that find it so show it.
type away struct {
	mu         sync.Mutex
	since      time.Time // guarded by mu
	reconnects uint64    // at that time; guarded by mu
}

// lost returns since when the connection is away, at least.
func (a *away) lost(nc *nats.Conn) time.Time {
	n := nc.Stats().Reconnects
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.since.IsZero() || a.reconnects != n {
		a.since, a.reconnects = time.Now(), n
	}
	return a.since
}

// there waits for a connection that was lost just now. The error says that NATS is away, or is that of ctx.
func (w *way) there(ctx context.Context, call *Call) error {
	nc := w.nc
	if nc.IsConnected() || nc.IsClosed() { // publishing says so
		return nil
	}
	back := nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer nc.RemoveStatusListener(back)
	if nc.IsConnected() { // before there was a listener
		return nil
	}
	patience := time.NewTimer(awayPatience - time.Since(w.away.lost(nc)))
	defer patience.Stop()
	select {
	case <-back:
		return nil
	case <-patience.C:
		return w.natsAway(call.Operation, call.Target.PublicKey)
	case <-ctx.Done():
		return failure(call.Operation, call.Target.PublicKey)(lattice.CodeOf(ctx.Err()), "", nil)
	}
}

// natsAway is the error of a call that cannot be made without NATS.
func (w *way) natsAway(operation, target string) error {
	since := time.Since(w.away.lost(w.nc)).Round(100 * time.Millisecond)
	return failure(operation, target)(lattice.ErrUnavailable, fmt.Sprintf("NATS is away since %s, and it is not served on this host", since), nil)
}
