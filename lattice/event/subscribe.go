package event

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/subject"
)

// Subscription receives the events of a lattice. One goroutine at a time may call Next.
type Subscription struct {
	sub   *nats.Subscription
	names []string
}

// Subscribe begins to receive events, only those of the given names when there are any. It returns when the server
// knows of it: what is published after that is not missed. ctx bounds that wait. The caller calls Close.
func Subscribe(ctx context.Context, nc *nats.Conn, l lattice.Name, names ...string) (*Subscription, error) {
	// The general subject, since hosts before 0.81 know no other.
	sub, err := nc.SubscribeSync(subject.Event(l))
	if err != nil {
		return nil, &lattice.Error{Code: lattice.ErrUnavailable, Op: "subscribe to events", Err: err}
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
	}
	if err := nc.FlushWithContext(ctx); err != nil {
		_ = sub.Unsubscribe()
		return nil, &lattice.Error{Code: lattice.ErrUnavailable, Op: "subscribe to events", Err: err}
	}
	return &Subscription{sub, slices.Clone(names)}, nil
}

// Next waits for the next event. Messages that are no events, or that JetStream sends, are left out. When the caller
// was too slow and events were lost it returns lattice.ErrBusy once and may be called again; other errors are final:
// the code of ctx, or lattice.ErrUnavailable after Close or when the connection is closed.
func (s *Subscription) Next(ctx context.Context) (Event, error) {
	for {
		m, err := s.sub.NextMsgWithContext(ctx)
		switch {
		case err == nil:
		case errors.Is(err, nats.ErrSlowConsumer):
			return Event{}, &lattice.Error{Code: lattice.ErrBusy, Op: "receive events",
				Detail: "some were lost, the reader is too slow"}
		case ctx.Err() != nil:
			return Event{}, &lattice.Error{Code: lattice.CodeOf(ctx.Err()), Op: "wait for an event"}
		default:
			return Event{}, &lattice.Error{Code: lattice.ErrUnavailable, Op: "receive events", Err: err}
		}
		if natsconn.FromStream(m) {
			continue
		}
		if e, err := DecodeEvent(m.Data); err == nil && (len(s.names) == 0 || slices.Contains(s.names, e.Name())) {
			return e, nil
		}
	}
}

// Close ends the subscription. It is idempotent.
func (s *Subscription) Close() { _ = s.sub.Unsubscribe() }
