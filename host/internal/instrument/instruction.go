package instrument

// class says what an instruction means to the rewriter.
type class uint8

const (
	plain class = iota
	opens       // begins a block, but no loop
	loops       // begins a loop
	ends        // ends a block or the body
	calls       // enters another function
	bulk        // works through a range as long as the number on top of the stack says
)

// instruction reads one instruction with its immediates.
func (r *reader) instruction() class {
	op := r.byte()
	switch {
	case op == 0x02 || op == 0x04: // block, if
		r.blockType()
		return opens
	case op == 0x03:
		r.blockType()
		return loops
	case op == 0x0b:
		return ends
	case op == 0x00 || op == 0x01 || op == 0x05 || op == 0x0f || op == 0x1a || op == 0x1b: // unreachable, nop, else, return, drop, select
	case op == 0x0c || op == 0x0d: // br, br_if
		r.u32()
	case op == 0x0e: // br_table
		for n := r.count("branch targets", MaxFunctionBytes); n > 0 && r.err == nil; n-- {
			r.u32()
		}
		r.u32()
	case op == 0x10: // call
		r.u32()
		return calls
	case op == 0x11: // call_indirect
		r.u32()
		r.u32()
		return calls
	case op == 0x1c: // select with a type
		if r.byte() != 1 {
			r.fail("select with other than one type")
		}
		r.valueType()
	case op >= 0x20 && op <= 0x26: // local.*, global.*, table.get, table.set
		r.u32()
	case op >= 0x28 && op <= 0x3e: // loads and stores
		r.memArg()
	case op == 0x3f: // memory.size
		r.zero()
	case op == 0x40: // memory.grow, which is a way into the host as it is
		r.zero()
	case op == 0x41:
		r.signed(5)
	case op == 0x42:
		r.signed(10)
	case op == 0x43:
		r.take(4)
	case op == 0x44:
		r.take(8)
	case op >= 0x45 && op <= 0xc4: // comparison, arithmetic, conversion, sign extension
	case op == 0xd0: // ref.null
		r.refType()
	case op == 0xd1: // ref.is_null
	case op == 0xd2: // ref.func
		r.u32()
	case op == 0xfc:
		return r.misc()
	case op == 0xfd:
		r.vector()
	default:
		r.unsupported(op)
	}
	return plain
}

func (r *reader) unsupported(op byte) {
	switch op {
	case 0x12, 0x13:
		r.fail("tail calls are not supported")
	case 0x14, 0x15, 0xd3, 0xd4, 0xd5, 0xd6:
		r.fail("typed function references are not supported")
	case 0x06, 0x07, 0x08, 0x09, 0x0a, 0x18, 0x19, 0x1f:
		r.fail("exceptions are not supported")
	case 0xfb:
		r.fail("garbage collected types are not supported")
	case 0xfe:
		r.fail("threads are not supported")
	default:
		r.fail("unknown instruction %#02x", op)
	}
}

// misc reads what follows the prefix 0xfc.
func (r *reader) misc() class {
	switch op := r.u32(); op {
	case 0, 1, 2, 3, 4, 5, 6, 7: // saturating truncation
	case 8: // memory.init
		r.u32()
		r.zero()
		return bulk
	case 9, 13: // data.drop, elem.drop
		r.u32()
	case 10: // memory.copy
		r.zero()
		r.zero()
		return bulk
	case 11: // memory.fill
		r.zero()
		return bulk
	case 12, 14: // table.init, table.copy
		r.u32()
		r.u32()
		return bulk
	case 15, 17: // table.grow, table.fill
		r.u32()
		return bulk
	case 16: // table.size
		r.u32()
	default:
		r.fail("unknown instruction 0xfc %#x", op)
	}
	return plain
}

// vector reads what follows the prefix 0xfd. The engine takes the byte after the prefix for the opcode, and the second
// byte of an opcode from 0x80 on for a nop. The two views agree only if that byte is 0x01, and so it must be.
func (r *reader) vector() {
	op := r.byte()
	switch {
	case op >= 0x80:
		if r.byte() != 0x01 {
			r.fail("relaxed SIMD is not supported")
		}
	case op <= 0x0b || op == 0x5c || op == 0x5d: // loads and store
		r.memArg()
	case op == 0x0c || op == 0x0d: // v128.const, i8x16.shuffle
		r.take(16)
	case op >= 0x15 && op <= 0x22: // lanes
		r.byte()
	case op >= 0x54 && op <= 0x5b: // loads and stores of a lane
		r.memArg()
		r.byte()
	}
}

func (r *reader) memArg() {
	if align := r.u32(); align&0x40 != 0 {
		r.fail("several memories are not supported")
	}
	r.u32()
}

// zero reads the index of the only memory.
func (r *reader) zero() {
	if r.byte() != 0 {
		r.fail("several memories are not supported")
	}
}

func (r *reader) blockType() {
	switch t := r.signed(5); {
	case t >= 0: // index of a function type
	case t == -64: // nothing
	case t >= -5 || t == -16 || t == -17: // one value
	default:
		r.fail("unsupported block type %d", t)
	}
}

func (r *reader) valueType() {
	switch t := r.byte(); t {
	case 0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f:
	case 0x63, 0x64:
		r.fail("typed function references are not supported")
	default:
		r.fail("unsupported value type %#02x", t)
	}
}

func (r *reader) refType() {
	if t := r.byte(); t != 0x70 && t != 0x6f {
		r.fail("unsupported reference type %#02x", t)
	}
}

// constant reads a constant expression with its end.
func (r *reader) constant() {
	for r.err == nil {
		switch op := r.byte(); op {
		case 0x0b:
			return
		case 0x23, 0xd2: // global.get, ref.func
			r.u32()
		case 0x41:
			r.signed(5)
		case 0x42:
			r.signed(10)
		case 0x43:
			r.take(4)
		case 0x44:
			r.take(8)
		case 0x6a, 0x6b, 0x6c, 0x7c, 0x7d, 0x7e: // add, sub, mul
		case 0xd0:
			r.refType()
		case 0xfd:
			if r.byte() != 0x0c {
				r.fail("instruction not allowed in a constant")
			}
			r.take(16)
		default:
			r.fail("instruction %#02x not allowed in a constant", op)
		}
	}
}
