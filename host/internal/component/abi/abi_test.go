package abi

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/weftlattice/weft/host/internal/component/binary"
	"github.com/weftlattice/weft/host/internal/component/types"
	"github.com/weftlattice/weft/lattice"
)

// arena is a guest that makes room at the end of its memory, and never frees.
type arena struct {
	memory []byte
	next   uint32
	calls  []string
}

func (a *arena) Memory() []byte { return a.memory }

func (a *arena) Realloc(old, oldSize, align, size uint32) (uint32, error) {
	a.calls = append(a.calls, fmt.Sprintf("%d→%d", oldSize, size))
	a.next = (a.next + align - 1) / align * align
	ptr := a.next
	a.next += size
	if grown := make([]byte, a.next+64); len(grown) > len(a.memory) { // another memory, as after a growth
		copy(grown, a.memory)
		a.memory = grown
	}
	copy(a.memory[ptr:ptr+min(size, oldSize)], a.memory[old:])
	return ptr, nil
}

// maker makes types and values.
type maker struct {
	*rand.Rand
	t        *testing.T
	resource *types.Resource
}

func (m *maker) made(t *types.Type, err error) *types.Type {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
	return t
}

func (m *maker) typeOf(depth int) *types.Type {
	kind := types.Kind(m.IntN(int(types.Own) + 1))
	if depth == 0 {
		kind = types.Kind(m.IntN(int(types.String) + 1))
	}
	n := 1 + m.IntN(5)
	switch kind {
	case types.List:
		return m.made(types.NewList(m.typeOf(depth-1), uint32(m.IntN(3))))
	case types.Record, types.Tuple:
		fields := make([]types.Field, n)
		for i := range fields {
			if fields[i].Type = m.typeOf(depth - 1); kind == types.Record {
				fields[i].Label = string(rune('a' + i))
			}
		}
		return m.made(types.NewRecord(fields))
	case types.Variant, types.Enum:
		if m.IntN(20) == 0 {
			n = 300
		}
		cases := make([]types.Case, n)
		for i := range cases {
			if cases[i].Label = fmt.Sprint("c", i); kind == types.Variant && i < 5 && m.IntN(3) > 0 {
				cases[i].Type = m.typeOf(depth - 1)
			}
		}
		return m.made(types.NewVariant(kind, cases))
	case types.Option:
		return m.made(types.NewVariant(kind, []types.Case{{Label: "none"}, {Label: "some", Type: m.typeOf(depth - 1)}}))
	case types.Result:
		return m.made(types.NewVariant(kind, []types.Case{{Label: "ok", Type: m.typeOf(depth - 1)}, {Label: "error"}}))
	case types.Flags:
		return m.made(types.NewFlags(strings.Split(strings.Repeat("x", 1+m.IntN(32)), "")))
	case types.Own:
		return types.NewHandle(types.Own, m.resource)
	}
	return types.Primitive(kind)
}

func (m *maker) value(t *types.Type) any {
	switch t.Kind {
	case types.Bool:
		return m.IntN(2) == 1
	case types.S8:
		return int8(m.Uint64())
	case types.U8:
		return uint8(m.Uint64())
	case types.S16:
		return int16(m.Uint64())
	case types.U16:
		return uint16(m.Uint64())
	case types.S32:
		return int32(m.Uint64())
	case types.U32:
		return uint32(m.Uint64())
	case types.S64:
		return int64(m.Uint64())
	case types.U64:
		return m.Uint64()
	case types.Float:
		return m.Float32() * 1e10
	case types.Double:
		return m.NormFloat64()
	case types.Char:
		return []rune("aä€𝄞\x00\uffff")[m.IntN(6)]
	case types.String:
		return strings.Repeat([]string{"a", "ä", "€", "𝄞", "\x00"}[m.IntN(5)], m.IntN(4)) + strings.Repeat("ÿz",
			m.IntN(3))
	case types.List:
		n := int(t.Len)
		if n == 0 {
			n = m.IntN(4)
		}
		if t.Element.Kind == types.U8 {
			b := make([]byte, n)
			for i := range b {
				b[i] = byte(m.Uint64())
			}
			return b
		}
		all := make([]any, n)
		for i := range all {
			all[i] = m.value(t.Element)
		}
		return all
	case types.Record, types.Tuple:
		all := make([]any, len(t.Fields))
		for i, f := range t.Fields {
			all[i] = m.value(f.Type)
		}
		return all
	case types.Flags:
		return m.Uint32() & uint32(1<<len(t.Labels)-1)
	case types.Own:
		return Rep{N: m.Uint32()}
	}
	v := Variant{Case: uint32(m.IntN(len(t.Cases)))}
	if c := t.Cases[v.Case].Type; c != nil {
		v.Value = m.value(c)
	}
	return v
}

func allow(int64) error { return nil }

// atMost grants so many bytes.
func atMost(bytes int64) func(int64) error {
	return func(n int64) error {
		if bytes -= n; bytes < 0 {
			return &lattice.Error{Code: lattice.ErrTooLarge}
		}
		return nil
	}
}

// What is lowered to a guest and lifted again is the same, by core values and by memory, in every encoding.
func TestValuesComeBack(t *testing.T) {
	for seed := range uint64(3000) {
		m := &maker{rand.New(rand.NewPCG(seed, 0)), t, &types.Resource{Name: "r"}}
		fields := make([]types.Field, 1+m.IntN(4))
		values := make([]any, len(fields))
		for i := range fields {
			fields[i] = types.Field{Label: "p", Type: m.typeOf(3)}
			values[i] = m.value(fields[i].Type)
		}
		f, err := types.NewFunc(fields, nil)
		if err != nil {
			t.Fatal(err)
		}
		guest, table := &arena{next: 8, memory: make([]byte, 64)}, &Table{}
		encoding := binary.Encoding(seed % 3)
		w := Lowerer{Guest: guest, Encoding: encoding, Handles: table}
		core, err := w.Params(values, f)
		if err != nil {
			t.Fatalf("seed %d: lower %v: %v", seed, values, err)
		}
		if want := len(f.Lowered().Params); len(core) != want {
			t.Fatalf("seed %d: %d core values, want %d", seed, len(core), want)
		}
		l := Lifter{Guest: guest, Encoding: encoding, Handles: table, Grant: allow, Brief: seed%2 == 0,
			Lend: seed%4 == 0}
		got, err := l.Params(core, f)
		if err != nil || !reflect.DeepEqual(got, values) {
			t.Fatalf("seed %d: %v\ngot  %#v\nwant %#v", seed, err, got, values)
		}
		if table.Len() != 0 {
			t.Fatalf("seed %d: %d handles are left", seed, table.Len())
		}
		// The same as a result, through memory.
		tuple, err := types.NewRecord(append([]types.Field(nil), fields...))
		if err != nil {
			t.Fatal(err)
		}
		where, _ := guest.Realloc(0, 0, tuple.Align, tuple.Size)
		if f, err = types.NewFunc(nil, tuple); err != nil {
			t.Fatal(err)
		}
		if core, err = w.Result(values, f, where); err != nil {
			t.Fatal(err)
		}
		if f.SpillsResult() {
			core = []uint64{uint64(where)}
		}
		if back, err := l.Result(core, f); err != nil || !reflect.DeepEqual(back, any(values)) {
			t.Fatalf("seed %d: by memory: %v\ngot  %#v\nwant %#v", seed, err, back, values)
		}
	}
}

// How a string asks for room is part of the ABI: a guest can see it.
func TestRoomForStrings(t *testing.T) {
	for _, c := range []struct {
		from Form
		to   binary.Encoding
		s    string
		want string
	}{
		{FormUTF8, binary.UTF8, "häh", "0→4"},
		{FormUTF8, binary.UTF16, "häh", "0→8 8→6"},
		{FormUTF8, binary.UTF16, "abc", "0→6"},
		{FormUTF8, binary.Latin1OrUTF16, "abc", "0→3"},
		{FormUTF8, binary.Latin1OrUTF16, "häh", "0→4 4→3"},
		{FormUTF8, binary.Latin1OrUTF16, "h€h", "0→5 5→10 10→6"},
		{FormUTF16, binary.UTF8, "abc", "0→3"},
		{FormUTF16, binary.UTF8, "aäc", "0→3 3→9 9→4"},
		{FormUTF16, binary.UTF16, "aäc", "0→6"},
		{FormTagged, binary.Latin1OrUTF16, "aäc", "0→6 6→3"},
		{FormTagged, binary.Latin1OrUTF16, "a€c", "0→6"},
		{FormLatin1, binary.UTF8, "aäc", "0→3 3→6 6→4"},
		{FormLatin1, binary.Latin1OrUTF16, "aäc", "0→3"},
		{FormLatin1, binary.UTF16, "aäc", "0→6"},
	} {
		units := map[Form]int{FormUTF8: len(c.s), FormUTF16: len(encodeUTF16(c.s)) / 2,
			FormTagged: len(encodeUTF16(c.s)) / 2, FormLatin1: len([]rune(c.s))}[c.from]
		guest := &arena{next: 8, memory: make([]byte, 64)}
		w := Lowerer{Guest: guest, Encoding: c.to}
		f, err := types.NewFunc([]types.Field{{Label: "s", Type: types.Primitive(types.String)}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		core, err := w.Params([]any{Text{c.s, c.from, uint32(units)}}, f)
		if err != nil {
			t.Errorf("%q: %v", c.s, err)
			continue
		}
		if got := strings.Join(guest.calls, " "); got != c.want {
			t.Errorf("%q from %d to %d: asked for %s, want %s", c.s, c.from, c.to, got, c.want)
		}
		l := Lifter{Guest: guest, Encoding: c.to, Grant: allow}
		if back, err := l.Params(core, f); err != nil || back[0] != any(c.s) {
			t.Errorf("%q comes back as %q, %v", c.s, back, err)
		}
	}
}

// Whatever a guest's memory holds, lifting is a value or a trap.
func FuzzLift(f *testing.F) {
	f.Add(uint64(1), []byte{1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 8, 0, 0, 0, 4})
	f.Fuzz(func(t *testing.T, seed uint64, memory []byte) {
		m := &maker{rand.New(rand.NewPCG(seed, 0)), t, &types.Resource{Name: "r"}}
		typ := m.typeOf(4)
		l := Lifter{Guest: &arena{memory: memory}, Encoding: binary.Encoding(seed % 3), Handles: &Table{},
			Call: &Call{}, Grant: atMost(1 << 20), Brief: seed&1 == 0, Lend: seed&2 == 0}
		result, err := types.NewFunc(nil, typ)
		if err != nil {
			t.Fatal(err)
		}
		for _, ptr := range []uint64{0, uint64(len(memory) / 2), 1<<32 - 1} {
			_, err := l.Result([]uint64{ptr}, result)
			if c := lattice.CodeOf(err); err != nil && c != lattice.ErrTrap && c != lattice.ErrTooLarge {
				t.Fatal(err)
			}
		}
		core := make([]uint64, 16)
		for i := range core {
			core[i] = m.Uint64() >> (m.IntN(64))
		}
		params, err := types.NewFunc([]types.Field{{Label: "p", Type: typ}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = l.Params(core, params)
	})
}

func TestHandles(t *testing.T) {
	a, b := &types.Resource{Name: "a"}, &types.Resource{Name: "b"}
	table := &Table{}
	trap := func(what string, err error) {
		t.Helper()
		if lattice.CodeOf(err) != lattice.ErrTrap {
			t.Errorf("%s: %v", what, err)
		}
	}
	one, _ := table.Own(a, Rep{N: 7})
	two, _ := table.Own(b, Rep{N: 8})
	if one != 1 || two != 2 {
		t.Errorf("handles %d, %d", one, two)
	}
	for _, forged := range []uint32{0, 3, 1 << 31} {
		_, err := table.Rep(a, forged)
		trap("a forged handle", err)
	}
	_, err := table.Rep(b, one)
	trap("of another type", err)
	var call Call
	if rep, err := table.Lend(a, one, &call); err != nil || rep.(Rep).N != 7 {
		t.Error(rep, err)
	}
	_, err = table.Take(a, one)
	trap("given away while lent", err)
	_, _, err = table.Drop(a, one)
	trap("dropped while lent", err)
	if err := call.End(); err != nil {
		t.Error(err)
	}
	if rep, owned, err := table.Drop(a, one); err != nil || !owned || rep.N != 7 {
		t.Error(rep, owned, err)
	}
	_, _, err = table.Drop(a, one)
	trap("dropped twice", err)
	borrowed, _ := table.Borrow(a, Rep{N: 9}, &call)
	if borrowed != one {
		t.Errorf("handle %d, want the free one", borrowed)
	}
	_, err = table.Take(a, borrowed)
	trap("a borrowed one given away", err)
	trap("the call ends with a borrowed handle", call.End())
	if _, owned, err := table.Drop(a, borrowed); err != nil || owned {
		t.Error(owned, err)
	}
	if err := call.End(); err != nil {
		t.Error(err)
	}
	for {
		if _, err := table.Own(a, Rep{}); err != nil {
			trap("too many handles", err)
			break
		}
	}
	if table.Len() != MaxHandles {
		t.Errorf("%d handles", table.Len())
	}
}
