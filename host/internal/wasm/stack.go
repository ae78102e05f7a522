package wasm

import (
	"reflect"

	"github.com/tetratelabs/wazero/api"
)

// The engine lets a guest's stack grow to 100 MB, keeps it with the function that was called, and does not report it.
// The host looks at the stack of a guest that recurses where the guest passes its checks, and the budget of all guests
// holds it.
const (
	freeStack = 1 << 20  // what is not counted; the stacks of most guests never grow
	maxStack  = 16 << 20 // beyond it a call ends with lattice.ErrStack
)

// stack is that of a function of a guest. The zero value is that of a function without a stack.
type stack struct{ bytes reflect.Value }

// stackOf finds the stack of a function by reflection, since the engine's API does not show it. Where a release of the
// engine names it otherwise, this gives the zero value, and the engine's own limit is all that holds. The interpreter
// has no such stack.
func stackOf(f api.Function) stack {
	v := reflect.ValueOf(f)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return stack{}
	}
	field := v.Elem().FieldByName("stack")
	if field.Kind() != reflect.Slice || field.Type().Elem().Kind() != reflect.Uint8 {
		return stack{}
	}
	return stack{field}
}

// size is how many bytes it has now.
func (s stack) size() uint64 {
	if !s.bytes.IsValid() {
		return 0
	}
	return uint64(s.bytes.Len())
}
