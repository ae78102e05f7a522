package host

import (
	"context"
	"time"

	"github.com/weftlattice/weft/internal/peer"
	"github.com/weftlattice/weft/lattice/wire"
)

// makePeer makes what calls over NATS need. observe is told of each call that was served or refused.
func (h *Host) makePeer(observe func(context.Context, *wire.Invocation, time.Duration, error)) (err error) {
	h.peer, err = peer.New(h.base.nats.rpc, h.base.nats.ctl, peer.Config{Lattice: h.cfg.Lattice, HostID: h.self.ID,
		Cluster: h.cfg.Cluster, Trusted: h.keys.Load().trusted(), Budget: h.large, Meter: h.streams, Logger: h.log,
		CallTimeout: h.cfg.RPCTimeout, ServeTimeout: h.cfg.Limits.Execution, MaxAge: h.cfg.CallMaxAge,
		MaxAhead: h.cfg.CallMaxAhead, Sent: h.metrics.Sent, Observe: observe})
	return err
}

// startCalls makes the store of large payloads where providers may use it, but not make it.
func (h *Host) startCalls(ctx context.Context) error {
	if !h.base.access.Issues() {
		return nil
	}
	return h.peer.Client.OpenStore(ctx)
}

// stopCalls ends the serving of calls first: those in progress may still make some, for which they need the directory.
func (h *Host) stopCalls(ctx context.Context) error {
	err := h.peer.Server.Close(ctx)
	h.peer.Directory.Close()
	return err
}
