package instrument

// The functions that are added, in this order, after all others.
const (
	helpRefill = iota // (left i32) -> (new i32)
	helpLook          // ()
	helpFill          // (to i32, value i32, n i32)
	helpCopy          // (to i32, from i32, n i32)
	helpers
)

// The globals that are added, in this order, after all others.
const (
	globalStop   = iota // i32: the bits StopFlag and VisitFlag
	globalLeft          // i32: what is left of the budget
	globalHanded        // i64: all that has been handed out
	globalLimit         // i64: how much may be handed out
	globalSeed          // i64: of the random sizes of budgets
	globals
)

// The types that are added, in this order, after all others.
const (
	typeOfRefill = iota
	typeOfRange
	typeOfLook
	typesAdded
)

const (
	maxRange   = 4096    // bytes or elements that are worked through without payment
	rangeShift = 4       // of a longer range, this many bits of the length are not counted
	piece      = 1 << 18 // bytes of a copy or fill between two checks
)

func (m *module) left() uint32           { return m.globals + globalLeft }
func (m *module) helper(n uint32) uint32 { return uint32(len(m.functions)) + n }
func (m *module) typeRange() uint32      { return uint32(len(m.types)) + typeOfRange }
func (m *module) helperTypes() [helpers]uint32 {
	n := uint32(len(m.types))
	return [helpers]uint32{helpRefill: n + typeOfRefill, helpLook: n + typeOfLook, helpFill: n + typeOfRange,
		helpCopy: n + typeOfRange}
}

// newTypes are the entries added to the type section.
var newTypes = []byte{0x60, 1, typeI32, 1, typeI32, 0x60, 3, typeI32, typeI32, typeI32, 0, 0x60, 0, 0}

// newGlobals are the entries added to the global section, all mutable.
var newGlobals = func() []byte {
	b := []byte{typeI32, 1, opI32Const, 0, opEnd}
	b = append(appendI32(append(b, typeI32, 1, opI32Const), Budget), opEnd)
	b = append(appendI32(append(b, typeI64, 1, opI64Const), Budget), opEnd)
	b = append(append(b, typeI64, 1, opI64Const), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, opEnd)
	return append(appendI32(append(b, typeI64, 1, opI64Const), 0x3779b97f), opEnd)
}()

// assembler writes the helpers.
type assembler struct {
	*module
	b []byte
}

func (a *assembler) op(ops ...byte)           { a.b = append(a.b, ops...) }
func (a *assembler) op32(op byte, n uint32)   { a.b = appendU32(append(a.b, op), n) }
func (a *assembler) get(local uint32)         { a.op32(opLocalGet, local) }
func (a *assembler) set(local uint32)         { a.op32(opLocalSet, local) }
func (a *assembler) constant(n uint32)        { a.b = appendI32(append(a.b, opI32Const), int32(n)) }
func (a *assembler) global(op byte, n uint32) { a.op32(op, a.globals+n) }

// visit goes into the host's code and back, where the guest can be preempted: growing the memory by nothing changes
// nothing. With VisitFlag it asks for all the pages that a memory can have, which the host refuses, having done what it
// wants to do.
func (a *assembler) visit() {
	a.global(opGlobalGet, globalStop)
	a.constant(visitBit)
	a.op(opI32ShrU)
	a.constant(MostPages)
	a.op(opMemorySize, 0, opI32Sub, opI32Mul, opMemoryGrow, 0, opDrop)
}

// stopped puts the bit StopFlag on the stack.
func (a *assembler) stopped() {
	a.global(opGlobalGet, globalStop)
	a.constant(StopFlag)
	a.op(opI32And)
}

// refill is the body of the function that is called when the budget is spent. The new budget has a random size, so that
// no guest can know which payment will find it spent, but ends with the limit at the latest. That makes the place where
// a guest has spent its limit the same each time.
func (m *module) refill() []byte {
	const left, room, budget = 0, 1, 2
	a := &assembler{module: m, b: []byte{1, 2, typeI64}}
	a.visit()
	a.global(opGlobalGet, globalHanded)
	a.b = appendI32(append(a.b, opI64Const), Budget)
	a.op(opI64Add)
	a.get(left)
	a.op(opI64ExtendI32S, opI64Sub)
	a.global(opGlobalSet, globalHanded)
	a.stopped()
	a.global(opGlobalGet, globalHanded)
	a.global(opGlobalGet, globalLimit)
	a.op(opI64GtS, opI32Or, opIf, noResult, opUnreachable, opEnd)

	for _, step := range [][]byte{{13, opI64Shl}, {7, opI64ShrU}, {17, opI64Shl}} { // Marsaglia's xorshift
		a.global(opGlobalGet, globalSeed)
		a.global(opGlobalGet, globalSeed)
		a.op(opI64Const, step[0], step[1], opI64Xor)
		a.global(opGlobalSet, globalSeed)
	}
	a.global(opGlobalGet, globalSeed)
	a.op(opI64Const, 64-budgetBits, opI64ShrU)
	a.op32(opLocalTee, budget)
	a.global(opGlobalGet, globalLimit)
	a.global(opGlobalGet, globalHanded)
	a.op(opI64Sub)
	a.op32(opLocalTee, room)
	a.get(budget)
	a.get(room)
	a.op(opI64LtS, opSelect)
	a.set(budget)
	a.global(opGlobalGet, globalHanded)
	a.b = appendI32(append(a.b, opI64Const), Budget)
	a.op(opI64Sub)
	a.get(budget)
	a.op(opI64Add)
	a.global(opGlobalSet, globalHanded)
	a.get(budget)
	a.op(opI32WrapI64, opEnd)
	return a.b
}

// look is the body of the function that checks on the way back from recursion. It does not check the limit: where it is
// called depends on when budgets end.
func (m *module) look() []byte {
	a := &assembler{module: m, b: []byte{0}}
	a.visit()
	a.stopped()
	a.op(opIf, noResult, opUnreachable, opEnd, opEnd)
	return a.b
}

// ranges is the body of the function that works through a long range in pieces. op is the instruction for one piece,
// with the parameters to, from (or value) and n on the stack.
func (m *module) ranges(op []byte, copies bool) []byte {
	const to, from, n, size = 0, 1, 2, 3
	a := &assembler{module: m, b: []byte{1, 1, typeI32}}
	whole := func() {
		a.get(to)
		a.get(from)
		a.get(n)
		a.op(op...)
	}
	// What lies out of bounds traps before anything is written.
	outside := func(local uint32) {
		a.get(local)
		a.op(opI64ExtendI32U)
		a.get(n)
		a.op(opI64ExtendI32U, opI64Add, opMemorySize, 0, opI64ExtendI32U, opI64Const, 16, opI64Shl, opI64GtU)
	}
	outside(to)
	if copies {
		outside(from)
		a.op(opI32Or)
	}
	a.op(opIf, noResult)
	whole()
	a.op(opReturn, opEnd)

	a.op(opLoop, noResult)
	a.get(n)
	a.constant(piece)
	a.get(n)
	a.constant(piece)
	a.op(opI32LtU, opSelect)
	a.set(size)
	// n < piece ? n : piece; select takes the first when the condition holds
	forward := func() {
		a.get(to)
		a.get(from)
		a.get(size)
		a.op(op...)
		a.get(to)
		a.get(size)
		a.op(opI32Add)
		a.set(to)
		if copies {
			a.get(from)
			a.get(size)
			a.op(opI32Add)
			a.set(from)
		}
	}
	a.get(n)
	a.get(size)
	a.op(opI32Sub)
	a.set(n)
	if copies {
		a.get(to)
		a.get(from)
		a.op(opI32GtU, opIf, noResult) // they may overlap: from the end
		a.get(to)
		a.get(n)
		a.op(opI32Add)
		a.get(from)
		a.get(n)
		a.op(opI32Add)
		a.get(size)
		a.op(op...)
		a.op(opElse)
		forward()
		a.op(opEnd)
	} else {
		forward()
	}
	a.global(opGlobalGet, globalLeft)
	a.get(size)
	a.constant(rangeShift)
	a.op(opI32ShrU, opI32Sub)
	a.global(opGlobalSet, globalLeft)
	a.global(opGlobalGet, globalLeft)
	a.op(opI32Const, 0, opI32LtS, opIf, noResult)
	a.global(opGlobalGet, globalLeft)
	a.op32(opCall, m.helper(helpRefill))
	a.global(opGlobalSet, globalLeft)
	a.op(opEnd)
	a.get(n)
	a.op(opBrIf, 0, opEnd, opEnd)
	return a.b
}

func (m *module) appendHelpers(b []byte) []byte {
	b = appendBytes(appendBytes(b, m.refill()), m.look())
	b = appendBytes(b, m.ranges([]byte{opMisc, 11, 0}, false))
	return appendBytes(b, m.ranges([]byte{opMisc, 10, 0, 0}, true))
}
