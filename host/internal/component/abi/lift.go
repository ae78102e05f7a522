package abi

import (
	"encoding/binary"
	"fmt"
	"math"

	component "github.com/weftlattice/weft/host/internal/component/binary"
	"github.com/weftlattice/weft/host/internal/component/types"
)

// Lifter makes Go values of what a guest has given. The first error sticks: what comes after it is nothing. It is used
// by one call at a time.
type Lifter struct {
	Guest    Guest // nil where no type needs memory
	Encoding component.Encoding
	Handles  *Table
	Call     *Call // for borrowed handles
	Forward  bool  // strings become Text, for another guest

	// Brief makes all values good until the next use of the Lifter, and not only lists and the like.
	Brief bool
	// Lend makes bytes and texts what the guest's memory has, rather than a copy: good until guest code runs again.
	Lend bool

	// Grant is asked before values take so many more bytes here; its error ends the lifting. Small calls do not ask.
	Grant func(bytes int64) error

	mem     []byte
	granted int64 // what is left of it
	err     error
	room    []any    // what records and the like are made of; what is in use is its length
	boxes   Boxes    // of values that are good until the next use
	numbers []uint64 // places of numbers, none of which is used yet
}

// Params lifts the parameters of a call: from core values, or from where the only one points. Lists, records and tuples
// are good until the next use of the Lifter, and so are the parameters.
func (l *Lifter) Params(core []uint64, f *types.Func) ([]any, error) {
	l.begin()
	if f.Tuple != nil {
		all, _ := l.at(uint32(core[0]), f.Tuple, "parameters").([]any)
		return all, l.err
	}
	values := l.values(len(f.Params))
	for i := range f.Params {
		values[i] = l.flat(&core, f.Params[i].Type)
	}
	return values, l.err
}

// Result lifts the result of a call: from a core value, or from where it points. A function without one has nil. Lists,
// records and tuples are good until the next use of the Lifter.
func (l *Lifter) Result(core []uint64, f *types.Func) (any, error) {
	l.begin()
	switch {
	case f.Result == nil:
		return nil, nil
	case f.SpillsResult():
		return l.at(uint32(core[0]), f.Result, "a result"), l.err
	}
	return l.flat(&core, f.Result), l.err
}

// at lifts a value from memory.
func (l *Lifter) at(ptr uint32, t *types.Type, what string) any {
	if !l.check(ptr, t.Align, uint64(t.Size), what) {
		return nil
	}
	return l.load(ptr, t)
}

// Forget lets go of what has been lifted.
func (l *Lifter) Forget() {
	if len(l.room) > 0 {
		clear(l.room)
		l.room = l.room[:0]
	}
	l.boxes.Reset()
}

func (l *Lifter) begin() {
	l.err, l.granted, l.room = nil, free, l.room[:0]
	l.boxes.Reset()
	l.mem = nil
	if l.Guest != nil {
		l.mem = l.Guest.Memory() // nothing calls the guest while values are lifted
	}
}

func (l *Lifter) trap(format string, args ...any) {
	if l.err == nil {
		l.err = Trap(format, args...)
	}
}

// check traps unless ptr is aligned and n bytes lie there.
func (l *Lifter) check(ptr, align uint32, n uint64, what string) bool {
	switch {
	case l.err != nil:
	case ptr%align != 0:
		l.trap("unaligned pointer: %s at %#x, aligned to %d", what, ptr, align)
	case uint64(ptr)+n > uint64(len(l.mem)):
		l.trap("out of bounds: %s of %d bytes at %#x in a memory of %d", what, n, ptr, len(l.mem))
	}
	return l.err == nil
}

func (l *Lifter) spend(n int64) bool {
	if l.granted -= n; l.granted < 0 && l.err == nil {
		more := max(-l.granted, step)
		if l.err = l.Grant(more); l.err == nil {
			l.granted += more
		}
	}
	return l.err == nil
}

const (
	valueCost = 16       // about what a Go value takes
	free      = 1 << 10  // bytes that are not asked for
	step      = 16 << 10 // bytes that are asked for at least
)

// load lifts a value from memory; that it lies there and is aligned has been checked.
func (l *Lifter) load(ptr uint32, t *types.Type) any {
	if !l.spend(valueCost) {
		return nil
	}
	b := l.mem[ptr : ptr+t.Size]
	switch t.Kind {
	case types.String:
		return l.text(binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]))
	case types.List:
		if t.Len > 0 {
			return l.elements(ptr, t.Len, t.Element)
		}
		return l.list(binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), t.Element)
	case types.Record, types.Tuple:
		all := l.values(len(t.Fields))
		for i := range t.Fields {
			f := &t.Fields[i]
			all[i] = l.load(ptr+f.Offset, f.Type)
		}
		return l.boxes.lists.box(listType, all)
	case types.Variant, types.Enum, types.Option, types.Result:
		n := number(b[:types.TagSize(len(t.Cases))])
		if !l.oneOf(n, t) {
			return nil
		}
		if c := t.Cases[n].Type; c != nil {
			return l.variant(Variant{Case: uint32(n), Value: l.load(ptr+t.Payload(), c)})
		}
		return Case(uint32(n))
	}
	return l.scalar(number(b), t)
}

// number reads 1, 2, 4 or 8 bytes.
func number(b []byte) uint64 {
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.LittleEndian.Uint16(b))
	case 4:
		return uint64(binary.LittleEndian.Uint32(b))
	}
	return binary.LittleEndian.Uint64(b)
}

func (l *Lifter) oneOf(n uint64, t *types.Type) bool {
	if n >= uint64(len(t.Cases)) {
		l.trap("invalid variant discriminant %d: a %s of %d cases", n, t.Kind, len(t.Cases))
	}
	return l.err == nil
}

// scalar is a value that one core value holds.
func (l *Lifter) scalar(n uint64, t *types.Type) any {
	switch t.Kind {
	case types.Bool:
		return n != 0
	case types.S8:
		return int8(n)
	case types.U8:
		return uint8(n)
	case types.S16:
		return boxed(l, int16(n))
	case types.U16:
		return boxed(l, uint16(n))
	case types.S32:
		return boxed(l, int32(n))
	case types.U32:
		return boxed(l, uint32(n))
	case types.S64:
		return boxed(l, int64(n))
	case types.U64:
		return boxed(l, n)
	case types.Float:
		f := math.Float32frombits(uint32(n))
		if f != f {
			f = math.Float32frombits(0x7fc00000) // one NaN for all
		}
		return placed(l, f)
	case types.Double:
		f := math.Float64frombits(n)
		if f != f {
			f = math.Float64frombits(0x7ff8000000000000)
		}
		return placed(l, f)
	case types.Char:
		c := uint32(n)
		if c >= 0x110000 || c >= 0xd800 && c <= 0xdfff {
			l.trap("invalid `char` bit pattern: %#x", c)
		}
		return boxed(l, rune(c))
	case types.Flags:
		return boxed(l, uint32(n)&uint32(1<<len(t.Labels)-1))
	case types.Own:
		return l.handle(l.Handles.Take(t.Resource, uint32(n)))
	case types.Borrow:
		return l.handle(l.Handles.Lend(t.Resource, uint32(n), l.Call))
	}
	panic(fmt.Sprintf("abi: %s is no scalar", t.Kind))
}

func (l *Lifter) handle(r any, err error) any {
	if l.err == nil {
		l.err = err
	}
	return r
}

// flat lifts a value from core values, and takes them away.
func (l *Lifter) flat(core *[]uint64, t *types.Type) any {
	if !l.spend(valueCost) {
		return nil
	}
	switch t.Kind {
	case types.String:
		ptr := uint32(next(core))
		return l.text(ptr, uint32(next(core)))
	case types.List:
		if t.Len == 0 {
			ptr := uint32(next(core))
			return l.list(ptr, uint32(next(core)), t.Element)
		}
		return l.join(int(t.Len), t.Element, func(int) any { return l.flat(core, t.Element) })
	case types.Record, types.Tuple:
		all := l.values(len(t.Fields))
		for i := range t.Fields {
			all[i] = l.flat(core, t.Fields[i].Type)
		}
		return l.boxes.lists.box(listType, all)
	case types.Variant, types.Enum, types.Option, types.Result:
		n, payload := uint64(uint32((*core)[0])), (*core)[1:len(t.Flat)]
		*core = (*core)[len(t.Flat):]
		if !l.oneOf(n, t) {
			return nil
		}
		if c := t.Cases[n].Type; c != nil {
			return l.variant(Variant{Case: uint32(n), Value: l.flat(&payload, c)})
		}
		return Case(uint32(n))
	}
	return l.scalar(next(core), t)
}

func (l *Lifter) variant(v Variant) any {
	if l.Brief {
		return l.boxes.Variant(v)
	}
	return v
}

// next takes a core value.
func next(core *[]uint64) uint64 {
	n := (*core)[0]
	*core = (*core)[1:]
	return n
}

// list lifts a list of any length.
func (l *Lifter) list(ptr, n uint32, element *types.Type) any {
	size := uint64(n) * uint64(element.Size)
	if size > maxBytes {
		l.trap("a list of %d bytes, %d allowed", size, maxBytes)
		return nil
	}
	if !l.check(ptr, element.Align, size, "a list") {
		return nil
	}
	return l.elements(ptr, n, element)
}

func (l *Lifter) elements(ptr, n uint32, element *types.Type) any {
	if element.Kind == types.U8 {
		if !l.spend(int64(n)) {
			return nil
		}
		b := l.mem[ptr : ptr+n : ptr+n]
		if !l.Lend {
			b = append(make([]byte, 0, n), b...)
		}
		if l.Brief {
			return l.boxes.Bytes(b)
		}
		return b
	}
	return l.join(int(n), element, func(i int) any { return l.load(ptr+uint32(i)*element.Size, element) })
}

// join makes a list of n elements.
func (l *Lifter) join(n int, element *types.Type, at func(i int) any) any {
	if !l.spend(int64(n) * valueCost) { // before anything is made for them
		return nil
	}
	if element.Kind == types.U8 {
		all := make([]byte, n)
		for i := range all {
			all[i], _ = at(i).(byte)
		}
		return all
	}
	all := l.values(n)
	for i := 0; i < n && l.err == nil; i++ {
		all[i] = at(i)
	}
	return l.boxes.lists.box(listType, all)
}
