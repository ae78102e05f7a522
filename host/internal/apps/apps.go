// Package apps answers for the application manager that a lattice lacks.
package apps

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/subject"
)

// appPresence is how long an application manager may take to show that it is there.
const appPresence = time.Second

// noApps is what clients of the application manager read when the lattice has no such manager. They take this form for
// every request but "list", whose answer they expect to be a list. They fail on it, and "wash up" finds out by that
// failure that no manager runs.
var noApps, _ = json.Marshal(struct {
	Result  string `json:"result"`
	Message string `json:"message"`
}{"error", "this lattice has no application manager, and weft has none in this version; " +
	"start what the manifest lists with: weft up -f FILE, weft actor start, weft provider start and weft link put, " +
	"or run wadm on this lattice's NATS server"})

// Answers answers requests for an application manager while the lattice has none, so that no client waits in vain. One
// host does so for all, and for one request at a time. See RATIONALE.md, "Who answers wash app?".
type Answers struct {
	conn    *nats.Conn
	lattice lattice.Name
	log     *slog.Logger
	sub     *nats.Subscription
	end     context.CancelFunc
	serving sync.WaitGroup
}

// New makes Answers that begin with Start.
func New(conn *nats.Conn, l lattice.Name, log *slog.Logger) *Answers {
	return &Answers{conn: conn, lattice: l, log: log}
}

// Start begins to answer.
func (a *Answers) Start(context.Context) error {
	p := subject.AppRequests(a.lattice)
	sub, err := a.conn.QueueSubscribeSync(p.Subject, p.Queue)
	if err != nil {
		return &lattice.Error{Code: lattice.ErrUnavailable, Op: "subscribe to", Entity: p.Subject, Err: err}
	}
	ctx, end := context.WithCancel(context.Background())
	a.sub, a.end = sub, end
	a.serving.Go(func() { a.serve(ctx) })
	return nil
}

// Stop ends what Start began.
func (a *Answers) Stop(context.Context) error {
	if a.sub == nil {
		return nil
	}
	_ = a.sub.Unsubscribe()
	a.end()
	a.serving.Wait()
	return nil
}

func (a *Answers) serve(ctx context.Context) {
	for {
		m, err := a.sub.NextMsgWithContext(ctx)
		switch {
		case err == nil:
			a.answer(ctx, m)
		case errors.Is(err, nats.ErrSlowConsumer): // said in the log; those left are answered
		default:
			return
		}
	}
}

// answer leaves a request to a manager that shows itself, and to one that may be there but is slow.
func (a *Answers) answer(ctx context.Context, m *nats.Msg) {
	if m.Reply == "" {
		return
	}
	ask, cancel := context.WithTimeout(ctx, appPresence)
	defer cancel()
	if _, err := a.conn.RequestWithContext(ask, subject.AppPresence(a.lattice), nil); !errors.Is(err,
		nats.ErrNoResponders) {
		return
	}
	a.log.Debug("request for an application manager, and there is none", "subject", lattice.Printable(m.Subject))
	if err := m.Respond(noApps); err != nil {
		a.log.Warn("request for an application manager not answered", lattice.LogErr, err)
	}
}
