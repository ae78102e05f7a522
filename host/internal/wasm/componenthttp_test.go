package wasm

import (
	"reflect"
	"testing"

	wasihttp "github.com/weftlattice/weft/host/internal/component/wasi/http"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
)

// A component makes links to itself of the scheme and the authority of a request: they are those of its client, also
// behind TLS and behind a proxy that is trusted.
func TestAComponentFindsTheURLThatItsClientUsed(t *testing.T) {
	for _, tt := range []struct {
		name   string
		header httpserver.Header
		want   string
	}{
		{"plain", httpserver.Header{"host": {"a:80"}, "x-forwarded-proto": {"http"}}, "http://a:80/p?q"},
		{"TLS", httpserver.Header{"host": {"a:8443"}, "x-forwarded-proto": {"https"}}, "https://a:8443/p?q"},
		{"another provider's names", httpserver.Header{"Host": {"a"}, "X-Forwarded-Proto": {"https"}}, "https://a/p?q"},
		{"behind a proxy", httpserver.Header{"host": {"inner"}, "x-forwarded-host": {"outer"},
			"x-forwarded-proto": {"https"}}, "https://outer/p?q"},
		{"not told", httpserver.Header{"host": {"a"}}, "http://a/p?q"},
		{"no scheme of HTTP", httpserver.Header{"host": {"a"}, "x-forwarded-proto": {"wss"}}, "http://a/p?q"},
	} {
		x := asked(&httpserver.Request{Method: "GET", Path: "/p", Query: "q", Header: tt.header})
		if got := x.Scheme + "://" + x.Authority + x.PathWithQuery; got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// The values of a header that a component spells in several cases reach the client in the component's order.
func TestAnAnswerKeepsTheOrderOfAHeaderInSeveralCases(t *testing.T) {
	r := &answer{instance: &Instance{}}
	r.resp.Header = httpserver.Header{}
	if err := r.head(200, wasihttp.Header{{Name: "set-cookie", Value: "first"}, {Name: "Set-Cookie", Value: "second"},
		{Name: "SET-COOKIE", Value: "third"}}, ""); err != nil {
		t.Fatal(err)
	}
	got, err := httpserver.DecodeResponse(r.resp.Encode())
	want := httpserver.Header{"set-cookie": {"first", "second", "third"}}
	if err != nil || !reflect.DeepEqual(got.Header, want) {
		t.Errorf("the answer's header is %v, %v, want %v", got.Header, err, want)
	}
}

// A provider of another make may send a name in several cases. A component finds them in the same order each time.
func TestAComponentFindsAHeaderOfAnotherMakeInOneOrder(t *testing.T) {
	header := httpserver.Header{"x-a": {"3", "4"}, "X-a": {"2"}, "X-A": {"1"}, "b": {"5"}, "a": {"6"}}
	want := wasihttp.Header{{Name: "X-A", Value: "1"}, {Name: "X-a", Value: "2"}, {Name: "a", Value: "6"},
		{Name: "b", Value: "5"}, {Name: "x-a", Value: "3"}, {Name: "x-a", Value: "4"}}
	for range 20 {
		if got := asked(&httpserver.Request{Header: header}).Header; !reflect.DeepEqual(got, want) {
			t.Fatalf("the component finds %v, want %v", got, want)
		}
	}
}
