package wasm_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/lattice"
)

// do calls the guest "state".
func do(t *testing.T, i *wasm.Instance, op int, x, y uint32) []byte {
	t.Helper()
	payload := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, x), y)
	out, err := i.Call(t.Context(), strings.Repeat("x", op), payload)
	if err != nil {
		t.Fatal(op, err)
	}
	return out
}

func fromTemplate(t testing.TB, tmpl *wasm.Template) *wasm.Instance {
	t.Helper()
	i, err := tmpl.Instantiate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = i.Close(t.Context()) })
	return i
}

// Whatever a guest does to its memory and globals, a restored instance is in the state of one that initialised itself,
// and so is one made from the snapshot.
func TestRestoreIsLikeNew(t *testing.T) {
	for name, asSlices := range map[string]bool{"mapped": false, "copied": true} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t)
			if asSlices {
				e.UseSlices()
			}
			m := compile(t, e, load(t, "state"))
			tmpl := template(t, m, &host{})
			memory, globals := instantiate(t, m, wasm.Limits{}, &host{}).State()
			if len(memory) != 5<<16 || string(memory[8:16]) != "fisecond" ||
				string(memory[131060:131070]) != "at the end" || memory[300000] != 1 {
				t.Fatalf("an instance begins with %d bytes, %q", len(memory), memory[8:24])
			}
			likeNew := func(i *wasm.Instance, history []string) {
				t.Helper()
				m, g := i.State()
				if !bytes.Equal(m, memory) || !slices.Equal(g[:4], globals[:4]) ||
					i.MemoryBytes() != uint64(len(memory)) {
					t.Fatalf("%d bytes, equal %t; globals %v, want %v; after %v", len(m), bytes.Equal(m, memory), g,
						globals, history)
				}
			}
			instances := []*wasm.Instance{fromTemplate(t, tmpl), fromTemplate(t, tmpl), fromTemplate(t, tmpl)}
			if why := tmpl.Anew(); why != "" {
				t.Fatal(why)
			}
			random := rand.New(rand.NewPCG(1, 2))
			for range 200 {
				n := random.IntN(len(instances))
				i := instances[n]
				likeNew(i, nil)
				var history []string
				for range random.IntN(6) {
					size := uint32(i.MemoryBytes())
					switch op := 1 + random.IntN(5); op {
					case 1:
						do(t, i, op, random.Uint32N(size), random.Uint32())
					case 2:
						do(t, i, op, random.Uint32N(3), 0)
					case 4:
						do(t, i, op, random.Uint32N(size-4), random.Uint32())
					default:
						do(t, i, op, random.Uint32(), 0)
					}
					history = append(history, "")
				}
				if err := i.Restore(t.Context()); err != nil {
					t.Fatal(err, i.MemoryBytes())
				}
				likeNew(i, history)
				report := do(t, i, 5, 0, 0)
				if got := binary.LittleEndian.Uint32(report); got != 5 {
					t.Fatalf("the guest sees %d pages", got)
				}
				if err := i.Restore(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// An instance that has grown to its maximum is made small again, and has not grown beyond it.
func TestRestoreAtTheMaximum(t *testing.T) {
	tmpl := template(t, compile(t, newEngine(t), load(t, "state")), &host{})
	i := fromTemplate(t, tmpl)
	began := i.MemoryBytes()
	do(t, i, 2, 35, 0)
	most := i.MemoryBytes()
	if do(t, i, 2, 1, 0); i.MemoryBytes() != most {
		t.Errorf("grown beyond the maximum: %d bytes", i.MemoryBytes())
	}
	if err := i.Restore(t.Context()); err != nil || i.MemoryBytes() != began {
		t.Errorf("%v, %d bytes, want the %d of the beginning", err, i.MemoryBytes(), began)
	}
}

func TestRestoreNotAfterATrap(t *testing.T) {
	tmpl := template(t, compile(t, newEngine(t), load(t, "state")), &host{})
	i := fromTemplate(t, tmpl)
	_, err := i.Call(t.Context(), "xxxxxx", make([]byte, 8))
	wantCode(t, err, lattice.ErrTrap)
	wantCode(t, i.Restore(t.Context()), lattice.ErrUnavailable)
}

// A system that gives no address space is told of, with what may be the reason.
func TestNoAddressSpace(t *testing.T) {
	err := wasm.Reserve(1 << 62)
	wantCode(t, err, lattice.ErrMemory)
	if !strings.Contains(err.Error(), "vm.max_map_count") {
		t.Error(err)
	}
}
