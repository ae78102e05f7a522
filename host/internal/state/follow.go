package state

import (
	"context"

	"github.com/weftlattice/weft/internal/announce"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/store"
	"github.com/weftlattice/weft/lattice/wire"
)

// Start follows the bucket until Stop, and returns when all that it holds is known.
func (s *State) Start(ctx context.Context) error {
	caughtUp := make(chan struct{})
	watch, end := context.WithCancel(context.Background())
	s.end, s.watched = end, make(chan error, 1)
	go func() { s.watched <- s.cfg.Store.Watch(watch, handler{s, caughtUp}) }()
	select {
	case <-caughtUp:
		return nil
	case <-ctx.Done():
		return &lattice.Error{Code: lattice.CodeOf(ctx.Err()), Op: "read the state of lattice",
			Entity: string(s.cfg.Lattice)}
	}
}

// Stop ends what Start began.
func (s *State) Stop(context.Context) error {
	s.end()
	return <-s.watched
}

// handler takes what the watch of the bucket tells into memory, to observers and to providers. The watch calls it for
// one change at a time.
type handler struct {
	*State
	caughtUp chan struct{}
}

var _ store.Handler = handler{}

// LinkPut remembers a link and tells its provider. What was stored before the host came is no news to observers.
func (h handler) LinkPut(l wire.LinkDefinition, old *wire.LinkDefinition, replay bool) {
	if _, toActor := l.Actor(); old != nil && old.ProviderID != l.ProviderID && !replay && !toActor {
		was := *old
		h.want(l)
		if err := h.cfg.Run("link "+l.ID(), func(ctx context.Context) { h.handOver(ctx, was, l) }); err == nil {
			h.cfg.Publish(announce.LinkSet(l))
			return
		}
	}
	// The link counts before observers and the provider hear of it, so that a call which they make at once finds it.
	h.put(l)
	if !replay {
		h.cfg.Publish(announce.LinkSet(l))
	}
	if old != nil && (old.ProviderID != l.ProviderID || !old.Equal(l) && h.cfg.Foreign(l)) {
		// Another provider has it now; or the same, and providers that are not built on weft's SDK ignore changed
		// values of a link that they have.
		h.TellGone(*old)
	}
	h.Tell(l)
}

// LinkDeleted forgets a link and tells its provider.
func (h handler) LinkDeleted(l wire.LinkDefinition) {
	h.del(l.ID())
	h.cfg.Publish(announce.LinkDeleted(l))
	h.TellGone(l)
}

// ClaimsPut remembers claims and with them a call alias.
func (h handler) ClaimsPut(c control.Claims, _ bool) {
	if clash := h.PutClaims(c); clash != "" {
		h.cfg.Logger.Warn("two actors have one call alias; the last one counts", "alias", c.CallAlias, lattice.LogActor,
			c.Subject, "other", clash)
	}
}

// ClaimsDeleted forgets claims.
func (h handler) ClaimsDeleted(c control.Claims) { h.delClaims(c.Subject) }

// RefPut remembers whose reference it is.
func (h handler) RefPut(r store.Ref, replay bool) {
	h.putRef(r)
	if !replay {
		h.cfg.Publish(event.RefmapSet{OCIURL: r.URL, PublicKey: r.PublicKey})
	}
}

// RefDeleted forgets a reference.
func (h handler) RefDeleted(r store.Ref) { h.delRef(r) }

// CaughtUp lets the host go on starting.
func (h handler) CaughtUp() { close(h.caughtUp) }
