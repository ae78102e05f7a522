package wasm

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	wasihttp "github.com/weftlattice/weft/host/internal/component/wasi/http"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
)

// A request reaches a component by wasi:http/incoming-handler. Where its caller takes a stream, both bodies are one:
// the guest reads while the client sends, and the client gets what the guest has written as soon as the guest waits, or
// goes on computing. An answer that the guest finishes before that is a plain one, in one message.

const (
	heldBytes  = 16 << 10 // of an answer that are held back, so that a small one is a plain one
	heldVisits = 32       // checks of a guest after its first write from which on they are not
)

// answer is an answer that a component is giving. An instance has one for all of its calls: what a guest keeps of a
// call leads to nothing once the Exchange is closed.
type answer struct {
	instance *Instance
	give     wasihttp.Exchange // of which only the functions are set

	answering
}

// answering is the part of an answer that begins anew for each call.
type answering struct {
	offer     *stream.Offer // nil: its caller takes a whole one
	resp      httpserver.Response
	text      string // of an error that the guest answers with
	request   int    // bytes of the request's body
	reserved  int    // bytes of the body
	begun     bool   // its head is there
	visits    int    // of the instance when it was
	streaming bool   // its head was sent
	err       error  // of sending the head
}

// Streams reports whether instances read requests, and write answers, as streams.
func (m *Module) Streams() bool { return m.component != nil && m.component.handle != nil }

// handleRequest answers a request by wasi:http/incoming-handler.
func (i *Instance) handleRequest(ctx context.Context, op string) ([]byte, error) {
	req, err := httpserver.DecodeRequest(i.exchange.payload)
	if err != nil {
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: op, Err: err}
	}
	x := asked(req)
	defer x.Close()
	r := i.answerTo(x)
	r.offer, r.request = stream.From(ctx), len(req.Body)
	defer r.clear()
	if r.offer != nil {
		x.Room, x.Writable = r.give.Room, r.give.Writable
		if r.offer.Body {
			x.Incoming = wasihttp.FromStream(r.offer.Stream, i.rest, nil)
		}
	}
	i.giving = r
	err = i.runComponent(ctx, op, func(ctx context.Context) error {
		_, err := i.call(ctx, i.template.module.component.handle, x.Params(), nil)
		if exit := i.ended(); exit != nil && exit.OK {
			i.parts.exited, err = true, nil
		}
		return err
	})
	i.giving = nil
	head, whole := x.Responded()
	switch {
	case err != nil && r.unwanted():
		return nil, &lattice.Error{Code: lattice.ErrCanceled, Op: op, Detail: "nobody reads its answer any more",
			Err: err}
	case r.err != nil: // what was written of it is lost, and what the guest has made of that is not the reason
		return nil, r.err
	case err != nil:
		return nil, err
	case r.streaming:
		return nil, nil
	case !head:
		return nil, &lattice.Error{Code: lattice.ErrGuest, Op: op, Detail: "the component returned without a response"}
	case r.resp.StatusCode == 0:
		return nil, &lattice.Error{Code: lattice.ErrGuest, Op: op, Detail: r.text}
	case !whole:
		return nil, &lattice.Error{Code: lattice.ErrGuest, Op: op,
			Detail: "the component returned without finishing the body of its response"}
	}
	return r.resp.Encode(), nil
}

// answerTo is the answer of an instance, which x leads to.
func (i *Instance) answerTo(x *wasihttp.Exchange) *answer {
	r := i.parts.answer
	if r == nil {
		r = &answer{instance: i}
		r.give = wasihttp.Exchange{Respond: r.head, Write: r.write, Finish: r.finish, Room: r.room,
			Writable: r.writable}
		r.resp.Header = httpserver.Header{}
		i.parts.answer = r
	}
	x.Respond, x.Write, x.Finish = r.give.Respond, r.give.Write, r.give.Finish
	return r
}

// clear lets go of a call that is over. Room for a small answer stays.
func (r *answer) clear() {
	resp := httpserver.Response{Header: r.resp.Header, Body: r.resp.Body[:0]}
	if cap(resp.Body) > heldBytes {
		resp.Body = nil
	}
	clear(resp.Header)
	r.answering = answering{resp: resp}
}

// asked is a request as a guest finds it. Its scheme and authority are what the client used, as the provider tells them
// (docs/providers.md): http where it does not say.
func asked(req *httpserver.Request) *wasihttp.Exchange {
	x := &wasihttp.Exchange{Method: req.Method, PathWithQuery: pathWithQuery(req), Scheme: "http"}
	x.Body = wasihttp.Whole(req.Body)
	x.Header = wasihttp.HeaderOf(req.Header)
	var outer, inner, scheme string // the first of each; outer is what a proxy was asked for
	for _, f := range x.Header {
		switch strings.ToLower(f.Name) { // a provider of another SDK may have others
		case "host":
			inner = cmp.Or(inner, f.Value)
		case httpserver.ForwardedHost:
			outer = cmp.Or(outer, f.Value)
		case httpserver.ForwardedProto:
			scheme = cmp.Or(scheme, f.Value)
		}
	}
	x.Authority = cmp.Or(outer, inner)
	if scheme == "https" {
		x.Scheme = scheme
	}
	return x
}

// pathWithQuery is both as the client sent them: the contract has them with their escapes.
func pathWithQuery(r *httpserver.Request) string {
	if r.Query == "" {
		return r.Path
	}
	return r.Path + "?" + r.Query
}

// unwanted reports whether an answer that was begun has no reader any more.
func (r *answer) unwanted() bool {
	if !r.streaming {
		return false
	}
	_, err := r.offer.Stream.Room()
	return err != nil
}

// head takes the head of the answer.
func (r *answer) head(status int, h wasihttp.Header, text string) error {
	r.begun, r.visits = true, r.instance.visits
	r.resp.StatusCode, r.text = uint16(status), text
	h.Fold(r.resp.Header)
	return nil
}

// write takes bytes of the body.
func (r *answer) write(ctx context.Context, b []byte) error {
	switch {
	case r.offer == nil:
		return r.gather(ctx, b)
	case !r.streaming && len(r.resp.Body)+len(b) <= heldBytes:
		r.resp.Body = append(r.resp.Body, b...)
		return nil
	}
	if err := r.send(); err != nil {
		return err
	}
	s := r.offer.Stream
	if room, err := s.Room(); err == nil && room < len(b) {
		defer r.instance.rest()()
	}
	return s.Write(ctx, b)
}

// gather takes bytes of a body that is sent as a whole. After an error there is no answer, even if the guest goes on.
func (r *answer) gather(ctx context.Context, b []byte) error {
	limit, need := r.instance.template.limits.ResponseBytes, len(r.resp.Body)+len(b)
	switch {
	case r.err != nil:
	case need > limit:
		r.err = &lattice.Error{Code: lattice.ErrTooLarge, Op: "answer", Detail: fmt.Sprintf(
			"a response of more than %d bytes, to a caller that takes it in one piece", limit)}
	case need > r.reserved: // room for twice as much, so that it is asked for seldom
		r.reserved = min(2*need, limit)
		if r.err = r.instance.template.host.Reserve(ctx, r.request+r.reserved); r.err == nil {
			r.resp.Body = slices.Grow(r.resp.Body, r.reserved-len(r.resp.Body))
		}
	}
	if r.err != nil {
		r.resp.Body = nil
		return r.err
	}
	r.resp.Body = append(r.resp.Body, b...)
	return nil
}

// send sends the head, with what was held back of the body, unless that was done. Whoever takes the answer may be slow:
// the guest gives its turn up.
func (r *answer) send() error {
	r.instance.turn.Give()
	if r.streaming || r.err != nil {
		return r.err
	}
	r.instance.watch.endless()
	if r.err = r.offer.Respond(r.resp.Encode()); r.err == nil {
		r.streaming = true
	}
	r.resp.Body = nil
	return r.err
}

// due sends what is held back, when there is something: the guest waits, or goes on for long. An error is for the
// guest's next write.
func (r *answer) due() {
	if r.offer != nil && r.begun && !r.streaming && r.resp.StatusCode != 0 {
		_ = r.send()
	}
}

// finish takes the end of the body.
func (r *answer) finish(ctx context.Context, trailers wasihttp.Header) error {
	if r.offer == nil || !r.streaming && (len(trailers) == 0 || r.resp.StatusCode == 0) {
		r.begun = false // it is sent when the guest returns
		return nil
	}
	if err := r.send(); err != nil {
		return err
	}
	fields := make([]stream.Field, len(trailers))
	for i, f := range trailers {
		fields[i] = stream.Field{Name: f.Name, Value: f.Value}
	}
	r.instance.watch.hurry()
	return r.offer.Stream.End(ctx, fields)
}

// room is how many bytes write takes without waiting.
func (r *answer) room() int {
	if !r.streaming {
		return heldBytes
	}
	n, err := r.offer.Stream.Room()
	if err != nil {
		return heldBytes // write says so
	}
	return n
}

func (r *answer) writable() <-chan struct{} {
	if !r.streaming {
		return nil
	}
	return r.offer.Stream.Writable()
}

// rest says that a guest waits: others have its turn, and what it has written goes out. The function that it returns is
// called when the wait is over.
func (i *Instance) rest() (resume func()) {
	i.turn.Give()
	i.parts.state.Resting()
	if i.giving != nil {
		i.giving.due()
		if i.giving.offer != nil {
			i.giving.offer.Yield()
		}
	}
	return i.watch.rest()
}
