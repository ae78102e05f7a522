package http

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/component/face"
	wasiio "github.com/weftlattice/weft/host/internal/component/wasi/io"
	"github.com/weftlattice/weft/internal/channel"
	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/httpclient"
	"github.com/weftlattice/weft/lattice/wire"
)

// streaming is a guest whose provider takes bodies as streams: serve is that.
func streaming(t *testing.T,
	serve func(ctx context.Context, q *httpclient.Request, o *stream.Offer) ([]byte, error)) bodies {
	near, far := channel.Pair()
	config := channel.Config{Logger: slog.New(slog.DiscardHandler)}
	near.Serve(config)
	config.Handler = invocation.Handler(func(ctx context.Context, inv *wire.Invocation) ([]byte, error) {
		q, err := httpclient.DecodeRequest(inv.Msg)
		if err != nil {
			return nil, err
		}
		return serve(ctx, q, stream.From(ctx))
	})
	far.Serve(config)
	b := bodies{t, &face.State{Streams: func(lattice.LinkName, lattice.ContractID) bool { return true }}}
	b.state.Rest = func() func() {
		b.state.Resting()
		return func() {}
	}
	b.state.Send = func(ctx context.Context, to *face.Sent, _ lattice.LinkName,
		_ lattice.ContractID, op string, payload []byte,
		beside *stream.Caller) {
		ctx, cancel := context.WithCancel(ctx)
		to.Begin(cancel)
		ended := make(chan struct{})
		t.Cleanup(func() {
			to.Cancel()
			<-ended
		})
		go func() {
			defer close(ended)
			result, err := near.Call(ctx, &channel.Call{Operation: op, Payload: payload, Stream: beside}, time.Minute)
			to.End(result, err, nil)
		}()
	}
	return b
}

// wait blocks on a pollable.
func (b bodies) wait(pollable any) {
	b.Helper()
	block := wasiio.Family.Functions["wasi:io/poll@0.2"]["[method]pollable.block"]
	c := &face.Call{Context: b.Context(), State: b.state, Pay: func(int) {}}
	if _, err := block.Call(c, []any{pollable}); err != nil {
		b.Fatal(err)
	}
}

// asked asks for a request, and returns its answer when that is there.
func (b bodies) asked(request any) (future any) {
	b.Helper()
	f := b.call(outgoingHandler["handle"], request, face.None)
	if f.Case != 0 {
		b.Fatalf("handle gives %v", f)
	}
	return f.Value
}

// answered waits for an answer.
func (b bodies) answered(future any) abi.Variant {
	b.Helper()
	b.wait(b.must("[method]future-incoming-response.subscribe", future))
	some := b.must("[method]future-incoming-response.get", future).(abi.Variant)
	return some.Value.(abi.Variant).Value.(abi.Variant)
}

func echoes(ctx context.Context, q *httpclient.Request, o *stream.Offer) ([]byte, error) {
	head := &httpclient.Response{StatusCode: 200, Header: httpclient.Header{}}
	if !o.Body {
		head.Body = append([]byte("whole "), q.Body...)
		return head.Encode(), nil
	}
	s := o.Stream
	if err := errors.Join(o.Respond(head.Encode()), s.Write(ctx, q.Body)); err != nil {
		return nil, err
	}
	for {
		p, err := s.Next(ctx, 100)
		if err == io.EOF {
			return nil, s.End(ctx, s.Trailers())
		}
		if err != nil {
			return nil, err
		}
		if err := s.Write(ctx, p); err != nil {
			return nil, err
		}
	}
}

// A guest has the answer to what it has written before it writes more, once it waits; and the trailers of it.
func TestARequestGoesOutWhileItIsWritten(t *testing.T) {
	b := streaming(t, echoes)
	request, body, write := b.made("request", "")
	future := b.asked(request)
	if err := write(3); err != nil {
		t.Fatal(err)
	}
	answer := b.answered(future)
	if answer.Case != 0 {
		t.Fatalf("the answer is %v", answer)
	}
	incoming := b.must("[method]incoming-response.consume", answer.Value).(abi.Variant).Value
	in := face.Object[*wasiio.Input](b.must("[method]incoming-body.stream", incoming).(abi.Variant).Value)
	read := func(want int) {
		t.Helper()
		for got := 0; got < want; {
			p, err := in.Next(t.Context(), 1000, true)
			if got += len(p); err != nil || got > want {
				t.Fatalf("%d bytes came back, %v; want %d", got, err, want)
			}
		}
	}
	read(3)
	if err := write(5); err != nil {
		t.Fatal(err)
	}
	read(5)
	if got := b.must("[static]outgoing-body.finish", body, face.Some(b.header("x-sum", "8"))); got != face.Good(nil) {
		t.Fatalf("finish gives %v", got)
	}
	if p, err := in.Next(t.Context(), 10, true); err != io.EOF {
		t.Fatalf("%q, %v after the end", p, err)
	}
	trailers := b.must("[static]incoming-body.finish", incoming)
	b.wait(b.must("[method]future-trailers.subscribe", trailers))
	some := b.must("[method]future-trailers.get", trailers).(abi.Variant)
	fields := some.Value.(abi.Variant).Value.(abi.Variant).Value
	entries := b.must("[method]fields.entries", fields.(abi.Variant).Value).([]any)
	if len(entries) != 1 || entries[0].([]any)[0] != "x-sum" {
		t.Errorf("trailers %v", entries)
	}
	if b.state.Held() > 5+1+fieldCost {
		t.Errorf("%d bytes are held", b.state.Held())
	}
}

// A small body that is finished before the guest waits goes with its request; trailers make it a stream.
func TestASmallRequestGoesWhole(t *testing.T) {
	for trailers, want := range map[bool]string{false: "whole 3", true: "3"} {
		for _, first := range []string{"asked for", "finished"} {
			b := streaming(t, func(_ context.Context, q *httpclient.Request, o *stream.Offer) ([]byte, error) {
				body := append([]byte{}, q.Body...)
				if o.Body {
					var err error
					if body, err = o.Stream.All(t.Context(), body, 100, nil); err != nil {
						return nil, err
					}
					body = append(body, o.Stream.Trailers()[0].Value...)
				} else {
					body = append(body, "whole "...)
				}
				return (&httpclient.Response{StatusCode: 200, Body: body}).Encode(), nil
			})
			request, body, write := b.made("request", "")
			var future any
			if first == "asked for" {
				future = b.asked(request)
			}
			if err := write(3); err != nil {
				t.Fatal(err)
			}
			given := face.None
			if trailers {
				given = face.Some(b.header("x-sum", "8"))
			}
			b.must("[static]outgoing-body.finish", body, given)
			if first == "finished" {
				future = b.asked(request)
			}
			answer := b.answered(future)
			if answer.Case != 0 {
				t.Fatalf("first %s: the answer is %v", first, answer)
			}
			incoming := b.must("[method]incoming-response.consume", answer.Value).(abi.Variant).Value
			in := face.Object[*wasiio.Input](b.must("[method]incoming-body.stream", incoming).(abi.Variant).Value)
			p, err := in.Next(t.Context(), 100, true)
			if err != nil || len(p) < 4 || strings.Contains(string(p), "whole") == trailers {
				t.Errorf("first %s, trailers %v: %q, %v; want %s", first, trailers, p, err, want)
			}
		}
	}
}

// What breaks an answer is an error of the guest's stream, with its error-code; an error of something else has none.
func TestTheErrorCodeBehindAnErrorOfAStream(t *testing.T) {
	broken := httpclient.Sized(httpclient.ResponseBodySize, 7, "more than the link allows")
	b := streaming(t, func(ctx context.Context, _ *httpclient.Request, o *stream.Offer) ([]byte, error) {
		return nil, errors.Join(o.Respond((&httpclient.Response{StatusCode: 200}).Encode()),
			o.Stream.Write(ctx, []byte("some")),
			&lattice.Error{Code: lattice.ErrTooLarge, Detail: broken.Error()})
	})
	request := b.must("[constructor]outgoing-request", b.header())
	b.must("[method]outgoing-request.set-authority", request, face.Some("example.com"))
	answer := b.answered(b.asked(request))
	incoming := b.must("[method]incoming-response.consume", answer.Value).(abi.Variant).Value
	stream := b.must("[method]incoming-body.stream", incoming).(abi.Variant).Value
	read := wasiio.Family.Functions["wasi:io/streams@0.2"]["[method]input-stream.blocking-read"]
	if got := b.call(read, stream, uint64(100)); got.Case != 0 || string(got.Value.([]byte)) != "some" {
		t.Fatalf("it begins with %v", got)
	}
	got := b.call(read, stream, uint64(100))
	failed := got.Value.(abi.Variant).Value
	if got.Case != 1 || failed == nil {
		t.Fatalf("it ends with %v", got)
	}
	if code, want := b.must("http-error-code", failed), face.Some(errorCode(broken)); !reflect.DeepEqual(code, want) {
		t.Errorf("the error code is %v, want %v", code, want)
	}
	other := face.Rep(&wasiio.Failure{Err: errors.New("of a file")})
	if code := b.must("http-error-code", other); code != face.None {
		t.Errorf("an error of something else has the code %v", code)
	}
}

// A guest that drops the rest of an answer, the future of it, or an unfinished body ends the call.
func TestWhatAGuestDropsEnds(t *testing.T) {
	begun, ended := make(chan bool, 1), make(chan error, 1)
	b := streaming(t, func(ctx context.Context, q *httpclient.Request, o *stream.Offer) ([]byte, error) {
		begun <- true
		if o.Body {
			_, err := o.Stream.All(ctx, nil, 1<<20, nil)
			ended <- err
			return nil, err
		}
		if strings.HasSuffix(q.URL, "/answer") {
			if err := o.Respond((&httpclient.Response{StatusCode: 200}).Encode()); err != nil {
				return nil, err
			}
		}
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	})
	ask := func(path string) any {
		request := b.must("[constructor]outgoing-request", b.header())
		b.must("[method]outgoing-request.set-authority", request, face.Some("example.com"))
		b.must("[method]outgoing-request.set-path-with-query", request, face.Some(path))
		future := b.asked(request)
		<-begun
		return future
	}
	drop := func(v any) { face.Object[face.Dropped](v).Drop() }

	future := ask("/")
	drop(future)
	if err := <-ended; err == nil {
		t.Error("a request goes on whose future is dropped")
	}
	response := b.answered(ask("/answer")).Value
	body := b.must("[method]incoming-response.consume", response).(abi.Variant).Value
	drop(body)
	if err := <-ended; err == nil {
		t.Error("an answer goes on whose body is dropped")
	}
	drop(b.answered(ask("/answer")).Value)
	if err := <-ended; err == nil {
		t.Error("an answer goes on that is dropped")
	}
	request, sent, write := b.made("request", "")
	future = b.asked(request)
	if err := write(heldBytes + 1); err != nil {
		t.Fatal(err)
	}
	<-begun
	drop(sent)
	if err := <-ended; err == nil {
		t.Error("a body counts as whole that was dropped")
	}
	if got := b.answered(future); got.Case != 1 || got.Value.(abi.Variant).Case != errorCode(httpclient.Fail(
		httpclient.ProtocolError, "")).Case {
		t.Errorf("its request gives %v", got)
	}
}

// Who answers without the body wants no more of it: the guest's stream is closed, and its body counts as finished.
func TestABodyThatNobodyWantsIsClosed(t *testing.T) {
	b := streaming(t, func(_ context.Context, _ *httpclient.Request, o *stream.Offer) ([]byte, error) {
		return (&httpclient.Response{StatusCode: 413}).Encode(), nil
	})
	request, body, write := b.made("request", "")
	future := b.asked(request)
	if err := write(heldBytes + 1); err != nil && err != wasiio.ErrClosed {
		t.Fatal(err)
	}
	answer := b.answered(future)
	if status := b.must("[method]incoming-response.status", answer.Value); status != uint16(413) {
		t.Errorf("status %v", status)
	}
	if err := write(1); err != wasiio.ErrClosed {
		t.Errorf("it takes more: %v", err)
	}
	if got := b.must("[static]outgoing-body.finish", body, face.None); got != face.Good(nil) {
		t.Errorf("finish gives %v", got)
	}
}
