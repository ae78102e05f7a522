package host

import (
	"context"
	"time"

	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice"
)

// domainTimeout is how long JetStream may take to say what domain it has.
const domainTimeout = 5 * time.Second

// learnDomain asks the JetStream that keeps the lattice's state for its domain, which the server may have though the
// host was told of none. Others compare it with theirs. Where it does not answer, the host goes on with
// what it knows: NATS may be about to leave again, or the host's user may not ask.
func (h *Host) learnDomain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, domainTimeout)
	defer cancel()
	js, err := natsconn.JetStream(h.rpc)
	if err == nil {
		info, e := js.AccountInfo(ctx)
		if err = e; err == nil {
			h.domain.Store(&info.Domain)
			return
		}
	}
	if ctx.Err() != context.Canceled {
		h.log.Warn("JetStream does not say its domain; hosts that keep the lattice's state elsewhere may go unnoticed",
			lattice.LogErr, err)
	}
}
