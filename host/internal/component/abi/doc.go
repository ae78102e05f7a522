// Package abi carries values between the host and core WebAssembly, by the component model's canonical ABI: it lifts
// what a guest gives, and lowers what a guest gets.
//
// As Go values they are
//
//	bool, s8 … u64       bool, int8 … uint64
//	f32, f64, char       float32, float64, rune
//	string               string; Text when it goes on to another guest
//	list<u8>             []byte
//	other lists          []any
//	record, tuple        []any, in the order of the fields
//	variant, enum        Variant; so are option (none is 0, some is 1) and result (ok is 0, error is 1)
//	flags                uint32, a bit for each label
//	own, borrow          an object of the host, which is a pointer; a Rep of a resource of a guest
//
// A guest that breaks a rule traps: the error is a lattice.ErrTrap that says which one. No rule of the ABI is left to
// the guest's good will: each pointer, length, discriminant, character and handle is checked.
package abi

import (
	"fmt"

	"github.com/weftlattice/weft/internal/typed"
	"github.com/weftlattice/weft/lattice"
)

// Variant is one case of a variant, an enum, an option or a result. Value is nil where the case has none.
type Variant = typed.Case

// Case is a case that has no value, as a value.
func Case(n uint32) any {
	if n < uint32(len(bare)) {
		return bare[n]
	}
	return Variant{Case: n}
}

// bare are cases without a value, made once.
var bare = func() (all [64]any) {
	for n := range all {
		all[n] = Variant{Case: uint32(n)}
	}
	return all
}()

// Rep is what a handle stands for: the number that a guest has given to a resource of its own, or an object of the
// host. As a value, the object goes by itself.
type Rep struct {
	N      uint32
	Object any
}

// Guest is the side of a core instance. It is used by one call at a time.
type Guest interface {
	// Memory is the guest's memory as it is now. It may be another one after a call into the guest.
	Memory() []byte
	// Realloc has the guest make room, as its cabi_realloc does. It is called with old and oldSize 0 for new room.
	Realloc(old, oldSize, align, size uint32) (uint32, error)
}

// Trap makes the error of a guest that breaks a rule.
func Trap(format string, args ...any) error {
	return &lattice.Error{Code: lattice.ErrTrap, Detail: fmt.Sprintf(format, args...)}
}

const (
	maxBytes = 1<<28 - 1 // of a string or a list, by the ABI
	utf16Tag = 1 << 31   // in the length of a string that is either latin1 or UTF-16
)
