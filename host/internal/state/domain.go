package state

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice"
)

// domainTimeout is how long JetStream may take to say what domain it has.
const domainTimeout = 5 * time.Second

// Domain is the domain of the JetStream that keeps the lattice's state. It is safe for concurrent use.
type Domain struct {
	conn  *nats.Conn
	log   *slog.Logger
	known atomic.Pointer[string] // nil: not known
}

// NewDomain makes a Domain that is not known yet.
func NewDomain(conn *nats.Conn, log *slog.Logger) *Domain { return &Domain{conn: conn, log: log} }

// Known is the domain; nil while it is not known.
func (d *Domain) Known() *string { return d.known.Load() }

// Start is Learn, which is no reason not to start.
func (d *Domain) Start(ctx context.Context) error {
	d.Learn(ctx)
	return nil
}

// Learn asks the JetStream that keeps the lattice's state for its domain, which the server may have though the
// host was told of none. Others compare it with theirs. Where it does not answer, the host goes on with
// what it knows: NATS may be about to leave again, or the host's user may not ask.
func (d *Domain) Learn(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, domainTimeout)
	defer cancel()
	js, err := natsconn.JetStream(d.conn)
	if err == nil {
		info, e := js.AccountInfo(ctx)
		if err = e; err == nil {
			d.known.Store(&info.Domain)
			return
		}
	}
	if ctx.Err() != context.Canceled {
		d.log.Warn("JetStream does not say its domain; hosts that keep the lattice's state elsewhere may go unnoticed",
			lattice.LogErr, err)
	}
}
