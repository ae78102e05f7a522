package http

import (
	"context"
	"reflect"
	"testing"

	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/component/face"
	wasiio "github.com/weftlattice/weft/host/internal/component/wasi/io"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/httpclient"
)

// A provider that takes bodies as a whole only takes no trailers. The guest hears so, and nothing is sent without them.
func TestTrailersOfARequestAreRefused(t *testing.T) {
	for _, first := range []string{"asked for", "finished"} {
		t.Run("first "+first, func(t *testing.T) {
			b := bodies{t, &face.State{Streams: noStreams}}
			request, body, write := b.made("request", "")
			if err := write(3); err != nil {
				t.Fatal(err)
			}
			ask := func() abi.Variant { return b.call(outgoingHandler["handle"], request, face.None) }
			var answer abi.Variant
			if first == "asked for" {
				answer = ask()
			}
			got := b.must("[static]outgoing-body.finish", body, face.Some(b.header("x-sum", "1"))).(abi.Variant)
			want := face.Bad(errorCode(httpclient.Sized(httpclient.RequestTrailersSize, 5+1+fieldCost, "")))
			if told := face.Good(nil); first == "finished" && !reflect.DeepEqual(got, told) {
				t.Errorf("finish gives %v, want %v", got, told)
			} else if first == "asked for" && !reflect.DeepEqual(got, want) {
				t.Errorf("finish gives %v, want %v", got, want)
			}
			if first == "finished" {
				answer = ask()
			} else {
				some := b.must("[method]future-incoming-response.get", answer.Value).(abi.Variant)
				answer = some.Value.(abi.Variant).Value.(abi.Variant)
			}
			if !reflect.DeepEqual(answer, want) {
				t.Errorf("the request gives %v, want %v", answer, want)
			}
			if b.state.Held() != 0 {
				t.Errorf("%d bytes are held for nothing", b.state.Held())
			}
		})
	}
}

// Trailers of an answer reach the client whether its body ends before it is set or after, and are held until then.
func TestTrailersOfAnAnswerAreCarried(t *testing.T) {
	for _, first := range []string{"set", "finished"} {
		b := bodies{t, &face.State{Streams: noStreams}}
		var got Header
		x := &Exchange{Respond: func(int, Header, string) error { return nil },
			Finish: func(_ context.Context, h Header) error { got = h; return nil }}
		response, body, _ := b.made("response", "")
		set := func() { b.must("[static]response-outparam.set", x.Params()[1], abi.Variant{Value: response}) }
		if first == "set" {
			set()
		}
		b.must("[static]outgoing-body.finish", body, face.Some(b.header("x-sum", "1")))
		if first == "finished" {
			if b.state.Held() != 5+1+fieldCost {
				t.Errorf("%d bytes are held of trailers that wait", b.state.Held())
			}
			set()
		}
		if !reflect.DeepEqual(got, Header{{"x-sum", "1"}}) || b.state.Held() != 0 {
			t.Errorf("first %s: trailers %v, %d bytes are held", first, got, b.state.Held())
		}
	}
}

// A body that never ends does not keep the guest's turn when it asks for the trailers.
func TestTrailersOfAnEndlessBodyAreNotThere(t *testing.T) {
	b := bodies{t, &face.State{Streams: noStreams}}
	x := &Exchange{Incoming: Incoming{Readable: func() <-chan struct{} { return nil },
		Body: func(_ context.Context, max int, _ bool) ([]byte, error) { return make([]byte, max), nil }}}
	body := b.must("[method]incoming-request.consume", x.Params()[0]).(abi.Variant).Value
	future := b.must("[static]incoming-body.finish", body)
	if got := b.must("[method]future-trailers.get", future).(abi.Variant); got.Case != 0 {
		t.Errorf("get gives %v", got)
	}
	pollable := b.must("[method]future-trailers.subscribe", future)
	ready := wasiio.Family.Functions["wasi:io/poll@0.2"]["[method]pollable.ready"]
	if v, err := ready.Call(&face.Call{Context: t.Context(), State: b.state}, []any{pollable}); v != false ||
		err != nil {
		t.Errorf("ready is %v, %v", v, err)
	}
}

// A response is held, and counts, as long as the guest has it or its body, and no part of it is anywhere after that.
func TestAResponseIsHeldUntilItsPartsAreDropped(t *testing.T) {
	b := bodies{t, &face.State{Streams: noStreams}}
	released := false
	b.state.Send = func(_ context.Context, to *face.Sent, _ lattice.LinkName, _ lattice.ContractID, _ string,
		_ []byte, _ *stream.Caller) {
		r := httpclient.Response{StatusCode: 200, Header: httpclient.Header{"x-a": {"1"}}, Body: []byte("body")}
		to.End(r.Encode(), nil, func() { released = true })
	}
	request := b.must("[constructor]outgoing-request", b.header())
	b.must("[method]outgoing-request.set-authority", request, face.Some("example.com"))
	future := b.call(outgoingHandler["handle"], request, face.None).Value
	got := b.must("[method]future-incoming-response.get", future).(abi.Variant)
	response := got.Value.(abi.Variant).Value.(abi.Variant).Value
	view := b.must("[method]incoming-response.headers", response)
	body := b.must("[method]incoming-response.consume", response).(abi.Variant).Value
	in := b.must("[method]incoming-body.stream", body).(abi.Variant).Value.(*wasiio.Input)
	if p, err := in.Next(t.Context(), 2, true); string(p) != "bo" || err != nil {
		t.Errorf("the body begins with %q, %v", p, err)
	}
	body.(face.Dropped).Drop()
	if p, err := in.Next(t.Context(), 2, true); err != errEnded {
		t.Errorf("a stream of a body that is dropped gives %q, %v", p, err)
	}
	if released || len(b.must("[method]fields.entries", view).([]any)) != 1 {
		t.Error("the response is gone with its body")
	}
	response.(face.Dropped).Drop()
	if !released || len(b.must("[method]fields.entries", view).([]any)) != 0 {
		t.Error("the response is not gone")
	}
}

// A guest that keeps handles of a request finds nothing behind them when the request is over.
func TestNothingOfARequestIsLeftForTheNext(t *testing.T) {
	b := bodies{t, &face.State{Streams: noStreams}}
	x := &Exchange{Header: Header{{"x-a", "1"}}, Incoming: Incoming{Body: Whole([]byte("body"))},
		Respond: func(int, Header, string) error { return nil },
		Write:   func(context.Context, []byte) error { return nil }}
	view := b.must("[method]incoming-request.headers", x.Params()[0])
	body := b.must("[method]incoming-request.consume", x.Params()[0]).(abi.Variant).Value
	in := b.must("[method]incoming-body.stream", body).(abi.Variant).Value.(*wasiio.Input)
	response, _, write := b.made("response", "")
	b.must("[static]response-outparam.set", x.Params()[1], abi.Variant{Value: response})
	x.Close()
	if got := b.must("[method]fields.entries", view).([]any); len(got) != 0 {
		t.Errorf("headers %v", got)
	}
	if p, err := in.Next(t.Context(), 10, true); err != errEnded {
		t.Errorf("the body gives %q, %v", p, err)
	}
	if err := write(1); err == nil {
		t.Errorf("the answer takes more: %v", err)
	}
}
