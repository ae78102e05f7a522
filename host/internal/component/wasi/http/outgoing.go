package http

import (
	"context"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/component/face"
	wasiio "github.com/weftlattice/weft/host/internal/component/wasi/io"
	"github.com/weftlattice/weft/internal/httpfield"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/httpclient"
)

// outgoingRequest is what a guest makes before it asks for it to be sent.
type outgoingRequest struct {
	state                           *face.State
	header                          *fields
	method, scheme, path, authority any // as the guest gave them
	held                            int // bytes of them, of the state
	body                            *outgoingBody
}

// Drop gives back what the request holds. Its body may still be written to.
func (r *outgoingRequest) Drop() {
	r.header.Drop()
	r.state.Release(r.held)
	r.held = 0
	if r.body != nil && r.body.done {
		r.body.Drop()
	}
}

// hold takes room for the texts that the guest has given, or reports that there is none.
func (r *outgoingRequest) hold() bool {
	size := len(methodName(r.method)) + len(schemeName(r.scheme))
	for _, option := range []any{r.path, r.authority} {
		if v, ok := value(option); ok {
			size += len(v.(string))
		}
	}
	if !r.state.Hold(size - r.held) {
		return false
	}
	r.held = size
	return true
}

type requestOptions struct{ connect, firstByte, betweenBytes any }

// getter makes the method that gives a property.
func getter[T any](p func(T) *any) face.Func {
	return face.Method(face.Little, func(_ *face.Call, o T, _ []any) (any, error) { return *p(o), nil })
}

// setting makes the method that sets an option of time.
func setting(p func(*requestOptions) *any) face.Func {
	return face.Method(face.Little, func(_ *face.Call, o *requestOptions, args []any) (any, error) {
		*p(o) = args[0]
		return face.Good(nil), nil
	})
}

// setter makes the method that sets a text of a request, if it is a good one.
func setter(p func(*outgoingRequest) *any, good func(v any) bool) face.Func {
	return face.Method(face.Little, func(_ *face.Call, r *outgoingRequest, args []any) (any, error) {
		before := *p(r)
		if !good(args[0]) {
			return face.Bad(nil), nil
		}
		if *p(r) = args[0]; !r.hold() {
			*p(r) = before
			return face.Bad(nil), nil
		}
		return face.Good(nil), nil
	})
}

func requestMethod(r *outgoingRequest) *any    { return &r.method }
func requestScheme(r *outgoingRequest) *any    { return &r.scheme }
func requestPath(r *outgoingRequest) *any      { return &r.path }
func requestAuthority(r *outgoingRequest) *any { return &r.authority }
func optionConnect(o *requestOptions) *any     { return &o.connect }
func optionFirstByte(o *requestOptions) *any   { return &o.firstByte }
func optionBetween(o *requestOptions) *any     { return &o.betweenBytes }

// value is what an option has; ok is false for none.
func value(option any) (v any, ok bool) {
	o := option.(abi.Variant)
	return o.Value, o.Case == 1
}

// methodName is the name of a method; "other" may hold any text.
func methodName(v any) string {
	m := v.(abi.Variant)
	if int(m.Case) < len(methods) {
		return methods[m.Case]
	}
	return m.Value.(string)
}

func goodMethod(v any) bool { return httpguts.ValidHeaderFieldName(methodName(v)) } // both are tokens

// schemeName is the name of an option of a scheme; requests without one are by https.
func schemeName(option any) string {
	v, ok := value(option)
	if !ok {
		return "https"
	}
	switch s := v.(abi.Variant); s.Case {
	case 0:
		return "http"
	case 1:
		return "https"
	default:
		return s.Value.(string)
	}
}

func goodScheme(v any) bool {
	s := strings.ToLower(schemeName(v))
	return s != "" && s[0] >= 'a' && s[0] <= 'z' && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789+-.") == ""
}

// goodPath takes a path with a query: what would begin another part of a URL, or end the line, is none.
func goodPath(option any) bool {
	v, ok := value(option)
	if !ok {
		return true
	}
	path := v.(string)
	return (path == "" || path[0] == '/' || path[0] == '?') && plain(path, "#")
}

// goodAuthority takes a host, maybe with a port. Whether there is such a host, the provider says.
func goodAuthority(option any) bool {
	v, ok := value(option)
	return !ok || v.(string) != "" && plain(v.(string), "/?#@\\")
}

func plain(s, without string) bool {
	return !strings.ContainsAny(s, without) &&
		!strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c == 0x7f })
}

var outgoingRequests = map[string]face.Func{
	"[constructor]outgoing-request": {Call: func(c *face.Call, args []any) (any, error) {
		h, err := given(c, args[0])
		if err != nil {
			return nil, err
		}
		return face.Rep(&outgoingRequest{state: c.State, header: h, method: abi.Variant{}, scheme: face.None,
			path: face.None, authority: face.None}), nil
	}},
	"[method]outgoing-request.method":              getter(requestMethod),
	"[method]outgoing-request.set-method":          setter(requestMethod, goodMethod),
	"[method]outgoing-request.scheme":              getter(requestScheme),
	"[method]outgoing-request.set-scheme":          setter(requestScheme, goodScheme),
	"[method]outgoing-request.path-with-query":     getter(requestPath),
	"[method]outgoing-request.set-path-with-query": setter(requestPath, goodPath),
	"[method]outgoing-request.authority":           getter(requestAuthority),
	"[method]outgoing-request.set-authority":       setter(requestAuthority, goodAuthority),
	"[method]outgoing-request.headers": face.Method(face.Little, func(c *face.Call, r *outgoingRequest, _ []any) (any,
		error) {
		return view(&r.header.all), nil
	}),
	"[method]outgoing-request.body": face.Method(face.Little, func(c *face.Call, r *outgoingRequest, _ []any) (any,
		error) {
		if r.body != nil {
			return face.Bad(nil), nil
		}
		if r.body = r.header.body(c.State, httpclient.RequestBodySize); r.body == nil {
			return face.Bad(nil), nil
		}
		return face.Good(face.Rep(r.body)), nil
	}),
	"[constructor]request-options": {Call: func(*face.Call, []any) (any, error) {
		return face.Rep(&requestOptions{face.None, face.None, face.None}), nil
	}},
	"[method]request-options.connect-timeout":           getter(optionConnect),
	"[method]request-options.set-connect-timeout":       setting(optionConnect),
	"[method]request-options.first-byte-timeout":        getter(optionFirstByte),
	"[method]request-options.set-first-byte-timeout":    setting(optionFirstByte),
	"[method]request-options.between-bytes-timeout":     getter(optionBetween),
	"[method]request-options.set-between-bytes-timeout": setting(optionBetween),

	"[method]future-incoming-response.subscribe": face.Method(face.Little, func(_ *face.Call, f *futureResponse,
		_ []any) (any, error) {
		return face.Rep(&wasiio.Pollable{Done: f.sent.Done()}), nil
	}),
	"[method]future-incoming-response.get": face.Method(face.Little, get),
	"[method]incoming-response.status": face.Method(face.Little, func(_ *face.Call, r *incomingResponse, _ []any) (any,
		error) {
		return r.status, nil
	}),
	"[method]incoming-response.headers": face.Method(face.Little, func(c *face.Call, r *incomingResponse, _ []any) (any,
		error) {
		return view(&r.header), nil
	}),
	"[method]incoming-response.consume": face.Method(face.Little, func(_ *face.Call, r *incomingResponse, _ []any) (any,
		error) {
		if r.consumed {
			return face.Bad(nil), nil
		}
		r.consumed = true
		r.parts++
		body := r.body
		discard := body.Discard
		body.Discard = func() {
			if body.Body = ended; discard != nil {
				discard()
			}
			r.let()
		}
		r.body = Incoming{}
		return face.Good(face.Rep(&incomingBody{Incoming: &body})), nil
	}),
}

// outgoingHandler sends requests by the provider of wasmcloud:httpclient that the actor is linked with.
var outgoingHandler = map[string]face.Func{"handle": {Cost: face.Much, Call: handle}}

// handlerFace is how a link name is chosen for it.
const handlerFace = "wasi:http/outgoing-handler"

// sending is a request whose body may still be written. It is sent when that is whole, or before that when there is too
// much of it to be held, or when the guest waits.
type sending struct {
	request *outgoingRequest
	options requestOptions
	to      *face.Sent
	context context.Context //nolint:containedctx // of the guest's call, with which it ends
	pay     func(bytes int)
	forget  func() // of State.OnRest; nil: it has no body to come
	asked   bool   // whether its body may be a stream
	streams bool   // the answer to that
}

func handle(c *face.Call, args []any) (any, error) {
	r := face.Object[*outgoingRequest](args[0])
	s := &sending{request: r, options: requestOptions{face.None, face.None, face.None}, to: face.NewSent(),
		context: c.Context, pay: c.Pay}
	if o, ok := value(args[1]); ok {
		s.options = *face.Object[*requestOptions](o)
	}
	var wrong *httpclient.Failure
	if _, ok := value(r.authority); !ok {
		wrong = httpclient.Fail(httpclient.RequestURIInvalid, "no authority")
	} else if scheme := schemeName(r.scheme); scheme != "http" && scheme != "https" {
		wrong = httpclient.Fail(httpclient.ProtocolError, "no scheme of HTTP")
	} else if r.body != nil && r.body.failed != nil {
		wrong = r.body.failed
	} else if r.body != nil {
		if trailers := r.body.given(); len(trailers) > 0 && !s.canStream(c.State) {
			wrong = untrailed(trailers)
		}
	} else if length, ok := r.header.all.length(); length > 0 || !ok {
		wrong = httpclient.Sized(httpclient.RequestBodySize, 0, "content-length, and no body")
	}
	switch {
	case wrong != nil:
		r.Drop()
		return face.Bad(errorCode(wrong)), nil
	case r.body == nil:
		s.send(nil, nil)
	case len(r.body.given()) > 0: // it is done, but for its trailers
		r.body.sending = s
		s.stream()
	case r.body.done: // before it was asked for
		s.send(r.body.held, nil)
	default:
		r.body.sending = s
		if s.forget = c.State.OnRest(s.stream); len(r.body.held) > heldBytes {
			s.stream()
		}
	}
	return face.Good(face.Rep(&futureResponse{sent: s.to})), nil
}

// stream sends the request, whose body follows as it is written, where whom it goes to takes that.
func (s *sending) stream() {
	b, state := s.request.body, s.request.state
	if b.sending != s || !s.canStream(state) {
		return
	}
	b.sending, b.feed = nil, newFeed(s.to, state.Rest)
	if b.done {
		b.feed.end(nil, b.given())
	}
	s.send(b.held, b.feed)
	b.letHeld()
}

// canStream reports whether whom the request goes to takes its body as a stream, which is asked once.
func (s *sending) canStream(state *face.State) bool {
	if !s.asked {
		s.asked, s.streams = true, state.Streams(state.Link(handlerFace), httpclient.ID)
	}
	return s.streams
}

// send sends the request with its body, or with the beginning of one that follows. An answer may be a stream.
func (s *sending) send(body []byte, follows *feed) {
	r := s.request
	if s.forget != nil {
		s.forget()
	}
	authority, _ := value(r.authority)
	path, _ := value(r.path)
	text, _ := path.(string)
	if !strings.HasPrefix(text, "/") {
		text = "/" + text
	}
	q := httpclient.Request{Method: methodName(r.method), URL: schemeName(r.scheme) + "://" + authority.(string) + text,
		Header: httpclient.Header{}, Body: body, Connect: span(s.options.connect), FirstByte: span(s.options.firstByte),
		BetweenBytes: span(s.options.betweenBytes)}
	r.header.all.Fold(q.Header)
	for _, values := range q.Header {
		for i, v := range values {
			values[i] = httpfield.Text(v)
		}
	}
	s.pay(r.header.bytes + r.held)
	payload := q.Encode()
	r.Drop()
	beside := &stream.Caller{Take: s.to.Take}
	if follows != nil {
		beside.Fill = follows.fill
		beside.Trailers = func() []stream.Field { return follows.trailers }
	}
	r.state.Send(s.context, s.to, r.state.Link(handlerFace), httpclient.ID, httpclient.Send, payload, beside)
}

// fail ends a request that will not be sent.
func (s *sending) fail(f *httpclient.Failure) {
	s.forget()
	s.to.End(nil, f, nil)
	s.request.Drop()
}

// span is a duration of WASI, in nanoseconds; 0: none.
func span(option any) time.Duration {
	v, ok := value(option)
	if !ok {
		return 0
	}
	return time.Duration(min(max(v.(uint64), 1), 1<<63-1))
}

// futureResponse is the answer of a request that was sent.
type futureResponse struct {
	sent  *face.Sent
	taken bool
}

// Drop gives the request up, unless somebody has its response.
func (f *futureResponse) Drop() {
	if !f.taken {
		f.sent.Drop()
	}
}

func get(c *face.Call, f *futureResponse, _ []any) (any, error) {
	select {
	case <-f.sent.Done():
	default:
		return face.None, nil
	}
	if f.taken {
		return face.Some(face.Bad(nil)), nil
	}
	f.taken = true
	r, err := received(c.State, f.sent)
	if err != nil {
		f.sent.Drop()
		failed := failureOf(err)
		warn(c.Context, c.State, err)
		return face.Some(face.Good(face.Bad(errorCode(failed)))), nil
	}
	c.Pay(r.size + r.header.size())
	return face.Some(face.Good(face.Good(face.Rep(r)))), nil
}

// warn tells the actor's log of what its operator can mend: a guest sees no more than the case.
func warn(ctx context.Context, s *face.State, err error) {
	switch lattice.CodeOf(err) {
	case lattice.ErrUnlinked, lattice.ErrMissingCapability, lattice.ErrDenied:
		s.WarnOnce(ctx, "a request was refused: "+err.Error())
	}
}

// incomingResponse is a response that has come, and is held until the guest has neither it nor its body.
type incomingResponse struct {
	sent     *face.Sent
	parts    int // that the guest has
	status   uint16
	header   Header
	size     int // of what is here of the body
	body     Incoming
	consumed bool
}

// received reads the answer of a call that has ended.
func received(state *face.State, sent *face.Sent) (*incomingResponse, error) {
	payload, beside, err := sent.Result()
	if err != nil {
		return nil, err
	}
	resp, err := httpclient.DecodeResponse(payload)
	if err != nil {
		return nil, err
	}
	r := &incomingResponse{sent: sent, parts: 1, status: resp.StatusCode, size: len(resp.Body),
		body: Incoming{Body: Whole(resp.Body)}}
	if beside != nil { // of which the head has no part
		r.body = FromStream(beside, state.Rest, sent.Let)
	}
	r.header = HeaderOf(resp.Header)
	return r, nil
}

// Drop lets go of all but the body.
func (r *incomingResponse) Drop() {
	r.header, r.body = nil, Incoming{}
	r.let()
}

func (r *incomingResponse) let() {
	if r.parts--; r.parts == 0 {
		r.sent.Drop()
	}
}
