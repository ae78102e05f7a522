package instrument

import "github.com/weftlattice/weft/host/internal/wasmbin"

// function is the state of rewriting one function body; it is reused for the next.
type function struct {
	body
	labels []label
	frames []int  // of blocks open in the result: at which depth their labels are
	depth  int    // how many blocks are open in the result
	exit   uint32 // the most that is unpaid at the end
	late   bool   // see summary
	ends   bool   // a check comes before an end
	marks  bool   // what it does after a call that may have led deep has been paid for at its entry, see enter
	inside *cycle // that is being written, or nil
	head   int    // the depth of its head
	from   uint32 // up to where the code has been copied
	seen   map[uint32]struct{}
	out    []byte
}

// counts reports whether the function counts in a local, as those do that have loops without calls. The rest take their
// fees off the global.
func (f *function) counts() bool {
	for n := range f.loops {
		if !f.loops[n].calls {
			return true
		}
	}
	return false
}

// The locals that are added.
func (f *function) left() uint32   { return f.locals }     // of the budget
func (f *function) length() uint32 { return f.locals + 1 } // of a range
func (f *function) begun() uint32  { return f.locals + 2 } // whether the first turn of the first loop has begun

// rewrite returns the new body, valid until the next call.
func (f *function) rewrite() []byte {
	if f.module.summary(f.index).free {
		return f.code
	}
	f.analyse()
	b := appendU32(f.out[:0], uint32(len(f.groups)+1))
	b = append(b, f.code[f.decl:f.start]...)
	f.out = append(b, 3, typeI32)
	f.frames, f.depth, f.from, f.inside = append(f.frames[:0], 1), 1, f.start, nil
	f.enter()
	end := len(f.instrs) - 1
	last := &f.instrs[end]
	wrapped := f.leaves && (f.counts() || last.fee > 0 || last.tested)
	if wrapped {
		f.op(opBlock)
		f.out = f.appendResults(f.out)
		f.depth++
		f.frames[0] = f.depth
	}
	f.emit(0, end)
	f.copy(last.at)
	if wrapped {
		f.op(opEnd)
		f.depth--
	}
	switch {
	case last.tested:
		f.pay(last.fee)
	case last.fee > 0:
		f.take(last.fee)
	}
	if f.counts() {
		f.settle(f.exit)
	}
	f.op(opEnd)
	return f.out
}

// enter begins the body.
func (f *function) enter() {
	switch {
	case f.beginsWithLoop() && f.counts():
		f.load()
	case f.late:
	case f.begins():
		f.loops[0].fee = max(f.loops[0].fee, f.exit)
	case !f.counts():
		f.take(f.exit)
		f.unspent()
		if f.marks {
			f.again(f.exit)
		} else {
			f.refill()
		}
		f.op(opEnd)
	default:
		f.load()
		f.check()
	}
}

// begins reports whether the function pays at the head of its first loop instead of at its entry.
func (f *function) begins() bool { return !f.late && f.beginsWithLoop() && !(f.marks && f.once) }

// again begins the function once more, with a new budget, checks when that returns, and returns, too. So there is a
// check on the way back from recursion for each budget that was spent on the way down.
func (f *function) again(fee uint32) {
	f.refill()
	f.op32(opGlobalGet, f.module.left())
	f.constant(fee)
	f.op(opI32Add)
	f.op32(opGlobalSet, f.module.left())
	for n := range f.params {
		f.op32(opLocalGet, uint32(n))
	}
	f.op32(opCall, f.index)
	f.op32(opCall, f.module.helper(helpLook))
	f.op(opReturn)
}

// beginsWithLoop reports whether the first thing that a function does is a loop, with a check at its head.
func (f *function) beginsWithLoop() bool { return beginsWithLoop(f.instrs) }

// beginsWithLoop reports whether nothing but blocks stands before a loop.
func beginsWithLoop(instrs []instr) bool {
	for _, i := range instrs {
		if i.class != plain && i.class != opens {
			return i.class == loops
		}
	}
	return false
}

// appendResults appends the type of a block that leaves what the function returns.
func (f *function) appendResults(b []byte) []byte {
	switch len(f.results) {
	case 0:
		return append(b, noResult)
	case 1:
		return append(b, f.results[0])
	}
	return appendI32(b, int32(f.module.blocks[string(f.results)]))
}

// emit copies instructions, those from and before to, with what is to be inserted.
func (f *function) emit(from, to int) {
	for n := from; n < to; n++ {
		i := &f.instrs[n]
		f.dues(i)
		switch i.class {
		case opens, tests:
			f.enterBlock()
		case ends:
			f.leaveBlock()
			n = f.cycle(n)
		case loops:
			n = f.loop(n)
		case jumps:
			if c := f.cycleOf(i); c != nil && c == f.inside {
				f.copy(i.at)
				f.op32(opBr, uint32(f.depth-f.head))
				f.from = i.end
			} else if f.shifted() || i.moved {
				f.copy(i.at)
				f.op(f.code[i.at])
				f.out = appendU32(f.out, f.relabel(i.imm))
				f.from = i.end
			}
		case switches:
			if f.shifted() {
				f.copy(i.at)
				f.table(*i)
				f.from = i.end
			}
		case returns:
			if f.counts() {
				f.copy(i.at)
				f.settle(i.untested())
			}
		case calls:
			if _, paid := f.module.calleeCost(i.imm); paid {
				f.call(i)
			}
		case callsAny:
			f.call(i)
		case bulk, bulkCopies, bulkFills:
			f.range_(i)
		}
	}
}

// dues pays what is to be paid before an instruction.
func (f *function) dues(i *instr) {
	if i.tested {
		f.copy(i.at)
		f.pay(i.fee)
	} else if i.fee > 0 && (!f.counts() || i.class != calls && i.class != callsAny && i.class != returns) {
		f.copy(i.at)
		f.take(i.fee)
	}
}

// untested returns the fee that is not yet paid.
func (i *instr) untested() uint32 {
	if i.tested {
		return 0
	}
	return i.fee
}

func (f *function) enterBlock() {
	f.depth++
	f.frames = append(f.frames, f.depth)
}

func (f *function) leaveBlock() {
	f.depth--
	f.frames = f.frames[:len(f.frames)-1]
}

// shifted reports whether blocks have been added around, so that labels have changed.
func (f *function) shifted() bool { return f.depth != len(f.frames) }

// relabel is the depth of a label among the blocks as they are written, of which there are more than in the source.
func (f *function) relabel(label uint32) uint32 {
	if int(label) >= len(f.frames) {
		return label // invalid, and to stay so
	}
	return uint32(f.depth - f.frames[len(f.frames)-1-int(label)])
}

// table writes a br_table with its labels as they are now.
func (f *function) table(i instr) {
	r := &reader{Reader: wasmbin.Reader{B: f.code[i.at+1 : i.end]}}
	f.op(opBrTable)
	f.out = appendU32(f.out, r.U32())
	f.targets(i, func(label uint32) { f.out = appendU32(f.out, f.relabel(label)) })
}

// call hands the count over to the callee, and takes it back.
func (f *function) call(i *instr) {
	if !f.counts() {
		return
	}
	f.copy(i.at)
	f.settle(i.untested())
	f.copy(i.end)
	if !f.final(*i) {
		f.load()
	}
}

// copy copies code as it is.
func (f *function) copy(to uint32) {
	f.out = append(f.out, f.code[f.from:to]...)
	f.from = to
}

func (f *function) op(op byte) { f.out = append(f.out, op) }

func (f *function) op32(op byte, n uint32) { f.out = appendU32(append(f.out, op), n) }

func (f *function) constant(n uint32) { f.out = appendI32(append(f.out, opI32Const), int32(n)) }

// load begins to count in the local.
func (f *function) load() {
	f.op32(opGlobalGet, f.module.left())
	f.op32(opLocalSet, f.left())
}

// budget gets what is left of it, and setBudget sets it.
func (f *function) budget() {
	if f.counts() {
		f.op32(opLocalGet, f.left())
	} else {
		f.op32(opGlobalGet, f.module.left())
	}
}

// setBudget stores the budget from the stack where this function counts: in a local or in the global.
func (f *function) setBudget() {
	if f.counts() {
		f.op32(opLocalSet, f.left())
	} else {
		f.op32(opGlobalSet, f.module.left())
	}
}

// settle takes off a fee and makes the global the count.
func (f *function) settle(fee uint32) {
	f.op32(opLocalGet, f.left())
	if fee > 0 {
		f.constant(fee)
		f.op(opI32Sub)
	}
	f.op32(opGlobalSet, f.module.left())
}

// take takes off a fee, without a check.
func (f *function) take(fee uint32) {
	f.budget()
	f.constant(fee)
	f.op(opI32Sub)
	f.op32(opLocalSet, f.left())
	if !f.counts() {
		f.op32(opLocalGet, f.left())
		f.op32(opGlobalSet, f.module.left())
	}
}

// pay takes off a fee and checks.
func (f *function) pay(fee uint32) {
	f.take(fee)
	f.check()
}

// check calls the host when the budget is spent, and gets a new one.
//
// The compiler lets code after an if begin with the registers as its first arm leaves them. So the call, which spills
// most of them, stands in the second.
func (f *function) check() {
	f.unspent()
	f.refill()
	f.op(opEnd)
}

// unspent opens the second arm of an if.
func (f *function) unspent() {
	f.op32(opLocalGet, f.left())
	f.constant(0)
	f.op(opI32GeS)
	f.out = append(f.out, opIf, noResult, opElse)
}

// spent opens an if.
func (f *function) spent() {
	f.op32(opLocalGet, f.left())
	f.constant(0)
	f.op(opI32LtS)
	f.out = append(f.out, opIf, noResult)
}

func (f *function) refill() {
	f.op32(opLocalGet, f.left())
	f.op32(opCall, f.module.helper(helpRefill))
	f.setBudget()
}

// range_ guards an instruction that works through a range. Long ones are paid for by their length; copies and fills are
// cut into pieces by a helper.
func (f *function) range_(i *instr) {
	f.copy(i.at)
	f.op32(opLocalTee, f.length())
	if i.class == bulk {
		f.op32(opLocalGet, f.length())
		f.constant(maxRange)
		f.op(opI32GtU)
		f.out = append(f.out, opIf, noResult)
		if !f.counts() {
			f.load()
		}
		f.op32(opLocalGet, f.left())
		f.op32(opLocalGet, f.length())
		f.constant(rangeShift)
		f.op(opI32ShrU)
		f.op(opI32Sub)
		f.op32(opLocalSet, f.left())
		if !f.counts() {
			f.settle(0)
		}
		f.check()
		f.op(opEnd)
		return
	}
	helper := uint32(helpCopy)
	if i.class == bulkFills {
		helper = helpFill
	}
	f.op32(opLocalGet, f.length())
	f.constant(maxRange)
	f.op(opI32GtU)
	f.op(opIf)
	f.out = appendI32(f.out, int32(f.module.typeRange()))
	if f.counts() {
		f.settle(0)
	}
	f.op32(opCall, f.module.helper(helper))
	if f.counts() {
		f.load()
	}
	f.op(opElse)
	f.copy(i.end)
	f.op(opEnd)
}
