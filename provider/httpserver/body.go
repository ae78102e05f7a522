package httpserver

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"

	"github.com/weftlattice/weft/lattice/rpc"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/lattice/wire"
	"github.com/weftlattice/weft/provider"
)

// bodies are buffers of request bodies. Large ones are not kept.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

const (
	maxKeptBody = 1 << 20
	smallBody   = 64 << 10 // for which room is made before any of it has come
)

// fromNet makes a payload of a request that net/http has read. A body whose length is known to be large is passed on as it
// comes; any other is read first. held is what is to be given back to the budget when the call is over.
func (h *handler) fromNet(ctx context.Context, e *encoder, tc trace.Context, r *http.Request, route *route) (req provider.Request, sent *requestBody, held int64, fail *failure) {
	switch n := r.ContentLength; {
	case n > wire.MaxInlineBytes:
		if fail := checkLength(n, route.maxBody); fail != nil {
			return req, nil, 0, fail
		}
		sent = &requestBody{Reader: http.MaxBytesReader(nil, r.Body, route.maxBody)}
		e.net(r, tc, int(n))
		req.Body, req.BodyLength = sent, n
	case n >= 0 && n <= smallBody: // into its place in the payload
		if fail := checkLength(n, route.maxBody); fail != nil {
			return req, nil, 0, fail
		}
		e.net(r, tc, int(n))
		if n > 0 {
			if _, err := io.ReadFull(r.Body, e.Room(int(n))); err != nil {
				return req, nil, 0, bodyFailure(err, route.maxBody)
			}
		}
	default:
		body := bodies.Get().(*bytes.Buffer)
		body.Reset()
		held, fail = h.readBody(ctx, body, r, route)
		if fail != nil {
			return req, nil, held, fail
		}
		e.net(r, tc, body.Len())
		copy(e.Room(body.Len()), body.Bytes())
		if body.Cap() <= maxKeptBody {
			bodies.Put(body)
		}
	}
	req.Payload = e.Bytes()
	return req, sent, held, nil
}

// requestBody remembers why reading the body failed.
type requestBody struct {
	io.Reader
	err error
}

func (b *requestBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && err != io.EOF {
		b.err = err
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

// readBody reads the whole body, at most the route's limit. One of unknown length that turns out to be large waits for room for
// all that it may become; held is what it has, also when reading failed.
func (h *handler) readBody(ctx context.Context, into *bytes.Buffer, r *http.Request, route *route) (held int64, fail *failure) {
	limit := route.maxBody
	if fail := checkLength(r.ContentLength, limit); fail != nil || r.ContentLength == 0 {
		return 0, fail
	}
	if r.ContentLength > 0 { // a claim: room for all of it is made only when some of it has come
		into.Grow(int(min(r.ContentLength, 64<<10)) + bytes.MinRead)
	}
	body := http.MaxBytesReader(nil, r.Body, limit)
	if _, err := into.ReadFrom(io.LimitReader(body, wire.MaxInlineBytes+1)); err != nil {
		return 0, bodyFailure(err, limit)
	}
	if into.Len() <= wire.MaxInlineBytes {
		return 0, nil
	}
	timeout := route.timeout
	if timeout == 0 {
		timeout = h.env.Timeout
	}
	wait, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	held, err := h.env.Large.Hold(wait, "request", min(limit, rpc.DefaultMaxBytes))
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
