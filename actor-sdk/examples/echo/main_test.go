package main

import (
	"testing"

	"github.com/weftlattice/weft/actor-sdk/actortest"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
)

func TestEcho(t *testing.T) {
	h := actortest.New(t)
	header := httpserver.Header{"X-A": {"1", "2"}}
	got := h.Request("GET", "/foo?a=b", header, []byte("hello"))
	if want := `{"body":[104,101,108,108,111],"method":"GET","path":"/foo","query_string":"a=b"}`; got.Text() != want ||
		got.StatusCode != 200 {
		t.Errorf("%d %s, want %s", got.StatusCode, got.Text(), want)
	}
	got = h.Request("PUT", "/?header=1", header, nil)
	want := `{"body":[],"header":{"x-a":["1","2"]},"method":"PUT","path":"/","query_string":"header=1"}`
	if got.Text() != want {
		t.Errorf("%s, want %s", got.Text(), want)
	}
}

func BenchmarkEcho(b *testing.B) {
	h := actortest.New(b)
	b.ReportAllocs()
	for b.Loop() {
		if got := h.Get("/foo?a=b"); got.StatusCode != 200 {
			b.Fatal(got.StatusCode)
		}
	}
}
