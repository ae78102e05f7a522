package http

import (
	"context"

	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/component/face"
	"github.com/weftlattice/weft/lattice/contract/httpclient"
)

// Exchange is one request and its answer.
type Exchange struct {
	Method, PathWithQuery, Scheme, Authority string
	Header                                   Header
	Incoming

	// Respond takes the head of the answer; status is 0 when the guest answers with an error, which text says. Write
	// takes its body, and Finish its end, with trailers.
	Respond func(status int, h Header, text string) error
	Write   face.Sink
	Finish  func(ctx context.Context, trailers Header) error
	// Room is how many bytes Write takes without waiting, and Writable what is closed when it takes some, nil where it
	// does now. Nil: Write never waits.
	Room     func() int
	Writable func() <-chan struct{}

	responded bool
	finished  bool
	request   incomingRequest
	out       outparam
	params    [2]any
}

// Responded reports whether the head of an answer was given, and whether its body has ended.
func (e *Exchange) Responded() (head, whole bool) { return e.responded, e.finished }

// Close lets go of the request and of its answer, of which a guest may keep handles.
func (e *Exchange) Close() {
	e.Header, e.Incoming = nil, Incoming{Body: ended}
	e.Respond = func(int, Header, string) error { return errEnded }
	e.Write = func(context.Context, []byte) error { return errEnded }
	e.Finish = func(context.Context, Header) error { return errEnded }
	e.Room, e.Writable = nil, nil
}

// Params are the arguments of wasi:http/incoming-handler handle.
func (e *Exchange) Params() []any {
	e.request, e.out = incomingRequest{exchange: e}, outparam{e}
	e.params = [2]any{face.Rep(&e.request), face.Rep(&e.out)}
	return e.params[:]
}

type incomingRequest struct {
	exchange *Exchange
	consumed bool
}

type outparam struct{ exchange *Exchange }

// outgoingResponse is what a guest makes before it is sent.
type outgoingResponse struct {
	status uint16
	header *fields
	body   *outgoingBody // nil: not asked for
}

// Drop gives back what a response holds that is not sent. Its body may still be written to.
func (r *outgoingResponse) Drop() {
	r.header.Drop()
	if r.body != nil && r.body.done {
		r.body.Drop()
	}
}

func respond(c *face.Call, args []any) (any, error) {
	e := face.Object[*outparam](args[0]).exchange
	if e.responded {
		return nil, abi.Trap("a response is set twice")
	}
	e.responded = true
	result := args[1].(abi.Variant)
	if result.Case == 1 {
		e.finished = true
		return nil, e.Respond(0, nil, errorText(result.Value))
	}
	r := face.Object[*outgoingResponse](result.Value)
	defer r.Drop()
	if err := e.Respond(int(r.status), r.header.all, ""); err != nil {
		return nil, err
	}
	b := r.body
	if b == nil { // it was never asked for: empty
		length, _ := r.header.all.length()
		b = &outgoingBody{state: c.State, length: length, size: httpclient.ResponseBodySize, done: true}
	}
	b.exchange = e
	b.bodiless = e.Method == "HEAD" || r.status == 204 || r.status == 304
	if len(b.held) > 0 {
		err := b.gap(e.Write(c.Context, b.held))
		b.release()
		if err != nil && c.Context.Err() != nil {
			return nil, err
		}
	}
	if b.done && (b.failed == nil && b.fits() || b.bodiless && b.written == 0) {
		return nil, b.finish(c.Context)
	}
	return nil, nil
}

var exchanges = map[string]face.Func{
	"[method]incoming-request.method": face.Method(face.Little, func(_ *face.Call, r *incomingRequest, _ []any) (any,
		error) {
		return methodOf(r.exchange.Method), nil
	}),
	"[method]incoming-request.path-with-query": face.Method(face.Little, func(c *face.Call, r *incomingRequest,
		_ []any) (any, error) {
		return optional(c, r.exchange.PathWithQuery), nil
	}),
	"[method]incoming-request.scheme": face.Method(face.Little, func(_ *face.Call, r *incomingRequest, _ []any) (any,
		error) {
		return scheme(r.exchange.Scheme), nil
	}),
	"[method]incoming-request.authority": face.Method(face.Little, func(c *face.Call, r *incomingRequest,
		_ []any) (any, error) {
		return optional(c, r.exchange.Authority), nil
	}),
	"[method]incoming-request.headers": face.Method(face.Little, func(c *face.Call, r *incomingRequest, _ []any) (any,
		error) {
		return view(&r.exchange.Header), nil
	}),
	"[method]incoming-request.consume": committing(face.Method(face.Little, func(c *face.Call, r *incomingRequest,
		_ []any) (any, error) {
		if r.consumed {
			return face.Bad(nil), nil
		}
		r.consumed = true
		return c.Good(face.Rep(&incomingBody{Incoming: &r.exchange.Incoming})), nil
	})),
	"[constructor]outgoing-response": {Call: func(c *face.Call, args []any) (any, error) {
		h, err := given(c, args[0])
		if err != nil {
			return nil, err
		}
		return face.Rep(&outgoingResponse{status: 200, header: h}), nil
	}},
	"[method]outgoing-response.status-code": face.Method(face.Little, func(_ *face.Call, r *outgoingResponse,
		_ []any) (any, error) {
		return r.status, nil
	}),
	"[method]outgoing-response.set-status-code": face.Method(face.Little, func(_ *face.Call, r *outgoingResponse,
		args []any) (any, error) {
		status := args[0].(uint16)
		if status < 200 || status > 599 { // no others reach a client: those below are interim, and there are none above
			return face.Bad(nil), nil
		}
		r.status = status
		return face.Good(nil), nil
	}),
	"[method]outgoing-response.headers": face.Method(face.Little, func(c *face.Call, r *outgoingResponse,
		_ []any) (any, error) {
		return view(&r.header.all), nil
	}),
	"[method]outgoing-response.body": face.Method(face.Little, func(c *face.Call, r *outgoingResponse, _ []any) (any,
		error) {
		if r.body != nil {
			return face.Bad(nil), nil
		}
		if r.body = r.header.body(c.State, httpclient.ResponseBodySize); r.body == nil {
			return face.Bad(nil), nil
		}
		return c.Good(face.Rep(r.body)), nil
	}),

	"[static]response-outparam.set": {Cost: face.Medium, Commits: true, Lent: true, Call: respond},
}
