package host

import (
	"context"
	"errors"
)

// takeNoMore makes the host refuse new work from now on.
func (h *Host) takeNoMore() {
	h.node.Drain()
	h.beats.Beat() // others shall not send more
}

// stopWork drains all actors, then stops the providers. Actors come first, since their calls in progress may still need
// a provider.
func (h *Host) stopWork(ctx context.Context) error {
	h.takeNoMore()
	return errors.Join(
		each(h.allActors(), func(a *actor) error { return h.stopActor(ctx, a) }),
		each(h.allProviders(), func(p *provider) error { return h.stopProvider(ctx, p) }))
}
