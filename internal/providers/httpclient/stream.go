package httpclient

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/weftlattice/weft/internal/clip"
	"github.com/weftlattice/weft/internal/httpfield"
	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/httpclient"
	"github.com/weftlattice/weft/provider"
)

// Where a caller takes streams, both bodies are one: that of the request goes on as the caller writes it, and the
// caller gets the answer as the server writes it. A small answer that is here at once goes whole, in one message.

const (
	wholeBytes = 16 << 10             // of an answer that may go as a whole
	wholeTime  = 5 * time.Millisecond // that such an answer may take to come, once its head is there
)

// pass makes a request whose caller takes streams. resp is an answer that goes as a whole; nil: it went as a stream.
func (c *client) pass(ctx context.Context, q *contract.Request, o *provider.StreamOffer,
	flow func(grant string) *flow) (resp *contract.Response, status int, grant string, err error) {
	a, grant, err := c.open(ctx, q, o, flow)
	if o == nil || !o.Body {
		flow(grant).out.Add(float64(len(q.Body)))
	}
	if err != nil {
		return nil, 0, grant, err
	}
	defer a.Close()
	resp, err = a.relay(ctx, o, flow(grant))
	return resp, a.res.StatusCode, grant, err
}

// sentBody is the body of a request that goes on as its caller writes it: within the size, at the pace and with the
// trailers that a link allows. An error of it ends the request.
type sentBody struct {
	answer *answer
	of     *http.Request
	rest   []byte          // that is here and not yet read
	from   provider.Stream // what follows it
	flow   *flow
	read   int64
	closed atomic.Bool
	ctx    context.Context //nolint:containedctx // of waiting for bytes: ends with the connection
	leave  func() bool     // the connection; nil: there is none yet
}

// goesOver is told the connection before the body is read. The transport waits until the body has been read, even when
// the server is gone: so waiting for the caller's bytes ends with the connection.
func (b *sentBody) goesOver(c net.Conn) {
	ctx, cancel := context.WithCancelCause(b.answer.ctx)
	b.ctx, b.leave = ctx, context.AfterFunc(lifeOf(c), func() { cancel(errTerminated) })
}

// whole reports whether all has been read of a body whose length is told. The caller may end it later.
func (b *sentBody) whole() bool { return b.read == b.of.ContentLength && len(b.of.Trailer) == 0 }

// declare announces the trailers that the header of the request does. Servers of HTTP/2 may pass over others.
func (b *sentBody) declare(q *contract.Request) error {
	for name, list := range httpfield.All(q.Header) {
		if !strings.EqualFold(name, "trailer") {
			continue
		}
		for _, name := range strings.Split(list, ",") {
			if name = strings.TrimSpace(name); !httpfield.AllowedTrailer(name, "") {
				return badTrailer(name)
			}
			b.of.Trailer[http.CanonicalHeaderKey(name)] = nil
		}
	}
	return nil
}

func badTrailer(name string) error {
	return contract.Fail(contract.ProtocolError, "the trailer %q is none that HTTP allows", clip.Text(name, maxShown))
}

// Read implements io.Reader. While the server takes the piece that it gives, the time between two of them runs.
func (b *sentBody) Read(p []byte) (int, error) {
	a := b.answer
	a.sending.done()
	n, err := b.next(p)
	if err == nil {
		if slow := a.client.bytes.WaitN(a.ctx, n); slow != nil {
			err = late(a.ctx, slow)
		}
	}
	if err == io.EOF {
		if err = b.end(); err == nil {
			return 0, io.EOF
		}
	}
	if err != nil {
		// Where the server has closed the body or the connection, its answer is what counts: it may be whole.
		if !b.closed.Load() && err != errTerminated {
			a.cancel(err)
		}
		return 0, err
	}
	b.flow.out.Add(float64(n))
	a.sending.await(a.client.betweenBytes, errStalled)
	if b.whole() { // else the transport holds the last piece back until it knows
		return n, io.EOF
	}
	return n, nil
}

// next waits for bytes.
func (b *sentBody) next(p []byte) (n int, err error) {
	if len(b.rest) == 0 {
		if b.rest, err = b.from.Next(b.ctx, part); err != nil {
			if context.Cause(b.ctx) == errTerminated {
				err = errTerminated
			}
			return 0, err
		}
	}
	n = copy(p[:min(len(p), part)], b.rest)
	b.rest = b.rest[n:]
	if b.read += int64(n); b.read > b.answer.client.requestBytes {
		return 0, b.answer.client.requestTooLarge(b.read)
	}
	return n, nil
}

// end takes the trailers.
func (b *sentBody) end() error {
	if b.closed.Load() {
		return errors.New("the body is closed")
	}
	for _, f := range b.from.Trailers() {
		if !httpfield.AllowedTrailer(f.Name, f.Value) {
			return badTrailer(f.Name)
		}
		b.of.Trailer.Add(f.Name, f.Value)
	}
	return nil
}

// Close implements io.Closer: the server wants no more.
func (b *sentBody) Close() error {
	if !b.closed.Swap(true) {
		b.from.Stop()
	}
	return nil
}

// relayed is an answer on its way to the caller: as a whole until it has begun as a stream.
type relayed struct {
	ctx   context.Context //nolint:containedctx // of the call
	offer *provider.StreamOffer
	head  *contract.Response

	mu    sync.Mutex
	held  []byte // guarded by mu
	begun bool   // guarded by mu
	err   error  // of beginning; guarded by mu
}

// begin sends the head, and what was held back of the body.
func (r *relayed) begin() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.beginLocked()
}

// beginLocked is begin. mu is held.
func (r *relayed) beginLocked() error {
	if r.begun {
		return r.err
	}
	r.begun = true
	if r.err = r.offer.Respond(r.head.Encode()); r.err == nil && len(r.held) > 0 {
		r.err = r.offer.Stream.Write(r.ctx, r.held)
	}
	r.held = nil
	return r.err
}

// write takes bytes of the body.
func (r *relayed) write(b []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.begun && len(r.held)+len(b) <= wholeBytes {
		r.held = append(r.held, b...)
		return nil
	}
	if err := r.beginLocked(); err != nil {
		return err
	}
	return r.offer.Stream.Write(r.ctx, b)
}

// end takes the clean end of the body. An answer that has not begun is returned.
func (r *relayed) end(trailers []provider.StreamField) (whole *contract.Response, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.begun && len(trailers) == 0 {
		r.begun = true // by the one who gets it
		r.head.Body = r.held
		return r.head, nil
	}
	if err := r.beginLocked(); err != nil {
		return nil, err
	}
	err = r.offer.Stream.End(r.ctx, trailers)
	if lattice.CodeOf(err) == lattice.ErrTooLarge {
		return nil, contract.Fail(contract.ResponseTrailersSize, "the trailers of the response are too large: %v", err)
	}
	return nil, err
}

// relay hands the answer to the caller.
func (a *answer) relay(ctx context.Context, o *provider.StreamOffer, flow *flow) (whole *contract.Response, err error) {
	r := &relayed{ctx: ctx, offer: o,
		head: &contract.Response{StatusCode: uint16(a.res.StatusCode), Header: responseHeader(a.res.Header)}}
	switch {
	case a.res.Body == http.NoBody:
	case a.res.ContentLength >= 0 && a.res.ContentLength <= wholeBytes:
		late := time.AfterFunc(wholeTime, func() { _ = r.begin() }) // its error is the next one's
		defer late.Stop()
	default:
		if err := r.begin(); err != nil {
			return nil, err
		}
	}
	buf := make([]byte, part)
	for {
		n, err := a.Read(buf)
		if n > 0 {
			flow.in.Add(float64(n))
			if err := r.write(buf[:n]); err != nil {
				return nil, err
			}
		}
		switch {
		case err == io.EOF:
			return r.end(a.trailers())
		case err != nil:
			return nil, err
		}
	}
}

// trailers are those that came with the answer's body, as actors get them.
func (a *answer) trailers() (all []provider.StreamField) {
	for name, v := range httpfield.All(a.res.Trailer) {
		if lower := strings.ToLower(name); !httpfield.HopByHop(lower) && httpguts.ValidHeaderFieldValue(v) {
			all = append(all, provider.StreamField{Name: lower, Value: httpfield.Text(v)})
		}
	}
	return all
}
