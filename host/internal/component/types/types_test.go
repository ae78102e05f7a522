package types

import (
	"slices"
	"strings"
	"testing"
)

func must(t *testing.T) func(*Type, error) *Type {
	return func(typ *Type, err error) *Type {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return typ
	}
}

// Shapes as the canonical ABI's rules give them, worked out by hand.
func TestShapes(t *testing.T) {
	ok := must(t)
	u8, u32, u64, f32, f64, str := Primitive(U8), Primitive(U32), Primitive(U64), Primitive(Float), Primitive(Double),
		Primitive(String)
	rec := ok(NewRecord([]Field{{Label: "a", Type: u8}, {Label: "b", Type: u64}, {Label: "c", Type: u8}}))
	many := make([]Case, 257)
	for i := range many {
		many[i].Label = "c" + strings.Repeat("x", i)
	}
	seventeen := make([]Field, 17)
	for i := range seventeen {
		seventeen[i].Type = u8
	}
	for name, c := range map[string]struct {
		t           *Type
		size, align uint32
		flat        []Core
	}{
		"string":            {str, 8, 4, []Core{I32, I32}},
		"record":            {rec, 24, 8, []Core{I32, I64, I32}},
		"tuple":             {ok(NewRecord([]Field{{Type: u8}, {Type: u32}})), 8, 4, []Core{I32, I32}},
		"list":              {ok(NewList(rec, 0)), 8, 4, []Core{I32, I32}},
		"list of three":     {ok(NewList(rec, 3)), 72, 8, []Core{I32, I64, I32, I32, I64, I32, I32, I64, I32}},
		"list of a million": {ok(NewList(u8, 1_000_000)), 1_000_000, 1, nil},
		"option": {ok(NewVariant(Option, []Case{{"none", nil}, {"some", u32}})), 8, 4,
			[]Core{I32, I32}},
		"result of nothing":      {ok(NewVariant(Result, []Case{{"ok", nil}, {"error", nil}})), 1, 1, []Core{I32}},
		"variant of f32 and u32": {ok(NewVariant(Variant, []Case{{"a", f32}, {"b", u32}})), 8, 4, []Core{I32, I32}},
		"variant of f64 and string": {ok(NewVariant(Variant, []Case{{"a", f64}, {"b", str}})), 16, 8,
			[]Core{I32, I64, I32}},
		"variant of f32 and f32": {ok(NewVariant(Variant, []Case{{"a", f32}, {"b", f32}})), 8, 4,
			[]Core{I32, F32}},
		"enum of 257":                  {ok(NewVariant(Enum, many)), 2, 2, []Core{I32}},
		"flags of 9":                   {ok(NewFlags(strings.Split("abcdefghi", ""))), 2, 2, []Core{I32}},
		"tuple that does not fit flat": {ok(NewRecord(seventeen)), 17, 1, nil},
	} {
		if c.t.Size != c.size || c.t.Align != c.align || !slices.Equal(c.t.Flat, c.flat) ||
			c.t.FitsFlat() != (c.flat != nil) {
			t.Errorf("%s: size %d, align %d, flat %x, fits %v; want %d, %d, %x", name, c.t.Size, c.t.Align, c.t.Flat,
				c.t.FitsFlat(), c.size, c.align, c.flat)
		}
	}
	if got := []uint32{rec.Fields[0].Offset, rec.Fields[1].Offset, rec.Fields[2].Offset}; !slices.Equal(got,
		[]uint32{0, 8, 16}) {
		t.Errorf("offsets %d", got)
	}
}

func TestTypesThatAreTooLarge(t *testing.T) {
	typ, err := Primitive(U64), error(nil)
	for n := 0; err == nil; n++ {
		if n > 40 {
			t.Fatal("no end")
		}
		typ, err = NewRecord([]Field{{Type: typ}, {Type: typ}})
	}
	if !strings.Contains(err.Error(), "256 MiB") {
		t.Error(err)
	}
	typ, err = Primitive(U8), nil
	for n := 0; err == nil; n++ {
		if n > 200 {
			t.Fatal("no end")
		}
		typ, err = NewList(typ, 0)
	}
	if !strings.Contains(err.Error(), "within each other") {
		t.Error(err)
	}
}

// Two types that are built alike, each of 2^90 parts, are compared soon.
func TestEqual(t *testing.T) {
	ok := must(t)
	build := func(leaf *Type) *Type {
		for range 45 {
			l := ok(NewList(leaf, 0))
			leaf = ok(NewRecord([]Field{{Label: "a", Type: l}, {Label: "b", Type: l}}))
		}
		return leaf
	}
	if !Equal(build(Primitive(U8)), build(Primitive(U8))) {
		t.Error("the same is not equal")
	}
	if Equal(build(Primitive(U8)), build(Primitive(S8))) {
		t.Error("what differs is equal")
	}
	a, b := NewHandle(Own, &Resource{Name: "r"}), NewHandle(Own, &Resource{Name: "r"})
	if Equal(a, b) || !Equal(a, NewHandle(Own, a.Resource)) || Equal(a, NewHandle(Borrow, a.Resource)) {
		t.Error("handles are equal when kind and resource are the same")
	}
}

func TestSignatures(t *testing.T) {
	ok := must(t)
	u32, str := Primitive(U32), Primitive(String)
	nine := make([]Field, 9)
	for i := range nine {
		nine[i] = Field{Label: "p", Type: str}
	}
	pair := ok(NewRecord([]Field{{Type: u32}, {Type: u32}}))
	i := func(n int) []Core { return slices.Repeat([]Core{I32}, n) }
	fn := func(params []Field, result *Type) *Func {
		f, err := NewFunc(params, result)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	for name, c := range map[string]struct {
		f               *Func
		lifted, lowered Signature
	}{
		"nothing":         {fn(nil, nil), Signature{}, Signature{}},
		"u32 to u32":      {fn([]Field{{Type: u32}}, u32), Signature{i(1), i(1)}, Signature{i(1), i(1)}},
		"result spills":   {fn(nil, pair), Signature{nil, i(1)}, Signature{i(1), nil}},
		"eight strings":   {fn(nine[:8], nil), Signature{i(16), nil}, Signature{i(16), nil}},
		"nine strings":    {fn(nine, str), Signature{i(1), i(1)}, Signature{i(2), nil}},
		"f64 as a result": {fn(nil, Primitive(Double)), Signature{nil, []Core{F64}}, Signature{nil, []Core{F64}}},
	} {
		same := func(a, b Signature) bool {
			return slices.Equal(a.Params, b.Params) && slices.Equal(a.Results, b.Results)
		}
		if l, w := c.f.Lifted(), c.f.Lowered(); !same(l, c.lifted) || !same(w, c.lowered) {
			t.Errorf("%s: lifted %x, lowered %x; want %x, %x", name, l, w, c.lifted, c.lowered)
		}
	}
}
