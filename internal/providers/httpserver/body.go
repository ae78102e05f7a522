package httpserver

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
	"github.com/weftlattice/weft/provider"
)

// bodies are buffers of request bodies. Large ones are not kept.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

const (
	maxKeptBody = 1 << 20
	smallBody   = 64 << 10 // for which room is made before any of it has come
)

// fromNet makes a payload of a request that net/http has read. A body whose length is known to be large is passed on as
// it comes; any other is read first. held is what is to be given back to the budget when the call is over.
func (h *handler) fromNet(x *exchange, e *encoder, r *http.Request, path string) (req provider.Request,
	sent *requestBody, held int64, fail *failure) {
	n, limit := r.ContentLength, x.route.maxBody
	if fail := checkLength(n, limit); fail != nil {
		return req, nil, 0, fail
	}
	if n == 0 {
		e.net(r, x, path, 0)
		req.Payload = e.Bytes()
		return req, nil, 0, nil
	}
	if x.streams && (n < 0 || n > smallBody) {
		return h.pass(x, e, r, path)
	}
	wait, why := x.body(n)
	if why != granted {
		h.refused(x.ctx, "request", why, x.from.chain)
		return req, nil, 0, overFull(why)
	}
	if n > wire.MaxInlineBytes {
		e.net(r, x, path, int(n))
		sent = &requestBody{reader: http.MaxBytesReader(nil, r.Body, limit), left: n, limit: limit, wait: wait,
			route: x.route}
		req.Payload, req.Body, req.BodyLength = e.Bytes(), sent, n
		return req, sent, 0, nil
	}
	defer wait.release()
	if n > 0 && n <= smallBody { // into its place in the payload
		e.net(r, x, path, int(n))
		if _, err := io.ReadFull(r.Body, e.Room(int(n))); err != nil {
			return req, nil, 0, bodyFailure(err, limit)
		}
		req.Payload = e.Bytes()
		return req, nil, 0, nil
	}
	body := bodies.Get().(*bytes.Buffer)
	body.Reset()
	held, fail = h.readBody(x.ctx, body, r, x.route, wait)
	if fail != nil {
		return req, nil, held, fail
	}
	e.net(r, x, path, body.Len())
	copy(e.Room(body.Len()), body.Bytes())
	if body.Cap() <= maxKeptBody {
		bodies.Put(body)
	}
	req.Payload = e.Bytes()
	return req, nil, held, nil
}

// requestBody is a body that is passed on as it comes. It holds room for that; with its last byte it gives that back,
// and takes one of the route's places.
type requestBody struct {
	reader io.Reader
	left   int64 // bytes
	limit  int64
	wait   *hold
	route  *route
	begun  bool     // it has a place
	fail   *failure // why reading it failed
	pace   *pace    // of one that goes on as a stream; else nil
}

// Read is that of io.Reader.
func (b *requestBody) Read(p []byte) (int, error) {
	b.pace.begin(false)
	n, err := b.reader.Read(p)
	err = b.pace.pass(b.reader, p, err)
	if err != nil {
		b.pace.begin(true)
	}
	b.left -= int64(n)
	if b.left <= 0 && n > 0 && !b.begun {
		b.wait.release()
		if b.begun = b.route.begin(); !b.begun {
			b.fail = tooMany()
			return 0, lattice.ErrBusy
		}
	}
	if err != nil && err != io.EOF {
		b.fail = bodyFailure(err, b.limit)
	}
	return n, err
}

// close gives the request's room back. What the client still sends is looked at for a moment, so that it can read its
// answer before the connection is reset.
func (b *requestBody) close() {
	if b.pace != nil {
		_ = b.pace.pass(b.reader, make([]byte, progress), nil)
	}
	b.wait.release()
	if b.begun {
		b.route.end()
	}
}

// counted charges what is read of a body of unknown length.
type counted struct {
	io.Reader
	wait  *hold
	spare int64 // charged and not yet read
}

// errNoRoom ends the reading of a body for which there is no more room.
var errNoRoom = errors.New("no room for the rest of the body")

// Read takes room for a body as it grows: of one in chunks no length is known.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	for c.spare -= int64(n); c.spare < 0; c.spare += smallBody {
		if c.wait.ledger.grow(c.wait, smallBody) != granted {
			return n, errNoRoom
		}
	}
	return n, err
}

// checkLength refuses a body by the length that it claims.
func checkLength(length, limit int64) *failure {
	if length <= limit {
		return nil
	}
	return bodyTooLarge(limit)
}

// readBody reads the whole body, at most the route's limit. One of unknown length that turns out to be large waits for
// room for all that it may become; held is what it has, also when reading failed. wait is what the request holds until
// it is read.
func (h *handler) readBody(ctx context.Context, into *bytes.Buffer, r *http.Request, route *route,
	wait *hold) (held int64, fail *failure) {
	limit := route.maxBody
	body := http.MaxBytesReader(nil, r.Body, limit)
	begin := io.Reader(body)
	if r.ContentLength > 0 { // a claim: room for all of it is made only when some of it has come
		into.Grow(int(min(r.ContentLength, 64<<10)) + bytes.MinRead)
	} else {
		begin = &counted{Reader: body, wait: wait}
	}
	if _, err := into.ReadFrom(io.LimitReader(begin, wire.MaxInlineBytes+1)); err != nil {
		return 0, bodyFailure(err, limit)
	}
	if into.Len() <= wire.MaxInlineBytes {
		return 0, nil
	}
	timeout := route.timeout
	if timeout == 0 {
		timeout = h.env.Timeout
	}
	room := min(limit, invocation.DefaultMaxBytes)
	if why := wait.ledger.grow(wait, room); why != granted {
		h.refused(ctx, "request", why, "")
		return 0, overFull(why)
	}
	until, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	held, err := h.env.Large.Hold(until, "request", room)
	if err != nil {
		fail := callFailure(err, into.Len())
		fail.close = true // rather than reading it to its end
		return 0, fail
	}
	if _, err := into.ReadFrom(body); err != nil {
		return held, bodyFailure(err, limit)
	}
	return held, nil
}
