package instrument

import "github.com/weftlattice/weft/host/internal/wasmbin"

// The engine makes a value of its own of every parameter and result of a call, and of whatever a branch hands on to
// where it leads. Types are written once and used by an index, so that two bytes of a body can stand for two thousand
// values. The width of a function counts them. After each call the engine reads each mutable global again; most of
// these values are dropped before code is made of them, so that they have a larger bound of their own: a shared library
// of Python has 391 such globals and 76,000 calls. Where the flow joins, each local can become a value, too, and the
// engine compares them with each other. docs/benchmarks.md has what each of these bounds costs, and how far below them
// compilers stay.
const (
	maxFunctionWidth = 1_000_000     // values that the calls and branches of a function pass
	maxModuleWidth   = 10_000_000    // of all functions together
	maxFunctionReads = 4_000_000     // mutable globals times the calls of a function
	maxModuleReads   = 100_000_000   // of all functions together
	maxFunctionJoins = 4_000_000     // locals of a function times the places where its flow divides or joins
	maxFunctionPairs = 4_000_000_000 // the square of the locals times those places
	maxGlobalUses    = 1 << 30       // functions times globals: the engine goes through all globals for each function
)

// checkWidth refuses a function that is too wide for the engine.
func (b *body) checkWidth() error {
	locals := uint64(b.locals)
	switch {
	case b.width > maxFunctionWidth:
		return bad("function %d passes %d values by its calls and branches, %d allowed; "+
			"hand structures over by memory, or divide the function",
			b.index, b.width, maxFunctionWidth)
	case b.reloads > maxFunctionReads:
		return bad("function %d reads %d mutable globals again after its calls, %d allowed; "+
			"use fewer mutable globals, or divide the function",
			b.index, b.reloads, maxFunctionReads)
	case locals*b.joins > maxFunctionJoins || locals*locals*b.joins > maxFunctionPairs:
		return bad("function %d has %d locals and %d branches, which is too much to compile together; "+
			"use fewer locals, or divide the function",
			b.index, locals, b.joins)
	}
	return nil
}

// widen adds what an instruction passes on. labels of the blocks around it are open, its own is not yet.
func (b *body) widen(i instr) {
	switch i.class {
	case opens, loops:
		b.joins++
		t := b.blockType(i)
		b.width += uint64(len(t.Params) + len(t.Results))
	case tests: // to both arms
		b.joins++
		t := b.blockType(i)
		b.width += uint64(2*len(t.Params) + len(t.Results))
	case elses, ends:
		b.width += b.labelWidth(0)
	case jumps:
		b.joins++
		b.width += b.labelWidth(i.imm)
	case switches:
		b.targets(i, func(label uint32) {
			b.joins++
			b.width += b.labelWidth(label)
		})
	case returns:
		b.width += uint64(len(b.results))
	case calls:
		b.called(b.module.functions[i.imm])
	case callsAny:
		r := &reader{Reader: wasmbin.Reader{B: b.code[i.at+1 : i.end]}}
		b.called(r.U32())
	}
}

// called counts what a call of a function of this type makes the engine do: it moves the values, and reads the mutable
// globals again, since the other function may have changed them.
func (b *body) called(t uint32) {
	if t < uint32(len(b.module.types)) {
		s := b.module.types[t]
		b.width += uint64(len(s.Params) + len(s.Results))
		b.reloads += uint64(b.module.mutable + globals)
	}
}

// labelWidth is how many values a branch to a label takes along; 0 for a label that does not exist.
func (b *body) labelWidth(label uint32) uint64 {
	if n := len(b.widths) - 1 - int(label); n >= 0 {
		return uint64(b.widths[n])
	}
	return 0
}

// blockType is what a block, loop or if takes and leaves. The bytes of a single result are not its type's, only as
// many.
func (b *body) blockType(i instr) Signature {
	code := b.code[i.at+1 : i.end]
	r := &reader{Reader: wasmbin.Reader{B: code}}
	switch t := r.Signed(5); {
	case t >= 0 && t < int64(len(b.module.types)):
		return b.module.types[t]
	case t >= 0 || t == -64:
		return Signature{}
	}
	return Signature{Results: code[:1]}
}
