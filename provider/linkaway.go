package provider

import (
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// LinkWatcher is implemented by providers that know from their calls and checks whether what stands behind a link is
// there.
type LinkWatcher interface {
	// LinkAway returns why what the link of an actor needs is away, and since when; nil while it is there. It does not
	// ask the backend, and is called concurrently. The text is shown to users, so it must hold no secret.
	LinkAway(actor lattice.ActorID) (since time.Time, why error)
}

// noteAway tells of active links whose backend is away.
func noteAway(p Provider, states []wire.LinkState) {
	w, ok := p.(LinkWatcher)
	if !ok {
		return
	}
	for i := range states {
		s := &states[i]
		if s.State != wire.LinkActive {
			continue
		}
		if since, why := w.LinkAway(s.ActorID); why != nil {
			s.State, s.Error, s.Code, s.Since = wire.LinkAway, why.Error(), lattice.CodeOf(why).Name(),
				since.UTC().Truncate(time.Second)
		}
	}
}
