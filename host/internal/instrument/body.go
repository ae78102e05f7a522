package instrument

import "github.com/weftlattice/weft/host/internal/wasmbin"

// body is one function body, decoded. It is reused for the next.
type body struct {
	module          *module
	index           uint32 // of the function, imported ones counted
	code            []byte // the whole body
	decl            uint32 // where the groups of locals begin
	start           uint32 // where the instructions begin
	groups          []group
	params, results []byte // their types
	locals          uint32 // parameters included

	instrs  []instr
	loops   []loop
	frames  []int // of open blocks: the index of the loop, or less than 0
	numbers []int // of open blocks: their index in blocks
	widths  []int // of open blocks: how many values a branch to their label takes along
	blocks  []blockFacts
	cycles  []cycle
	known   knownJump

	cost    uint64 // of all instructions, callees not included
	width   uint64 // values that its calls and branches pass, see widen
	reloads uint64 // of mutable globals after calls
	joins   uint64 // places where the flow divides or joins
	sets    uint32
	callees []uint32 // of direct calls, as far as they matter
	bulk    bool     // works through a range
	calls   bool     // through a table
	outside bool     // calls, works through a range or grows the memory outside of loops
	leaves  bool     // branches to the label of the body, which is to return
	once    bool     // what stands before the first loop must not be done twice
}

// group is a number of locals of one type.
type group struct {
	n uint32
	t byte
}

// loop is one loop of a body.
type loop struct {
	from, to int    // its first instruction and its end
	cost     uint64 // of all instructions in it
	sets     uint32 // of locals in it
	fee      uint32 // what a turn takes off the budget
	bare     bool   // it takes no parameters
	inner    bool   // there is no loop in it
	calls    bool   // something in it makes the compiler spill what it holds in registers
	cycles   bool   // it goes around cycles
	vague    bool   // some way to its head, but the first, does not say by a constant where to go on
	dispatch dispatch
}

// maxCallees is how many calls a function may make without a check of its own.
const maxCallees = maxFree / costCall

// maxRun is the cost of a run of plain instructions that is kept as one.
const maxRun = 1024

// decode reads a body.
func (b *body) decode(r *reader, index uint32) {
	*b = body{module: b.module, index: index, code: r.B, groups: b.groups[:0], instrs: b.instrs[:0], loops: b.loops[:0],
		frames: b.frames[:0], numbers: b.numbers[:0], widths: b.widths[:0], blocks: b.blocks[:0], cycles: b.cycles[:0],
		callees: b.callees[:0]}
	b.known = knownJump{head: -1, read: -1, set: -1, begun: -1}
	b.readLocals(r)
	b.open(-1, len(b.results))
	for nested := 0; len(b.frames) > 0 && r.Err == nil; {
		at := r.Off
		i := r.instruction()
		if r.Err != nil {
			return
		}
		i.at, i.end = uint32(at), uint32(r.Off)
		if len(b.loops) == 0 && i.class != loops {
			b.once = b.once || !b.repeatable(i)
		}
		if (i.class == reads || i.class == sets) && i.imm >= b.locals {
			r.Fail("local %d does not exist", i.imm)
		}
		b.cost += uint64(i.cost)
		b.follow(at, i)
		b.widen(i)
		switch i.class {
		case plain, reads, sets, constants:
			b.run(i)
			continue
		case opens, tests:
			b.open(-1, len(b.blockType(i).Results))
			b.blocks[len(b.blocks)-1].bare = i.class == opens && b.code[at+1] == noResult
		case loops:
			i.imm = uint32(len(b.loops))
			b.loops = append(b.loops, loop{from: len(b.instrs), cost: b.cost, sets: b.sets, inner: true,
				bare: b.bare(i), vague: nested > 0})
			b.open(int(i.imm), len(b.blockType(i).Params))
			if nested++; nested > MaxLoopNesting {
				r.Fail("more than %d nested loops", MaxLoopNesting)
			}
		case ends:
			last := len(b.frames) - 1
			if n := b.frames[last]; n >= 0 {
				nested--
				b.closeLoop(n)
			}
			i.imm = uint32(b.numbers[last])
			b.blocks[i.imm].end = len(b.instrs)
			b.frames, b.numbers, b.widths = b.frames[:last], b.numbers[:last], b.widths[:last]
		case jumps:
			b.thread(&i)
			b.leaves = b.leaves || int(i.imm) == len(b.frames)-1
		case switches:
			b.targets(i, func(label uint32) {
				place := len(b.frames) - 1 - int(label)
				b.leaves = b.leaves || place == 0
				if place > 0 && b.frames[place] >= 0 {
					b.loops[b.frames[place]].vague = true
				}
			})
		case calls:
			if len(b.callees) <= maxCallees {
				b.callees = append(b.callees, i.imm)
			}
			b.outside = b.outside || nested == 0
			if !b.final(i) {
				b.spills()
			}
		case callsAny:
			b.calls = true
			b.outside = b.outside || nested == 0
			b.spills()
		case bulk, bulkCopies, bulkFills:
			b.bulk = true
			b.outside = b.outside || nested == 0
			b.spills()
		}
		if len(b.frames) > MaxNesting {
			r.Fail("more than %d nested blocks", MaxNesting)
		}
		b.instrs = append(b.instrs, i)
	}
	if r.End(); r.Err == nil {
		b.findCycles()
	}
}

// open begins a block, of a loop or less than 0; width is how many values a branch to its label takes along.
func (b *body) open(loop, width int) {
	facts := blockFacts{outer: -1, cycle: -1, begin: len(b.instrs)}
	if last := len(b.numbers) - 1; last >= 0 {
		facts.outer = b.numbers[last]
	}
	b.frames, b.numbers, b.widths = append(b.frames, loop), append(b.numbers, len(b.blocks)), append(b.widths, width)
	b.blocks = append(b.blocks, facts)
}

// readLocals reads a function's locals, in groups of one type. A few bytes can declare billions, so their sum is
// bounded before anything is made for them.
func (b *body) readLocals(r *reader) {
	m := b.module
	n := r.Count("groups of locals", maxLocals)
	b.decl = uint32(r.Off)
	var locals uint64
	for ; n > 0 && r.Err == nil; n-- {
		g := group{n: r.U32()}
		from := r.Off
		if r.ValueType(); r.Err == nil {
			g.t = r.B[from]
		}
		locals += uint64(g.n)
		b.groups = append(b.groups, g)
	}
	if locals > maxLocals {
		r.Fail("%d locals in a function, %d allowed", locals, maxLocals)
	}
	if t := m.functions[b.index]; t < uint32(len(m.types)) {
		b.params, b.results = m.types[t].Params, m.types[t].Results
	}
	b.locals = uint32(len(b.params)) + uint32(locals)
	b.start = uint32(r.Off)
	b.cost = uint64(b.locals / 4)
}

// run appends a plain instruction, to the run before it if there is one.
func (b *body) run(i instr) {
	n := uint32(0)
	if i.class == sets {
		b.sets++
		n = 1
	}
	if last := len(b.instrs) - 1; last >= 0 && b.instrs[last].class == plain && b.instrs[last].cost < maxRun {
		b.instrs[last].end = i.end
		b.instrs[last].cost += i.cost
		b.instrs[last].slow = b.instrs[last].slow || i.slow
		b.instrs[last].imm += n
		return
	}
	i.class, i.imm = plain, n
	b.instrs = append(b.instrs, i)
}

// repeatable reports whether it makes no difference that an instruction before the first loop is done again by a call
// with the same parameters.
func (b *body) repeatable(i instr) bool {
	switch op := b.code[i.at]; i.class {
	case opens, reads, constants:
		return true
	case sets:
		return i.imm >= uint32(len(b.params))
	case plain:
		return op == 0x23 || op >= 0x42 && op <= 0xc4
	}
	return false
}

// bare reports whether a loop takes nothing from the stack.
func (b *body) bare(i instr) bool {
	return len(b.blockType(i).Params) == 0
}

// closeLoop ends a loop. What was counted since its beginning is its own cost. The loops around it are no innermost
// ones, and call what it calls.
func (b *body) closeLoop(n int) {
	l := &b.loops[n]
	l.to = len(b.instrs)
	l.cost = b.cost - l.cost
	l.sets = b.sets - l.sets
	for _, n := range b.frames[:len(b.frames)-1] {
		if n >= 0 {
			b.loops[n].inner = false
			b.loops[n].calls = b.loops[n].calls || l.calls
		}
	}
}

// spills notes a call in the loop around it.
func (b *body) spills() {
	for n := len(b.frames) - 1; n >= 0; n-- {
		if l := b.frames[n]; l >= 0 {
			b.loops[l].calls = true
			return
		}
	}
}

// final reports whether a call never returns, as calls that panic do: "unreachable" follows.
func (b *body) final(i instr) bool { return int(i.end) < len(b.code) && b.code[i.end] == opUnreachable }

// targets calls f with every label of a br_table.
func (b *body) targets(i instr, f func(label uint32)) {
	r := &reader{Reader: wasmbin.Reader{B: b.code[i.at+1 : i.end]}}
	for n := r.U32(); ; n-- {
		f(r.U32())
		if n == 0 || r.Err != nil {
			return
		}
	}
}

// typeOf returns the type of a local.
func (b *body) typeOf(local uint32) byte {
	if local < uint32(len(b.params)) {
		return b.params[local]
	}
	local -= uint32(len(b.params))
	for _, g := range b.groups {
		if local < g.n {
			return g.t
		}
		local -= g.n
	}
	return 0
}
