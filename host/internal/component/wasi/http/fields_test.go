package http

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/component/face"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/httpclient"
)

// header makes fields of names and values in turn.
func (b bodies) header(pairs ...string) any {
	b.Helper()
	f := &fields{state: b.state}
	for i := 0; i < len(pairs); i += 2 {
		if v, ok := f.put(Header{{pairs[i], pairs[i+1]}}); !ok {
			b.Fatal(pairs[i], v)
		}
	}
	return face.Rep(f)
}

func (b bodies) must(name string, args ...any) any {
	b.Helper()
	v, err := httpFunction(name).Call(&face.Call{Context: b.Context(), State: b.state, Pay: func(int) {}}, args)
	if err != nil {
		b.Fatalf("%s: %v", name, err)
	}
	return v
}

// However a guest changes fields, they take no more than fields may. A set that fails changes nothing.
func TestFieldsHaveABoundHoweverTheyAreSet(t *testing.T) {
	b := bodies{t, &face.State{Streams: noStreams}}
	f := b.header("x-first", "1")
	value := []any{[]byte(strings.Repeat("v", 60<<10))}
	for n, want := range []uint32{0, 0, 1, 1} {
		if got := b.must("[method]fields.set", f, fmt.Sprint("x-", n), value).(abi.Variant); got.Case != want {
			t.Errorf("the set %d of 60 KiB gives %v", n, got)
		}
	}
	if got := b.must("[method]fields.set", f, "x-0", value).(abi.Variant); got.Case != 0 {
		t.Errorf("one value in the place of another gives %v", got)
	}
	names := ""
	for _, e := range b.must("[method]fields.entries", f).([]any) {
		names += e.([]any)[0].(string) + " "
	}
	if names != "x-first x-1 x-0 " {
		t.Errorf("the fields are %s", names)
	}
	if got := b.must("[method]fields.set", f, "host", []any{}).(abi.Variant); got.Case != 1 {
		t.Error("a name of the host's own is set to nothing")
	}
	f.(face.Dropped).Drop()
	if b.state.Held() != 0 {
		t.Errorf("%d bytes are held for nothing", b.state.Held())
	}
}

// What looks at fields is paid by what they are, also where they are those of something else.
func TestLookingAtFieldsIsPaid(t *testing.T) {
	x := &Exchange{Header: Header{{"x-long", strings.Repeat("v", 100<<10)}}}
	b := bodies{t, &face.State{Streams: noStreams}}
	view := b.must("[method]incoming-request.headers", x.Params()[0])
	for name, args := range map[string][]any{"get": {"x"}, "has": {"x-long"}, "entries": nil, "clone": nil} {
		paid := 0
		c := &face.Call{Context: t.Context(), State: b.state, Pay: func(n int) { paid += n }}
		if _, err := httpFunction("[method]fields."+name).Call(c, append([]any{view}, args...)); err != nil {
			t.Fatal(name, err)
		}
		if paid < 100<<10 {
			t.Errorf("%s pays for %d bytes of 100 KiB", name, paid)
		}
	}
}

// The fields that an object shows are those of the object: they are nowhere else when that is dropped. A guest that
// gives them away has a copy made, which counts.
func TestFieldsOfAnObjectAreHeldOnce(t *testing.T) {
	b := bodies{t, &face.State{Streams: noStreams}}
	response := b.must("[constructor]outgoing-response", b.header("x-a", "1"))
	view := b.must("[method]outgoing-response.headers", response)
	held := b.state.Held()
	second := b.must("[constructor]outgoing-response", b.must("[method]outgoing-response.headers", response))
	if b.state.Held() != 2*held {
		t.Errorf("%d bytes are held for two responses, %d for one", b.state.Held(), held)
	}
	response.(face.Dropped).Drop()
	if got := b.must("[method]fields.entries", view).([]any); len(got) != 0 {
		t.Errorf("the fields of a response that is dropped are %v", got)
	}
	view = b.must("[method]outgoing-response.headers", second)
	if got := b.must("[method]fields.get", view, "x-a").([]any); len(got) != 1 {
		t.Errorf("the copy has %v", got)
	}
	second.(face.Dropped).Drop()
	if b.state.Held() != 0 {
		t.Errorf("%d bytes are held for nothing", b.state.Held())
	}
}

// A content-length that is none is not read as another one.
func TestAContentLengthIsReadAsAWhole(t *testing.T) {
	for _, tt := range []struct {
		values string
		good   bool
	}{{"", true}, {"5", true}, {"5;5", true}, {"5;6", false}, {"5,5", false}, {"5x", false}, {"-5", false},
		{"+5", false}, {" 5", false}, {"0x5", false}, {"99999999999999999999", false}} {
		for _, kind := range []string{"request", "response"} {
			b := bodies{t, &face.State{Streams: noStreams}}
			var pairs []string
			for v := range strings.SplitSeq(tt.values, ";") {
				if v != "" {
					pairs = append(pairs, "Content-Length", v)
				}
			}
			it := b.must("[constructor]outgoing-"+kind, b.header(pairs...))
			if got := b.must("[method]outgoing-"+kind+".body", it).(abi.Variant); (got.Case == 0) != tt.good {
				t.Errorf("the body of a %s of content-length %q: %v", kind, tt.values, got)
			}
		}
	}
}

// A body that nobody asked for is empty: what says another length is not whole.
func TestABodyThatNobodyAskedForIsEmpty(t *testing.T) {
	for _, tt := range []struct {
		method, length string
		whole          bool
	}{{"GET", "", true}, {"GET", "0", true}, {"GET", "5", false}, {"HEAD", "5", true}} {
		b := bodies{t, &face.State{Streams: noStreams}}
		var pairs []string
		if tt.length != "" {
			pairs = []string{"content-length", tt.length}
		}
		x := &Exchange{Method: tt.method, Respond: func(int, Header, string) error { return nil },
			Finish: func(context.Context, Header) error { return nil }}
		b.must("[static]response-outparam.set", x.Params()[1],
			abi.Variant{Value: b.must("[constructor]outgoing-response", b.header(pairs...))})
		if _, whole := x.Responded(); whole != tt.whole {
			t.Errorf("an answer to %s of content-length %q without a body: whole is %v", tt.method, tt.length, whole)
		}
	}
	b := bodies{t, &face.State{Streams: noStreams}}
	request := b.must("[constructor]outgoing-request", b.header("content-length", "5"))
	b.must("[method]outgoing-request.set-authority", request, face.Some("example.com"))
	if got := b.call(outgoingHandler["handle"], request, face.None); got.Case != 1 {
		t.Error("a request is sent that says that it has 5 bytes, and has none")
	}
	if b.state.Held() != 0 {
		t.Errorf("%d bytes are held for nothing", b.state.Held())
	}
}

// cookies are values of one header whose name is spelled in several cases. WASI has their order.
var cookies = Header{{"set-cookie", "first"}, {"X-A", "1"}, {"Set-Cookie", "second"}, {"x-a", "2"},
	{"SET-COOKIE", "third"}}

// The order of a header's values is kept when its name is spelled in several cases: the map has the first spelling.
func TestValuesOfANameInSeveralCasesKeepTheirOrder(t *testing.T) {
	for _, tt := range []struct {
		give Header
		want map[string][]string
	}{
		{nil, map[string][]string{}},
		{Header{{"a", "1"}, {"b", "2"}, {"a", "3"}}, map[string][]string{"a": {"1", "3"}, "b": {"2"}}},
		{cookies, map[string][]string{"set-cookie": {"first", "second", "third"}, "X-A": {"1", "2"}}},
		{Header{{"A", "1"}, {"a", "2"}, {"A", "3"}}, map[string][]string{"A": {"1", "2", "3"}}},
	} {
		got := map[string][]string{}
		if tt.give.Fold(got); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%v is %v, want %v", tt.give, got, tt.want)
		}
	}
}

// So is it in the request that a provider gets.
func TestARequestKeepsTheOrderOfAHeaderInSeveralCases(t *testing.T) {
	b := bodies{t, &face.State{Streams: noStreams}}
	var sent *httpclient.Request
	b.state.Send = func(_ context.Context, to *face.Sent, _ lattice.LinkName, _ lattice.ContractID, _ string,
		payload []byte, _ *stream.Caller) {
		var err error
		if sent, err = httpclient.DecodeRequest(payload); err != nil {
			t.Error(err)
		}
		to.End((&httpclient.Response{StatusCode: 200}).Encode(), nil, func() {})
	}
	h := &fields{state: b.state}
	h.put(append(slices.Clone(cookies), Field{"x-latin", "caf\xe9"}))
	request := b.must("[constructor]outgoing-request", face.Rep(h))
	b.must("[method]outgoing-request.set-authority", request, face.Some("example.com"))
	b.call(outgoingHandler["handle"], request, face.None).Value.(face.Dropped).Drop()
	want := httpclient.Header{"set-cookie": {"first", "second", "third"}, "X-A": {"1", "2"}, "x-latin": {"café"}}
	if sent == nil || !reflect.DeepEqual(sent.Header, want) {
		t.Errorf("the request is %+v, want the header %v", sent, want)
	}
}
