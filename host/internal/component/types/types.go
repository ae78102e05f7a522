// Package types holds the types of components as they are once every index is resolved: what a value looks like in a
// guest's memory, and as the core values that a call passes.
//
// A type is made once, by its constructor, and is never changed. Two types of the same structure are equal (see Equal),
// but a resource is equal only to itself.
package types

import "github.com/weftlattice/weft/lattice"

// Kind is what a type is.
type Kind byte

// The kinds of types.
const (
	Bool Kind = iota
	S8
	U8
	S16
	U16
	S32
	U32
	S64
	U64
	Float
	Double
	Char
	String
	List
	Record
	Tuple
	Variant
	Enum
	Option
	Result
	Flags
	Own
	Borrow
)

var kindNames = [...]string{"bool", "s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64", "f32", "f64", "char",
	"string", "list",
	"record", "tuple", "variant", "enum", "option", "result", "flags", "own", "borrow"}

// String is the kind's name in WIT.
func (k Kind) String() string { return kindNames[k] }

// Core is a value type of core WebAssembly, by its byte in the binary format.
type Core byte

// The value types that the canonical ABI uses.
const (
	I32 Core = 0x7f
	I64 Core = 0x7e
	F32 Core = 0x7d
	F64 Core = 0x7c
)

// Bounds of types. They hold for every type that the format can express, whatever its nesting.
const (
	maxSize = 1 << 28 // bytes of one value, by the component model's rule
	maxNest = 100     // types within each other

	// MaxFlat is how many core values a call passes at most; more go through memory.
	MaxFlat = 16
)

// Type is the type of a value.
type Type struct {
	Kind     Kind
	Fields   []Field   // Record, Tuple (without labels)
	Cases    []Case    // Variant, Enum, Option (none, some), Result (ok, error)
	Labels   []string  // Flags
	Element  *Type     // List
	Len      uint32    // List of a fixed length; 0: any
	Resource *Resource // Own, Borrow; never one that hides another
	shown    *Resource // Own, Borrow: the same, or what hides it
	Name     any       // Own, Borrow: which of the resource's names it was made with; it makes no difference

	Size  uint32 // bytes in memory
	Align uint32 // 1, 2, 4 or 8
	Flat  []Core // the core values that a call passes; nil and not FitsFlat: more than MaxFlat

	fits bool
	nest int
	from *Type // see Named
	base *Type
	wide room // with pointers of 64 bits

	Borrows bool // it has a Borrow within
	Handles bool // it has an Own or a Borrow within
	Pointer bool // it has a String or a List of any length within, so that it needs memory
}

// Field is a part of a record or a tuple, or a parameter.
type Field struct {
	Label  string
	Type   *Type
	Offset uint32 // in memory
}

// Case is one of a variant. A nil Type has no value.
type Case struct {
	Label string
	Type  *Type
}

// Resource is the type of a resource. It is equal only to itself.
type Resource struct {
	Name string // for people
	// Owner is the component instance that defines it, by its number in the plan; negative: the host does.
	Owner int
	// Destructor says whether dropping the last handle calls the guest; the plan knows what.
	Destructor bool
	// Hides is the resource that this one is, though nobody may know that; nil: none. Handles are those of Hides.
	Hides *Resource
}

// room is what a value takes in memory. The component model bounds it for pointers of 32 bits and of 64 alike, though
// weft runs the former alone.
type room struct {
	size  uint64
	align uint32
}

// add puts a part behind what is there, and returns where it lies.
func (r *room) add(part room) (offset uint64) {
	offset = align(r.size, part.align)
	r.size, r.align = offset+part.size, max(r.align, part.align)
	return offset
}

// overlay puts parts behind a tag, all in one place.
func (r *room) overlay(tag uint32, parts []room) {
	most := room{align: 1}
	for _, part := range parts {
		most.size, most.align = max(most.size, part.size), max(most.align, part.align)
	}
	*r = room{uint64(tag), tag}
	r.add(most)
	r.size = align(r.size, r.align)
}

// room is what values take with pointers of 32 bits.
func (t *Type) room() room { return room{uint64(t.Size), t.Align} }

// Named returns t under another name: a type that is equal to t, but not the same pointer. From and Base lead back.
func (t *Type) Named() *Type {
	named := *t
	named.from, named.base = t, t.Base()
	return &named
}

// From is the type that Named was called of; nil: t is no other's name.
func (t *Type) From() *Type { return t.from }

// Base is the type without a name that t is one of the names of, and t itself where it is none.
func (t *Type) Base() *Type {
	if t.base == nil {
		return t
	}
	return t.base
}

// FitsFlat reports whether Flat is all of the type.
func (t *Type) FitsFlat() bool { return t.fits }

// Primitive returns the type of a kind that needs nothing else: Bool to String.
func Primitive(k Kind) *Type { return primitives[k] }

var primitives = func() (all [String + 1]*Type) {
	type shape struct {
		size uint32
		core []Core
	}
	shapes := [...]shape{Bool: {1, []Core{I32}}, S8: {1, []Core{I32}}, U8: {1, []Core{I32}}, S16: {2, []Core{I32}},
		U16: {2, []Core{I32}},
		S32: {4, []Core{I32}}, U32: {4, []Core{I32}}, S64: {8, []Core{I64}}, U64: {8, []Core{I64}},
		Float:  {4, []Core{F32}},
		Double: {8, []Core{F64}}, Char: {4, []Core{I32}}, String: {8, []Core{I32, I32}}}
	for k, s := range shapes {
		t := &Type{Kind: Kind(k), Size: s.size, Align: min(s.size, 8), Flat: s.core, fits: true}
		t.wide = t.room()
		all[k] = t
	}
	all[String].Align, all[String].Pointer, all[String].wide = 4, true, pointers
	return all
}()

// pointers is what an address and a length take, of 64 bits each.
var pointers = room{16, 8}

// NewRecord returns a record of fields, or a tuple when they have no labels.
func NewRecord(fields []Field) (*Type, error) {
	t := &Type{Kind: Record, Fields: fields, fits: true}
	if len(fields) > 0 && fields[0].Label == "" {
		t.Kind = Tuple
	}
	narrow, wide := room{align: 1}, room{align: 1}
	for i := range fields {
		f := fields[i].Type
		t.holds(f)
		fields[i].Offset = uint32(min(narrow.add(f.room()), maxSize))
		wide.add(f.wide)
		t.flatten(f)
	}
	narrow.size, wide.size = align(narrow.size, narrow.align), align(wide.size, wide.align)
	return t.sized(narrow, wide)
}

// NewList returns a list: of so many elements, or any number when n is 0.
func NewList(element *Type, n uint32) (*Type, error) {
	t := &Type{Kind: List, Element: element, Len: n, fits: true}
	t.holds(element)
	if n == 0 {
		t.Flat, t.Pointer = []Core{I32, I32}, true
		return t.sized(room{8, 4}, pointers)
	}
	for range min(n, MaxFlat+1) {
		t.flatten(element)
	}
	narrow, wide := element.room(), element.wide
	narrow.size *= uint64(n)
	wide.size *= uint64(n)
	return t.sized(narrow, wide)
}

// NewVariant returns a type of the kinds Variant, Enum, Option or Result.
func NewVariant(k Kind, cases []Case) (*Type, error) {
	t := &Type{Kind: k, Cases: cases, fits: true, Flat: []Core{I32}}
	var narrows, wides []room
	for _, c := range cases {
		if c.Type == nil {
			continue
		}
		t.holds(c.Type)
		narrows, wides = append(narrows, c.Type.room()), append(wides, c.Type.wide)
		t.join(c.Type)
	}
	var narrow, wide room
	tag := TagSize(len(cases))
	narrow.overlay(tag, narrows)
	wide.overlay(tag, wides)
	return t.sized(narrow, wide)
}

// NewFlags returns flags; at most 32 labels.
func NewFlags(labels []string) (*Type, error) {
	t := &Type{Kind: Flags, Labels: labels, fits: true, Flat: []Core{I32}}
	bytes := uint32(1)
	switch n := len(labels); {
	case n > 32:
		return nil, &lattice.Error{Code: lattice.ErrBadModule, Detail: "more than 32 flags"}
	case n > 16:
		bytes = 4
	case n > 8:
		bytes = 2
	}
	return t.sized(room{uint64(bytes), bytes}, room{uint64(bytes), bytes})
}

// NewHandle returns a handle of the kinds Own or Borrow.
func NewHandle(k Kind, r *Resource) *Type {
	t := &Type{Kind: k, Resource: r, shown: r, Size: 4, Align: 4, Flat: []Core{I32}, fits: true, Borrows: k == Borrow,
		Handles: true}
	if r.Hides != nil {
		t.Resource = r.Hides
	}
	t.wide = t.room()
	return t
}

// TagSize is how many bytes tell so many cases apart.
func TagSize(cases int) uint32 {
	switch {
	case cases <= 1<<8:
		return 1
	case cases <= 1<<16:
		return 2
	default:
		return 4
	}
}

// Payload is where the value of a variant's case lies.
func (t *Type) Payload() uint32 {
	payload := uint32(1)
	for _, c := range t.Cases {
		if c.Type != nil {
			payload = max(payload, c.Type.Align)
		}
	}
	return uint32(align(uint64(TagSize(len(t.Cases))), payload))
}

func align(n uint64, to uint32) uint64 { return (n + uint64(to) - 1) / uint64(to) * uint64(to) }

// holds takes over what is true of t when it is true of a part.
func (t *Type) holds(part *Type) {
	t.nest = max(t.nest, part.nest+1)
	t.Borrows = t.Borrows || part.Borrows
	t.Handles = t.Handles || part.Handles
	t.Pointer = t.Pointer || part.Pointer
}

// flatten appends the core values of a part.
func (t *Type) flatten(part *Type) {
	if !t.fits || !part.fits || len(t.Flat)+len(part.Flat) > MaxFlat {
		t.Flat, t.fits = nil, false
		return
	}
	t.Flat = append(t.Flat[:len(t.Flat):len(t.Flat)], part.Flat...)
}

// join puts the core values of a case where those of the other cases are, behind the tag.
func (t *Type) join(c *Type) {
	if !t.fits || !c.fits || 1+len(c.Flat) > MaxFlat {
		t.Flat, t.fits = nil, false
		return
	}
	for i, core := range c.Flat {
		if 1+i == len(t.Flat) {
			t.Flat = append(t.Flat, core)
			continue
		}
		t.Flat[1+i] = Join(t.Flat[1+i], core)
	}
}

// Join is the core type that holds values of both.
func Join(a, b Core) Core {
	switch {
	case a == b:
		return a
	case (a == I32 || a == F32) && (b == I32 || b == F32):
		return I32
	default:
		return I64
	}
}

func (t *Type) sized(narrow, wide room) (*Type, error) {
	if max(narrow.size, wide.size) >= maxSize {
		return nil, &lattice.Error{Code: lattice.ErrBadModule, Detail: "a type whose values take 256 MiB or more"}
	}
	if t.nest > maxNest {
		return nil, &lattice.Error{Code: lattice.ErrBadModule, Detail: "types within each other: 100 allowed"}
	}
	t.Size, t.Align, t.wide = uint32(narrow.size), narrow.align, wide
	return t, nil
}
