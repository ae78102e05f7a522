package host

import (
	"context"

	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice/signing"
)

// openCalls makes what calls over NATS need: who is trusted, which hosts there are, the client and the server.
func (h *Host) openCalls(ctx context.Context, opened func(func(context.Context) error)) (err error) {
	h.verifier = signing.NewVerifier(h.keys.Load().trusted()...)
	if h.agreement, err = signing.NewAgreement(h.cfg.Cluster, h.verifier); err != nil {
		return err
	}
	h.directory = rpc.NewDirectory(h.ctl, h.cfg.Lattice, h.log)
	opened(func(context.Context) error { h.directory.Close(); return nil })
	h.client = rpc.NewClient(h.rpc, rpc.ClientConfig{Lattice: h.cfg.Lattice, HostID: h.node.ID, Cluster: h.cfg.Cluster,
		Timeout: h.cfg.RPCTimeout, Budget: h.large, Directory: h.directory, Agreement: h.agreement, Logger: h.log,
		Sent: h.metrics.Sent})
	if h.providerNATS.Load().issuer != nil { // providers may use the store, but not make it
		if err := h.client.OpenStore(ctx); err != nil {
			return err
		}
	}
	h.server = rpc.NewServer(h.rpc, rpc.ServerConfig{Lattice: h.cfg.Lattice, Verifier: h.verifier,
		Timeout: h.cfg.Limits.Execution, MaxAge: h.cfg.CallMaxAge, MaxAhead: h.cfg.CallMaxAhead, Logger: h.log,
		Observe: h.observe, Budget: h.large, HostID: h.node.ID, Agreement: h.agreement, Directory: h.directory})
	opened(h.server.Close)
	return nil
}
