package http

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/component/face"
	wasiio "github.com/weftlattice/weft/host/internal/component/wasi/io"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/httpclient"
)

func httpFunction(name string) face.Func { return Family.Functions["wasi:http/types@0.2"][name] }

// A guest that sets a status which no client would get is told so, and the response keeps the one that it has.
func TestStatusOfAResponse(t *testing.T) {
	call := func(name string, args ...any) any {
		t.Helper()
		v, err := httpFunction(name).Call(&face.Call{Context: t.Context(), State: &face.State{},
			Pay: func(int) {}}, args)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return v
	}
	response := call("[constructor]outgoing-response", call("[constructor]fields"))
	for status, good := range map[uint16]bool{0: false, 100: false, 199: false, 200: true, 599: true, 600: false,
		999: false} {
		before := call("[method]outgoing-response.status-code", response)
		set := call("[method]outgoing-response.set-status-code", response, status).(abi.Variant).Case == 0
		after := call("[method]outgoing-response.status-code", response)
		if set != good || good && after != status || !good && after != before {
			t.Errorf("status %d is set: %t, then it is %v", status, set, after)
		}
	}
}

// A guest makes headers, and writes bodies that it does not send, until no more is held for it. What it drops is room
// again, and what was handed on as well.
func TestWhatIsHeldForAGuest(t *testing.T) {
	state := &face.State{}
	call := func(name string, args ...any) any {
		t.Helper()
		v, err := httpFunction(name).Call(&face.Call{Context: t.Context(), State: state,
			Pay: func(int) {}}, args)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return v
	}
	ok := func(v any) bool { return v.(abi.Variant).Case == 0 }
	value := []byte(strings.Repeat("v", 100<<10))
	var made []any
	for {
		f := call("[constructor]fields")
		if !ok(call("[method]fields.append", f, "x", value)) {
			break
		}
		if made = append(made, f); len(made) > 100 {
			t.Fatal("headers without end")
		}
	}
	if len(made) < face.MaxHeld/(110<<10) {
		t.Errorf("only %d headers of 100 KiB", len(made))
	}
	clone := httpFunction("[method]fields.clone")
	if _, err := clone.Call(&face.Call{Context: t.Context(), State: state, Pay: func(int) {}},
		[]any{made[0]}); err == nil {
		t.Error("a clone is made of more than is held")
	}
	for _, f := range made {
		f.(face.Dropped).Drop()
	}
	if state.Held() != 0 {
		t.Fatalf("%d bytes are held for nothing", state.Held())
	}

	header := call("[constructor]fields")
	call("[method]fields.append", header, "x-a", []byte("1"))
	if !ok(call("[method]fields.set", header, "x-a", []any{[]byte("2"), []byte("3")})) ||
		ok(call("[method]fields.set", header, "x-a", []any{[]byte("\n")})) {
		t.Error("set")
	}
	if got := call("[method]fields.get", header, "X-A").([]any); len(got) != 2 || string(got[1].([]byte)) != "3" {
		t.Errorf("fields %q", got)
	}
	response := call("[constructor]outgoing-response", header)
	// The headers that a guest asks for are a view: dropping it takes nothing away.
	call("[method]outgoing-response.headers", response).(face.Dropped).Drop()
	body := call("[method]outgoing-response.body", response).(abi.Variant).Value
	out := call("[method]outgoing-body.write", body).(abi.Variant).Value.(*wasiio.Output)
	var failed error
	for n := 0; failed == nil; n++ {
		if failed = out.Sink(context.Background(), value); n > 100 {
			t.Fatal("a body without end")
		}
	}
	sent, x := 0, &Exchange{Finish: func(context.Context, Header) error { return nil }}
	x.Respond = func(status int, h Header, _ string) error {
		if status != 200 || len(h) != 2 {
			return errors.New("head")
		}
		return nil
	}
	x.Write = func(_ context.Context, b []byte) error {
		sent += len(b)
		return nil
	}
	call("[static]response-outparam.set", x.Params()[1], abi.Variant{Value: response})
	if sent < face.MaxHeld/2 || state.Held() != 0 {
		t.Errorf("%d bytes sent, %d held", sent, state.Held())
	}
	if err := out.Sink(context.Background(), value); err != nil {
		t.Errorf("written on: %v", err)
	}
	if ok(call("[static]outgoing-body.finish", body, face.None)) {
		t.Error("a body counts as whole of which a part was not taken")
	}
	if head, whole := x.Responded(); !head || whole {
		t.Errorf("head %v, whole %v", head, whole)
	}
}

// bodies makes calls of wasi:http for a guest that writes bodies.
type bodies struct {
	*testing.T
	state *face.State
}

func (b bodies) call(f face.Func, args ...any) abi.Variant {
	b.Helper()
	v, err := f.Call(&face.Call{Context: b.Context(), State: b.state, Pay: func(int) {}}, args)
	if err != nil {
		b.Fatal(err)
	}
	result, _ := v.(abi.Variant)
	return result
}

// made is a request or response with that content-length, "" for none, its body, and what writes to it.
func (b bodies) made(kind, length string) (it, body any, write func(n int) error) {
	b.Helper()
	header := &fields{state: b.state}
	if length != "" {
		header.put(Header{{"content-length", length}})
	}
	it, err := httpFunction("[constructor]outgoing-"+kind).Call(&face.Call{State: b.state}, []any{face.Rep(header)})
	if err != nil {
		b.Fatal(err)
	}
	if kind == "request" {
		b.call(httpFunction("[method]outgoing-request.set-authority"), it, face.Some("example.com"))
	}
	body = b.call(httpFunction("[method]outgoing-"+kind+".body"), it).Value
	out := b.call(httpFunction("[method]outgoing-body.write"), body).Value.(*wasiio.Output)
	return it, body, func(n int) error { return out.Sink(b.Context(), make([]byte, n)) }
}

func (b bodies) finish(body any) abi.Variant {
	b.Helper()
	return b.call(httpFunction("[static]outgoing-body.finish"), body, face.None)
}

// A request whose body is not whole is never sent. The guest hears of it, whether it asks before or after it writes.
func TestARequestWhoseBodyIsNotWholeFailsAtOnce(t *testing.T) {
	size := func(n int64) *httpclient.Failure { return httpclient.Sized(httpclient.RequestBodySize, n, "") }
	for _, tt := range []struct {
		name, length string
		write        int
		drop         bool // and does not finish it
		want         *httpclient.Failure
	}{
		{"shorter than content-length", "5", 3, false, size(3)},
		{"longer than content-length", "5", 9, false, size(9)},
		{"more than is held", "", face.MaxHeld + 1, false, size(face.MaxHeld + 1)},
		{"dropped", "", 5, true, httpclient.Fail(httpclient.ProtocolError, "")},
	} {
		for _, first := range []string{"asked for", "written"} {
			t.Run(tt.name+", first "+first, func(t *testing.T) {
				b := bodies{t, &face.State{Streams: noStreams}}
				request, body, write := b.made("request", tt.length)
				var answer abi.Variant
				ask := func() { answer = b.call(outgoingHandler["handle"], request, face.None) }
				if first == "asked for" {
					ask()
				}
				if err := write(tt.write); (err != nil) != (tt.write > 5) {
					t.Errorf("written: %v", err)
				}
				if tt.drop {
					body.(face.Dropped).Drop()
				} else if b.finish(body).Case == 0 {
					t.Error("the body counts as whole")
				}
				if first == "written" {
					ask()
				}
				got := answer
				if answer.Case == 0 {
					future := answer.Value.(*futureResponse)
					select {
					case <-future.sent.Done():
					default:
						t.Fatal("the request waits for ever")
					}
					some := b.call(httpFunction("[method]future-incoming-response.get"), answer.Value)
					got = some.Value.(abi.Variant).Value.(abi.Variant)
				}
				if want := face.Bad(errorCode(tt.want)); !reflect.DeepEqual(got, want) {
					t.Errorf("the guest gets %v, want %v", got, want)
				}
				if b.state.Held() != 0 {
					t.Errorf("%d bytes are held for nothing", b.state.Held())
				}
			})
		}
	}
}

// A response counts as whole only if all of its body was taken. What has no body, as the answer to HEAD, may say the
// length of one.
func TestAResponseIsWholeOnlyWithAllOfItsBody(t *testing.T) {
	for _, tt := range []struct {
		name, method, length string
		status, write        int
		whole                bool
	}{
		{"as long as it says", "GET", "5", 200, 5, true},
		{"of no length", "GET", "", 200, 5, true},
		{"shorter", "GET", "5", 200, 3, false},
		{"longer", "GET", "5", 200, 9, false},
		{"empty", "GET", "5", 200, 0, false},
		{"more than is taken", "GET", "", 200, 1 << 10, false},
		{"empty, to HEAD", "HEAD", "5", 200, 0, true},
		{"shorter, to HEAD", "HEAD", "5", 200, 3, false},
		{"not modified", "GET", "5", 304, 0, true},
	} {
		for _, first := range []string{"set", "written"} {
			t.Run(tt.name+", first "+first, func(t *testing.T) {
				b := bodies{t, &face.State{Streams: noStreams}}
				x := &Exchange{Method: tt.method, Respond: func(int, Header, string) error { return nil },
					Finish: func(context.Context, Header) error { return nil },
					Write: func(_ context.Context, p []byte) error {
						if len(p) > 100 {
							return errors.New("too much")
						}
						return nil
					}}
				response, body, write := b.made("response", tt.length)
				b.call(httpFunction("[method]outgoing-response.set-status-code"), response, uint16(tt.status))
				set := func() {
					b.call(httpFunction("[static]response-outparam.set"), x.Params()[1], abi.Variant{Value: response})
				}
				if first == "set" {
					set()
				}
				if tt.write > 0 {
					_ = write(tt.write)
				}
				b.finish(body)
				if first == "written" {
					set()
				}
				if _, whole := x.Responded(); whole != tt.whole {
					t.Errorf("whole is %v", whole)
				}
				if b.state.Held() != 0 {
					t.Errorf("%d bytes are held for nothing", b.state.Held())
				}
			})
		}
	}
}

// noStreams is a provider that takes bodies as a whole only.
func noStreams(lattice.LinkName, lattice.ContractID) bool { return false }

// An operator reads why a guest answered with an error: its case by name, with what it carries. What a guest hands on
// of a request of its own is read as the provider told it.
func TestAnErrorThatAGuestAnswersWithIsTold(t *testing.T) {
	for _, name := range httpclient.Names {
		f := &httpclient.Failure{Name: name, Number: 7, Word: "a word", Text: "a text"}
		want := name
		switch name {
		case httpclient.InternalError:
			want += ": a text"
		case httpclient.DNSError, httpclient.ResponseTransferCoding, httpclient.ResponseContentCoding:
			want += "(a word)"
		case httpclient.TLSAlertReceived, httpclient.RequestHeaderFieldSize, httpclient.RequestTrailerFieldSize,
			httpclient.ResponseHeaderFieldSize, httpclient.ResponseTrailerFieldSize:
			want += "(7 a word)"
		case httpclient.RequestBodySize, httpclient.RequestHeaderSize, httpclient.RequestTrailersSize,
			httpclient.ResponseHeaderSize, httpclient.ResponseBodySize, httpclient.ResponseTrailersSize:
			want += "(7)"
		}
		var got string
		x := &Exchange{Respond: func(_ int, _ Header, text string) error { got = text; return nil }}
		_, err := httpFunction("[static]response-outparam.set").Call(&face.Call{Context: t.Context(),
			State: &face.State{}, Pay: func(int) {}}, []any{x.Params()[1], face.Bad(errorCode(f))})
		if err != nil || got != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
		if none := errorText(errorCode(httpclient.Fail(name, ""))); none != name {
			t.Errorf("with nothing in it: %q, want %q", none, name)
		}
	}
	dns, trailer := face.Some(uint16(3)), []any{face.Some("x-a"), face.Some(uint32(9))}
	for want, code := range map[string]abi.Variant{
		"DNS-error(3 NXDOMAIN)":                        {Case: 1, Value: []any{face.Some("NXDOMAIN"), dns}},
		"HTTP-request-body-size(5)":                    {Case: 17, Value: face.Some(uint64(5))},
		"HTTP-request-header-size":                     {Case: 22, Value: face.None},
		"HTTP-request-trailer-size(9 x-a)":             {Case: 24, Value: trailer},
		"HTTP-response-body-size(9223372036854775807)": {Case: 28, Value: face.Some(uint64(1<<64 - 1))},
	} {
		if got := errorText(code); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
