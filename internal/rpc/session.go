package rpc

import (
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/chunks"
	"github.com/weftlattice/weft/lattice"
)

// session is a connection that a client or a server uses, and what hangs on it.
type session struct {
	nc      *nats.Conn
	replies replies        // to the client's calls
	large   *chunks.Store  // payloads
	calls   sync.WaitGroup // of the client
	away    away
}

// newSession makes one without any traffic: replies and store begin with the first call that needs them.
func newSession(nc *nats.Conn, l lattice.Name) *session {
	return &session{nc: nc, replies: replies{nc: nc}, large: chunks.New(nc, l)}
}

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
