package control

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/lattice"
)

const (
	statusNoResponders = "503"
	maxAnswers         = 4096 // kept while the caller is busy with one
)

// gather sends a request to all hosts and passes each answer on, until the timeout or until c.quiet has passed without
// a further answer. Silence is no error, since hosts may have nothing to say; nobody listening is ErrNoResponders.
func (c *Client) gather(ctx context.Context, op, subj string, body any, answer func([]byte)) error {
	m, err := newMsg(ctx, subj, body)
	if err != nil {
		return &lattice.Error{Code: lattice.ErrInvalid, Op: op, Err: err}
	}
	m.Reply = c.nc.NewInbox()
	start := time.Now()
	bounded, cancel := c.bound(ctx)
	defer cancel()
	answers := make(chan *nats.Msg, maxAnswers)
	sub, err := c.nc.ChanSubscribe(m.Reply, answers)
	if err != nil {
		return c.failed(op, subj, 0, err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	date(bounded, m)
	if err := c.nc.PublishMsg(m); err != nil {
		return c.failed(op, subj, 0, err)
	}
	quiet := time.NewTimer(0)
	quiet.Stop()
	defer quiet.Stop()
	for {
		select {
		case reply := <-answers:
			if len(reply.Data) == 0 && reply.Header.Get("Status") == statusNoResponders {
				return c.failed(op, subj, 0, nats.ErrNoResponders)
			}
			answer(reply.Data)
			quiet.Reset(c.quiet)
		case <-quiet.C:
			return nil
		case <-bounded.Done():
			switch {
			case errors.Is(bounded.Err(), context.Canceled):
				return c.failed(op, subj, 0, bounded.Err())
			case !c.nc.IsConnected(), c.forbidden(subj):
				return c.failed(op, subj, time.Since(start), nats.ErrTimeout)
			}
			return nil
		}
	}
}
