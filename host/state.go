package host

import (
	"context"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/store"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// follower takes what the watch of the bucket tells into memory, to observers and to providers. The watch calls it for
// one change at a time.
type follower struct {
	host     *Host
	caughtUp chan struct{}
}

var _ store.Handler = (*follower)(nil)

// watchState follows the bucket until the host stops, and returns when all that it holds is known.
func (h *Host) watchState(ctx context.Context, opened func(func(context.Context) error)) error {
	watch, end := context.WithCancel(context.Background())
	f := &follower{host: h, caughtUp: make(chan struct{})}
	done := make(chan error, 1)
	go func() { done <- h.store.Watch(watch, f) }()
	opened(func(context.Context) error {
		end()
		return <-done
	})
	select {
	case <-f.caughtUp:
		return nil
	case <-ctx.Done():
		return &lattice.Error{Code: lattice.CodeOf(ctx.Err()), Op: "read the state of lattice", Entity: string(h.cfg.Lattice)}
	}
}

// LinkPut remembers a link and tells its provider. What was stored before the host came is no news to observers.
func (f *follower) LinkPut(l wire.LinkDefinition, old *wire.LinkDefinition, replay bool) {
	h := f.host
	if old != nil && old.ProviderID != l.ProviderID && !replay {
		was := *old
		h.links.Want(l)
		if err := h.tasks.Run("link "+l.ID(), func(ctx context.Context) { h.handOver(ctx, was, l) }); err == nil {
			h.publish(event.NewLinkSet(l))
			return
		}
	}
	h.links.Put(l)
	if !replay {
		h.publish(event.NewLinkSet(l))
	}
	if old != nil && (old.ProviderID != l.ProviderID || !old.Equal(l) && h.runsForeign(l)) {
		// Another provider has it now; or the same, and providers that are not built on weft's SDK ignore changed
		// values of a link that they have.
		h.tellProvider(*old, subject.LinkDel)
	}
	h.tellProvider(l, subject.LinkPut)
}

// LinkDeleted forgets a link and tells its provider.
func (f *follower) LinkDeleted(l wire.LinkDefinition) {
	f.host.links.Del(l.ID())
	f.host.publish(event.NewLinkDeleted(l))
	f.host.tellProvider(l, subject.LinkDel)
}

// ClaimsPut remembers claims and with them a call alias.
func (f *follower) ClaimsPut(c control.Claims, _ bool) {
	if clash := f.host.links.PutClaims(c); clash != "" {
		f.host.log.Warn("two actors have one call alias; the last one counts", "alias", c.CallAlias, lattice.LogActor, c.Subject, "other", clash)
	}
}

// ClaimsDeleted forgets claims.
func (f *follower) ClaimsDeleted(c control.Claims) { f.host.links.DelClaims(c.Subject) }

// RefPut remembers whose reference it is.
func (f *follower) RefPut(r store.Ref, replay bool) {
	f.host.links.PutRef(r)
	if !replay {
		f.host.publish(event.RefmapSet{OCIURL: r.URL, PublicKey: r.PublicKey})
	}
}

// RefDeleted forgets a reference.
func (f *follower) RefDeleted(r store.Ref) { f.host.links.DelRef(r) }

// CaughtUp lets the host go on starting.
func (f *follower) CaughtUp() { close(f.caughtUp) }

// runsForeign reports whether this host runs the link's provider, and it may not be built on weft's SDK.
func (h *Host) runsForeign(l wire.LinkDefinition) bool {
	p := h.provider(providerKey{lattice.ProviderID(l.ProviderID), lattice.LinkName(l.LinkName)})
	return p != nil && !p.builtin
}
