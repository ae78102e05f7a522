package abi

import "unsafe"

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

// placed makes an interface as Go does, of its type and of where its value is. That place is never written again.
func placed[T int16 | uint16 | int32 | uint32 | int64 | uint64 | float32 | float64](l *Lifter, v T) any {
	if len(l.numbers) == 0 {
		l.numbers = make([]uint64, fewNumbers)
	}
	place := (*T)(unsafe.Pointer(&l.numbers[0]))
	l.numbers = l.numbers[1:]
	*place = v
	box := any(T(0))
	(*[2]unsafe.Pointer)(unsafe.Pointer(&box))[1] = unsafe.Pointer(place)
	return box
}
