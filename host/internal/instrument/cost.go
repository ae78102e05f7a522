package instrument

// See the package documentation for what these bound.
const (
	// Budget is the most that is handed out between two checks; the mean is half of it.
	Budget     = 1 << budgetBits
	budgetBits = 16

	maxFree     = 128     // the cost of a function that pays nothing for itself
	maxIndirect = 32      // the same where it can be called through a table
	maxTurn     = 64      // what a turn pays at the head of its loop; the rest is paid where the turn ends
	maxArrival  = 8       // what may be unpaid where a jump back arrives, on the other ways to that place
	maxUnpaid   = 1 << 14 // a path without loops gets a check after that much
	maxTail     = 12      // what may go unpaid and unchecked on the way back from a call, see path
)

// summary is what must be known of a function to judge its callers.
type summary struct {
	cost    uint32
	callees []uint32
	may     bool // might be free
	free    bool // pays nothing: its callers do
	late    bool // pays in its loop only: its callers pay the rest
}

// summarize notes what a decoded body does.
func (b *body) summarize() summary {
	if s := b.late(); s.late {
		return s
	}
	if b.cost > maxFree || len(b.loops) > 0 || b.bulk || b.calls || len(b.callees) > maxCallees {
		return summary{}
	}
	return summary{cost: uint32(b.cost), callees: append([]uint32(nil), b.callees...), may: true}
}

// late tells of a function that need not pay at its entry, since all that it calls is called in its only loop, which
// does. What stands outside of the loop costs little, and the callers pay for it.
func (b *body) late() summary {
	if len(b.loops) != 1 || !b.loops[0].calls || b.outside || beginsWithLoop(b.instrs) {
		return summary{}
	}
	cost, limit := b.cost-b.loops[0].cost, uint64(maxFree)
	if b.module.refers(b.index) {
		limit = maxIndirect
	}
	if cost > limit {
		return summary{}
	}
	return summary{cost: uint32(cost), late: true}
}

// pays reports whether it pays that a function is late: not if its ends must be checked instead of its entry. What it
// calls need not be known for that, and mostly is not yet.
func (f *function) pays() bool {
	f.analyse()
	return !f.ends
}

// findFree decides which functions are free: those that end after at most maxFree steps, callees included. Each round
// looks at functions whose callees have been decided before, so that no cycle of calls is free. Callees cost something,
// so a function with a longer chain of them than there are rounds is not free anyhow.
func (m *module) findFree() {
	for changed, round := true, 0; changed && round <= maxCallees; round++ {
		changed = false
		for n := range m.summaries {
			s := &m.summaries[n]
			if !s.may || s.free {
				continue
			}
			cost, known := s.cost, true
			for _, callee := range s.callees {
				c := m.summary(callee)
				if c == nil || !c.free {
					known = false
					break
				}
				cost += c.cost
			}
			limit := uint32(maxFree)
			if m.refers(uint32(n + m.imported)) {
				limit = maxIndirect
			}
			if known {
				s.may = cost <= limit
				if s.may {
					s.cost, s.free, changed = cost, true, true
				}
			}
		}
	}
}

// summary returns nil for an imported function, or one that does not exist.
func (m *module) summary(function uint32) *summary {
	if n := int(function) - m.imported; n >= 0 && n < len(m.summaries) {
		return &m.summaries[n]
	}
	return nil
}

// calleeCost is what a call costs the caller; paid is whether the callee pays for itself, or for a part of it.
func (m *module) calleeCost(function uint32) (cost uint32, paid bool) {
	switch s := m.summary(function); {
	case s == nil:
		return costHost, true
	case s.free:
		return s.cost, false
	case s.late:
		return s.cost, true
	}
	return 0, true
}

// label is the state of an open block in analyse.
type label struct {
	loop    int  // index of the loop, or less than 0
	met     path // the paths to its end
	other   path // of an if: where the other arm begins
	branch  bool // of an if without the other arm so far
	alive   bool // it can be reached
	anchor  bool // what follows it is jumped back to, the long way
	anchors int  // how many such are open, this one included
	facts   *blockFacts
}

// path is the state of analyse at one place: the most that holds for a path to it.
//
// On the way back from recursion, which can be a million calls deep, no entries pass by. What a function does between
// its last call and its end must either be little, or have been paid for at its entry (where each budget leaves a mark
// that checks on the way back, see enter), or be checked.
type path struct {
	unpaid    uint32 // what has not been paid
	unchecked uint32 // what has been spent since a check
	tail      uint32 // the same since a call that may have led deep; 0 if there was none
	alive     bool
}

func (p *path) join(q path) {
	if q.alive {
		*p = path{max(p.unpaid, q.unpaid), max(p.unchecked, q.unchecked), max(p.tail, q.tail), true}
	}
}

// spend goes past something that costs so much. What is slow is too much for a tail.
func (p *path) spend(cost uint32, slow bool) {
	p.unpaid += cost
	p.unchecked += cost
	if p.tail > 0 {
		p.tail += cost
		if slow {
			p.tail += maxTail
		}
	}
}

// checked goes past a check that leaves so much unpaid.
func (p *path) checked(unpaid uint32) { p.unpaid, p.unchecked, p.tail = unpaid, unpaid, 0 }

// analyse decides where how much is paid. It follows all paths at once: within a turn of a loop they only lead forward.
func (f *function) analyse() {
	b := &f.body
	p := path{unpaid: costCall + b.locals/4, alive: true}
	s := b.module.summary(b.index)
	if f.late = s.late; f.late {
		p.unpaid = 0
	}
	f.exit, f.marks, f.ends = 0, false, false
	labels := append(f.labels[:0], label{loop: -1, alive: true, facts: &b.blocks[0]})
	opened := 0
	open := func(l label) {
		opened++
		l.alive, l.anchors = p.alive, labels[len(labels)-1].anchors
		l.facts = &b.blocks[opened]
		if l.anchor = l.facts.anchor && l.facts.cycle < 0; l.anchor {
			l.anchors++
		}
		labels = append(labels, l)
	}
	for n := range b.instrs {
		i := &b.instrs[n]
		if p.alive && p.unchecked > maxUnpaid {
			f.test(i, &p)
		}
		p.spend(i.cost, i.slow)
		top := len(labels) - 1
		switch i.class {
		case opens:
			open(label{loop: -1})
		case tests:
			open(label{loop: -1, other: p, branch: true})
		case elses:
			labels[top].met.join(p)
			labels[top].branch = false
			p = labels[top].other
		case loops:
			l := &b.loops[i.imm]
			f.turn(i, &l.fee, &p)
			p.checked(costSimple + min(l.sets, b.locals)/4)
			open(label{loop: int(i.imm)})
		case ends:
			l := labels[top]
			labels = labels[:top]
			if l.loop >= 0 {
				break
			}
			if l.branch {
				l.met.join(l.other)
			}
			if l.anchor {
				f.arrive(i, &p)
			}
			l.met.join(p)
			p = l.met
			if c := l.facts.cycle; c >= 0 && p.alive {
				f.round(&b.cycles[c], &p)
			}
		case jumps:
			f.shortcut(i, labels)
			if c := b.cycleOf(i); c != nil {
				f.turn(i, &c.fee, &p)
			}
			f.branch(i, labels, i.imm, &p)
			p.alive = p.alive && i.maybe
		case switches:
			b.targets(*i, func(depth uint32) { f.branch(i, labels, depth, &p) })
			p.alive = false
		case returns:
			f.leave(i, &p)
			p.alive = false
		case traps:
			p.alive = false
		case calls:
			cost, paid := b.module.calleeCost(i.imm)
			if p.spend(cost, false); paid {
				f.handOver(i, &p)
			}
		case callsAny:
			p.spend(maxIndirect, false)
			f.handOver(i, &p)
		}
	}
	f.labels = labels[:0]
	f.leave(&b.instrs[len(b.instrs)-1], &p)
	if f.late {
		b.loops[0].fee = max(b.loops[0].fee, f.exit)
	}
}

// test puts a check before an instruction.
func (f *function) test(i *instr, p *path) {
	i.fee, i.tested = p.unpaid, true
	p.checked(0)
}

// turn is the way to the head of a loop, from before it or from in it.
func (f *function) turn(i *instr, fee *uint32, p *path) {
	if !p.alive {
		return
	}
	if p.unpaid > maxTurn && !i.tested {
		i.fee += p.unpaid - maxTurn
		p.unpaid = maxTurn
	}
	*fee = max(*fee, min(p.unpaid, maxTurn))
}

// round goes past the head of a cycle.
func (f *function) round(c *cycle, p *path) {
	pays := min(p.unpaid, maxTurn)
	c.fee = max(c.fee, pays)
	p.checked(costSimple + p.unpaid - pays)
}

// branch follows a jump: to the head of a loop it is a turn, which pays; forward it brings the path's cost to the
// label, where the dearest path counts.
func (f *function) branch(i *instr, labels []label, depth uint32, p *path) {
	if int(depth) >= len(labels) {
		return // the engine will say so
	}
	target := &labels[len(labels)-1-int(depth)]
	if target.loop >= 0 {
		f.turn(i, &f.body.loops[target.loop].fee, p)
		return
	}
	target.met.join(*p)
}

// shortcut decides whether a jump goes directly where it is known to lead. It had better not where it enters what is
// jumped back to, a loop in the source: the compiler would let the turns suffer from how that one way in has left the
// registers.
func (f *function) shortcut(i *instr, labels []label) {
	if !i.moved {
		return
	}
	target := labels[len(labels)-1-int(i.direct)]
	i.moved = labels[len(labels)-1].anchors == target.anchors && !target.anchor
	if i.moved {
		i.imm = i.direct
	}
}

// arrive pays before a place that is jumped back to, so that the turns from there need not.
func (f *function) arrive(i *instr, p *path) {
	switch {
	case !p.alive || p.unpaid <= maxArrival || i.tested:
	case p.tail > maxTail:
		f.test(i, p)
	default:
		i.fee += p.unpaid - maxArrival
		p.unpaid = maxArrival
	}
}

// leave is a return, or the end. Where the count is the function's own, what is unpaid is paid there; else at the entry
// or, of a late function, in its loop, unless it is much.
func (f *function) leave(i *instr, p *path) {
	switch {
	case !p.alive || i.tested:
	case p.tail > maxTail && (f.counts() || f.late):
		f.test(i, p)
		f.ends = true
	case f.counts() && i.class == returns:
		i.fee = p.unpaid
	case p.unpaid <= maxTurn || f.counts() || len(f.loops) == 0 || i.class != returns && !f.late:
		f.exit = max(f.exit, p.unpaid)
		f.marks = f.marks || p.tail > 0
	case p.tail > maxTail:
		f.test(i, p)
	default:
		i.fee = p.unpaid - maxTurn
		f.exit = maxTurn
	}
}

// handOver is a call of a function that pays for itself.
func (f *function) handOver(i *instr, p *path) {
	if !p.alive {
		return
	}
	p.tail = max(p.tail, 1)
	if f.counts() {
		if !i.tested {
			i.fee = p.unpaid
		}
		p.unpaid = 0
	}
}
