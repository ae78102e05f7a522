package wasm_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
)

func BenchmarkCall(b *testing.B) {
	m := compile(b, newEngine(b), load(b, "echo"))
	for _, size := range []int{0, 1 << 10, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			i := instantiate(b, m, wasm.Limits{}, &host{})
			payload := bytes.Repeat([]byte{1}, size)
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			b.ReportAllocs()
			for b.Loop() {
				if out, err := i.Call(ctx, "Echo.Echo", payload); err != nil || len(out) != size {
					b.Fatal(len(out), err)
				}
			}
		})
	}
}

func BenchmarkHostCall(b *testing.B) {
	i := instantiate(b, compile(b, newEngine(b), load(b, "hostile")), wasm.Limits{}, &host{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := i.Call(b.Context(), "C", nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkInstantiate(b *testing.B) {
	e := newEngine(b)
	for name, code := range map[string][]byte{"echo": load(b, "echo"), "go": loadGo(b)} {
		m := compile(b, e, code)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				i, err := m.Instantiate(b.Context(), wasm.Limits{}, &host{}, nil)
				if err != nil {
					b.Fatal(err)
				}
				_ = i.Close(b.Context())
			}
		})
	}
}

// A call that writes a few lines to the log.
func BenchmarkWrite(b *testing.B) {
	i := instantiate(b, compile(b, newEngine(b), load(b, "hostile")), wasm.Limits{}, mute{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := i.Call(b.Context(), "W", nil); err != nil {
			b.Fatal(err)
		}
	}
}

// mute is a host that does nothing for its guests.
type mute struct{}

func (mute) Streams(lattice.LinkName, lattice.ContractID) bool { return false }

func (mute) HostCall(context.Context, lattice.LinkName, lattice.ContractID, string, []byte,
	*stream.Caller) ([]byte, error) {
	return nil, nil
}
func (mute) Reserve(context.Context, int) error       { return nil }
func (mute) Spent(uint64)                             {}
func (mute) Log(context.Context, wasm.Source, string) {}
