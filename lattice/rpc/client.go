package rpc

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/lattice/wire"
)

// ClientConfig configures a Client. Lattice, HostID and Cluster are required.
type ClientConfig struct {
	Lattice lattice.Name
	HostID  string // the host that sends, or that started the provider that sends
	Cluster signing.KeyPair
	Timeout time.Duration // for calls whose context has no deadline; default DefaultTimeout
	// MaxBytes bounds requests and responses; default DefaultMaxBytes.
	MaxBytes uint64
	Observe  func(Call, time.Duration, error) // called after each call, concurrently; may be nil
}

// Call is one invocation to make.
type Call struct {
	Origin, Target wire.Entity
	Operation      string
	Payload        []byte
}

// Client makes invocations. It is safe for concurrent use and does not own its connection.
type Client struct {
	cfg     ClientConfig
	cluster atomic.Pointer[signing.KeyPair]

	mu  sync.RWMutex
	way *way // guarded by mu
}

// way is a connection, and the calls that are under way on it.
type way struct {
	nc     *nats.Conn
	chunks *chunks
	calls  sync.WaitGroup
}

func newWay(nc *nats.Conn, l lattice.Name) *way {
	return &way{nc: nc, chunks: &chunks{nc: nc, lattice: l}}
}

// NewClient returns a client on a connection.
func NewClient(nc *nats.Conn, cfg ClientConfig) *Client {
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = DefaultMaxBytes
	}
	c := &Client{cfg: cfg, way: newWay(nc, cfg.Lattice)}
	c.SetCluster(cfg.Cluster)
	return c
}

// SetCluster signs calls with another key from now on.
func (c *Client) SetCluster(k signing.KeyPair) { c.cluster.Store(&k) }

// Move makes calls on another connection from now on, and waits until those on the old one have their answers or ctx ends,
// whose error it then returns.
func (c *Client) Move(ctx context.Context, nc *nats.Conn) error {
	c.mu.Lock()
	old := c.way
	c.way = newWay(nc, c.cfg.Lattice)
	c.mu.Unlock()
	done := make(chan struct{})
	go func() { old.calls.Wait(); close(done) }() // ends with the last call, each of which has a deadline
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// enter begins a call on the present connection.
func (c *Client) enter() *way {
	c.mu.RLock()
	defer c.mu.RUnlock()
	c.way.calls.Add(1)
	return c.way
}

// Call signs and sends an invocation and returns the payload of the answer. The deadline of ctx bounds it, or else the
// client's timeout, with 13 s on top for a payload above wire.MaxInlineBytes. Errors: what the target answered
// (lattice.Error with Remote set), ErrTimeout, ErrNoResponders when nobody serves the target, ErrTooLarge for a payload
// above MaxBytes, ErrCanceled, ErrUnavailable when the connection is closed.
func (c *Client) Call(ctx context.Context, call Call) ([]byte, error) {
	start := time.Now()
	payload, err := c.call(ctx, call)
	if c.cfg.Observe != nil {
		c.cfg.Observe(call, time.Since(start), err)
	}
	return payload, err
}

func (c *Client) call(ctx context.Context, call Call) ([]byte, error) {
	fail := func(code lattice.Code, detail string, cause error) error {
		return &lattice.Error{Code: code, Op: "call " + call.Operation + " of", Entity: call.Target.PublicKey, Detail: detail, Err: cause}
	}
	if uint64(len(call.Payload)) > c.cfg.MaxBytes {
		return nil, fail(lattice.ErrTooLarge, fmt.Sprintf("request of %d bytes, limit %d", len(call.Payload), c.cfg.MaxBytes), nil)
	}
	chunked := len(call.Payload) > wire.MaxInlineBytes
	if _, ok := ctx.Deadline(); !ok {
		timeout := c.cfg.Timeout
		if chunked {
			timeout += chunkAllowance
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	subj, err := target(c.cfg.Lattice, call.Target)
	if err != nil {
		return nil, err
	}
	w := c.enter()
	defer w.calls.Done()
	inv := &wire.Invocation{Origin: call.Origin, Target: call.Target, Operation: call.Operation, Msg: call.Payload,
		ID: uuid.NewString(), HostID: c.cfg.HostID, ContentLength: uint64(len(call.Payload))}
	msg := &nats.Msg{Subject: subj, Header: nats.Header{}}
	if tc, ok := trace.From(ctx); ok {
		setTrace(inv, msg.Header, tc.Child())
	}
	origin, to := inv.OriginURL(), inv.TargetURL()
	inv.EncodedClaims, err = signing.SignInvocation(*c.cluster.Load(), inv.ID, origin, to,
		wire.Hash(origin, to, inv.Operation, inv.Msg), time.Now())
	if err != nil {
		return nil, fail(lattice.ErrInternal, "sign", err)
	}
	if chunked {
		inv.Msg = nil
		if err := w.chunks.put(ctx, inv.ID, call.Payload); err != nil {
			return nil, err
		}
	}
	deadline, _ := ctx.Deadline()
	if left := time.Until(deadline); left > 0 {
		msg.Header[headerTimeout] = []string{strconv.FormatInt(max(1, left.Milliseconds()), 10)}
	}
	msg.Data = inv.Encode()

	reply, err := w.nc.RequestMsgWithContext(ctx, msg)
	if chunked && err != nil {
		w.chunks.drop(inv.ID) // nobody has, or it is late
	}
	switch {
	case err == nil:
		return c.answer(ctx, w, inv, reply, fail)
	case errors.Is(err, nats.ErrNoResponders):
		return nil, fail(lattice.ErrNoResponders, "", nil)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return nil, fail(lattice.ErrTimeout, "", nil)
	case errors.Is(err, context.Canceled):
		return nil, fail(lattice.ErrCanceled, "", nil)
	case errors.Is(err, nats.ErrMaxPayload):
		return nil, fail(lattice.ErrTooLarge, fmt.Sprintf("message of %d bytes, the NATS server takes %d", len(msg.Data), w.nc.MaxPayload()), nil)
	}
	return nil, fail(lattice.ErrUnavailable, "", err)
}

func (c *Client) answer(ctx context.Context, w *way, inv *wire.Invocation, reply *nats.Msg, fail func(lattice.Code, string, error) error) ([]byte, error) {
	resp, err := wire.DecodeResponse(reply.Data)
	if err != nil {
		return nil, fail(lattice.ErrInvalid, "undecodable response", err)
	}
	if resp.Error != "" { // before anything else: error replies of some providers lack the other fields
		return nil, lattice.FromWire(reply.Header.Get(headerError), resp.Error)
	}
	if resp.InvocationID != inv.ID {
		return nil, fail(lattice.ErrInvalid, "the response answers another invocation, "+lattice.Printable(resp.InvocationID), nil)
	}
	if resp.ContentLength > c.cfg.MaxBytes {
		w.chunks.drop(responseName(inv.ID))
		return nil, fail(lattice.ErrTooLarge, fmt.Sprintf("response of %d bytes, limit %d", resp.ContentLength, c.cfg.MaxBytes), nil)
	}
	if resp.ContentLength > uint64(len(resp.Msg)) {
		return w.chunks.take(ctx, responseName(inv.ID), resp.ContentLength)
	}
	return resp.Msg, nil
}

// target is the subject on which an entity is called.
func target(l lattice.Name, e wire.Entity) (string, error) {
	if e.IsActor() {
		id, err := lattice.ParseActorID(e.PublicKey)
		return subject.Actor(l, id), err
	}
	id, err := lattice.ParseProviderID(e.PublicKey)
	if err != nil {
		return "", err
	}
	link, err := lattice.ParseLinkName(e.LinkName)
	return subject.Provider(l, id, link), err
}

func setTrace(inv *wire.Invocation, h nats.Header, tc trace.Context) {
	parent := tc.Traceparent()
	inv.TraceContext = map[string]string{headerParent: parent}
	h[headerParent] = []string{parent}
	if tc.State != "" {
		inv.TraceContext[headerState] = tc.State
		h[headerState] = []string{tc.State}
	}
}

// withTrace carries the sender's trace on, preferring the invocation's own field to the headers.
func withTrace(ctx context.Context, inv *wire.Invocation, h nats.Header) context.Context {
	parent, state := inv.TraceContext[headerParent], inv.TraceContext[headerState]
	if parent == "" {
		if v := h[headerParent]; len(v) > 0 {
			parent = v[0]
			state = h.Get(headerState)
		}
	}
	if parent == "" {
		return ctx
	}
	if tc, ok := trace.Parse(parent, state); ok {
		return trace.With(ctx, tc)
	}
	return ctx
}
