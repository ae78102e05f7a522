package rpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/chunks"
	"github.com/weftlattice/weft/internal/dated"
	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/internal/load"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/lattice/wire"
)

// flight is a call on its way: what all attempts to make it share, and the present one. One goroutine has it, that of
// the caller.
type flight struct {
	client   *Client
	on       *session
	call     Call
	deadline time.Time // zero: reading the body does not count
	dispatch dispatch

	inv  *wire.Invocation
	msg  *nats.Msg
	flow *flow // of the present attempt's stream; nil: it has none
}

// use takes an answer, or where it is in the store, while the deadline of the call holds. It is handed on rather than
// kept in the flight, where it would cost each call two allocations.
type use func(ctx context.Context, payload []byte, large *chunks.Object) error

// exchange makes a call and hands the answer to use. Calls whose payloads are not in the store need no context of their
// own for that.
func (c *Client) exchange(ctx context.Context, on *session, call Call, use use) error {
	start := time.Now()
	f := flight{client: c, on: on, call: call, dispatch: c.dispatch(call.Target)}
	err := f.run(ctx, use)
	if c.cfg.Observe != nil {
		c.cfg.Observe(f.call, time.Since(start), err)
	}
	return err
}

// run makes attempts until one is the last.
func (f *flight) run(ctx context.Context, use use) error {
	// A body is read at the pace of whoever sends it, so the time of the call begins when it is there.
	if f.call.Body == nil {
		f.deadline = f.until(ctx)
	}
	if f.call.Stream != nil {
		var err error
		if f.dispatch, err = f.client.forStream(f.dispatch, f.call.Stream.HasBody()); err != nil {
			return err
		}
	}
	if err := f.connected(ctx); err != nil {
		return err
	}
	for {
		if err := f.begin(ctx); err != nil {
			return err
		}
		if f.deadline.IsZero() {
			f.deadline = f.until(ctx)
		}
		if again, err := f.attempt(ctx, use); !again {
			return err
		}
	}
}

// until says when a call that begins now is over.
func (f *flight) until(ctx context.Context) time.Time {
	if deadline, ok := ctx.Deadline(); ok {
		return deadline
	}
	timeout := f.client.cfg.Timeout
	if f.call.Timeout > 0 {
		timeout = f.call.Timeout
	} else if f.call.size() > wire.MaxInlineBytes {
		timeout += load.Allowance
	}
	return time.Now().Add(timeout)
}

// fail is an error of the call.
func (f *flight) fail(code lattice.Code, detail string, cause error) error {
	return &lattice.Error{Code: code, Op: "call " + f.call.Operation + " of", Entity: f.call.Target.PublicKey,
		Detail: detail, Err: cause}
}

// connected waits for a connection that was lost just now. The error says that NATS is away, or is that of ctx.
func (f *flight) connected(ctx context.Context) error {
	nc := f.on.nc
	if nc.IsConnected() || nc.IsClosed() { // publishing says so
		return nil
	}
	back := nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer nc.RemoveStatusListener(back)
	if nc.IsConnected() { // before there was a listener
		return nil
	}
	patience := time.NewTimer(awayPatience - time.Since(f.on.away.lost(nc)))
	defer patience.Stop()
	select {
	case <-back:
		return nil
	case <-patience.C:
		return f.natsAway()
	case <-ctx.Done():
		return f.fail(lattice.CodeOf(ctx.Err()), "", nil)
	}
}

// natsAway is the error of a call that cannot be made without NATS.
func (f *flight) natsAway() error {
	since := time.Since(f.on.away.lost(f.on.nc)).Round(100 * time.Millisecond)
	return f.fail(lattice.ErrUnavailable, fmt.Sprintf("NATS is away since %s, and it is not served on this host",
		since), nil)
}

// begin makes the invocation and the message of the next attempt. It signs or seals the invocation, and stores its
// payload when that is large. Each attempt has an id of its own, since a server takes an id but once. Storing may take
// until the deadline; zero: as long as the body takes.
func (f *flight) begin(ctx context.Context) error {
	size, limit := f.call.size(), f.client.cfg.MaxBytes
	if size > limit {
		return f.fail(lattice.ErrTooLarge, fmt.Sprintf("request of %d bytes, limit %d", size, limit), nil)
	}
	chunked := size > wire.MaxInlineBytes
	if f.call.Body != nil && !chunked {
		if err := f.call.gather(); err != nil {
			return err
		}
	}
	subj, err := f.dispatch.subject(f.client.cfg.Lattice, f.call.Target)
	if err != nil {
		return err
	}
	depth, err := invocation.Deeper(ctx)
	if err != nil {
		return err
	}
	f.inv = &wire.Invocation{Origin: f.call.Origin, Target: f.call.Target, Operation: f.call.Operation,
		Msg: f.call.Payload,
		ID:  f.id(chunked), HostID: f.client.cfg.HostID, ContentLength: size}
	f.msg = &nats.Msg{Subject: subj}
	f.label(ctx, depth)
	if err := f.prove(ctx, chunked); err != nil {
		return err
	}
	if f.call.Stream.HasBody() && !f.dispatch.sealed { // the target would wait for it
		return f.fail(lattice.ErrUnavailable, "the host takes no MACs of this node, and so no body as a stream", nil)
	}
	return nil
}

// gather reads the body of a small payload.
func (c *Call) gather() error {
	whole := make([]byte, c.size())
	if _, err := io.ReadFull(c.Body, whole[copy(whole, c.Payload):]); err != nil {
		return err
	}
	c.Payload, c.Body, c.BodyLength = whole, nil, 0
	return nil
}

// label says in the invocation, or in headers where its receiver reads those, how deep the call is nested, and its
// trace.
func (f *flight) label(ctx context.Context, depth int) {
	bare := f.dispatch.bare()
	if !bare {
		f.msg.Header = nats.Header{}
	}
	if depth > 0 && bare {
		f.inv.Depth = uint32(depth)
	} else if depth > 0 {
		f.msg.Header[headerDepth] = []string{strconv.Itoa(depth)}
	}
	if tc, ok := trace.From(ctx); ok {
		setTrace(f.inv, f.msg.Header, tc.Child())
	}
}

// prove seals or signs the invocation, of which a chunked payload is stored first. One that is stored is signed always:
// the hash is reckoned as it passes by, and a MAC would be over bytes that are no longer here.
func (f *flight) prove(ctx context.Context, chunked bool) (err error) {
	inv := f.inv
	origin, to := inv.URLs()
	var hash string
	if chunked {
		inv.Msg = nil
		if !f.deadline.IsZero() {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, f.deadline)
			defer cancel()
		}
		if hash, err = f.store(ctx); err != nil {
			return err
		}
	} else {
		if inv.EncodedClaims = f.seal(origin, to); inv.EncodedClaims != "" {
			return nil
		}
		hash = wire.Hash(origin, to, inv.Operation, inv.Msg)
	}
	inv.EncodedClaims, err = signing.SignInvocation(*f.client.cluster.Load(),
		signing.Invocation{ID: inv.ID, OriginURL: origin, TargetURL: to, Hash: hash}, time.Now())
	if err != nil {
		return f.fail(lattice.ErrInternal, "sign", err)
	}
	return nil
}

// store puts the payload of the call into the object store and returns the hash to sign.
func (f *flight) store(ctx context.Context) (string, error) {
	body, length, payload, inv := f.call.Body, f.call.BodyLength, f.call.Payload, f.inv
	// what is passed on is counted by its window; what is in memory already is counted by its owner
	if body != nil {
		budget := f.client.cfg.Budget
		if err := budget.Acquire(ctx, "request", chunks.WindowBytes); err != nil {
			return "", err
		}
		defer budget.Release(chunks.WindowBytes)
	}
	var hash wire.Hasher
	tries := 0
	err := f.on.large.Put(ctx, inv.ID, func() (io.Reader, bool) {
		if tries++; tries > 1 && body != nil {
			return nil, false
		}
		origin, to := inv.URLs()
		hash = wire.NewHasher(origin, to, inv.Operation)
		var r io.Reader = bytes.NewReader(payload)
		if body != nil {
			r = io.MultiReader(r, exactly{&io.LimitedReader{R: body, N: length}})
		}
		return io.TeeReader(r, hash), true
	})
	if err != nil {
		return "", err
	}
	return hash.Text(), nil
}

// exactly makes an end before the length that was told an error: the receiver has been promised that length, and takes
// a shorter body for a broken one.
type exactly struct{ *io.LimitedReader }

// Read is that of io.LimitedReader otherwise, which tells no short body from a whole one.
func (e exactly) Read(p []byte) (int, error) {
	n, err := e.LimitedReader.Read(p)
	if err == io.EOF && e.N > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// attempt sends the call once, and reports whether it is to be sent again, elsewhere or otherwise.
func (f *flight) attempt(ctx context.Context, use use) (again bool, err error) {
	c, d := f.client, &f.dispatch
	if c.cfg.Sent != nil {
		c.cfg.Sent(Attempt{Direct: d.to != nil, MAC: d.sealed, Again: d.again})
	}
	d.unbegun = false
	var start time.Duration
	if d.to != nil {
		start = c.cfg.Directory.now()
		d.to.flight.Add(1)
	}
	resp, err := f.send(ctx)
	if d.to != nil {
		d.to.flight.Add(-1)
	}
	// The clocks of the two machines have drifted apart. The call goes again without the time that it is sent, so that
	// the server has nothing to judge it by.
	if d.unbegun && !d.undated && lattice.CodeOf(err) == lattice.ErrTimeout { // taken for late, but we are still here
		d.undated, again = true, true
	} else if d.to != nil {
		again = f.judge(start, err)
	} else if d.unbegun && !d.again { // the queue group chose; choose otherwise
		again = d.served != nil && d.elsewhere(c.cfg.Directory) || nobody(err)
		d.again = true
	}
	if f.flow != nil {
		flowing, failed := f.attended(ctx, resp, err)
		if flowing || failed != nil {
			return false, failed
		}
	}
	if err == nil && resp.ContentLength > uint64(len(resp.Msg)) {
		err = f.takeLarge(ctx, resp, use)
	} else if err == nil {
		err = use(ctx, resp.Msg, nil)
	}
	// its body has been read, or it is too late
	if again && (f.call.Once() || ctx.Err() != nil || !time.Now().Before(f.deadline)) {
		again = false
	}
	return again, err
}

// takeLarge hands an answer that is in the store to use.
func (f *flight) takeLarge(ctx context.Context, resp *wire.Response, use use) error {
	ctx, cancel := context.WithDeadline(ctx, f.deadline)
	defer cancel()
	large, err := f.on.large.Take(ctx, chunks.Response(f.inv.ID), resp.ContentLength)
	if err != nil {
		return err
	}
	return use(ctx, nil, large)
}

// send sends what begin has made, and returns the answer. When that is in the store, its payload is shorter than it
// says.
func (f *flight) send(ctx context.Context) (*wire.Response, error) {
	inv, msg := f.inv, f.msg
	chunked := inv.ContentLength > uint64(len(inv.Msg))
	// Rounded up, or not said at all, what is left would grow with each of the calls that are made for this one.
	ms := time.Until(f.deadline).Milliseconds()
	if ms <= 0 {
		if chunked {
			f.on.large.Drop(inv.ID)
		}
		return nil, f.fail(lattice.ErrTimeout, "no time was left to make it", nil)
	}
	f.date(ms)
	buf := newBuffer()
	defer buf.free()
	inv.EncodeTo(&buf.Writer)
	msg.Data = buf.Bytes()

	reply, err := f.on.replies.request(ctx, msg, f.deadline, f.attach(ctx))
	if chunked && err != nil {
		f.on.large.Drop(inv.ID) // no host answered, or it is late
	}
	switch {
	case err == nil:
		return f.answer(reply, chunked)
	case errors.Is(err, nats.ErrNoResponders):
		f.dispatch.unbegun = true
		return nil, f.fail(lattice.ErrNoResponders, "", nil)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return nil, f.fail(lattice.ErrTimeout, "", nil)
	case errors.Is(err, context.Canceled):
		return nil, f.fail(lattice.ErrCanceled, "", nil)
	case natsconn.IsAway(err):
		return nil, f.natsAway()
	case errors.Is(err, nats.ErrMaxPayload):
		return nil, f.fail(lattice.ErrTooLarge, fmt.Sprintf("message of %d bytes, the NATS server takes %d",
			len(msg.Data), f.on.nc.MaxPayload()), nil)
	}
	return nil, f.fail(lattice.ErrUnavailable, "", err)
}

// date says when the message is sent, which is now, for how many milliseconds an answer is waited for, and, by the
// queue group, that its receiver shall say who it is.
func (f *flight) date(ms int64) {
	stamp := f.dispatch.stamp()
	if f.msg.Header == nil {
		f.inv.Timeout, f.inv.Sent = uint32(min(ms, math.MaxUint32)), stamp
		return
	}
	f.msg.Header[dated.HeaderTimeout] = []string{strconv.FormatInt(ms, 10)}
	if !stamp.IsZero() {
		f.msg.Header[dated.HeaderSent] = []string{dated.Text(stamp)}
	}
	if f.dispatch.served != nil && f.dispatch.to == nil {
		f.msg.Header[headerAsk] = askWho
	}
}

// answer reads the answer.
func (f *flight) answer(reply *nats.Msg, chunked bool) (*wire.Response, error) {
	c, d, id := f.client, &f.dispatch, f.inv.ID
	d.noteWho(c.cfg.Directory, reply.Header)
	resp, err := wire.DecodeResponse(reply.Data)
	if err != nil {
		return nil, f.fail(lattice.ErrInvalid, "undecodable response", err)
	}
	if resp.Error != "" && chunked {
		f.on.large.Drop(id) // it may not have been taken
	}
	if resp.Error != "" { // before anything else: error replies of some providers lack the other fields
		d.unbegun = len(reply.Header[headerUnbegun]) > 0
		err := lattice.FromWire(reply.Header.Get(wire.HeaderError), resp.Error)
		err.Remote = !d.unbegun || err.Code != lattice.ErrNoResponders // else it is as if NATS said so
		return nil, err
	}
	if resp.InvocationID != id {
		return nil, f.fail(lattice.ErrInvalid, "the response answers another invocation, "+
			lattice.Printable(resp.InvocationID), nil)
	}
	if resp.ContentLength > c.cfg.MaxBytes {
		f.on.large.Drop(chunks.Response(id))
		return nil, f.fail(lattice.ErrTooLarge, fmt.Sprintf("response of %d bytes, limit %d", resp.ContentLength,
			c.cfg.MaxBytes), nil)
	}
	return resp, nil
}
