package host

import (
	"context"
	"time"

	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// Two processes with one host key would take each other's commands and calls, and no client could tell them apart. It
// happens where a data directory is copied to another machine.

const (
	// twinTimeout is how long a process of the same key has to answer. One that was killed does not: its subscriptions
	// are gone, which NATS says at once.
	twinTimeout = time.Second
	// twinPause is between questions to one that is ending.
	twinPause = 100 * time.Millisecond
)

const twinDetail = "another process that runs has the same host key: was a data directory copied? Stop one of them, or delete " +
	"keys/host_NAME.nk (host_default.nk without --name) in the copy's data directory, which then gets a key of its own"

// refuseTwin is an error when a process that runs answers as this host. One that says that it is ending, as it does
// after a quick restart, is waited for, for as long as it says that it may take.
func (h *Host) refuseTwin(ctx context.Context) error {
	var until time.Time // zero: no process was ending yet
	for {
		ends, runs := h.askTwin(ctx)
		switch {
		case !runs:
			if !until.IsZero() {
				h.log.Info("the process that had this host's key has ended")
			}
			return ctx.Err()
		case ends == 0:
			return &lattice.Error{Code: lattice.ErrConflict, Op: "start as host", Entity: string(h.node.ID), Detail: twinDetail}
		case until.IsZero():
			until = time.Now().Add(ends)
			h.log.Info("another process with this host's key is ending its work; waiting for it", "for", ends.Round(time.Second))
		case time.Now().After(until):
			return &lattice.Error{Code: lattice.ErrConflict, Op: "start as host", Entity: string(h.node.ID),
				Detail: "the process that had this host's key before was ending, but has not ended in the time that it named: look whether it hangs, kill it, and start again"}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(twinPause):
		}
	}
}

// askTwin asks whether a process answers as this host, and in which time it ends; 0 for one that stays.
func (h *Host) askTwin(ctx context.Context) (ends time.Duration, runs bool) {
	ctx, cancel := context.WithTimeout(ctx, twinTimeout)
	defer cancel()
	reply, err := rpc.AskServed(ctx, h.rpc, subject.Host(h.cfg.Lattice, h.node.ID))
	if err != nil {
		return 0, false
	}
	return wire.ServedEnds(reply), true
}

// noteTwin looks at a beat that names this host: those of another process tell sets of another time.
func (h *Host) noteTwin(b wire.Beat) {
	if b.Direct == nil || b.Direct.Served >= uint64(h.node.Started.UnixNano()) && b.Direct.Served <= h.served.Load() {
		return
	}
	h.metrics.Twins.Inc()
	if h.refusalLog.Allow() {
		h.log.Error("two hosts have one key", "id", h.node.ID, lattice.LogErr, twinDetail)
	}
}
