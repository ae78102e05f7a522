package policyclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/policy"
)

const defaultDecisions = 4096

// Config configures a Client. Topic and Logger are required.
type Config struct {
	Topic     string        // subject on which the service answers
	Changes   string        // subject on which the service changes its decisions; default none
	Timeout   time.Duration // for an answer; default policy.DefaultTimeout
	Decisions int           // that are remembered; default 4096
	Logger    *slog.Logger
}

// Validate reports what is wrong with the subjects.
func (c Config) Validate() error {
	for _, s := range []struct{ name, text string }{{"policy topic", c.Topic}, {"policy changes topic", c.Changes}} {
		if s.text != "" && !plain(s.text) {
			return &lattice.Error{Code: lattice.ErrInvalid, Op: s.name, Entity: lattice.Printable(s.text),
				Detail: "want a NATS subject without wildcards"}
		}
	}
	if c.Topic == "" {
		return &lattice.Error{Code: lattice.ErrInvalid, Op: "policy topic",
			Detail: "is empty, so that there is nobody to ask"}
	}
	return nil
}

// plain reports whether a subject names one place: no wildcards, blanks or empty tokens.
func plain(s string) bool {
	last := byte('.')
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c == '*' || c == '>' || c > '~' || c == '.' && last == '.' {
			return false
		}
		last = c
	}
	return last != '.'
}

// Client asks a policy service and remembers what it says, by source, target and action, until the service changes it.
// It is safe for concurrent use. It does not own its connection.
type Client struct {
	nc  *nats.Conn
	cfg Config

	sub    *nats.Subscription
	status chan nats.Status
	done   sync.WaitGroup

	mu    sync.Mutex
	cache *cache // guarded by mu
}

// New returns a client that has done nothing yet.
func New(nc *nats.Conn, cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = policy.DefaultTimeout
	}
	if cfg.Decisions <= 0 {
		cfg.Decisions = defaultDecisions
	}
	return &Client{nc: nc, cfg: cfg, cache: newCache(cfg.Decisions)}, nil
}

// Start listens to changes. When it returns, the NATS server knows of the subscription.
func (c *Client) Start() error {
	if c.cfg.Changes != "" {
		sub, err := c.nc.Subscribe(c.cfg.Changes, c.change)
		if err == nil {
			if err = c.nc.Flush(); err != nil {
				_ = sub.Unsubscribe()
			}
		}
		if err != nil {
			return fmt.Errorf("listen to policy changes on %s: %w", c.cfg.Changes, err)
		}
		c.sub = sub
	}
	c.status = c.nc.StatusChanged(nats.RECONNECTING, nats.CONNECTED)
	c.done.Go(func() {
		for range c.status {
			c.Forget() // a change may have been missed
		}
	})
	return nil
}

// Close ends what Start began. Questions asked afterwards are still answered, but not changed any more.
func (c *Client) Close() {
	if c.sub != nil {
		_ = c.sub.Unsubscribe()
	}
	if c.status != nil {
		c.nc.RemoveStatusListener(c.status)
		c.done.Wait()
	}
}

// Forget drops all remembered decisions.
func (c *Client) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cache.clear()
}

// Decide returns what the service says, or said before. When there is no answer in time, or one that cannot be read,
// the decision is to deny, and it is not remembered. Callers with the same question wait for one answer.
func (c *Client) Decide(ctx context.Context, q *policy.Question) policy.Decision {
	k := keyOf(q)
	c.mu.Lock()
	e := c.cache.find(k)
	if e != nil {
		c.mu.Unlock()
		select {
		case <-e.done:
		case <-ctx.Done():
			return failed(ctx.Err())
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		return e.decision
	}
	e = &entry{key: k, requestID: uuid.NewString(), done: make(chan struct{})}
	c.cache.wait(e)
	c.mu.Unlock()

	// The answer is for all who wait, so that the end of this caller must not cut it short.
	d, err := c.ask(context.WithoutCancel(ctx), NewRequest(e.requestID, q, time.Now()))
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err != nil:
		e.decision = failed(err)
		c.cache.drop(e)
		c.cfg.Logger.Warn("no policy decision, denied", "action", q.Action, "target", q.Target.Key, lattice.LogErr, err)
	default:
		if !e.changed { // else the change was quicker than the answer
			e.decision = d
		}
		c.cache.keep(e)
	}
	close(e.done)
	return e.decision
}

func failed(err error) policy.Decision {
	return policy.Decision{Message: "no decision: " + err.Error(), By: "policy service"}
}

// ask asks the service once. Any error means that nothing was decided, which its caller takes for a refusal.
func (c *Client) ask(ctx context.Context, r policy.Request) (policy.Decision, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	body, err := json.Marshal(r)
	if err != nil {
		return policy.Decision{}, err
	}
	reply, err := c.nc.RequestWithContext(ctx, c.cfg.Topic, body)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return policy.Decision{}, fmt.Errorf("no answer on %s within %s", c.cfg.Topic, c.cfg.Timeout)
	case errors.Is(err, nats.ErrNoResponders):
		return policy.Decision{}, fmt.Errorf("nobody serves %s", c.cfg.Topic)
	case err != nil:
		return policy.Decision{}, err
	}
	resp, err := DecodeResponse(reply.Data)
	if err != nil {
		return policy.Decision{}, err
	}
	return decision(resp), nil
}

func decision(r policy.Response) policy.Decision {
	return policy.Decision{Permitted: r.Permitted, Message: r.Message, By: "policy service"}
}

// change takes over what the service has changed. A caller that asks for an answer gets one.
func (c *Client) change(msg *nats.Msg) {
	resp, err := DecodeResponse(msg.Data)
	known := false
	switch {
	case err != nil:
		// What was meant is unknown, and it may have been to revoke something.
		c.Forget()
		c.cfg.Logger.Warn("unreadable policy change, all decisions forgotten", lattice.LogErr, err)
	default:
		known = c.apply(resp)
		c.cfg.Logger.Info("policy changed", "request", lattice.Printable(resp.RequestID), "permitted", resp.Permitted,
			"known", known)
	}
	if msg.Reply == "" {
		return
	}
	body, err := json.Marshal(struct {
		Success bool `json:"success"`
	}{known})
	if err == nil {
		err = msg.Respond(body)
	}
	if err != nil {
		c.cfg.Logger.Warn("policy change not acknowledged", lattice.LogErr, err)
	}
}

// apply changes the decision of a request and reports whether it is remembered here.
func (c *Client) apply(r policy.Response) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.cache.byID[r.RequestID]
	if e == nil {
		return false
	}
	e.decision, e.changed = decision(r), true
	return true
}
