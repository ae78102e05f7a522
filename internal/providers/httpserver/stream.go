package httpserver

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/weftlattice/weft/internal/httpfield"
	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/httpserver"
	"github.com/weftlattice/weft/provider"
)

// Where an actor takes streams, a body goes on as it comes, and the client gets the answer as the actor writes it.

// pass makes a payload of a request whose body goes on as it comes. It takes a place of the route at once: the actor
// works on it from its beginning.
func (h *handler) pass(x *exchange, e *encoder, r *http.Request, path string) (req provider.Request, sent *requestBody,
	held int64, fail *failure) {
	limit := x.route.maxBody
	wait, why := x.body(streamed)
	if why != granted {
		h.refused(x.ctx, "request", why, x.from.chain)
		return req, nil, 0, overFull(why)
	}
	if !x.route.begin() {
		wait.release()
		return req, nil, 0, tooMany()
	}
	out := x.response.(*netResponse)
	_ = out.control.EnableFullDuplex() // it may answer while the body still comes; HTTP/2 can in any case
	sent = &requestBody{reader: http.MaxBytesReader(nil, r.Body, limit), left: r.ContentLength,
		limit: limit, wait: wait,
		route: x.route, begun: true, pace: &pace{set: out.control.SetReadDeadline, patience: h.reading}}
	e.net(r, x, path, 0)
	req.Payload = e.Bytes()
	req.Stream = &provider.StreamCaller{Body: sent, Trailers: func() (fields []provider.StreamField) {
		for name, v := range httpfield.All(r.Trailer) {
			fields = append(fields, provider.StreamField{Name: lowerName(name), Value: v})
		}
		return fields
	}, Release: sent.pace.end}
	return req, sent, 0, nil
}

// pace is how long a client may take for each piece of a body.
type pace struct {
	patience time.Duration

	mu    sync.Mutex
	set   func(time.Time) error // guarded by mu
	ended bool                  // guarded by mu
}

// begin is for the next piece; the client has all the time there is when it is the last one.
func (p *pace) begin(last bool) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.ended:
	case last:
		_ = p.set(time.Time{})
	default:
		_ = p.set(time.Now().Add(p.patience))
	}
}

// What a client may still send of a body that is not wanted, so that its connection need not be cut before it has read
// its answer.
const (
	mostPassed  = 16 << 20
	passingTime = time.Second
)

// end says that the rest of the body is not wanted. It is passed over, where it is not too long.
func (p *pace) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	_ = p.set(time.Now().Add(passingTime))
}

// pass reads the rest of a body that is not wanted, once that is known.
func (p *pace) pass(r io.Reader, buf []byte, err error) error {
	if p == nil || err != nil {
		return err
	}
	p.mu.Lock()
	ended := p.ended
	p.mu.Unlock()
	for passed := 0; ended && err == nil && passed < mostPassed; {
		var n int
		n, err = r.Read(buf)
		passed += n
	}
	if ended && err == nil {
		err = errNotWanted
	}
	return err
}

// errNotWanted ends a body of which no more is wanted.
var errNotWanted = &lattice.Error{Code: lattice.ErrTooLarge, Op: "read a body", Detail: "the rest is not wanted"}

// offer lets the actor answer by a stream.
func (h *handler) offer(x *exchange, req *provider.Request) {
	if req.Stream == nil {
		req.Stream = new(provider.StreamCaller)
	}
	req.Stream.Take = func(head []byte, s provider.Stream) error { return h.take(x, head, s) }
}

// errLeft ends a stream whose client has left.
var errLeft = &lattice.Error{Code: lattice.ErrCanceled, Op: "answer", Detail: "the client has left"}

// take sends an answer that is a stream. An error before its head is sent leaves the exchange to be answered otherwise.
func (h *handler) take(x *exchange, payload []byte, s provider.Stream) error {
	head, at, ok := contract.DecodeResponseHead(payload, int64(len(payload)))
	if !ok {
		return x.refuse(unusable("the actor's response is not understood", nil))
	}
	if fail := badStatus(head); fail != nil {
		return x.refuse(fail)
	}
	a := &answer{ResponseHead: head, whole: payload[at:]}
	if x.room != nil {
		if fail := x.room(streamed); fail != nil {
			return x.refuse(fail)
		}
	}
	status := int(head.StatusCode)
	length := a.claimed()
	x.status = status
	h.begin(x, a)
	x.Lasting()
	switch {
	case status == http.StatusNoContent || status == http.StatusNotModified:
		x.NoBody(-1)
		return nil
	case status == http.StatusResetContent:
		x.Body(nil)
		return nil
	case x.method == http.MethodHead:
		x.NoBody(length)
		return nil
	}
	var failed error
	copied := func(w io.Writer, flush func() error) error {
		err := error(nil)
		if len(a.whole) > 0 {
			_, err = w.Write(a.whole)
		}
		if err == nil && flush != nil {
			err = flush()
		}
		into := &client{Writer: w, err: err}
		if err == nil {
			err = s.CopyTo(x.ctx, into, into.flushing(flush))
		}
		if failed = err; into.err != nil || x.ctx.Err() != nil {
			failed, x.gone = errLeft, true
		}
		return failed
	}
	var err error
	if length >= 0 {
		err = x.Stream(length, func(w io.Writer) error { return copied(w, nil) })
	} else {
		err = x.Chunks(copied, func(yield func(name, value string) bool) {
			for _, f := range s.Trailers() {
				if !httpfield.AllowedTrailer(f.Name, f.Value) {
					h.warn(x.ctx, "trailer of a response left out: HTTP does not allow it",
						lattice.LogActor, x.route.actor,
						"name", lattice.Printable(f.Name))
				} else if !yield(f.Name, f.Value) {
					return
				}
			}
		})
	}
	return errors.Join(failed, err)
}

// refuse notes what the client is answered in place of a stream.
func (x *exchange) refuse(f *failure) error {
	x.refusal = f
	return &lattice.Error{Code: f.code, Op: "answer", Detail: f.text}
}

// client is where an answer goes; err is why it does not take it.
type client struct {
	io.Writer
	err error
}

func (c *client) Write(b []byte) (int, error) {
	n, err := c.Writer.Write(b)
	c.err = err
	return n, err
}

func (c *client) flushing(flush func() error) func() error {
	if flush == nil {
		return nil
	}
	return func() error {
		c.err = flush()
		return c.err
	}
}

// streamed tells of a stream that has ended.
func (h *handler) streamed(x *exchange, fail *failure) {
	if fail == nil || x.gone {
		h.tell(x, x.status, nil)
		return
	}
	h.warn(x.ctx, "response cut off: the actor did not finish it", lattice.LogActor, x.route.actor, lattice.LogErr,
		fail.cause)
	h.tell(x, http.StatusInternalServerError, fail)
}

// abort ends the connection of a stream that did not come to its end: the client must not take what it has for all.
func (x *exchange) abort(fail *failure) {
	if x.status != 0 && fail != nil {
		panic(http.ErrAbortHandler)
	}
}
