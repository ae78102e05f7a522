package host

import (
	"context"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/rpc"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// Two processes with one host key would take each other's commands and calls, and nobody could tell them apart. It happens where
// a data directory is copied to another machine.

// twinTimeout is how long a process of the same key has to answer. One that was killed does not: nobody listens any more, which
// NATS says at once.
const twinTimeout = time.Second

const twinDetail = "another process that runs has the same host key: was a data directory copied? Stop one of them, or delete " +
	"keys/host_NAME.nk (host_default.nk without --name) in the copy's data directory, which then gets a key of its own"

// refuseTwin is an error when a process that runs answers as this host.
func (h *Host) refuseTwin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, twinTimeout)
	defer cancel()
	if !rpc.TakesDirect(ctx, h.rpc, subject.Host(h.cfg.Lattice, h.id)) {
		return nil
	}
	return &lattice.Error{Code: lattice.ErrConflict, Op: "start as host", Entity: string(h.id), Detail: twinDetail}
}

// noteTwin looks at a beat that names this host: those of another process tell sets of another time.
func (h *Host) noteTwin(data []byte) {
	b, err := wire.DecodeBeat(data)
	if err != nil || b.Direct == nil || b.Direct.Served >= uint64(h.started.UnixNano()) && b.Direct.Served <= h.served.Load() {
		return
	}
	h.metrics.twins.Inc()
	if h.refusalLog.Allow() {
		h.log.Error("two hosts have one key", "id", h.id, lattice.LogErr, twinDetail)
	}
}
