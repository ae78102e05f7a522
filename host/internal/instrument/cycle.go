package instrument

import "github.com/weftlattice/weft/host/internal/wasmbin"

// A loop in the source of a Go function is a cycle among the targets of the br_table, see thread.go:
//
//	    end  …                                            // label 3
//	  end  … i32.const 6  local.set $n  br $loop …        // label 4
//	end  … i32.const 3  local.set $n  br $loop …          // label 5: back
//
// Each turn of an innermost one goes to the head of the function's loop, through the table, and back. So it becomes a
// loop where its first label is, as WebAssembly has them, that has its own head with its own check:
//
//	    end
//	    loop
//	      if budget < 0 { budget += fee of $loop; i32.const 3  local.set $n  br $loop }
//	      budget -= fee
//	      block
//	        …                                             // label 3
//	      end  … i32.const 6  local.set $n  br $loop …    // label 4
//	      … br 0 …                                        // label 5
//	      br …                                            // to label 6
//	    end
//	  end  …                                              // label 4 again: the table still leads here
//	end  …                                                // label 5 again
//
// Where the budget is spent it goes the way that it would have gone, on which it gets a new one, and comes back; what
// the other head takes is given before. Nothing is called in the loop for that.

// blockFacts is what is known of a block, loop or if.
type blockFacts struct {
	outer int  // the one around it, or less than 0
	begin int  // its first instruction
	end   int  // its last instruction
	bare  bool // a block that takes and leaves nothing
	cycle int  // the cycle that begins after it, or less than 0

	// What follows, if anchor, which says that what comes after the block is jumped back to.
	anchor bool
	place  int    // of the block among those that are open in it
	head   int    // the loop to whose head the jumps go
	around int    // the place of that loop
	local  uint32 // by which that loop goes on
	value  uint32 // that leads here
	last   int    // the last of the jumps
}

// cycle is an innermost loop of the source.
type cycle struct {
	blockFacts
	fee    uint32 // what a turn takes off the budget
	blocks int    // how many blocks end in it that begin before
	to     int    // the end of the block around them; what follows does not belong to the cycle
	resume int    // where the code goes on that is also reached on other ways
}

// Bounds of what cycles add to the code.
const (
	maxCycles = 32   // in a function
	maxCycle  = 1024 // bytes of one
)

// findCycles finds the loops of the source that become loops. On the way that it goes when the budget is spent, a cycle
// that was reached from above says by the local of the table where to go on, which was not said before. So nobody may
// look at that local but the table, and nobody go there without having set it.
func (b *body) findCycles() {
	reads, local := -1, uint32(0) // how often the local is read, of the first table; Go's functions have one
	for n := range b.blocks {
		facts := &b.blocks[n]
		if !facts.anchor || len(b.cycles) == maxCycles || b.loops[facts.head].vague {
			continue
		}
		if reads < 0 {
			local, reads = facts.local, b.reads(facts.local)
		}
		if facts.local != local || reads > 1 {
			continue
		}
		if c, ok := b.cycleAfter(n); ok {
			b.blocks[n].cycle = len(b.cycles)
			b.cycles = append(b.cycles, c)
			b.loops[c.head].cycles = true
		}
	}
}

// cycleAfter returns the cycle that begins after a block, if it is one that is small and has no other in it.
func (b *body) cycleAfter(n int) (c cycle, ok bool) {
	c = cycle{blockFacts: b.blocks[n]}
	c.resume = b.blocks[c.outer].end
	for around := c.outer; b.encloses(around, n); n, around = around, b.blocks[around].outer {
		c.to = b.blocks[around].end
		if b.instrs[c.to].at-b.instrs[c.end].at > maxCycle {
			return c, false
		}
		if c.to > c.last {
			return c, b.innermost(c)
		}
		c.blocks++
	}
	return c, false
}

// reads returns how often a local is read.
func (b *body) reads(local uint32) (n int) {
	for r := (&reader{Reader: wasmbin.Reader{B: b.code, Off: int(b.start)}}); r.More(); {
		if i := r.instruction(); i.class == reads && i.imm == local {
			n++
		}
	}
	return n
}

// encloses reports whether a block begins right after the one around it, so that there is nothing on the stack after
// either.
func (b *body) encloses(outer, inner int) bool {
	return b.blocks[outer].bare && b.blocks[inner].bare && b.blocks[outer].begin+1 == b.blocks[inner].begin
}

// innermost reports whether nothing else is jumped back to in a cycle.
func (b *body) innermost(c cycle) bool {
	for _, i := range b.instrs[c.end+1 : c.to] {
		if i.class == loops || i.class == ends && b.blocks[i.imm].anchor {
			return false
		}
	}
	return true
}

// cycleOf returns the cycle that a jump closes, or nil.
func (b *body) cycleOf(i *instr) *cycle {
	if i.back == 0 {
		return nil
	}
	if c := b.blocks[i.back-1].cycle; c >= 0 {
		return &b.cycles[c]
	}
	return nil
}

// cycle writes the loop that begins after the end of a block, if one does, and returns the instruction after which to
// go on.
func (f *function) cycle(n int) int {
	number := f.blocks[f.instrs[n].imm].cycle
	if number < 0 {
		return n
	}
	c := &f.cycles[number]
	f.module.Checks++
	f.copy(f.instrs[n].end)
	f.op32(opLoop, noResult)
	f.depth++
	f.inside, f.head = c, f.depth
	f.budget()
	f.constant(0)
	f.op(opI32LtS)
	f.out = append(f.out, opIf, noResult)
	f.budget()
	f.constant(max(1, f.body.loops[c.head].fee))
	f.op(opI32Add)
	f.setBudget()
	f.constant(c.value)
	f.op32(opLocalSet, c.local)
	f.op32(opBr, uint32(f.depth+1-f.frames[c.around]))
	f.op(opEnd)
	f.take(max(1, c.fee))
	inside := f.frames[c.place-c.blocks : c.place]
	outside := append([]int(nil), inside...)
	for p := range inside {
		f.op32(opBlock, noResult)
		f.depth++
		inside[p] = f.depth
	}
	f.emit(n+1, c.to)
	last := &f.instrs[c.to]
	f.dues(last)
	f.copy(last.at)
	f.op32(opBr, f.relabel(0))
	f.op(opEnd)
	f.depth--
	f.inside = nil
	f.frames = append(f.frames, outside...)
	f.from = f.instrs[c.resume].at
	return c.resume - 1
}
