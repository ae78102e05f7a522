package instrument_test

import (
	"context"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// TestSameResultsOfStockGo runs the actor of package wasm's tests with and without checks. The interpreter does: what
// is compared is what the code means, and compiling it twice takes long under the race detector.
func TestSameResultsOfStockGo(t *testing.T) {
	code := buildGo(t, "../wasm/testdata/goguest")
	var results []string
	for _, wasm := range [][]byte{code, rewrite(t, code)} {
		results = append(results, call(t, wasm, "work", "some words to sort, some to count, to hash"))
	}
	if results[0] != results[1] || len(results[0]) < 64 {
		t.Errorf("without %q, with %q", results[0], results[1])
	}
}

// call runs one operation of an actor.
func call(t *testing.T, wasm []byte, operation, payload string) (response string) {
	t.Helper()
	r := newRuntime(t, wazero.NewRuntimeConfigInterpreter())
	wasi_snapshot_preview1.MustInstantiate(t.Context(), r)
	_, err := r.NewHostModuleBuilder("wasmbus").
		NewFunctionBuilder().WithFunc(func(_ context.Context, m api.Module, op, p uint32) {
		m.Memory().WriteString(op, operation)
		m.Memory().WriteString(p, payload)
	}).Export("__guest_request").
		NewFunctionBuilder().WithFunc(func(_ context.Context, m api.Module, p, n uint32) {
		b, _ := m.Memory().Read(p, n)
		response = string(b)
	}).Export("__guest_response").
		NewFunctionBuilder().WithFunc(func(_ context.Context, m api.Module, p, n uint32) {
		b, _ := m.Memory().Read(p, n)
		t.Errorf("guest error: %s", b)
	}).Export("__guest_error").Instantiate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := start(t, r, wasm)
	if _, err := m.ExportedFunction("_initialize").Call(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := m.ExportedFunction("__guest_call").Call(t.Context(), uint64(len(operation)),
		uint64(len(payload))); err != nil {
		t.Fatal(err)
	}
	return response
}
