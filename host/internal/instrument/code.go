package instrument

// interval is after how many loop turns or function entries a guest calls the check; a power of two.
const interval = 4096

// bulkBytes is the length above which an instruction that works through a range calls the check first.
const bulkBytes = 4096

// The bytes of the instructions that are inserted.
const (
	opUnreachable = 0x00
	opIf          = 0x04
	opEnd         = 0x0b
	opCall        = 0x10
	opDrop        = 0x1a
	opLocalGet    = 0x20
	opLocalTee    = 0x22
	opGlobalGet   = 0x23
	opGlobalSet   = 0x24
	opMemoryGrow  = 0x40
	opI32Const    = 0x41
	opI32Eqz      = 0x45
	opI32GtU      = 0x4b
	opI32Add      = 0x6a
	opI32And      = 0x71
	noResult      = 0x40
)

// point is a place in a function body where something is inserted.
type point struct {
	at   int
	bulk bool // before an instruction with its length on the stack, else at a loop head
}

// code rewrites the code section.
func (m *module) code(r *reader) []byte {
	n := r.count("function bodies", MaxEntries)
	if defined := len(m.functions) - m.imported; n != uint32(defined) {
		r.fail("%d bodies for %d functions", n, defined)
		return nil
	}
	out := make([]byte, 0, len(r.b)+len(r.b)/4)
	if n == 0 {
		return append(out, r.b...)
	}
	out = appendU32(out, n+1)
	f := function{module: m}
	for i := m.imported; i < len(m.functions) && r.err == nil; i++ {
		size := r.u32()
		if size > MaxFunctionBytes {
			r.fail("function of %d bytes, %d allowed", size, MaxFunctionBytes)
		}
		body := r.take(size)
		b := &reader{b: body, base: r.base + r.off - len(body), what: r.what, err: r.err}
		params := uint32(0)
		if t := m.functions[i]; t < uint32(len(m.types)) {
			params = m.types[t].params
		}
		f.read(b, params)
		if r.err = b.err; r.err == nil {
			out = appendBytes(out, f.rewrite(body))
		}
	}
	return appendBytes(out, m.check())
}

// check is the body of the function that the inserted instructions call. Growing the memory by nothing changes nothing,
// but takes the guest into the host's code and back: there it can be preempted.
func (m *module) check() []byte {
	b := []byte{0, opI32Const, 0, opMemoryGrow, 0, opDrop}
	b = appendU32(append(b, opGlobalGet), m.globals)
	return append(b, opIf, noResult, opUnreachable, opEnd, opEnd)
}

// function is the state of rewriting one function body; it is reused for the next.
type function struct {
	module *module
	points []point
	blocks []bool // the open blocks: whether each is a loop
	groups uint32 // of locals
	local  uint32 // index of the first local added
	decl   int    // where the groups of locals begin
	code   int    // where the instructions begin
	calls  bool
	loops  bool
	bulk   bool
	out    []byte
}

// read decodes a body and notes where something is to be inserted.
func (f *function) read(r *reader, params uint32) {
	m := f.module
	f.points, f.calls, f.loops, f.bulk = f.points[:0], false, false, false
	f.groups = r.count("groups of locals", MaxLocals)
	f.decl = r.off
	var locals uint64
	for n := f.groups; n > 0 && r.err == nil; n-- {
		locals += uint64(r.u32())
		r.valueType()
	}
	if m.locals += locals; locals > MaxLocals || m.locals > MaxModuleLocals {
		r.fail("%d locals in a function, %d in the module: %d and %d allowed", locals, m.locals, MaxLocals, MaxModuleLocals)
	}
	f.local = params + uint32(locals)
	f.code = r.off
	f.blocks = append(f.blocks[:0], false)
	for nested := 0; len(f.blocks) > 0 && r.err == nil; {
		at := r.off
		switch r.instruction() {
		case opens:
			f.blocks = append(f.blocks, false)
		case loops:
			f.loops = true
			f.blocks = append(f.blocks, true)
			f.points = append(f.points, point{at: r.off})
			if nested++; nested > MaxLoopNesting {
				r.fail("more than %d nested loops", MaxLoopNesting)
			}
		case ends:
			last := len(f.blocks) - 1
			if f.blocks[last] {
				nested--
			}
			f.blocks = f.blocks[:last]
		case calls:
			f.calls = true
		case bulk:
			f.bulk = true
			f.points = append(f.points, point{at: at, bulk: true})
		}
		if len(f.blocks) > MaxNesting {
			r.fail("more than %d nested blocks", MaxNesting)
		}
	}
	r.end()
}

// rewrite returns the new body, valid until the next call.
func (f *function) rewrite(body []byte) []byte {
	if !f.calls && !f.loops && !f.bulk {
		return body // ends after as many steps as it has instructions
	}
	f.module.Checks += len(f.points) + 1
	b := appendU32(f.out[:0], f.groups+1)
	b = append(b, body[f.decl:f.code]...)
	b = append(b, 2, 0x7f) // two more locals of type i32: turns and length
	b = f.entry(b)
	from := f.code
	for _, p := range f.points {
		b = append(b, body[from:p.at]...)
		if p.bulk {
			b = f.beforeBulk(b)
		} else {
			b = f.loopHead(b)
		}
		from = p.at
	}
	f.out = append(b, body[from:]...)
	return f.out
}

// entry: the module's count goes up by one, and the function's own begins there.
func (f *function) entry(b []byte) []byte {
	count := f.module.globals + 1
	b = appendU32(append(b, opGlobalGet), count)
	b = append(b, opI32Const, 1, opI32Add)
	b = appendU32(append(b, opLocalTee), f.local)
	b = appendU32(append(b, opGlobalSet), count)
	b = appendU32(append(b, opLocalGet), f.local)
	return f.every(b)
}

// loopHead: the function's count goes up by one. It is kept in a local, since the loop waits for it.
func (f *function) loopHead(b []byte) []byte {
	b = appendU32(append(b, opLocalGet), f.local)
	b = append(b, opI32Const, 1, opI32Add)
	b = appendU32(append(b, opLocalTee), f.local)
	return f.every(b)
}

// every: the check is called once in each interval of the count on the stack.
func (f *function) every(b []byte) []byte {
	b = appendI32(append(b, opI32Const), interval-1)
	return f.callIf(append(b, opI32And, opI32Eqz))
}

// beforeBulk: the check is called when the length on the stack is large.
func (f *function) beforeBulk(b []byte) []byte {
	b = appendU32(append(b, opLocalTee), f.local+1)
	b = f.callIf(append(appendI32(append(b, opI32Const), bulkBytes), opI32GtU))
	return appendU32(append(b, opLocalGet), f.local+1)
}

func (f *function) callIf(b []byte) []byte {
	b = append(b, opIf, noResult, opCall)
	return append(appendU32(b, uint32(len(f.module.functions))), opEnd)
}

// appendI32 appends a positive v as signed LEB128.
func appendI32(b []byte, v int32) []byte {
	for v >= 0x40 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}
