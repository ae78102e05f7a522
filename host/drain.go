package host

import "context"

// takeNoMore makes the host refuse new work from now on.
func (h *Host) takeNoMore() {
	h.self.Drain()
	h.beats.Beat() // others shall not send more
}

// stopActors takes no more work and drains the actors. The providers end after them, since their calls in progress may
// still need a provider.
func (h *Host) stopActors(ctx context.Context) error {
	h.takeNoMore()
	return h.actors.Stop(ctx)
}
