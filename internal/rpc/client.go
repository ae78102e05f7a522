package rpc

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/chunks"
	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/internal/load"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/wire"
)

// ClientConfig configures a Client. Lattice, HostID and Cluster are required.
type ClientConfig struct {
	Lattice lattice.Name
	HostID  lattice.HostID // the host that sends, or that started the provider that sends
	Cluster signing.KeyPair
	Timeout time.Duration // for calls whose context has no deadline; default DefaultTimeout
	// MaxBytes bounds requests and responses; default invocation.DefaultMaxBytes.
	MaxBytes uint64
	// Budget bounds what large payloads take of the process's memory; default a budget of its own. Responses are
	// counted while they are fetched, or until the call in which the client is used has been served.
	Budget  *load.Budget
	Observe func(Call, time.Duration, error) // called after each call, concurrently; may be nil
	// Directory says which hosts to call by themselves; nil: all calls go by the queue groups. See Attempt.
	Directory *Directory
	// Streams has the streams beside calls; nil: calls have none.
	Streams *Streams
	// Agreement makes the MACs for hosts that take them; nil: calls are signed.
	Agreement *signing.Agreement
	Sent      func(Attempt) // called for each message that is sent, concurrently; may be nil
	Logger    *slog.Logger  // required with a Directory
}

// Call is one invocation to make.
type Call struct {
	Origin, Target wire.Entity
	Operation      string
	Payload        []byte
	// Body follows Payload, when it is not nil: exactly BodyLength bytes, which are read once and, when they are many,
	// sent on as they come. An error of the body is the call's, as it is.
	Body       io.Reader
	BodyLength int64
	// Stream takes a streamed answer, and sends a body, where the target is known to stream; see Client.Streams. It
	// gets a plain answer from others. A streamed answer is Take's, and the call then returns nothing.
	Stream *stream.Caller
	// Timeout bounds the call when ctx has no deadline, with a Body from when that has been read; default the client's.
	Timeout time.Duration
}

// Once reports whether the call can be made but once: what comes with it is read as it goes.
func (c *Call) Once() bool { return c.Body != nil || c.Stream.HasBody() }

// size is the length of the whole payload.
func (c *Call) size() uint64 { return uint64(len(c.Payload)) + uint64(c.BodyLength) }

// Client makes invocations. It is safe for concurrent use and does not own its connection.
type Client struct {
	cfg     ClientConfig
	cluster atomic.Pointer[signing.KeyPair]

	mu      sync.RWMutex
	session *session // guarded by mu
}

// NewClient returns a client on a connection.
func NewClient(nc *nats.Conn, cfg ClientConfig) *Client {
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = invocation.DefaultMaxBytes
	}
	if cfg.Budget == nil {
		cfg.Budget = load.NewBudget(0)
	}
	c := &Client{cfg: cfg, session: newSession(nc, cfg.Lattice)}
	c.SetCluster(cfg.Cluster)
	return c
}

// SetCluster signs calls with another key from now on, and makes MACs with it; see signing.Agreement.Follow.
func (c *Client) SetCluster(k signing.KeyPair) {
	c.cluster.Store(&k)
	if a := c.cfg.Agreement; a != nil {
		_ = a.Follow(k) // a key that cannot agree cannot sign either
	}
}

// Move makes calls on another connection from now on, and waits until those on the old one have their answers or ctx
// ends, whose error it then returns.
func (c *Client) Move(ctx context.Context, nc *nats.Conn) error {
	c.mu.Lock()
	old := c.session
	c.session = newSession(nc, c.cfg.Lattice)
	c.mu.Unlock()
	// The old session's answers come on the old connection, so it goes only when no call waits for one.
	done := make(chan struct{})
	// ends with the last call, each of which has a deadline
	go func() { old.calls.Wait(); old.replies.close(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// enter begins a call on the present connection. It is counted while mu is held, so that Move, which takes mu, waits
// for it.
func (c *Client) enter() *session {
	c.mu.RLock()
	defer c.mu.RUnlock()
	c.session.calls.Add(1)
	return c.session
}

// OpenStore makes the lattice's store of large payloads, if it is missing, for others that may use it but not make it.
func (c *Client) OpenStore(ctx context.Context) error {
	on := c.enter()
	defer on.calls.Done()
	return on.large.Open(ctx)
}

// Call signs and sends an invocation and returns the payload of the answer. The deadline of ctx bounds it, or else the
// client's timeout, with 13 s on top for a payload above wire.MaxInlineBytes. Errors: what the target answered
// (lattice.Error with Remote set), ErrTimeout and ErrCanceled. ErrNoResponders means that no process serves the target,
// ErrTooLarge that the payload is above MaxBytes, ErrBusy that the budget has no room. ErrUnavailable means that the
// connection is closed, or has been away for more than half a second: such calls fail at once.
func (c *Client) Call(ctx context.Context, call Call) (answer []byte, err error) {
	on := c.enter()
	defer on.calls.Done()
	err = c.exchange(ctx, on, call, func(ctx context.Context, payload []byte, large *chunks.Object) (err error) {
		if answer = payload; large != nil {
			answer, err = c.fetch(ctx, large)
		}
		return err
	})
	return answer, err
}

// Open is Call for a caller that passes the answer on: a large one is read from the store as it is needed. The answer
// must be closed. Its bytes may come later than the deadline of the call, each piece within 10 s.
func (c *Client) Open(ctx context.Context, call Call) (a *Answer, err error) {
	on := c.enter()
	err = c.exchange(ctx, on, call, func(ctx context.Context, payload []byte, large *chunks.Object) error {
		if large == nil {
			a = NewAnswer(payload)
			return nil
		}
		if err := c.cfg.Budget.Acquire(ctx, "response", chunks.WindowBytes); err != nil {
			_ = large.Close()
			return err
		}
		a = &Answer{Reader: large, length: large.Len(), object: large, budget: c.cfg.Budget,
			held: chunks.WindowBytes, on: on}
		return nil
	})
	if a == nil || a.object == nil {
		on.calls.Done()
	}
	return a, err
}

// fetch reads a large answer into memory.
func (c *Client) fetch(ctx context.Context, large *chunks.Object) ([]byte, error) {
	defer large.Close()
	held, err := c.cfg.Budget.Hold(ctx, "response", large.Len())
	if err != nil {
		return nil, err
	}
	defer c.cfg.Budget.Release(held)
	return large.All(ctx)
}
