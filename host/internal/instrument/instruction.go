package instrument

import "github.com/weftlattice/weft/host/internal/wasmbin"

// class says what an instruction means to the rewriter.
type class uint8

const (
	plain    class = iota
	opens          // begins a block
	tests          // begins an if
	elses          // begins the other arm of an if
	loops          // begins a loop
	ends           // ends a block or the body
	jumps          // br, br_if
	switches       // br_table
	returns
	traps      // unreachable
	calls      // calls a function by its index
	callsAny   // calls what a table holds
	sets       // local.set, local.tee
	reads      // local.get
	constants  // i32.const
	bulkCopies // memory.copy
	bulkFills  // memory.fill
	bulk       // another that works through a range as long as the number on top of the stack says
)

// What instructions cost, in units of a simple one. The figures need not be exact: they bound the time between two
// checks, and make the fuel that a call takes resemble time. What only names a value costs nothing: the compiler drops
// it.
const (
	costSimple = 1
	costStore  = 2
	costLoad   = 4 // it may miss the cache
	costDivide = 8
	costCall   = 8
	costTable  = 16 // a call through a table, beside what the callee costs
	costBulk   = 64
	costHost   = 64 // leaves the guest
)

// instr is one instruction, or a run of plain ones.
type instr struct {
	at, end uint32 // its bytes in the body
	imm     uint32 // label, function, local, index of a loop or ended block; of a run, how many locals it sets
	cost    uint32
	fee     uint32 // what is to be taken off the budget before it
	class   class
	maybe   bool   // br_if, as opposed to br
	tested  bool   // a check comes before it
	slow    bool   // it may take long for what it costs, as what misses the cache does
	direct  uint32 // the label to go to instead, if moved
	moved   bool   // a branch whose label is no longer the one in the body
	// of a branch that is known to lead back: one more than the number of the block after which it goes on
	back int
}

// instruction reads one instruction with its immediates. Positions are left to the caller.
func (r *reader) instruction() (i instr) {
	op := r.Byte()
	i.cost = costSimple
	i.slow = op >= 0x25 && op <= 0x40 || op >= 0xfc
	switch {
	case op == 0x00:
		i.class = traps
	case op == 0x01 || op == 0x1a: // nop, drop
		i.cost = 0
	case op == 0x02 || op == 0x04: // block, if
		r.blockType()
		i.class, i.cost = opens, 0
		if op == 0x04 {
			i.class, i.cost = tests, costSimple
		}
	case op == 0x03:
		r.blockType()
		i.class = loops
	case op == 0x05:
		i.class = elses
	case op == 0x0b:
		i.class, i.cost = ends, 0
	case op == 0x0c || op == 0x0d: // br, br_if
		i.class, i.imm, i.maybe = jumps, r.U32(), op == 0x0d
	case op == 0x0e: // br_table
		for n := r.Count("branch targets", maxFunctionBytes); n > 0 && r.Err == nil; n-- {
			r.U32()
		}
		r.U32()
		i.class, i.cost = switches, 2*costSimple
	case op == 0x0f:
		i.class = returns
	case op == 0x10: // call
		i.class, i.imm, i.cost = calls, r.U32(), costCall
		r.function(i.imm)
	case op == 0x11: // call_indirect
		r.typeIndex(r.U32())
		r.U32()
		i.class, i.cost = callsAny, costTable
	case op == 0x1b: // select
	case op == 0x1c: // select with a type
		if r.Byte() != 1 {
			r.Fail("select with other than one type")
		}
		r.ValueType()
	case op == 0x20: // local.get
		i.class, i.imm, i.cost = reads, r.U32(), 0
	case op == 0x21 || op == 0x22: // local.set, local.tee
		i.class, i.imm = sets, r.U32()
	case op == 0x23 || op == 0x24: // global.get, global.set
		r.global(r.U32())
		i.cost = costStore
	case op == 0x25 || op == 0x26: // table.get, table.set
		r.U32()
		i.cost = costStore
	case op >= 0x28 && op <= 0x35:
		r.memArg()
		i.cost = costLoad
	case op >= 0x36 && op <= 0x3e:
		r.memArg()
		i.cost = costStore
	case op == 0x3f: // memory.size
		r.zero()
	case op == 0x40: // memory.grow, which is a way into the host as it is
		r.zero()
		i.cost = costHost
	case op == 0x41:
		i.class, i.imm, i.cost = constants, uint32(r.Signed(5)), 0
	case op == 0x42:
		r.Signed(10)
		i.cost = 0
	case op == 0x43:
		r.Take(4)
	case op == 0x44:
		r.Take(8)
	case op >= 0x45 && op <= 0xc4: // comparison, arithmetic, conversion, sign extension
		switch op {
		case 0x6d, 0x6e, 0x6f, 0x70, 0x7f, 0x80, 0x81, 0x82, 0x91, 0x95, 0x9f, 0xa3: // division, remainder, square root
			i.cost = costDivide
		}
	case op == 0xd0: // ref.null
		r.RefType()
	case op == 0xd1: // ref.is_null
	case op == 0xd2: // ref.func
		r.declared(r.U32())
	case op == 0xfc:
		r.misc(&i)
	case op == 0xfd:
		i.cost = costStore
		r.vector()
	default:
		r.unsupported(op)
	}
	return i
}

// unsupported refuses an instruction by the name of its proposal, so that a person knows what to build without.
func (r *reader) unsupported(op byte) {
	switch op {
	case 0x12, 0x13:
		r.Lacks(wasmbin.TailCalls)
	case 0x14, 0x15, 0xd3, 0xd4, 0xd5, 0xd6:
		r.Lacks(wasmbin.TypedReferences)
	case 0x06, 0x07, 0x08, 0x09, 0x0a, 0x18, 0x19, 0x1f:
		r.Lacks(wasmbin.Exceptions)
	case 0xfb:
		r.Lacks(wasmbin.GarbageTypes)
	case 0xfe:
		r.Lacks(wasmbin.Threads)
	default:
		r.Fail("unknown instruction %#02x", op)
	}
}

// misc reads what follows the prefix 0xfc.
func (r *reader) misc(i *instr) {
	switch op := r.U32(); op {
	case 0, 1, 2, 3, 4, 5, 6, 7: // saturating truncation
	case 8: // memory.init
		if r.module != nil {
			r.module.inits = true
		}
		r.U32()
		r.zero()
		i.class, i.cost = bulk, costBulk
	case 9, 13: // data.drop, elem.drop
		r.U32()
	case 10: // memory.copy
		r.zero()
		r.zero()
		i.class, i.cost = bulkCopies, costBulk
	case 11: // memory.fill
		r.zero()
		i.class, i.cost = bulkFills, costBulk
	case 12, 14: // table.init, table.copy
		r.U32()
		r.U32()
		i.class, i.cost = bulk, costBulk
	case 15, 17: // table.grow, table.fill
		r.U32()
		if op == 15 && r.module != nil {
			r.module.growsTables = true
		}
		i.class, i.cost = bulk, costHost
	case 16: // table.size
		r.U32()
	default:
		r.Fail("unknown instruction 0xfc %#x", op)
	}
}

// vector reads what follows the prefix 0xfd. The engine takes the byte after the prefix for the opcode, and the second
// byte of an opcode from 0x80 on for a nop. The two views agree only if that byte is 0x01, and so it must be.
func (r *reader) vector() {
	op := r.Byte()
	switch {
	case op >= 0x80:
		if r.Byte() != 0x01 {
			r.Lacks(wasmbin.RelaxedVectors)
		}
	case op <= 0x0b || op == 0x5c || op == 0x5d: // loads and store
		r.memArg()
	case op == 0x0c || op == 0x0d: // v128.const, i8x16.shuffle
		r.Take(16)
	case op >= 0x15 && op <= 0x22: // lanes
		r.Byte()
	case op >= 0x54 && op <= 0x5b: // loads and stores of a lane
		r.memArg()
		r.Byte()
	}
}

// memArg reads alignment and offset. Bit 6 of the alignment says that a memory is named, of several (proposal
// multi-memory).
func (r *reader) memArg() {
	r.memory = true
	if align := r.U32(); align&0x40 != 0 {
		r.Lacks(wasmbin.ManyMemories)
	}
	r.U32()
}

// zero reads the index of the only memory.
func (r *reader) zero() {
	r.memory = true
	if r.Byte() != 0 {
		r.Lacks(wasmbin.ManyMemories)
	}
}

// blockType reads what a block takes and gives: a type by its index, one value, or nothing (as negative numbers of one
// byte).
func (r *reader) blockType() {
	switch t := r.Signed(5); {
	case t >= 0:
		r.typeIndex(uint32(t))
	case t == -64: // nothing
	case t >= -5 || t == -16 || t == -17: // one value
	default:
		r.Fail("unsupported block type %d", t)
	}
}

// constant reads a constant expression with its end.
func (r *reader) constant() {
	r.Constant(func(op byte, index uint32) {
		switch op {
		case wasmbin.GlobalGet:
			r.global(index)
		case wasmbin.RefFunc:
			r.refer(index)
		}
	})
}
