package wasm

import (
	"testing"

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
		{"behind a proxy", httpserver.Header{"host": {"inner"}, "x-forwarded-host": {"outer"}, "x-forwarded-proto": {"https"}},
			"https://outer/p?q"},
		{"not told", httpserver.Header{"host": {"a"}}, "http://a/p?q"},
		{"no scheme of HTTP", httpserver.Header{"host": {"a"}, "x-forwarded-proto": {"wss"}}, "http://a/p?q"},
	} {
		x := asked(&httpserver.Request{Method: "GET", Path: "/p", Query: "q", Header: tt.header})
		if got := x.Scheme + "://" + x.Authority + x.PathWithQuery; got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
