package abi

import "unsafe"

// Boxes make interfaces of values that nobody keeps: it uses the same places again after Reset. There are a few of each
// kind; what is more gets a place of its own. The zero value is ready.
type Boxes struct {
	variants places[Variant]
	texts    places[string]
	bytes    places[[]byte]
	lists    places[[]any]
}

// Variant is any(v).
func (b *Boxes) Variant(v Variant) any { return b.variants.box(variantType, v) }

// Text is any(s).
func (b *Boxes) Text(s string) any { return b.texts.box(textType, s) }

// Bytes is any(s).
func (b *Boxes) Bytes(s []byte) any { return b.bytes.box(bytesType, s) }

// Reset lets go of all that was made.
func (b *Boxes) Reset() {
	b.variants.reset()
	b.texts.reset()
	b.bytes.reset()
	b.lists.reset()
}

// Values of each type, for interfaces of that type.
var (
	variantType any = Variant{}
	textType    any = ""
	bytesType   any = []byte{}
	listType    any = []any{}
)

type places[T any] struct {
	all  [8]T
	used int
}

func (p *places[T]) box(like any, v T) any {
	if p.used == len(p.all) {
		return v
	}
	place := &p.all[p.used]
	p.used++
	*place = v
	return boxAt(like, unsafe.Pointer(place))
}

func (p *places[T]) reset() {
	if p.used > 0 {
		clear(p.all[:p.used])
		p.used = 0
	}
}

// boxAt makes an interface as Go does, of the type that like has and of where its value is.
func boxAt(like any, place unsafe.Pointer) any {
	(*[2]unsafe.Pointer)(unsafe.Pointer(&like))[1] = place
	return like
}

const (
	fewValues  = 32 // values that one piece of a Lifter's room holds at least
	manyValues = 64 // values that have room of their own
	fewNumbers = 32 // numbers that are made room for together
)

// values makes room for n values. What it was before is left to those who have it.
func (l *Lifter) values(n int) []any {
	if n > manyValues {
		return make([]any, n)
	}
	at := len(l.room)
	if at+n > cap(l.room) {
		l.room, at = make([]any, 0, max(n, fewValues)), 0
	}
	l.room = l.room[:at+n]
	return l.room[at : at+n : at+n]
}

// boxed is any(v), without an allocation for each number.
func boxed[T int16 | uint16 | int32 | uint32 | int64 | uint64](l *Lifter, v T) any {
	if uint64(v) < 256 { // Go has these
		return v
	}
	return placed(l, v)
}

// placed is any(v), at a place that is never written again.
func placed[T int16 | uint16 | int32 | uint32 | int64 | uint64 | float32 | float64](l *Lifter, v T) any {
	if len(l.numbers) == 0 {
		l.numbers = make([]uint64, fewNumbers)
	}
	place := (*T)(unsafe.Pointer(&l.numbers[0]))
	l.numbers = l.numbers[1:]
	*place = v
	return boxAt(any(T(0)), unsafe.Pointer(place))
}
