package host

import (
	"context"

	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// Other weft nodes choose among the hosts that serve what they call, and send the call to one host by itself. What they
// go by is told here. See RATIONALE.md, "Why do nodes choose the host?".

// serveDirect serves what others mean for this host.
func (h *Host) serveDirect() error {
	h.served.Store(uint64(h.node.Started.UnixNano())) // no revision of an earlier run
	_, err := h.server.ServeDirect(subject.Host(h.cfg.Lattice, h.node.ID), h.servedNow)
	return err
}

// direct is what beats tell about calls to this host.
func (h *Host) direct() *wire.Direct {
	d := &wire.Direct{Version: wire.DirectVersion, Issuer: h.agreement.Issuer(), Served: h.served.Load(), PeriodMS: uint32(h.cfg.Beat.Milliseconds()), Timeout: true, Sent: true}
	for _, a := range h.allActors() {
		if sub := a.sub.Load(); sub != nil {
			d.Load += uint32(sub.Active())
			d.Capacity += uint32(a.instances())
		}
	}
	return d
}

// servedNow is the set of what is served here: actors, and providers that take direct calls.
func (h *Host) servedNow() []byte {
	// before the set is made: what changes meanwhile is another revision
	s := wire.Served{Revision: h.served.Load(), EndsInMS: h.node.EndsInMS()}
	for _, a := range h.allActors() {
		if a.sub.Load() != nil {
			s.Targets = append(s.Targets, wire.ServedName(wire.ActorEntity(a.id)))
		}
	}
	for _, p := range h.allProviders() {
		if p.direct.Load() && p.serves() {
			s.Targets = append(s.Targets, wire.ServedName(wire.ProviderEntity(p.id, p.contract, p.link)))
		}
	}
	return s.Encode()
}

// noteDirect finds out whether the provider's process takes direct calls: those of weft's SDK do.
func (p *provider) noteDirect(ctx context.Context) {
	h := p.host
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	if rpc.TakesDirect(ctx, h.rpc, subject.ProviderAt(h.cfg.Lattice, p.id, p.link, h.node.ID)) != p.direct.Load() {
		p.direct.Store(!p.direct.Load())
		h.served.Add(1)
	}
}
