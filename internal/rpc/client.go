package rpc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/internal/load"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/msgpack"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/lattice/wire"
)

// ClientConfig configures a Client. Lattice, HostID and Cluster are required.
type ClientConfig struct {
	Lattice lattice.Name
	HostID  lattice.HostID // the host that sends, or that started the provider that sends
	Cluster signing.KeyPair
	Timeout time.Duration // for calls whose context has no deadline; default DefaultTimeout
	// MaxBytes bounds requests and responses; default DefaultMaxBytes.
	MaxBytes uint64
	// Budget bounds what large payloads take of the process's memory; default a budget of its own. Responses are
	// counted while they are fetched, or until the call in which the client is used has been served.
	Budget  *load.Budget
	Observe func(Call, time.Duration, error) // called after each call, concurrently; may be nil
	// Directory says which hosts to call by themselves; nil: all calls go by the queue groups. See Path.
	Directory *Directory
	// Agreement makes the MACs for hosts that take them; nil: calls are signed.
	Agreement *signing.Agreement
	Sent      func(Path)   // called for each message that is sent, concurrently; may be nil
	Logger    *slog.Logger // required with a Directory
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
	// Timeout bounds the call when ctx has no deadline, with a Body from when that has been read; default the client's.
	Timeout time.Duration
}

// size is the length of the whole payload.
func (c *Call) size() uint64 { return uint64(len(c.Payload)) + uint64(c.BodyLength) }

// Client makes invocations. It is safe for concurrent use and does not own its connection.
type Client struct {
	cfg     ClientConfig
	cluster atomic.Pointer[signing.KeyPair]

	mu  sync.RWMutex
	way *way // guarded by mu
}

// way is a connection, and the calls that are under way on it.
type way struct {
	nc      *nats.Conn
	replies replies // to the client's calls
	chunks  *chunks
	calls   sync.WaitGroup
	away    away
}

func newWay(nc *nats.Conn, l lattice.Name) *way {
	return &way{nc: nc, replies: replies{nc: nc}, chunks: &chunks{nc: nc, lattice: l}}
}

// NewClient returns a client on a connection.
func NewClient(nc *nats.Conn, cfg ClientConfig) *Client {
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = DefaultMaxBytes
	}
	if cfg.Budget == nil {
		cfg.Budget = load.NewBudget(0)
	}
	c := &Client{cfg: cfg, way: newWay(nc, cfg.Lattice)}
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
	old := c.way
	c.way = newWay(nc, c.cfg.Lattice)
	c.mu.Unlock()
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

// enter begins a call on the present connection.
func (c *Client) enter() *way {
	c.mu.RLock()
	defer c.mu.RUnlock()
	c.way.calls.Add(1)
	return c.way
}

// OpenStore makes the lattice's store of large payloads, if it is missing, for others that may use it but not make it.
func (c *Client) OpenStore(ctx context.Context) error {
	w := c.enter()
	defer w.calls.Done()
	if _, _, err := w.chunks.open(ctx); err != nil {
		return chunkError("open the store of large payloads", err)
	}
	return nil
}

// Call signs and sends an invocation and returns the payload of the answer. The deadline of ctx bounds it, or else the
// client's timeout, with 13 s on top for a payload above wire.MaxInlineBytes. Errors: what the target answered
// (lattice.Error with Remote set), ErrTimeout and ErrCanceled. ErrNoResponders means that no process serves the target,
// ErrTooLarge that the payload is above MaxBytes, ErrBusy that the budget has no room. ErrUnavailable means that the
// connection is closed, or has been away for more than half a second: such calls fail at once.
func (c *Client) Call(ctx context.Context, call Call) (answer []byte, err error) {
	w := c.enter()
	defer w.calls.Done()
	err = c.exchange(ctx, w, call, func(ctx context.Context, payload []byte, large *object) (err error) {
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
	w := c.enter()
	err = c.exchange(ctx, w, call, func(ctx context.Context, payload []byte, large *object) error {
		if large == nil {
			a = NewAnswer(payload)
			return nil
		}
		if err := c.cfg.Budget.Acquire(ctx, "response", windowBytes); err != nil {
			_ = large.Close()
			return err
		}
		a = &Answer{Reader: large, length: int64(large.info.Size), object: large, budget: c.cfg.Budget, held: windowBytes, way: w}
		return nil
	})
	if a == nil || a.object == nil {
		w.calls.Done()
	}
	return a, err
}

// Answer is the payload of an answer. It is not safe for concurrent use.
type Answer struct {
	io.Reader
	bytes  []byte
	length int64
	object *object // nil when it came in the message
	budget *load.Budget
	held   int64
	way    *way // stays until the answer is closed
}

// NewAnswer is an answer that is all in memory.
func NewAnswer(payload []byte) *Answer {
	return &Answer{Reader: bytes.NewReader(payload), bytes: payload, length: int64(len(payload))}
}

// NewHeldAnswer is an answer that is all in memory and of which so much is held of a budget until it is closed.
func NewHeldAnswer(payload []byte, b *load.Budget, held int64) *Answer {
	a := NewAnswer(payload)
	a.budget, a.held = b, held
	return a
}

// Len is the length of the whole payload.
func (a *Answer) Len() int64 { return a.length }

// Bytes is the whole payload when it is in memory.
func (a *Answer) Bytes() ([]byte, bool) { return a.bytes, a.object == nil }

// All reads the rest of the answer into memory, where it is counted until Close. ctx bounds the wait for room; see
// load.Budget.
func (a *Answer) All(ctx context.Context) ([]byte, error) {
	if a.object != nil {
		if err := a.budget.Acquire(ctx, "response", a.length); err != nil {
			return nil, err
		}
		a.held += a.length
	}
	return io.ReadAll(a)
}

// Close deletes what the store has of the answer.
func (a *Answer) Close() error {
	if a.object == nil {
		a.budget.Release(a.held)
		a.held = 0
		return nil
	}
	if a.object.closed {
		return nil
	}
	defer a.way.calls.Done()
	a.budget.Release(a.held)
	return a.object.Close()
}

// until says when a call that begins now is over.
func (c *Client) until(ctx context.Context, call *Call) time.Time {
	if deadline, ok := ctx.Deadline(); ok {
		return deadline
	}
	timeout := c.cfg.Timeout
	if call.Timeout > 0 {
		timeout = call.Timeout
	} else if call.size() > wire.MaxInlineBytes {
		timeout += load.Allowance
	}
	return time.Now().Add(timeout)
}

// fetch reads a large answer into memory.
func (c *Client) fetch(ctx context.Context, large *object) ([]byte, error) {
	defer large.Close()
	held, err := c.cfg.Budget.Hold(ctx, "response", int64(large.info.Size))
	if err != nil {
		return nil, err
	}
	defer c.cfg.Budget.Release(held)
	return large.all(ctx)
}

// exchange makes a call and hands the answer, or where it is in the store, to use while its deadline holds. Calls whose
// payloads are not in the store need no context of their own for that.
func (c *Client) exchange(ctx context.Context, w *way, call Call, use func(ctx context.Context, payload []byte, large *object) error) error {
	start := time.Now()
	var deadline time.Time
	if call.Body == nil { // else reading it does not count
		deadline = c.until(ctx, &call)
	}
	var inv *wire.Invocation
	var msg *nats.Msg
	r := c.route(call.Target)
	err := w.there(ctx, &call)
	if err == nil {
		inv, msg, err = c.begin(ctx, w, &call, &r, deadline)
	}
	if err == nil {
		if deadline.IsZero() {
			deadline = c.until(ctx, &call)
		}
		again := true
		for again && err == nil {
			if again, err = c.attempt(ctx, w, inv, msg, &r, &call, deadline, use); again {
				inv, msg, err = c.begin(ctx, w, &call, &r, deadline)
			}
		}
	}
	if c.cfg.Observe != nil {
		c.cfg.Observe(call, time.Since(start), err)
	}
	return err
}

// failure makes the errors of a call of an invocation's target.
func failure(operation, target string) func(code lattice.Code, detail string, cause error) error {
	return func(code lattice.Code, detail string, cause error) error {
		return &lattice.Error{Code: code, Op: "call " + operation + " of", Entity: target, Detail: detail, Err: cause}
	}
}

// begin signs or seals an invocation, whose payload it stores when that is large, and makes the message that is to be
// sent. Storing may take until the deadline; zero: as long as the body takes.
func (c *Client) begin(ctx context.Context, w *way, call *Call, r *route, deadline time.Time) (*wire.Invocation, *nats.Msg, error) {
	fail := failure(call.Operation, call.Target.PublicKey)
	size := call.size()
	if size > c.cfg.MaxBytes {
		return nil, nil, fail(lattice.ErrTooLarge, fmt.Sprintf("request of %d bytes, limit %d", size, c.cfg.MaxBytes), nil)
	}
	chunked := size > wire.MaxInlineBytes
	if call.Body != nil && !chunked {
		whole := make([]byte, size)
		if _, err := io.ReadFull(call.Body, whole[copy(whole, call.Payload):]); err != nil {
			return nil, nil, err
		}
		call.Payload, call.Body, call.BodyLength = whole, nil, 0
	}
	subj, err := r.subject(c.cfg.Lattice, call.Target)
	if err != nil {
		return nil, nil, err
	}
	depth, err := invocation.Deeper(ctx)
	if err != nil {
		return nil, nil, err
	}
	inv := &wire.Invocation{Origin: call.Origin, Target: call.Target, Operation: call.Operation, Msg: call.Payload,
		ID: newID(), HostID: c.cfg.HostID, ContentLength: size}
	msg := &nats.Msg{Subject: subj}
	if !r.bare() {
		msg.Header = nats.Header{}
	}
	if depth > 0 && r.bare() {
		inv.Depth = uint32(depth)
	} else if depth > 0 {
		msg.Header[headerDepth] = []string{strconv.Itoa(depth)}
	}
	if tc, ok := trace.From(ctx); ok {
		setTrace(inv, msg.Header, tc.Child())
	}
	origin, to := inv.URLs()
	var hash string
	if chunked {
		inv.Msg = nil
		if !deadline.IsZero() {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, deadline)
			defer cancel()
		}
		if hash, err = c.store(ctx, w, inv, call); err != nil {
			return nil, nil, err
		}
	} else {
		if inv.EncodedClaims = c.seal(r, inv, origin, to); inv.EncodedClaims != "" {
			return inv, msg, nil
		}
		hash = wire.Hash(origin, to, inv.Operation, inv.Msg)
	}
	inv.EncodedClaims, err = signing.SignInvocation(*c.cluster.Load(), inv.ID, origin, to, hash, time.Now())
	if err != nil {
		return nil, nil, fail(lattice.ErrInternal, "sign", err)
	}
	return inv, msg, nil
}

// finish sends what begin has made, and returns the answer. When that is in the store, its payload is shorter than it
// says.
func (c *Client) finish(ctx context.Context, w *way, inv *wire.Invocation, msg *nats.Msg, r *route, deadline time.Time) (*wire.Response, error) {
	fail := failure(inv.Operation, inv.Target.PublicKey)
	chunked := inv.ContentLength > uint64(len(inv.Msg))
	// Rounded up, or not said at all, what is left would grow with each of the calls that are made for this one.
	ms := time.Until(deadline).Milliseconds()
	if ms <= 0 {
		if chunked {
			w.chunks.drop(inv.ID)
		}
		return nil, fail(lattice.ErrTimeout, "no time was left to make it", nil)
	}
	stamp := r.stamp()
	if msg.Header == nil {
		inv.Timeout, inv.Sent = uint32(min(ms, math.MaxUint32)), stamp
	} else {
		msg.Header[headerTimeout] = []string{strconv.FormatInt(ms, 10)}
		if !stamp.IsZero() {
			msg.Header[headerSent] = []string{sentText(stamp)}
		}
	}
	if r.served != nil && r.to == nil {
		msg.Header[headerAsk] = askWho
	}
	buf := newBuffer()
	defer buf.free()
	inv.EncodeTo(&buf.Writer)
	msg.Data = buf.Bytes()

	reply, err := w.replies.request(ctx, msg, deadline)
	if chunked && err != nil {
		w.chunks.drop(inv.ID) // no host answered, or it is late
	}
	switch {
	case err == nil:
		return c.answer(w, inv, reply, chunked, r, fail)
	case errors.Is(err, nats.ErrNoResponders):
		r.unbegun = true
		return nil, fail(lattice.ErrNoResponders, "", nil)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return nil, fail(lattice.ErrTimeout, "", nil)
	case errors.Is(err, context.Canceled):
		return nil, fail(lattice.ErrCanceled, "", nil)
	case natsconn.IsAway(err):
		return nil, w.natsAway(inv.Operation, inv.Target.PublicKey)
	case errors.Is(err, nats.ErrMaxPayload):
		return nil, fail(lattice.ErrTooLarge, fmt.Sprintf("message of %d bytes, the NATS server takes %d", len(msg.Data), w.nc.MaxPayload()), nil)
	}
	return nil, fail(lattice.ErrUnavailable, "", err)
}

// store puts the payload of a call into the object store and returns the hash to sign.
func (c *Client) store(ctx context.Context, w *way, inv *wire.Invocation, call *Call) (string, error) {
	// what is passed on is counted by its window; what is in memory already is counted by its owner
	if call.Body != nil {
		if err := c.cfg.Budget.Acquire(ctx, "request", windowBytes); err != nil {
			return "", err
		}
		defer c.cfg.Budget.Release(windowBytes)
	}
	var hash wire.Hasher
	tries := 0
	err := w.chunks.put(ctx, inv.ID, func() (io.Reader, bool) {
		if tries++; tries > 1 && call.Body != nil {
			return nil, false
		}
		origin, to := inv.URLs()
		hash = wire.NewHasher(origin, to, inv.Operation)
		var r io.Reader = bytes.NewReader(call.Payload)
		if call.Body != nil {
			r = io.MultiReader(r, exactly{&io.LimitedReader{R: call.Body, N: call.BodyLength}})
		}
		return io.TeeReader(r, hash), true
	})
	if err != nil {
		return "", err
	}
	return hash.Text(), nil
}

// exactly makes an end before the length that was told an error.
type exactly struct{ *io.LimitedReader }

func (e exactly) Read(p []byte) (int, error) {
	n, err := e.LimitedReader.Read(p)
	if err == io.EOF && e.N > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// answer reads the answer.
func (c *Client) answer(w *way, inv *wire.Invocation, reply *nats.Msg, chunked bool, r *route, fail func(lattice.Code, string, error) error) (*wire.Response, error) {
	c.cfg.Directory.noteWho(r, reply.Header)
	resp, err := wire.DecodeResponse(reply.Data)
	if err != nil {
		return nil, fail(lattice.ErrInvalid, "undecodable response", err)
	}
	if resp.Error != "" && chunked {
		w.chunks.drop(inv.ID) // it may not have been taken
	}
	if resp.Error != "" { // before anything else: error replies of some providers lack the other fields
		r.unbegun = len(reply.Header[headerUnbegun]) > 0
		err := lattice.FromWire(reply.Header.Get(headerError), resp.Error)
		err.Remote = !r.unbegun || err.Code != lattice.ErrNoResponders // else it is as if NATS said so
		return nil, err
	}
	if resp.InvocationID != inv.ID {
		return nil, fail(lattice.ErrInvalid, "the response answers another invocation, "+lattice.Printable(resp.InvocationID), nil)
	}
	if resp.ContentLength > c.cfg.MaxBytes {
		w.chunks.drop(responseName(inv.ID))
		return nil, fail(lattice.ErrTooLarge, fmt.Sprintf("response of %d bytes, limit %d", resp.ContentLength, c.cfg.MaxBytes), nil)
	}
	return resp, nil
}

// buffer holds a message until it is published: the connection copies it.
type buffer struct{ msgpack.Writer }

// keptBuffer is the largest buffer that is used again.
const keptBuffer = 64 << 10

var buffers = sync.Pool{New: func() any { return new(buffer) }}

func newBuffer() *buffer { return buffers.Get().(*buffer) }

func (b *buffer) free() {
	if cap(b.Bytes()) <= keptBuffer {
		b.Reset()
		buffers.Put(b)
	}
}

// newID returns a random UUID (version 4). It need not be hard to guess: what counts is what is signed with it.
func newID() string {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], rand.Uint64())
	binary.BigEndian.PutUint64(id[8:], rand.Uint64())
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id.String()
}

// setTrace puts the trace into the invocation and, for tools that look on, into the headers if there are any.
func setTrace(inv *wire.Invocation, h nats.Header, tc trace.Context) {
	parent := tc.Traceparent()
	inv.TraceContext = map[string]string{headerParent: parent}
	if tc.State != "" {
		inv.TraceContext[headerState] = tc.State
	}
	if h == nil {
		return
	}
	h[headerParent] = []string{parent}
	if tc.State != "" {
		h[headerState] = []string{tc.State}
	}
}

// traceOf is the trace of the sender, if it has one. The invocation's own field is preferred to the headers.
func traceOf(inv *wire.Invocation, h nats.Header) (trace.Context, bool) {
	parent, state := inv.TraceContext[headerParent], inv.TraceContext[headerState]
	if parent == "" {
		if v := h[headerParent]; len(v) > 0 {
			parent = v[0]
			state = h.Get(headerState)
		}
	}
	if parent == "" {
		return trace.Context{}, false
	}
	return trace.Parse(parent, state)
}
