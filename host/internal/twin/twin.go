// Package twin guards against two processes with one host key. They would take each other's commands and calls, and no
// client could tell them apart. It happens where a data directory is copied to another machine.
package twin

import (
	"context"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/time/rate"

	"github.com/weftlattice/weft/host/internal/identity"
	"github.com/weftlattice/weft/host/internal/metrics"
	"github.com/weftlattice/weft/host/internal/served"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

const (
	// answerTimeout is how long a process of the same key has to answer. One that was killed does not: its
	// subscriptions are gone, which NATS says at once.
	answerTimeout = time.Second
	// askPause is between questions to one that is ending.
	askPause = 100 * time.Millisecond
)

const detail = "another process that runs has the same host key: was a data directory copied? Stop one of them, " +
	"or delete keys/host_NAME.nk (host_default.nk without --name) in the copy's data directory, " +
	"which then gets a key of its own"

// Guard looks for other processes of the same host key. All fields are necessary. It is safe for concurrent use.
type Guard struct {
	Self    *identity.Self
	Conn    *nats.Conn
	Served  *served.Changes
	Metrics *metrics.Metrics
	Limit   *rate.Limiter // of lines in the log
	Logger  *slog.Logger
}

// Start is an error when a process that runs answers as this host. One that says that it is ending, as it does
// after a quick restart, is waited for, for as long as it says that it may take.
func (g *Guard) Start(ctx context.Context) error {
	var until time.Time // zero: no process was ending yet
	for {
		ends, runs := g.ask(ctx)
		switch {
		case !runs:
			if !until.IsZero() {
				g.Logger.Info("the process that had this host's key has ended")
			}
			return ctx.Err()
		case ends == 0:
			return &lattice.Error{Code: lattice.ErrConflict, Op: "start as host", Entity: string(g.Self.ID),
				Detail: detail}
		case until.IsZero():
			until = time.Now().Add(ends)
			g.Logger.Info("another process with this host's key is ending its work; waiting for it", "for",
				ends.Round(time.Second))
		case time.Now().After(until):
			return &lattice.Error{Code: lattice.ErrConflict, Op: "start as host", Entity: string(g.Self.ID),
				Detail: "the process that had this host's key before was ending, " +
					"but has not ended in the time that it named: look whether it hangs, kill it, and start again"}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(askPause):
		}
	}
}

// ask asks whether a process answers as this host, and in which time it ends; 0 for one that stays.
func (g *Guard) ask(ctx context.Context) (ends time.Duration, runs bool) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	reply, err := rpc.AskServed(ctx, g.Conn, subject.Host(g.Self.Lattice, g.Self.ID))
	if err != nil {
		return 0, false
	}
	return wire.ServedEnds(reply), true
}

// Note looks at a beat that names this host: those of another process tell sets of another time.
func (g *Guard) Note(b wire.Beat) {
	if b.Direct == nil || b.Direct.Served >= uint64(g.Self.Started.UnixNano()) && b.Direct.Served <= g.Served.Now() {
		return
	}
	g.Metrics.Twins.Inc()
	if g.Limit.Allow() {
		g.Logger.Error("two hosts have one key", "id", g.Self.ID, lattice.LogErr, detail)
	}
}
