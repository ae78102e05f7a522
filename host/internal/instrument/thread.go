package instrument

// Go compiles a function to one loop around a br_table, and each jump in it to a number in a local and a branch to the
// loop:
//
//	loop
//	  block block …
//	    local.get $n  br_table …
//	  end
//	  … i32.const 3  local.set $n  br $loop …
//
// A jump forward is not a turn of a loop. It is known where it leads, and so it can go there directly, which needs
// neither a check nor the table. Jumps backward still take the way around, but for those of small loops, see cycle.go.

// dispatch is what is known of the head of a loop: by which local its br_table goes, and where to.
type dispatch struct {
	local   uint32
	targets []block
}

// block is an open block: its place among those open, and its number, which no other block of the body has.
type block struct{ place, number int }

// knownJump follows the instructions of a body to find jumps whose target is known.
type knownJump struct {
	head  int // the loop of which only blocks have been seen so far, else less than 0
	local uint32
	value uint32
	read  int // where the local.get of local ends
	set   int // where the local.set of value in local ends
	begun int // where the i32.const of value ends
}

// follow looks at an instruction that stands at a place.
func (b *body) follow(at int, i instr) {
	k := &b.known
	switch {
	case i.class == loops:
		k.head = len(b.loops)
	case i.class == opens:
	case i.class == reads:
		k.local, k.read = i.imm, int(i.end)
		return
	case i.class == switches && k.head >= 0 && k.read == at && b.loops[k.head].bare:
		d := dispatch{local: k.local}
		b.targets(i, func(label uint32) {
			if place := len(b.frames) - 1 - int(label); place >= 0 {
				d.targets = append(d.targets, block{place, b.numbers[place]})
			}
		})
		b.loops[k.head].dispatch = d
		k.head = -1
	case i.class == constants:
		k.value, k.begun = i.imm, int(i.end)
		k.head = -1
	case i.class == sets:
		if k.begun == at {
			k.local, k.set = i.imm, int(i.end)
		}
		k.head = -1
	default:
		k.head = -1
	}
}

// thread gives a branch to the head of a loop its true target.
func (b *body) thread(i *instr) {
	place := len(b.frames) - 1 - int(i.imm)
	if place < 0 || b.frames[place] < 0 {
		return
	}
	l := &b.loops[b.frames[place]]
	d := &l.dispatch
	if i.maybe || b.known.set != int(i.at) || d.local != b.known.local || len(d.targets) == 0 {
		l.vague = true
		return
	}
	t := d.targets[min(int(b.known.value), len(d.targets)-1)]
	if t.place < len(b.frames) && b.numbers[t.place] == t.number {
		i.direct, i.moved = uint32(len(b.frames)-1-t.place), true
		return
	}
	facts := &b.blocks[t.number]
	if !facts.anchor {
		facts.anchor, facts.head, facts.place, facts.value, facts.local = true, b.frames[place], t.place,
			b.known.value, d.local
		facts.around = place
	}
	facts.last = len(b.instrs)
	i.back = t.number + 1
}
