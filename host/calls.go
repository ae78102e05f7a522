package host

import (
	"context"

	"github.com/weftlattice/weft/internal/peer"
)

// openCalls makes what calls over NATS need.
func (h *Host) openCalls(ctx context.Context, opened func(func(context.Context) error)) (err error) {
	h.peer, err = peer.New(h.rpc, h.ctl, peer.Config{Lattice: h.cfg.Lattice, HostID: h.node.ID, Cluster: h.cfg.Cluster,
		Trusted: h.keys.Load().trusted(), Budget: h.large, Logger: h.log, CallTimeout: h.cfg.RPCTimeout,
		ServeTimeout: h.cfg.Limits.Execution, MaxAge: h.cfg.CallMaxAge, MaxAhead: h.cfg.CallMaxAhead, Sent: h.metrics.Sent,
		Observe: h.observe})
	if err != nil {
		return err
	}
	opened(func(context.Context) error { h.peer.Directory.Close(); return nil })
	opened(h.peer.Server.Close)
	if h.providerNATS.Load().issuer != nil { // providers may use the store, but not make it
		return h.peer.Client.OpenStore(ctx)
	}
	return nil
}
