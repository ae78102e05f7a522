package abi

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"testing"

	"github.com/weftlattice/weft/host/internal/component/types"
)

// function is a function that takes a value of a type and returns one.
func function(t *testing.T, typ *types.Type) *types.Func {
	t.Helper()
	f, err := types.NewFunc([]types.Field{{Label: "v", Type: typ}}, typ)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A function that keeps a number, a text, bytes or an option finds it as it was, whatever is lifted after it.
func TestValuesThatAreKeptStay(t *testing.T) {
	option := func(of *types.Type) *types.Type {
		typ, err := types.NewVariant(types.Option, []types.Case{{Label: "none"}, {Label: "some", Type: of}})
		if err != nil {
			t.Fatal(err)
		}
		return typ
	}
	list, err := types.NewList(types.Primitive(types.U8), 0)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		typ *types.Type
		nth func(n int) any
	}{
		"number": {types.Primitive(types.U64), func(n int) any { return uint64(n) << 40 }},
		"float":  {types.Primitive(types.Double), func(n int) any { return math.Sqrt(float64(n)) }},
		"text":   {types.Primitive(types.String), func(n int) any { return fmt.Sprint("text ", n) }},
		"bytes":  {list, func(n int) any { return bytes.Repeat([]byte{byte(n)}, n) }},
		"option": {option(types.Primitive(types.U32)), func(n int) any {
			return Variant{Case: 1, Value: uint32(n) << 20}
		}},
	} {
		f := function(t, c.typ)
		guest := &arena{next: 8, memory: make([]byte, 64)}
		w, l := Lowerer{Guest: guest}, Lifter{Guest: guest, Grant: allow}
		var kept []any
		for n := range 100 {
			core, err := w.Params([]any{c.nth(n)}, f)
			if err != nil {
				t.Fatal(err)
			}
			all, err := l.Params(core, f)
			if err != nil {
				t.Fatal(err)
			}
			kept = append(kept, all[0])
			clear(guest.memory)
		}
		for n, got := range kept {
			if !reflect.DeepEqual(got, c.nth(n)) {
				t.Fatalf("%s %d is %v after others were lifted, want %v", name, n, got, c.nth(n))
			}
		}
	}
}

// A record of twenty fields crosses with less than one allocation each way.
func TestRecordsCrossWithoutAllocations(t *testing.T) {
	kinds := []types.Kind{types.U32, types.U64, types.S16, types.Double, types.Char}
	values := []any{uint32(1 << 20), uint64(1 << 40), int16(-300), 1.5, 'ü'}
	var fields []types.Field
	var record []any
	for n := range 20 {
		fields = append(fields, types.Field{Label: fmt.Sprint("f", n), Type: types.Primitive(kinds[n%len(kinds)])})
		record = append(record, values[n%len(kinds)])
	}
	typ, err := types.NewRecord(fields)
	if err != nil {
		t.Fatal(err)
	}
	f, args, memory := function(t, typ), []any{record}, make([]byte, 4096)
	guest := fixed(memory)
	w := Lowerer{Guest: guest, Room: make([]uint64, 0, 1)}
	l := Lifter{Guest: guest, Grant: allow}
	if n := testing.AllocsPerRun(1000, func() {
		core, err := w.Params(args, f)
		if err != nil {
			t.Fatal(err)
		}
		if all, err := l.Params(core, f); err != nil || len(all[0].([]any)) != len(record) {
			t.Fatal(all, err)
		}
	}); n > 1 {
		t.Errorf("%v allocations", n)
	}
}

// fixed is a guest that makes room at one place.
type fixed []byte

func (f fixed) Memory() []byte                                    { return f }
func (f fixed) Realloc(_, _, _, _ uint32) (ptr uint32, err error) { return 8, nil }
