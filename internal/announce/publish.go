package announce

import (
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/subject"
)

// Publisher publishes the events of one host. It is safe for concurrent use.
type Publisher struct {
	nc      *nats.Conn
	lattice lattice.Name
	host    lattice.HostID
	mu      sync.Mutex // keeps the events of one Publish together
}

// NewPublisher makes a publisher. The connection stays the caller's.
func NewPublisher(nc *nats.Conn, l lattice.Name, host lattice.HostID) *Publisher {
	return &Publisher{nc: nc, lattice: l, host: host}
}

// Publish sends each event on the general subject and on that of its type, the same bytes on both, in order. It does
// not wait for the server; while the connection is away events are buffered by it. It goes on past errors and joins
// them: lattice.ErrTooLarge, lattice.ErrUnavailable when the connection is closed or its buffer full.
func (p *Publisher) Publish(events ...event.Data) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, d := range events {
		errs = append(errs, p.publish(d))
	}
	return errors.Join(errs...)
}

func (p *Publisher) publish(d event.Data) error {
	e, err := event.New(p.host, time.Now(), d)
	if err != nil {
		return err
	}
	b, err := json.Marshal(e)
	if err != nil {
		return &lattice.Error{Code: lattice.ErrInternal, Op: "encode event", Entity: d.EventName(), Err: err}
	}
	for _, s := range []string{subject.Event(p.lattice), subject.EventTyped(p.lattice, d.EventName())} {
		if err := p.nc.Publish(s, b); err != nil {
			code := lattice.ErrUnavailable
			if errors.Is(err, nats.ErrMaxPayload) {
				code = lattice.ErrTooLarge
			}
			return &lattice.Error{Code: code, Op: "publish event", Entity: d.EventName(), Err: err}
		}
	}
	return nil
}
