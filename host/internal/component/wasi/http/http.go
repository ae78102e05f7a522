// Package http is wasi:http: what a guest answers, and what it asks others for.
package http

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/component/face"
	wasiio "github.com/weftlattice/weft/host/internal/component/wasi/io"
	"github.com/weftlattice/weft/lattice/contract/httpclient"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
)

//go:embed types.txt
var types string

// Family is all of wasi:http.
var Family = face.Family{Types: types,
	Functions: map[string]map[string]face.Func{
		"wasi:http/types@0.2":            face.Join(httpTypes, outgoingRequests),
		"wasi:http/outgoing-handler@0.2": outgoingHandler,
	}, Contracts: map[string]string{
		"wasi:http/incoming-handler@0.2": httpserver.ID,
		"wasi:http/outgoing-handler@0.2": httpclient.ID,
	}}

const maxFields = 128 << 10 // bytes of the names and values of one fields resource

// Header is fields in their order. Names are as they came.
type Header []Field

// Field is one of a header.
type Field struct{ Name, Value string }

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
}

// Incoming is a body that a guest reads.
type Incoming struct {
	// Body returns some bytes, at most max of them, and io.EOF at the clean end. It does not wait when wait is not set.
	// The bytes are good until the next call.
	Body func(ctx context.Context, max int, wait bool) ([]byte, error)
	// Readable is what is closed when Body has something, or its end; nil where it has now. Nil: it always has.
	Readable func() <-chan struct{}
	// Trailers are those of the body, once its end has been read. Nil: there never are any.
	Trailers func() Header
	// Discard says that nothing more of it is read; nil: nobody wants to know.
	Discard func()
}

// Responded reports whether the head of an answer was given, and whether its body has ended.
func (e *Exchange) Responded() (head, whole bool) { return e.responded, e.finished }

// Params are the arguments of wasi:http/incoming-handler handle.
func (e *Exchange) Params() []any {
	return []any{face.Rep(&incomingRequest{exchange: e}), face.Rep(&outparam{e})}
}

// fields is the resource of that name.
type fields struct {
	state     *face.State
	all       Header
	bytes     int // held of the state
	immutable bool
}

// Drop gives back what the fields hold.
func (f *fields) Drop() {
	f.state.Release(f.bytes)
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
	state    *face.State
	exchange *Exchange // nil: not sent yet
	held     []byte    // written before it was sent
	written  uint64
	length   int64               // by the header; negative: unknown
	size     string              // the name of the error when it has another length
	sending  *sending            // the request that it is of, once that was asked for; nil: none
	stream   bool                // it was asked for
	done     bool                // nothing more is written
	bodiless bool                // what it is sent with has no body, whatever its header says
	failed   *httpclient.Failure // why it is not whole; nil: it is, or may be yet
	trailers Header              // of a body that was done before it was sent
}

// Drop gives back what was written and not sent. A body that was not finished is not whole.
func (b *outgoingBody) Drop() {
	b.release()
	if !b.done {
		b.end(httpclient.Fail(httpclient.ProtocolError, "the body was not finished"))
	}
}

func (b *outgoingBody) release() {
	b.state.Release(len(b.held))
	b.held = nil
}

// end says that nothing more is written; failed is why the body is not whole. A request whose body is not whole is not
// sent.
func (b *outgoingBody) end(failed *httpclient.Failure) {
	b.done = true
	if b.failed == nil {
		b.failed = failed
	}
	if s := b.sending; s != nil && b.failed != nil {
		b.sending = nil
		b.release()
		s.fail(b.failed)
	}
}

// fits reports whether the body is as long as its header says.
func (b *outgoingBody) fits() bool {
	return b.length < 0 || uint64(b.length) == b.written || b.bodiless && b.written == 0
}

// incomingBody is a body that a guest reads.
type incomingBody struct {
	*Incoming
	stream bool
}

// Drop is for a guest that does not want the rest.
func (b *incomingBody) Drop() {
	if b.Discard != nil {
		b.Discard()
	}
}

func (b *incomingBody) readable() *wasiio.Pollable { return &wasiio.Pollable{Await: b.Readable} }

// futureTrailers are there once the body has been read. What the guest has left of it is passed over.
type futureTrailers struct {
	*Incoming
	failed error // of the body
	taken  bool
}

// await is the wait for them.
func (t *futureTrailers) await() <-chan struct{} {
	for t.Readable != nil {
		b, err := t.Body(context.Background(), maxPassed, false)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			t.failed = err
			return nil
		case len(b) == 0:
			if wait := t.Readable(); wait != nil {
				return wait
			}
		}
	}
	return nil
}

// Drop is for a guest that does not want them.
func (t *futureTrailers) Drop() {
	if t.Readable != nil && t.Discard != nil {
		t.Discard()
	}
}

const maxPassed = 64 << 10 // bytes of a body that are passed over at a time

// Cases of header-error.
const (
	invalidSyntax = iota
	forbidden
	headerImmutable
)

func headerError(n uint32) abi.Variant { return face.Bad(abi.Variant{Case: n}) }

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
	if f.bytes+size > maxFields || !f.state.Hold(size) {
		return headerError(forbidden), false // there is no case for too much of it
	}
	f.all, f.bytes = append(f.all, add...), f.bytes+size
	return face.Good(nil), true
}

// fieldCost is what a field takes besides its name and value.
const fieldCost = 32

func (f Field) size() int { return len(f.Name) + len(f.Value) + fieldCost }

func (f *fields) remove(name string) {
	kept := make(Header, 0, len(f.all))
	for _, x := range f.all {
		if strings.EqualFold(x.Name, name) {
			f.bytes -= x.size()
			f.state.Release(x.size())
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
func (h Header) fields(s *face.State) *fields { return &fields{state: s, all: h, immutable: true} }

// changing makes a face.Func that changes fields.
func changing(f func(h *fields, args []any) abi.Variant) face.Func {
	return face.Method(face.Little, func(c *face.Call, h *fields, args []any) (any, error) {
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
		return face.None
	case "http":
		return face.Some(abi.Variant{Case: 0})
	case "https":
		return face.Some(abi.Variant{Case: 1})
	}
	return face.Some(abi.Variant{Case: 2, Value: s})
}

func optional(s string) abi.Variant {
	if s == "" {
		return face.None
	}
	return face.Some(s)
}

func committing(f face.Func) face.Func {
	f.Commits = true
	return f
}

var httpTypes = map[string]face.Func{
	"http-error-code": face.Constant(face.None),

	"[constructor]fields": {Call: func(c *face.Call, _ []any) (any, error) {
		return face.Rep(&fields{state: c.State}), nil
	}},
	"[static]fields.from-list": {Call: func(c *face.Call, args []any) (any, error) {
		f := &fields{state: c.State}
		for _, e := range args[0].([]any) {
			pair := e.([]any)
			if v, ok := f.put(Header{{pair[0].(string), text(pair[1])}}); !ok {
				f.Drop()
				return v, nil
			}
		}
		return face.Good(face.Rep(f)), nil
	}},
	"[method]fields.get": face.Method(face.Little, func(_ *face.Call, f *fields, args []any) (any,
		error) {
		return f.values(args[0].(string)), nil
	}),
	"[method]fields.has": face.Method(face.Little, func(_ *face.Call, f *fields, args []any) (any, error) {
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
		return face.Good(nil)
	}),
	"[method]fields.append": changing(func(f *fields, args []any) abi.Variant {
		v, _ := f.put(Header{{args[0].(string), text(args[1])}})
		return v
	}),
	"[method]fields.entries": face.Method(face.Little, func(c *face.Call, f *fields, _ []any) (any, error) {
		c.Pay(f.bytes)
		all := make([]any, len(f.all))
		for i, x := range f.all {
			all[i] = []any{x.Name, []byte(x.Value)}
		}
		return all, nil
	}),
	"[method]fields.clone": face.Method(face.Little, func(c *face.Call, f *fields, _ []any) (any, error) {
		size := 0
		for _, x := range f.all {
			size += x.size()
		}
		c.Pay(size)
		if !c.State.Hold(size) {
			return nil, abi.Trap("headers and bodies that are not sent hold %d MiB", face.MaxHeld>>20)
		}
		return face.Rep(&fields{state: c.State, all: append(Header(nil), f.all...), bytes: size}), nil
	}),

	"[method]incoming-request.method": face.Method(face.Little, func(_ *face.Call, r *incomingRequest, _ []any) (any,
		error) {
		return methodOf(r.exchange.Method), nil
	}),
	"[method]incoming-request.path-with-query": face.Method(face.Little, func(_ *face.Call, r *incomingRequest,
		_ []any) (any, error) {
		return optional(r.exchange.PathWithQuery), nil
	}),
	"[method]incoming-request.scheme": face.Method(face.Little, func(_ *face.Call, r *incomingRequest, _ []any) (any,
		error) {
		return scheme(r.exchange.Scheme), nil
	}),
	"[method]incoming-request.authority": face.Method(face.Little, func(_ *face.Call, r *incomingRequest,
		_ []any) (any, error) {
		return optional(r.exchange.Authority), nil
	}),
	"[method]incoming-request.headers": face.Method(face.Little, func(c *face.Call, r *incomingRequest, _ []any) (any,
		error) {
		return face.Rep(r.exchange.Header.fields(c.State)), nil
	}),
	"[method]incoming-request.consume": committing(face.Method(face.Little, func(_ *face.Call, r *incomingRequest, _ []any) (any,
		error) {
		if r.consumed {
			return face.Bad(nil), nil
		}
		r.consumed = true
		return face.Good(face.Rep(&incomingBody{Incoming: &r.exchange.Incoming})), nil
	})),

	"[method]incoming-body.stream": face.Method(face.Little, func(_ *face.Call, b *incomingBody, _ []any) (any, error) {
		if b.stream {
			return face.Bad(nil), nil
		}
		b.stream = true
		return face.Good(face.Rep(&wasiio.Input{Next: b.Body, Ready: b.readable})), nil
	}),
	"[static]incoming-body.finish": {Call: func(_ *face.Call, args []any) (any, error) {
		b := face.Object[*incomingBody](args[0])
		if b.Readable == nil { // it is here, and nothing follows it
			b.Drop()
		}
		return face.Rep(&futureTrailers{Incoming: b.Incoming}), nil
	}},
	"[method]future-trailers.subscribe": face.Method(face.Little, func(_ *face.Call, t *futureTrailers, _ []any) (any,
		error) {
		return face.Rep(&wasiio.Pollable{Await: t.await}), nil
	}),
	"[method]future-trailers.get": face.Method(face.Little, func(c *face.Call, t *futureTrailers, _ []any) (any,
		error) {
		switch {
		case t.taken:
			return face.Some(face.Bad(nil)), nil
		case t.await() != nil:
			return face.None, nil
		}
		t.taken = true
		if t.failed != nil {
			return face.Some(face.Good(face.Bad(errorCode(httpclient.Fail(httpclient.ProtocolError, "%v", t.failed))))), nil
		}
		if t.Trailers == nil {
			return face.Some(face.Good(face.Good(face.None))), nil
		}
		h := t.Trailers()
		if len(h) == 0 {
			return face.Some(face.Good(face.Good(face.None))), nil
		}
		return face.Some(face.Good(face.Good(face.Some(face.Rep(h.fields(c.State)))))), nil
	}),

	"[constructor]outgoing-response": {Call: func(_ *face.Call, args []any) (any, error) {
		h := face.Object[*fields](args[0])
		h.immutable = true
		return face.Rep(&outgoingResponse{status: 200, header: h}), nil
	}},
	"[method]outgoing-response.status-code": face.Method(face.Little, func(_ *face.Call, r *outgoingResponse,
		_ []any) (any, error) {
		return r.status, nil
	}),
	"[method]outgoing-response.set-status-code": face.Method(face.Little, func(_ *face.Call, r *outgoingResponse,
		args []any) (any, error) {
		status := args[0].(uint16)
		if status < 100 || status > 999 {
			return face.Bad(nil), nil
		}
		r.status = status
		return face.Good(nil), nil
	}),
	"[method]outgoing-response.headers": face.Method(face.Little, func(c *face.Call, r *outgoingResponse,
		_ []any) (any, error) {
		return face.Rep(r.header.all.fields(c.State)), nil
	}),
	"[method]outgoing-response.body": face.Method(face.Little, func(c *face.Call, r *outgoingResponse, _ []any) (any,
		error) {
		if r.body != nil {
			return face.Bad(nil), nil
		}
		r.body = &outgoingBody{state: c.State, length: r.header.length(), size: httpclient.ResponseBodySize}
		return face.Good(face.Rep(r.body)), nil
	}),

	"[static]response-outparam.set": {Cost: face.Medium, Commits: true, Call: respond},

	"[method]outgoing-body.write": face.Method(face.Little, func(_ *face.Call, b *outgoingBody, _ []any) (any, error) {
		if b.stream {
			return face.Bad(nil), nil
		}
		b.stream = true
		return face.Good(face.Rep(&wasiio.Output{Sink: b.write, Room: b.room, Ready: b.writable})), nil
	}),
	"[static]outgoing-body.finish": {Call: func(c *face.Call, args []any) (any, error) {
		b := face.Object[*outgoingBody](args[0])
		var trailers Header
		if t := args[1].(abi.Variant); t.Case == 1 {
			f := face.Object[*fields](t.Value)
			defer f.Drop()
			trailers = f.all
		}
		var failed *httpclient.Failure
		if !b.fits() {
			failed = httpclient.Sized(b.size, int64(b.written), "another length than content-length says")
		}
		if b.end(failed); b.failed != nil {
			return face.Bad(errorCode(b.failed)), nil
		}
		if s := b.sending; s != nil {
			b.sending = nil
			s.send(c, b.held)
			return face.Good(nil), nil
		}
		if b.exchange == nil {
			b.trailers = trailers
			return face.Good(nil), nil
		}
		b.exchange.finished = true
		if err := b.exchange.Finish(c.Context, trailers); err != nil {
			return face.Bad(internalError(err)), nil
		}
		return face.Good(nil), nil
	}},
}

func internalError(err error) abi.Variant {
	return errorCode(httpclient.Fail(httpclient.InternalError, "%v", err))
}

// length is content-length; negative: face.None.
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
		return b.gap(b.exchange.Write(ctx, p))
	}
	if !b.state.Hold(len(p)) {
		return b.gap(fmt.Errorf("headers and bodies that are not sent hold %d MiB", face.MaxHeld>>20))
	}
	b.held = append(b.held, p...)
	return nil
}

// gap remembers an error of taking bytes: the body is not whole then, whatever follows.
func (b *outgoingBody) gap(err error) error {
	if err != nil && b.failed == nil {
		b.failed = httpclient.Sized(b.size, int64(b.written), "%v", err)
	}
	return err
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
	if r.body == nil { // it was never asked for: empty
		e.finished = true
		return nil, e.Finish(c.Context, nil)
	}
	b := r.body
	b.exchange = e
	b.bodiless = e.Method == "HEAD" || r.status == 204 || r.status == 304
	if len(b.held) > 0 {
		err := b.gap(e.Write(c.Context, b.held))
		b.release()
		if err != nil && c.Context.Err() != nil {
			return nil, err
		}
	}
	if b.done && (b.failed == nil || b.bodiless && b.written == 0) {
		e.finished = true
		return nil, e.Finish(c.Context, b.trailers)
	}
	return nil, nil
}

// maxWrite is how much a body takes at once that is not sent yet.
const maxWrite = 64 << 10

func (b *outgoingBody) room() int {
	if b.exchange == nil || b.exchange.Room == nil {
		return maxWrite
	}
	return b.exchange.Room()
}

func (b *outgoingBody) writable() *wasiio.Pollable {
	return &wasiio.Pollable{Await: func() <-chan struct{} {
		if b.exchange == nil || b.exchange.Writable == nil {
			return nil
		}
		return b.exchange.Writable()
	}}
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
