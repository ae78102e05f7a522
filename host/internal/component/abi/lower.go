package abi

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"

	component "github.com/weftlattice/weft/host/internal/component/binary"
	"github.com/weftlattice/weft/host/internal/component/types"
	"github.com/weftlattice/weft/lattice"
)

// Lowerer gives Go values to a guest. The first error sticks: nothing is written after it. It is used by one call at a
// time.
type Lowerer struct {
	Guest    Guest // nil where no type needs memory
	Encoding component.Encoding
	Handles  *Table
	Call     *Call // for borrowed handles
	Instance int   // the guest's component instance: to its own resources a borrowed handle is the number itself
	// Room is where core values are put when they fit.
	Room []uint64

	mem []byte
	err error
}

// Params lowers the parameters of a call to core values, or to memory that the guest gives when they are too many.
func (w *Lowerer) Params(values []any, f *types.Func) ([]uint64, error) {
	w.begin()
	if t := f.Tuple; t != nil {
		ptr := w.allocate(t.Align, t.Size, "what realloc returned for parameters")
		w.record(values, t, ptr)
		return append(w.Room[:0], uint64(ptr)), w.err
	}
	core := w.Room[:0]
	for i := range f.Params {
		core = w.flat(core, values[i], f.Params[i].Type)
	}
	return core, w.err
}

func (w *Lowerer) begin() {
	w.err = nil
	w.mem = nil
	if w.Guest != nil {
		w.mem = w.Guest.Memory()
	}
}

// Result lowers the result of a call to core values, or to ptr, which is the caller's last parameter, when it does not
// fit. A function without one has nothing to lower.
func (w *Lowerer) Result(v any, f *types.Func, ptr uint32) ([]uint64, error) {
	w.begin()
	switch t := f.Result; {
	case t == nil:
		return nil, nil
	case f.SpillsResult():
		w.check(ptr, t.Align, uint64(t.Size), "a result")
		w.store(v, t, ptr)
		return nil, w.err
	default:
		return w.flat(w.Room[:0], v, t), w.err
	}
}

func (w *Lowerer) trap(format string, args ...any) {
	if w.err == nil {
		w.err = Trap(format, args...)
	}
}

// wrong is a fault of the host: a value that is not of its type.
func (w *Lowerer) wrong(v any, want string) {
	if w.err == nil {
		w.err = &lattice.Error{Code: lattice.ErrInternal, Op: "lower a value",
			Detail: fmt.Sprintf("%T where a %s is wanted", v, want)}
	}
}

func (w *Lowerer) check(ptr, align uint32, n uint64, what string) {
	switch {
	case w.err != nil:
	case ptr%align != 0:
		w.trap("unaligned pointer: %s at %#x, aligned to %d", what, ptr, align)
	case uint64(ptr)+n > uint64(len(w.mem)):
		w.trap("out of bounds: %s of %d bytes at %#x in a memory of %d", what, n, ptr, len(w.mem))
	}
}

// allocate has the guest make room, and checks what it gives. What names that in the error.
func (w *Lowerer) allocate(align, size uint32, what string) uint32 {
	return w.room(0, 0, align, size, what)
}

func (w *Lowerer) reallocate(old, oldSize, align, size uint32) uint32 {
	return w.room(old, oldSize, align, size, gotString)
}

func (w *Lowerer) room(old, oldSize, align, size uint32, what string) uint32 {
	if w.err != nil {
		return 0
	}
	ptr, err := w.Guest.Realloc(old, oldSize, align, size)
	if err != nil {
		w.err = err
		return 0
	}
	w.mem = w.Guest.Memory() // it may be another one now
	w.check(ptr, align, uint64(size), what)
	return ptr
}

// put writes bytes to where room was made.
func put[T string | []byte](w *Lowerer, ptr uint32, b T) {
	if w.err == nil {
		copy(w.mem[ptr:], b)
	}
}

// pair writes the two numbers of a string or a list.
func (w *Lowerer) pair(ptr, a, b uint32) {
	w.number(uint64(a)|uint64(b)<<32, 8, ptr)
}

// store lowers a value to memory; that there is room has been checked. The memory may move with each string and list.
func (w *Lowerer) store(v any, t *types.Type, ptr uint32) {
	if w.err != nil {
		return
	}
	switch t.Kind {
	case types.String:
		at, n := w.text(v)
		w.pair(ptr, at, n)
	case types.List:
		if t.Len > 0 {
			w.fixed(v, t, func(i int, e any) { w.store(e, t.Element, ptr+uint32(i)*t.Element.Size) })
			return
		}
		at, n := w.list(v, t.Element)
		w.pair(ptr, at, n)
	case types.Record, types.Tuple:
		all, _ := v.([]any)
		w.record(all, t, ptr)
	case types.Variant, types.Enum, types.Option, types.Result:
		c, ok := w.variant(v, t)
		if !ok {
			return
		}
		w.number(uint64(c.Case), types.TagSize(len(t.Cases)), ptr)
		if inner := t.Cases[c.Case].Type; inner != nil {
			w.store(c.Value, inner, ptr+t.Payload())
		}
	default:
		w.number(w.scalar(v, t), t.Size, ptr)
	}
}

func (w *Lowerer) record(all []any, t *types.Type, ptr uint32) {
	if len(all) != len(t.Fields) {
		w.wrong(all, "fields of a "+t.Kind.String())
		return
	}
	for i := range t.Fields {
		f := &t.Fields[i]
		w.store(all[i], f.Type, ptr+f.Offset)
	}
}

func (w *Lowerer) number(n uint64, size, ptr uint32) {
	if w.err != nil {
		return
	}
	b := w.mem[ptr : ptr+size]
	switch size {
	case 1:
		b[0] = byte(n)
	case 2:
		binary.LittleEndian.PutUint16(b, uint16(n))
	case 4:
		binary.LittleEndian.PutUint32(b, uint32(n))
	default:
		binary.LittleEndian.PutUint64(b, n)
	}
}

// variant is v, when it is one of t.
func (w *Lowerer) variant(v any, t *types.Type) (Variant, bool) {
	c, ok := v.(Variant)
	if !ok || uint64(c.Case) >= uint64(len(t.Cases)) {
		w.wrong(v, "a case of a "+t.Kind.String())
		return c, false
	}
	return c, true
}

// flat appends the core values of a value.
func (w *Lowerer) flat(core []uint64, v any, t *types.Type) []uint64 {
	if w.err != nil {
		return core
	}
	switch t.Kind {
	case types.String:
		ptr, n := w.text(v)
		return append(core, uint64(ptr), uint64(n))
	case types.List:
		if t.Len == 0 {
			ptr, n := w.list(v, t.Element)
			return append(core, uint64(ptr), uint64(n))
		}
		w.fixed(v, t, func(_ int, e any) { core = w.flat(core, e, t.Element) })
		return core
	case types.Record, types.Tuple:
		all, _ := v.([]any)
		if len(all) != len(t.Fields) {
			w.wrong(v, "fields of a "+t.Kind.String())
			return core
		}
		for i := range t.Fields {
			core = w.flat(core, all[i], t.Fields[i].Type)
		}
		return core
	case types.Variant, types.Enum, types.Option, types.Result:
		c, ok := w.variant(v, t)
		if !ok {
			return core
		}
		end := len(core) + len(t.Flat)
		core = append(core, uint64(c.Case))
		if inner := t.Cases[c.Case].Type; inner != nil {
			core = w.flat(core, c.Value, inner)
		}
		for len(core) < end {
			core = append(core, 0)
		}
		return core
	}
	return append(core, w.scalar(v, t))
}

// scalar is a value that one core value holds, as its bits.
func (w *Lowerer) scalar(v any, t *types.Type) uint64 {
	n, ok := uint64(0), false
	switch x := v.(type) {
	case bool:
		if ok = t.Kind == types.Bool; x {
			n = 1
		}
	case int8:
		n, ok = uint64(uint32(x)), t.Kind == types.S8
	case uint8:
		n, ok = uint64(x), t.Kind == types.U8
	case int16:
		n, ok = uint64(uint32(x)), t.Kind == types.S16
	case uint16:
		n, ok = uint64(x), t.Kind == types.U16
	case int32: // and rune
		n, ok = uint64(uint32(x)), t.Kind == types.S32 || t.Kind == types.Char
	case uint32:
		n, ok = uint64(x), t.Kind == types.U32 || t.Kind == types.Flags
	case int64:
		n, ok = uint64(x), t.Kind == types.S64
	case uint64:
		n, ok = x, t.Kind == types.U64
	case float32:
		n, ok = uint64(math.Float32bits(x)), t.Kind == types.Float
	case float64:
		n, ok = math.Float64bits(x), t.Kind == types.Double
	case Rep:
		return w.handle(x, t)
	default:
		if t.Handles && v != nil && reflect.TypeOf(v).Kind() == reflect.Pointer {
			return w.handle(Rep{Object: v}, t)
		}
	}
	if !ok {
		w.wrong(v, t.Kind.String())
	}
	return n
}

func (w *Lowerer) handle(r Rep, t *types.Type) uint64 {
	var i uint32
	var err error
	switch {
	case t.Kind == types.Own:
		i, err = w.Handles.Own(t.Resource, r)
	case t.Kind == types.Borrow && t.Resource.Owner == w.Instance:
		i = r.N
	case t.Kind == types.Borrow:
		i, err = w.Handles.Borrow(t.Resource, r, w.Call)
	default:
		w.wrong(r, t.Kind.String())
	}
	if w.err == nil {
		w.err = err
	}
	return uint64(i)
}

// list lowers a list of any length.
func (w *Lowerer) list(v any, element *types.Type) (ptr, n uint32) {
	b, bytes := v.([]byte)
	all, _ := v.([]any)
	count := uint64(len(all))
	if bytes {
		count = uint64(len(b))
	} else if all == nil && v != nil {
		if _, ok := v.([]any); !ok {
			w.wrong(v, "list")
			return 0, 0
		}
	}
	size := count * uint64(element.Size)
	if size > maxBytes {
		w.trap("a list of %d bytes, %d allowed", size, maxBytes)
		return 0, 0
	}
	ptr = w.allocate(element.Align, uint32(size), "what realloc returned for a list")
	if bytes {
		if element.Kind != types.U8 {
			w.wrong(v, "list of "+element.Kind.String())
		}
		put(w, ptr, b)
		return ptr, uint32(count)
	}
	for i, e := range all {
		w.store(e, element, ptr+uint32(i)*element.Size)
	}
	return ptr, uint32(count)
}

// fixed hands out the elements of a list of a fixed length.
func (w *Lowerer) fixed(v any, t *types.Type, each func(i int, e any)) {
	switch all := v.(type) {
	case []byte:
		if len(all) == int(t.Len) {
			for i, e := range all {
				each(i, e)
			}
			return
		}
	case []any:
		if len(all) == int(t.Len) {
			for i, e := range all {
				each(i, e)
			}
			return
		}
	}
	w.wrong(v, "a list of a fixed length")
}
