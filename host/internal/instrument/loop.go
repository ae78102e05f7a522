package instrument

import "github.com/weftlattice/weft/host/internal/wasmbin"

// loop writes the loop that begins with an instruction and returns the index of its end.
//
// A call in a loop, even one that is hardly ever made, makes the compiler keep what changes from turn to turn on the
// stack. So the call is put into a loop around:
//
//	loop $outer
//	  if budget < 0 { refill; budget += fee if it has been paid }
//	  loop
//	    budget -= fee
//	    if budget < 0 { br $outer }
//	    …
//
// The turn that finds the budget spent comes to its head twice, and gets back what it has paid: what is spent must not
// depend on when budgets end. It is known by a budget far below all others. Small bodies stand there several times, so
// that several turns share the two instructions. Turns of the copies but the last go on at the end of a block instead
// of at the head of the loop.
func (f *function) loop(n int) int {
	i := &f.instrs[n]
	l := &f.loops[i.imm]
	f.module.Checks++
	if !l.bare || !l.inner || !f.counts() || len(f.loops) > maxNests {
		f.enterBlock()
		f.copy(i.end)
		fee := max(1, l.fee)
		f.take(fee)
		f.unspent()
		first := i.imm == 0 && f.marks && !f.counts() && f.begins()
		if first {
			f.op32(opLocalGet, f.begun())
			f.out = append(f.out, opI32Eqz, opIf, noResult)
			f.again(fee)
			f.op(opEnd)
		}
		f.refill()
		f.op(opEnd)
		if first {
			f.constant(1)
			f.op32(opLocalSet, f.begun())
		}
		f.emit(n+1, l.to)
		f.copy(f.instrs[l.to].end)
		f.leaveBlock()
		return l.to
	}
	copies := f.copies(l)
	f.copy(i.at)
	blockType := f.code[i.at+1 : i.end]
	begin := func(op byte) {
		f.out = append(append(f.out, op), blockType...)
		f.depth++
	}
	end := func() {
		f.op(opEnd)
		f.depth--
	}
	if copies > 1 {
		begin(opBlock)
	}
	begin(opLoop)
	fee := max(1, l.fee) * uint32(copies)
	f.spent()
	f.op32(opLocalGet, f.left())
	f.constant(paidTwice)
	f.op(opI32Add)
	f.op32(opLocalTee, f.length())
	f.constant(paidTwice / 2)
	f.op(opI32LtS)
	f.out = append(f.out, opIf, noResult)
	f.op32(opLocalGet, f.length())
	f.op32(opCall, f.module.helper(helpRefill))
	f.constant(fee)
	f.op(opI32Add)
	f.op32(opLocalSet, f.left())
	f.op(opElse)
	f.refill()
	f.op(opEnd)
	f.refresh(n, l)
	f.op(opEnd)
	begin(opLoop)
	f.take(fee)
	f.spent()
	f.op32(opLocalGet, f.left())
	f.constant(paidTwice)
	f.op(opI32Sub)
	f.op32(opLocalSet, f.left())
	f.refresh(n, l)
	f.op32(opBr, 2) // if, inner, outer
	f.op(opEnd)
	head := f.depth
	for c := 1; c <= copies; c++ {
		f.frames = append(f.frames, head)
		f.from = i.end
		if c < copies {
			f.out = append(f.out, opBlock, noResult)
			f.depth++
			f.frames[len(f.frames)-1] = f.depth
		}
		f.emit(n+1, l.to)
		f.copy(f.instrs[l.to].at)
		f.frames = f.frames[:len(f.frames)-1]
		if c < copies {
			f.op32(opBr, uint32(f.depth-head+2)) // block, inner, outer, and the block around
			end()
		}
	}
	end()
	end()
	if copies > 1 {
		end()
	}
	f.from = f.instrs[l.to].end
	return l.to
}

// Functions with many loops have to do with less, so that the engine's work stays within what branches foresees.
const (
	maxNests  = 200 // loops in a function, for a loop around each
	maxCopied = 32  // loops in a function, for several copies of their bodies
	maxCopy   = 256 // bytes of such a body
)

// paidTwice is taken off the budget of a turn that comes to its head again. No payment is half as much: the dearest is
// for a range of 4 GiB.
const paidTwice = 1 << 30

// copies returns how many copies of the body pay off.
func (f *function) copies(l *loop) int {
	size := f.instrs[l.to].at - f.instrs[l.from].end
	switch {
	case l.calls || l.cycles || l.cost > 64 || size > maxCopy || len(f.loops) > maxCopied:
		return 1
	case l.cost > 24:
		return 2
	}
	return 4
}

// maxRefresh is the number of locals that are refreshed.
const maxRefresh = 40

// refresh makes the locals that a loop reads new values by an operation that changes nothing. After a call that has put
// the old ones on the stack, the compiler would go on to fetch them from there in each turn; before a branch to where
// they have to be in other registers, it would put the old ones on the stack in each turn, to have somewhere to take
// them from.
func (f *function) refresh(n int, l *loop) {
	r := &reader{Reader: wasmbin.Reader{B: f.code[:f.instrs[l.to].at], Off: int(f.instrs[n].end)}}
	clear(f.seen)
	for r.More() && len(f.seen) < maxRefresh {
		i := r.instruction()
		if i.class != reads {
			continue
		}
		if _, ok := f.seen[i.imm]; ok {
			continue
		}
		f.seen[i.imm] = struct{}{}
		f.renew(i.imm)
	}
}

// renew gives a local's value another name for the compiler, by an operation that changes nothing: x | 0, by way of
// integers for floats, whose NaNs an addition could change. References have no such operation and stay.
func (f *function) renew(local uint32) {
	t := f.typeOf(local)
	if t < typeV128 {
		return
	}
	f.op32(opLocalGet, local)
	switch t {
	case typeI32:
		f.out = append(f.out, opI32Const, 0, opI32Or)
	case typeI64:
		f.out = append(f.out, opI64Const, 0, opI64Or)
	case typeF32:
		f.out = append(f.out, opI32ReinterpretF32, opI32Const, 0, opI32Or, opF32ReinterpretI32)
	case typeF64:
		f.out = append(f.out, opI64ReinterpretF64, opI64Const, 0, opI64Or, opF64ReinterpretI64)
	case typeV128:
		f.out = append(f.out, opVector, opV128Const)
		f.out = append(f.out, make([]byte, 16)...)
		f.out = append(f.out, opVector, opV128Or)
	}
	f.op32(opLocalSet, local)
}
