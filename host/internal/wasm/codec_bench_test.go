package wasm

import (
	"bytes"
	"testing"

	"github.com/weftlattice/weft/lattice/contract/httpserver"
)

// BenchmarkComponentCall is calls of components in an instance that is warm: of functions that do nothing but pass
// values, and of wasi:http/incoming-handler without a server.
func BenchmarkComponentCall(b *testing.B) {
	record := []any{uint32(1), uint64(2), uint8(3), true, int16(5), uint32(6), uint64(7), uint8(8), false, int16(10),
		uint32(11), float64(12), 'm', true, int16(15), uint32(16), float32(17), uint8(18), false, int64(20)}
	i := begin(b, compiled(b, "codec"), Limits{})
	for _, c := range []struct {
		name, function string
		arg            any
		bytes          int64
	}{
		{"number", "number", uint32(7), 0},
		{"1KiB", "echo", bytes.Repeat([]byte{7}, 1<<10), 1 << 10},
		{"1MiB", "take", bytes.Repeat([]byte{7}, 1<<20), 1 << 20},
		{"record", "record", record, 0},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(c.bytes)
			args := []any{c.arg}
			for b.Loop() {
				if _, err := i.invoke(b.Context(), c.function, args); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	hello := begin(b, compiled(b, "hello"), Limits{})
	for name, request := range map[string]httpserver.Request{
		"hello":      {Method: "GET", Path: "/"},
		"hello/1KiB": {Method: "POST", Path: "/", Body: bytes.Repeat([]byte{'x'}, 1<<10)},
	} {
		payload := request.Encode()
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				out, err := hello.Call(b.Context(), httpserver.HandleRequest, payload)
				if err != nil || len(out) < 20 {
					b.Fatal(err)
				}
			}
		})
	}
}
