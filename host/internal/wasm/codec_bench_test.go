package wasm

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
)

// BenchmarkComponentCall is calls of components in an instance that is warm: of functions that do nothing but pass
// values, and of wasi:http/incoming-handler without a server.
func BenchmarkComponentCall(b *testing.B) {
	record := []any{uint32(1), uint64(2), uint8(3), true, int16(5), uint32(6), uint64(7), uint8(8), false, int16(10),
		uint32(11), float64(12), 'm', true, int16(15), uint32(16), float32(17), uint8(18), false, int64(20)}
	large := bytes.Repeat([]byte{7}, 1<<20)
	i := begin(b, compiled(b, "codec"), Limits{})
	for _, c := range []struct {
		name, function string
		arg, want      any
		bytes          int64
	}{
		{"number", "number", uint32(7), uint32(7), 0},
		{"1KiB", "echo", large[:1<<10], large[:1<<10], 1 << 10},
		{"1MiB", "take", large, uint32(1 << 20), 1 << 20},
		{"record", "record", record, record, 0},
	} {
		b.Run(c.name, func(b *testing.B) {
			args := []any{c.arg}
			b.SetBytes(c.bytes)
			var wrong error
			look := func(v any) {
				if !same(v, c.want) {
					wrong = fmt.Errorf("got %.200v, want %.200v", v, c.want)
				}
			}
			measureCalls(b, func(ctx context.Context) error {
				return cmp.Or(i.invoked(ctx, c.function, args, look), wrong)
			})
		})
	}
	hello := begin(b, compiled(b, "hello"), Limits{})
	for name, c := range map[string]struct {
		request httpserver.Request
		body    string
	}{
		"hello":      {httpserver.Request{Method: "GET", Path: "/"}, "hello from /\n"},
		"hello/1KiB": {httpserver.Request{Method: "POST", Path: "/", Body: large[:1<<10]}, string(large[:1<<10])},
	} {
		payload := c.request.Encode()
		want := (&httpserver.Response{StatusCode: 200, Header: httpserver.Header{"content-type": {"text/plain"}},
			Body: []byte(c.body)}).Encode()
		b.Run(name, func(b *testing.B) {
			measureCalls(b, func(ctx context.Context) error {
				got, err := hello.Call(ctx, httpserver.HandleRequest, payload)
				if err == nil && !bytes.Equal(got, want) {
					err = fmt.Errorf("got %.200q, want %.200q", got, want)
				}
				return err
			})
		})
	}
}

// same compares values of package abi, without allocations.
func same(a, b any) bool {
	switch a := a.(type) {
	case []byte:
		return bytes.Equal(a, b.([]byte))
	case []any:
		return slices.EqualFunc(a, b.([]any), same)
	}
	return a == b
}

// measureCalls measures calls by the clock, by allocations, and by the processor time of the process. Each has a
// context as hosts make one, here the same.
func measureCalls(b *testing.B, call func(ctx context.Context) error) {
	ctx := &invocation.Context{}
	defer ctx.Close()
	one := func() {
		if err := call(ctx); err != nil {
			b.Fatal(err)
		}
	}
	one()
	b.ReportAllocs()
	begin := Processor()
	for b.Loop() {
		one()
	}
	b.ReportMetric(float64(Processor()-begin)/float64(b.N), "cpu-ns/op")
}
