package wasm_test

import (
	"path/filepath"
	"testing"

	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/lattice/contract/core"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
)

// BenchmarkSDK is the guest's part of a request: the echo example from both compilers, with what a small HTTP request
// brings; beside it a health call, which does nothing.
func BenchmarkSDK(b *testing.B) {
	e := newEngine(b)
	request := (&httpserver.Request{Method: "POST", Path: "/", Body: []byte("hello, lattice"),
		Header: httpserver.Header{
			"content-length": {"14"}, "host": {"127.0.0.1:8080"},
			"traceparent": {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03"}}}).Encode()
	for compiler, code := range map[string][]byte{"tinygo": load(b, filepath.Join("tinygo", "echo")),
		"go": stockGo(b, "echo")} {
		m := compile(b, e, code)
		for _, call := range []struct {
			name, operation string
			payload         []byte
		}{{"http", httpserver.HandleRequest, request}, {"health", core.HealthRequest, core.EncodeHealthRequest()}} {
			b.Run(compiler+"/"+call.name, func(b *testing.B) {
				i := instantiate(b, m, wasm.Limits{}, &host{})
				b.ReportAllocs()
				for b.Loop() {
					if _, err := i.Call(b.Context(), call.operation, call.payload); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
