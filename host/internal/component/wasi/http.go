package wasi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/weftlattice/weft/host/internal/component/abi"
)

const maxFields = 128 << 10 // bytes of the names and values of one fields resource

// Header is fields in their order. Names are as they came.
type Header []Field

// Field is one of a header.
type Field struct{ Name, Value string }

// Exchange is one request and its answer.
type Exchange struct {
	Method, PathWithQuery, Scheme, Authority string
	Header                                   Header
	// Body returns some bytes of the request's body, at most max of them, and io.EOF at its end. It does not wait when
	// wait is not set.
	Body func(ctx context.Context, max int, wait bool) ([]byte, error)

	// Respond takes the head of the answer; status is 0 when the guest answers with an error, which text says. Write
	// takes its body, and Finish its end, with trailers.
	Respond func(status int, h Header, text string) error
	Write   Sink
	Finish  func(trailers Header) error

	responded bool
	finished  bool
}

// Responded reports whether the head of an answer was given, and whether its body has ended.
func (e *Exchange) Responded() (head, whole bool) { return e.responded, e.finished }

// Params are the arguments of wasi:http/incoming-handler handle.
func (e *Exchange) Params() []any {
	return []any{rep(&incomingRequest{exchange: e}), rep(&outparam{e})}
}

// fields is the resource of that name.
type fields struct {
	state     *State
	all       Header
	bytes     int // held of the state
	immutable bool
}

// Drop gives back what the fields hold.
func (f *fields) Drop() {
	f.state.release(f.bytes)
	f.all, f.bytes = nil, 0
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

// outgoingBody is written to once its response has been sent, and waits until then.
type outgoingBody struct {
	state    *State
	exchange *Exchange // nil: not sent yet
	held     []byte    // written before it was sent
	written  uint64
	length   int64 // by the header; negative: unknown
	stream   bool  // it was asked for
	done     bool
}

// Drop gives back what was written and not sent.
func (b *outgoingBody) Drop() {
	b.state.release(len(b.held))
	b.held = nil
}

type incomingBody struct {
	exchange *Exchange
	stream   bool
}

type futureTrailers struct{ taken bool }

// Cases of header-error.
const (
	invalidSyntax = iota
	forbidden
	headerImmutable
)

func headerError(n uint32) abi.Variant { return bad(abi.Variant{Case: n}) }

// forbiddenNames are fields that belong to a connection, and not to the guest.
var forbiddenNames = map[string]bool{"connection": true, "keep-alive": true, "proxy-authenticate": true,
	"proxy-authorization": true,
	"proxy-connection":    true, "transfer-encoding": true, "upgrade": true, "host": true, "http2-settings": true,
	"te": true}

// check says what is wrong with a field; negative: nothing.
func check(name, value string) int {
	switch {
	case !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value):
		return invalidSyntax
	case forbiddenNames[strings.ToLower(name)]:
		return forbidden
	}
	return -1
}

// put appends fields, all or none.
func (f *fields) put(add Header) (abi.Variant, bool) {
	size := 0
	for _, a := range add {
		if n := check(a.Name, a.Value); n >= 0 {
			return headerError(uint32(n)), false
		}
		size += a.size()
	}
	if f.bytes+size > maxFields || !f.state.hold(size) {
		return headerError(forbidden), false // there is no case for too much of it
	}
	f.all, f.bytes = append(f.all, add...), f.bytes+size
	return good(nil), true
}

// fieldCost is what a field takes besides its name and value.
const fieldCost = 32

func (f Field) size() int { return len(f.Name) + len(f.Value) + fieldCost }

func (f *fields) remove(name string) {
	kept := make(Header, 0, len(f.all))
	for _, x := range f.all {
		if strings.EqualFold(x.Name, name) {
			f.bytes -= x.size()
			f.state.release(x.size())
			continue
		}
		kept = append(kept, x)
	}
	f.all = kept
}

func (f *fields) values(name string) []any {
	values := []any{}
	for _, x := range f.all {
		if strings.EqualFold(x.Name, name) {
			values = append(values, []byte(x.Value))
		}
	}
	return values
}

// fields show a header that something else holds.
func (h Header) fields(s *State) *fields { return &fields{state: s, all: h, immutable: true} }

// changing makes a Func that changes fields.
func changing(f func(h *fields, args []any) abi.Variant) Func {
	return method(Little, func(c *Call, h *fields, args []any) (any, error) {
		if h.immutable {
			return headerError(headerImmutable), nil
		}
		return f(h, args), nil
	})
}

func text(v any) string {
	if b, ok := v.([]byte); ok {
		return string(b)
	}
	return v.(string)
}

func named(name any, values any) Header {
	var h Header
	for _, v := range values.([]any) {
		h = append(h, Field{name.(string), text(v)})
	}
	return h
}

// methods are the cases of wasi:http's method, before "other".
var methods = []string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}

func methodOf(m string) abi.Variant {
	for i, known := range methods {
		if m == known {
			return abi.Variant{Case: uint32(i)}
		}
	}
	return abi.Variant{Case: uint32(len(methods)), Value: m}
}

func scheme(s string) abi.Variant {
	switch s {
	case "":
		return none
	case "http":
		return some(abi.Variant{Case: 0})
	case "https":
		return some(abi.Variant{Case: 1})
	}
	return some(abi.Variant{Case: 2, Value: s})
}

func optional(s string) abi.Variant {
	if s == "" {
		return none
	}
	return some(s)
}

var httpTypes = map[string]Func{
	"http-error-code": constant(none),

	"[constructor]fields": {Little, func(c *Call, _ []any) (any, error) { return rep(&fields{state: c.State}), nil }},
	"[static]fields.from-list": {Little, func(c *Call, args []any) (any, error) {
		f := &fields{state: c.State}
		for _, e := range args[0].([]any) {
			pair := e.([]any)
			if v, ok := f.put(Header{{pair[0].(string), text(pair[1])}}); !ok {
				f.Drop()
				return v, nil
			}
		}
		return good(rep(f)), nil
	}},
	"[method]fields.get": method(Little, func(_ *Call, f *fields, args []any) (any,
		error) {
		return f.values(args[0].(string)), nil
	}),
	"[method]fields.has": method(Little, func(_ *Call, f *fields, args []any) (any, error) {
		return len(f.values(args[0].(string))) > 0, nil
	}),
	"[method]fields.set": changing(func(f *fields, args []any) abi.Variant {
		// The new values are judged first, so that a set that fails changes nothing.
		next := &fields{state: f.state}
		v, ok := next.put(named(args[0], args[1]))
		if !ok {
			return v
		}
		f.remove(args[0].(string))
		f.all, f.bytes = append(f.all, next.all...), f.bytes+next.bytes
		return v
	}),
	"[method]fields.delete": changing(func(f *fields, args []any) abi.Variant {
		name := args[0].(string)
		if n := check(name, ""); n >= 0 {
			return headerError(uint32(n))
		}
		f.remove(name)
		return good(nil)
	}),
	"[method]fields.append": changing(func(f *fields, args []any) abi.Variant {
		v, _ := f.put(Header{{args[0].(string), text(args[1])}})
		return v
	}),
	"[method]fields.entries": method(Little, func(c *Call, f *fields, _ []any) (any, error) {
		c.Pay(f.bytes)
		all := make([]any, len(f.all))
		for i, x := range f.all {
			all[i] = []any{x.Name, []byte(x.Value)}
		}
		return all, nil
	}),
	"[method]fields.clone": method(Little, func(c *Call, f *fields, _ []any) (any, error) {
		size := 0
		for _, x := range f.all {
			size += x.size()
		}
		c.Pay(size)
		if !c.State.hold(size) {
			return nil, abi.Trap("headers and bodies that are not sent hold %d MiB", maxHeld>>20)
		}
		return rep(&fields{state: c.State, all: append(Header(nil), f.all...), bytes: size}), nil
	}),

	"[method]incoming-request.method": method(Little, func(_ *Call, r *incomingRequest, _ []any) (any, error) {
		return methodOf(r.exchange.Method), nil
	}),
	"[method]incoming-request.path-with-query": method(Little, func(_ *Call, r *incomingRequest, _ []any) (any, error) {
		return optional(r.exchange.PathWithQuery), nil
	}),
	"[method]incoming-request.scheme": method(Little, func(_ *Call, r *incomingRequest, _ []any) (any, error) {
		return scheme(r.exchange.Scheme), nil
	}),
	"[method]incoming-request.authority": method(Little, func(_ *Call, r *incomingRequest, _ []any) (any, error) {
		return optional(r.exchange.Authority), nil
	}),
	"[method]incoming-request.headers": method(Little, func(c *Call, r *incomingRequest, _ []any) (any, error) {
		return rep(r.exchange.Header.fields(c.State)), nil
	}),
	"[method]incoming-request.consume": method(Little, func(_ *Call, r *incomingRequest, _ []any) (any, error) {
		if r.consumed {
			return bad(nil), nil
		}
		r.consumed = true
		return good(rep(&incomingBody{exchange: r.exchange})), nil
	}),

	"[method]incoming-body.stream": method(Little, func(_ *Call, b *incomingBody, _ []any) (any, error) {
		if b.stream {
			return bad(nil), nil
		}
		b.stream = true
		return good(rep(&input{next: b.exchange.Body})), nil
	}),
	"[static]incoming-body.finish": {Little, func(*Call, []any) (any, error) { return rep(&futureTrailers{}), nil }},
	"[method]future-trailers.subscribe": method(Little, func(*Call, *futureTrailers, []any) (any,
		error) {
		return rep(&pollable{}), nil
	}),
	"[method]future-trailers.get": method(Little, func(_ *Call, t *futureTrailers, _ []any) (any, error) {
		if t.taken {
			return some(bad(nil)), nil
		}
		t.taken = true
		return some(good(good(none))), nil
	}),

	"[constructor]outgoing-response": {Little, func(_ *Call, args []any) (any, error) {
		h := object[*fields](args[0])
		h.immutable = true
		return rep(&outgoingResponse{status: 200, header: h}), nil
	}},
	"[method]outgoing-response.status-code": method(Little, func(_ *Call, r *outgoingResponse, _ []any) (any,
		error) {
		return r.status, nil
	}),
	"[method]outgoing-response.set-status-code": method(Little, func(_ *Call, r *outgoingResponse, args []any) (any,
		error) {
		status := args[0].(uint16)
		if status < 100 || status > 999 {
			return bad(nil), nil
		}
		r.status = status
		return good(nil), nil
	}),
	"[method]outgoing-response.headers": method(Little, func(c *Call, r *outgoingResponse, _ []any) (any, error) {
		return rep(r.header.all.fields(c.State)), nil
	}),
	"[method]outgoing-response.body": method(Little, func(c *Call, r *outgoingResponse, _ []any) (any, error) {
		if r.body != nil {
			return bad(nil), nil
		}
		r.body = &outgoingBody{state: c.State, length: r.header.length()}
		return good(rep(r.body)), nil
	}),

	"[static]response-outparam.set": {Some, respond},

	"[method]outgoing-body.write": method(Little, func(_ *Call, b *outgoingBody, _ []any) (any, error) {
		if b.stream {
			return bad(nil), nil
		}
		b.stream = true
		return good(rep(&output{sink: b.write})), nil
	}),
	"[static]outgoing-body.finish": {Little, func(_ *Call, args []any) (any, error) {
		b := object[*outgoingBody](args[0])
		var trailers Header
		if t := args[1].(abi.Variant); t.Case == 1 {
			f := object[*fields](t.Value)
			defer f.Drop()
			trailers = f.all
		}
		if b.length >= 0 && uint64(b.length) != b.written {
			return bad(abi.Variant{Case: bodySize, Value: some(b.written)}), nil
		}
		b.done = true
		if b.exchange == nil {
			return good(nil), nil
		}
		b.exchange.finished = true
		if err := b.exchange.Finish(trailers); err != nil {
			return bad(internalError(err)), nil
		}
		return good(nil), nil
	}},
}

// Cases of error-code.
const (
	bodySize          = 28 // HTTP-response-body-size
	internalErrorCase = 38
)

func internalError(err error) abi.Variant {
	return abi.Variant{Case: internalErrorCase, Value: some(err.Error())}
}

// length is content-length; negative: none.
func (f *fields) length() int64 {
	for _, x := range f.all {
		if strings.EqualFold(x.Name, "content-length") {
			var n int64
			if _, err := fmt.Sscanf(x.Value, "%d", &n); err == nil && n >= 0 {
				return n
			}
		}
	}
	return -1
}

var errEnded = errors.New("the body has ended")

// write takes the bytes of a body. Before the response is sent some are held.
func (b *outgoingBody) write(ctx context.Context, p []byte) error {
	if b.done {
		return errEnded
	}
	b.written += uint64(len(p))
	if b.length >= 0 && b.written > uint64(b.length) {
		return errors.New("more than content-length says")
	}
	if b.exchange != nil {
		return b.exchange.Write(ctx, p)
	}
	if !b.state.hold(len(p)) {
		return fmt.Errorf("headers and bodies that are not sent hold %d MiB", maxHeld>>20)
	}
	b.held = append(b.held, p...)
	return nil
}

func respond(c *Call, args []any) (any, error) {
	e := object[*outparam](args[0]).exchange
	if e.responded {
		return nil, abi.Trap("a response is set twice")
	}
	e.responded = true
	result := args[1].(abi.Variant)
	if result.Case == 1 {
		e.finished = true
		return nil, e.Respond(0, nil, errorText(result.Value))
	}
	r := object[*outgoingResponse](result.Value)
	defer r.Drop()
	if err := e.Respond(int(r.status), r.header.all, ""); err != nil {
		return nil, err
	}
	if r.body == nil { // it was never asked for: empty
		e.finished = true
		return nil, e.Finish(nil)
	}
	r.body.exchange = e
	if len(r.body.held) > 0 {
		err := e.Write(c.Context, r.body.held)
		r.body.Drop()
		if err != nil && c.Context.Err() != nil {
			return nil, err
		}
	}
	if r.body.done {
		e.finished = true
		return nil, e.Finish(nil)
	}
	return nil, nil
}

// errorText says what error-code a guest answered with.
func errorText(v any) string {
	code, _ := v.(abi.Variant)
	if o, ok := code.Value.(abi.Variant); ok && o.Case == 1 {
		if s, ok := o.Value.(string); ok {
			return s
		}
	}
	return fmt.Sprintf("error code %d of wasi:http", code.Case)
}

// Whole is a Body of what is there already.
func Whole(b []byte) func(context.Context, int, bool) ([]byte, error) {
	return func(_ context.Context, max int, _ bool) ([]byte, error) {
		if len(b) == 0 {
			return nil, io.EOF
		}
		n := min(max, len(b))
		part := b[:n]
		b = b[n:]
		return part, nil
	}
}
