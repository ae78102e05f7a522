package httpserver

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	contract "github.com/weftlattice/weft/lattice/contract/httpserver"
	"github.com/weftlattice/weft/lattice/trace"
)

func TestEncoderWritesWhatTheContractWrites(t *testing.T) {
	tc := trace.New()
	tc.State = "a=1"
	for name, row := range map[string]struct {
		change func(*http.Request)
		want   contract.Header // besides host and trace
	}{
		"bare": {func(*http.Request) {}, contract.Header{}},
		"several": {func(r *http.Request) { r.Header["X-Zz"] = []string{"1", "2"}; r.Header.Set("Accept", "*/*") },
			contract.Header{"x-zz": {"1", "2"}, "accept": {"*/*"}}},
		"hop by hop": {func(r *http.Request) {
			r.Header.Set("Connection", "X-Gone, close")
			r.Header.Set("X-Gone", "1")
			r.Header.Set("Te", "trailers")
		}, contract.Header{}},
		"beyond ASCII": {func(r *http.Request) {
			r.Header["X-A"] = []string{"ok", "caf\xe9", "café"}
			r.Header["X-B"] = []string{"caf\xe9 café"}
		}, contract.Header{"x-a": {"ok", "café", "café"}, "x-b": {"café cafÃ©"}}},
		"forged origin": {func(r *http.Request) {
			for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host",
				"X-Forwarded-Port", "X-Real-Ip"} {
				r.Header.Set(name, "z")
			}
			r.Header.Set("X-Forward", "1")
		}, contract.Header{"x-forward": {"1"}}},
		"forged trace": {func(r *http.Request) {
			r.Header.Set("Traceparent", "x")
			r.Header.Set("Tracestate", "y")
			r.Header["Host"] = []string{"z"}
		}, contract.Header{}},
		"bad UTF-8": {func(r *http.Request) { r.Host = "h\xff"; r.URL.RawQuery = "q=\xff" }, contract.Header{}},
	} {
		t.Run(name, func(t *testing.T) {
			body := []byte("the body")
			r := httptest.NewRequest("post", "http://example.org/a%2fb/c?d=e", nil)
			row.change(r)
			e := newEncoder()
			defer e.free()
			e.net(r, &exchange{method: "POST", trace: tc, from: origin{chain: "192.0.2.1", scheme: "https",
				host: "front"}}, r.URL.EscapedPath(), len(body))
			copy(e.Room(len(body)), body)
			got, err := contract.DecodeRequest(e.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			if again := got.Encode(); !bytes.Equal(again, e.Bytes()) {
				t.Errorf("encoded\n%q, the contract's encoding is\n%q", e.Bytes(), again)
			}
			if got.Method != "POST" || got.Path != "/a%2fb/c" || !bytes.Equal(got.Body, body) {
				t.Errorf("request %+v", got)
			}
			if got.Header.Get("traceparent") != tc.Traceparent() || got.Header.Get("tracestate") != "a=1" ||
				got.Header.Get("host") == "" {
				t.Errorf("header %v", got.Header)
			}
			if got.Header.Get(contract.ForwardedFor) != "192.0.2.1" ||
				got.Header.Get(contract.ForwardedProto) != "https" ||
				got.Header.Get(contract.ForwardedHost) != "front" {
				t.Errorf("origin in %v", got.Header)
			}
			for _, name := range []string{"traceparent", "tracestate", "host", contract.ForwardedFor,
				contract.ForwardedProto, contract.ForwardedHost} {
				if len(got.Header[name]) != 1 {
					t.Errorf("%s: %q", name, got.Header[name])
				}
				delete(got.Header, name)
			}
			if len(got.Header) != len(row.want) {
				t.Errorf("header %v, want %v", got.Header, row.want)
			}
			for name, values := range row.want {
				if !slices.Equal(got.Header[name], values) {
					t.Errorf("%s: %q, want %q", name, got.Header[name], values)
				}
			}
		})
	}
}
