package host

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/subject"
)

// appPresence is how long an application manager may take to show that it is there.
const appPresence = time.Second

// noApps is what clients of the application manager read when there is none. They take this form for every request but
// "list", which they expect to be a list; that they fail on it is how "wash up" finds out that no manager runs.
var noApps, _ = json.Marshal(struct {
	Result  string `json:"result"`
	Message string `json:"message"`
}{"error", "this lattice has no application manager, and weft has none in this version; start what the manifest lists with: weft up -f FILE, " +
	"weft actor start, weft provider start and weft link put, or run wadm on this lattice's NATS server"})

// answerApps answers requests for an application manager while the lattice has none, so that nobody waits in vain. One host
// does so for all, and for one request at a time. See RATIONALE.md, "Who answers wash app?".
func (h *Host) answerApps(opened func(func(context.Context) error)) error {
	p := subject.AppRequests(h.cfg.Lattice)
	sub, err := h.ctl.QueueSubscribeSync(p.Subject, p.Queue)
	if err != nil {
		return &lattice.Error{Code: lattice.ErrUnavailable, Op: "subscribe to", Entity: p.Subject, Err: err}
	}
	ctx, end := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			m, err := sub.NextMsgWithContext(ctx)
			switch {
			case err == nil:
				h.answerApp(ctx, m)
			case errors.Is(err, nats.ErrSlowConsumer): // said in the log; those left are answered
			default:
				return
			}
		}
	})
	opened(func(context.Context) error {
		_ = sub.Unsubscribe()
		end()
		serving.Wait()
		return nil
	})
	return nil
}

// answerApp leaves a request to a manager that shows itself, and to one that may be there but is slow.
func (h *Host) answerApp(ctx context.Context, m *nats.Msg) {
	if m.Reply == "" {
		return
	}
	ask, cancel := context.WithTimeout(ctx, appPresence)
	defer cancel()
	if _, err := h.ctl.RequestWithContext(ask, subject.AppPresence(h.cfg.Lattice), nil); !errors.Is(err, nats.ErrNoResponders) {
		return
	}
	h.log.Debug("request for an application manager, and there is none", "subject", lattice.Printable(m.Subject))
	if err := m.Respond(noApps); err != nil {
		h.log.Warn("request for an application manager not answered", lattice.LogErr, err)
	}
}
