package abi

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/weftlattice/weft/host/internal/component/binary"
	"github.com/weftlattice/weft/host/internal/component/types"
	"github.com/weftlattice/weft/lattice"
)

// vector is what the reference does with one value; see testdata/vectors.py.
type vector struct {
	Type     any
	Encoding string
	Memory   string
	Core     []uint64
	At       *uint32
	Trap     bool
	Value    json.RawMessage
	Lowered  []struct {
		Encoding string
		Core     []uint64
		Memory   string
		Calls    [][4]uint32
	}
}

var encodings = map[string]binary.Encoding{"utf8": binary.UTF8, "utf16": binary.UTF16,
	"latin1+utf16": binary.Latin1OrUTF16}

// heap is the reference's own guest.
type heap struct {
	memory []byte
	last   uint32
	calls  [][4]uint32
}

func (h *heap) Memory() []byte { return h.memory }

func (h *heap) Realloc(old, oldSize, align, size uint32) (uint32, error) {
	h.calls = append(h.calls, [4]uint32{old, oldSize, align, size})
	if old != 0 && size < oldSize {
		return old, nil
	}
	at := (h.last + align - 1) / align * align
	h.last = at + size
	copy(h.memory[at:at+oldSize], h.memory[old:])
	return at, nil
}

// built is the type as vectors write it.
func built(t *testing.T, spec any) *types.Type {
	t.Helper()
	if spec == nil {
		return nil
	}
	if name, ok := spec.(string); ok {
		for k := types.Bool; k <= types.String; k++ {
			if k.String() == name {
				return types.Primitive(k)
			}
		}
		t.Fatalf("no type %s", name)
	}
	var typ *types.Type
	var err error
	all := spec.([]any)
	rest := all[1:]
	cases := func(labels ...any) (cases []types.Case) {
		for n, c := range labels {
			cases = append(cases, types.Case{Label: fmt.Sprint("c", n), Type: built(t, c)})
		}
		return cases
	}
	switch kind := all[0].(string); kind {
	case "list":
		typ, err = types.NewList(built(t, rest[0]), uint32(rest[1].(float64)))
	case "tuple", "record":
		var fields []types.Field
		for n, f := range rest {
			fields = append(fields, types.Field{Type: built(t, f)})
			if kind == "record" {
				fields[n].Label = fmt.Sprint("f", n)
			}
		}
		typ, err = types.NewRecord(fields)
	case "variant":
		typ, err = types.NewVariant(types.Variant, cases(rest...))
	case "enum":
		typ, err = types.NewVariant(types.Enum, cases(make([]any, int(rest[0].(float64)))...))
	case "option":
		typ, err = types.NewVariant(types.Option, cases(nil, rest[0]))
	case "result":
		typ, err = types.NewVariant(types.Result, cases(rest...))
	case "flags":
		typ, err = types.NewFlags(make([]string, int(rest[0].(float64))))
	}
	if err != nil {
		t.Fatal(err)
	}
	return typ
}

// written is a value as vectors write it.
func written(v any) any {
	switch v := v.(type) {
	case float32:
		return math.Float32bits(v)
	case float64:
		return math.Float64bits(v)
	case Text:
		return v.S
	case []byte:
		all := make([]any, len(v))
		for n, b := range v {
			all[n] = b
		}
		return all
	case []any:
		all := make([]any, len(v))
		for n, e := range v {
			all[n] = written(e)
		}
		return all
	case Variant:
		return []any{v.Case, written(v.Value)}
	}
	return v
}

// TestVectors compares what is lifted and lowered, and each call of realloc, with the reference of the canonical ABI.
func TestVectors(t *testing.T) {
	file, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(file, &all); err != nil || len(all) < 500 {
		t.Fatal(len(all), err)
	}
	traps := 0
	for n, c := range all {
		memory, err := hex.DecodeString(c.Memory)
		if err != nil {
			t.Fatal(err)
		}
		typ := built(t, c.Type)
		what := fmt.Sprintf("vector %d, %v in %s", n, c.Type, c.Encoding)
		lifter := Lifter{Guest: &heap{memory: memory}, Encoding: encodings[c.Encoding], Forward: true,
			Grant: func(int64) error { return nil }}
		lifter.begin()
		var value any
		if c.At != nil {
			value = lifter.at(*c.At, typ, "a value")
		} else {
			core := slices.Clone(c.Core)
			value = lifter.flat(&core, typ)
		}
		if c.Trap {
			traps++
			if lattice.CodeOf(lifter.err) != lattice.ErrTrap {
				t.Errorf("%s: %v, want a trap", what, lifter.err)
			}
			continue
		}
		got, err := json.Marshal(written(value))
		if lifter.err != nil || err != nil || !sameJSON(got, c.Value) {
			t.Errorf("%s: %s, %v, %v, want %s", what, got, lifter.err, err, c.Value)
			continue
		}
		for _, l := range c.Lowered {
			h := &heap{memory: make([]byte, 4096)}
			w := Lowerer{Guest: h, Encoding: encodings[l.Encoding]}
			var core []uint64
			if c.At != nil {
				at, _ := h.Realloc(0, 0, typ.Align, typ.Size)
				h.calls = nil
				w.begin()
				w.store(value, typ, at)
				core = []uint64{uint64(at)}
			} else {
				w.begin()
				core = w.flat(nil, value, typ)
			}
			if w.err != nil || !slices.Equal(core, l.Core) || !slices.Equal(h.calls, l.Calls) ||
				hex.EncodeToString(h.memory[:h.last]) != l.Memory {
				t.Errorf("%s, lowered in %s: %v, %v, calls %v, memory %x\nwant %v, calls %v, memory %s", what,
					l.Encoding, w.err, core, h.calls, h.memory[:h.last], l.Core, l.Calls, l.Memory)
			}
		}
	}
	if traps < 50 {
		t.Errorf("%d of the vectors trap", traps)
	}
}

// sameJSON compares texts whose numbers are whole.
func sameJSON(a, b []byte) bool {
	read := func(b []byte) (v any) {
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		if d.Decode(&v) != nil {
			return string(b)
		}
		return v
	}
	return strings.EqualFold(fmt.Sprintf("%q", read(a)), fmt.Sprintf("%q", read(b)))
}
