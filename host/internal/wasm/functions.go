package wasm

import (
	"bytes"
	"context"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/weftlattice/weft/host/internal/instrument"
	"github.com/weftlattice/weft/lattice"
)

// hostFunc is a function of the host that guests can call. Whatever one does for a guest, it does within the guest's
// limits:
//
//   - It pays with the guest's fuel, through Instance.pay: for the call by its cost, and for what depends on its
//     arguments before it does that.
//   - It looks whether the call has ended whenever it has done the work of some microseconds, which paying does.
//   - It takes no argument that makes it work or remember without a bound: see maxVectors, maxTransfer and Limits.
//
// All functions are in hostModules, and guests reach them through enter alone.
type hostFunc struct {
	name    string
	params  string // types: i is i32, l is i64
	results string
	cost    uint64 // of a call, in units of fuel, see the constants below
	// call finds its arguments in stack, and leaves its result there. It panics with an error to end the call; the
	// engine unwinds the guest and returns that error.
	call func(i *Instance, ctx context.Context, stack []uint64)
}

// What functions cost, in units of fuel, of which guests spend about ten in a nanosecond. A function that does little
// costs what the way out of the guest and back does, which is more than what instrument takes for it.
const (
	costLeast = 1 << 10 // leaving the guest, coming back, and a look at the clock, say
	costWait  = 1 << 13 // the same, with a timer or another goroutine
	costText  = 1 << 13 // a line of the log
	costCall  = 1 << 14 // __host_call, beside what the other side does
	costEntry = 1 << 6  // of a list: a vector, an argument, a subscription
	// a copy costs a unit for two bytes: it is for as much as memory can bear, and may make room first
	copyShift  = 1
	costRandom = 1 << 5 // of a random byte
	costByte   = 1 << 4 // of a byte that is looked at: text
)

// piece is how many bytes a function copies at most before it looks whether the call has ended; some ten microseconds.
const piece = 64 << 10

const few = 1 << 8 // bytes that cost nothing beside the call

// hostModules are all functions that guests can import, by module.
func hostModules() map[string][]hostFunc {
	return map[string][]hostFunc{"wasmbus": wapcFuncs, "wapc": wapcFuncs, preview1Name: wasiFuncs}
}

// buildModule provides the functions of a module.
func buildModule(ctx context.Context, r wazero.Runtime, name string, functions []hostFunc) (api.Module, error) {
	b := r.NewHostModuleBuilder(name)
	for n := range functions {
		f := &functions[n]
		// A function without a cost could be called for ever without a look at the flag.
		if f.cost == 0 {
			return nil, fmt.Errorf("%s.%s costs nothing", name, f.name)
		}
		b.NewFunctionBuilder().WithGoFunction(api.GoFunc(f.enter), valueTypes(f.params),
			valueTypes(f.results)).Export(f.name)
	}
	return b.Instantiate(ctx)
}

func valueTypes(letters string) []api.ValueType {
	types := make([]api.ValueType, len(letters))
	for n, c := range letters {
		types[n] = map[rune]api.ValueType{'i': api.ValueTypeI32, 'l': api.ValueTypeI64}[c]
	}
	return types
}

// instanceKey is the context key under which a function finds the instance that calls it. The functions are made once
// for the engine, and the engine hands them nothing else of ours.
type instanceKey struct{}

// enter is the way from guests to a function.
func (f *hostFunc) enter(ctx context.Context, stack []uint64) {
	i := ctx.Value(instanceKey{}).(*Instance)
	i.pay(f.cost)
	f.call(i, ctx, stack)
}

// pay takes fuel for what a function of the host is about to do. Like the guest's own payments it lets others have
// their turn when a budget is spent. It does not return when the call has ended, or has spent its limit by that.
func (i *Instance) pay(units uint64) {
	if i.meter.pay(units) {
		i.visit()
		if i.meter.over() {
			panic(errStopped)
		}
	}
	if i.ctx.over.Load() {
		panic(errStopped)
	}
}

// payBytes is pay for a copy of so many bytes, and payText for more than that. Few cost nothing: the call has been paid
// for.
func (i *Instance) payBytes(n int) {
	if n > few {
		i.pay(uint64(n) >> copyShift)
	}
}

func (i *Instance) payText(n int) {
	if n > few {
		i.pay(costByte * uint64(n))
	}
}

// copied is copy, paid for and in pieces.
func copied[T string | []byte](i *Instance, to []byte, from T) {
	for len(from) > piece {
		i.payBytes(piece)
		copy(to, from[:piece])
		to, from = to[piece:], from[piece:]
	}
	i.payBytes(len(from))
	copy(to, from)
}

// clone is bytes.Clone, paid for and in pieces.
func (i *Instance) clone(b []byte) []byte {
	if len(b) <= piece {
		i.payBytes(len(b))
		return bytes.Clone(b)
	}
	c := make([]byte, len(b))
	copied(i, c, b)
	return c
}

// view returns guest memory, not copied, and false when that is not all there.
func (i *Instance) view(ptr, size uint64) ([]byte, bool) {
	from, n := uint64(uint32(ptr)), uint64(uint32(size))
	if b := i.linear.b; from+n <= uint64(len(b)) {
		return b[from : from+n : from+n], true
	}
	return nil, false
}

// read is view for functions that end the call when something is not there; what names it in the error.
func (i *Instance) read(what string, ptr, size uint64) []byte {
	if uint32(size) == 0 {
		return nil
	}
	b, ok := i.view(ptr, size)
	if !ok {
		panic(i.badPointer(what, ptr, uint64(uint32(size))))
	}
	return b
}

// write copies data into guest memory.
func write[T string | []byte](i *Instance, what string, ptr uint64, data T) {
	if len(data) == 0 {
		return
	}
	to, ok := i.view(ptr, uint64(len(data)))
	if !ok || len(data) != len(to) {
		panic(i.badPointer(what, ptr, uint64(len(data))))
	}
	copied(i, to, data)
}

func (i *Instance) badPointer(what string, ptr, size uint64) error {
	return &lattice.Error{Code: lattice.ErrBadPointer,
		Detail: fmt.Sprintf("%s: %d bytes at %#x in a memory of %d bytes",
			what, size, uint32(ptr), len(i.linear.b))}
}

// pay takes units off what the first core module has left, and reports whether that has spent the budget; see over for
// whether it has spent the limit.
func (m *meter) pay(units uint64) (due bool) { return m.parts[0].pay(units) }

// pay leaves the globals as the guest's own payments do, so that the guest's next one goes on from there.
func (p *part) pay(units uint64) (due bool) {
	left := int64(int32(p.left.Get())) - int64(min(units, MaxFuel))
	if left >= 0 {
		p.left.Set(uint64(left))
		return false
	}
	spent := int64(p.handed.Get()) - left
	p.left.Set(0)
	if spent > int64(p.limit.Get())-instrument.Budget {
		spent += instrument.Budget // more than was ever handed out, which is how over knows
	}
	p.handed.Set(uint64(spent))
	return true
}
