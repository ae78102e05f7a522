package instrument

// code rewrites the code section.
func (m *module) code(r *reader) []byte {
	check := append(appendU32([]byte{0x23}, m.globals), 0x04, 0x40, 0x00, 0x0b) // global.get N; if; unreachable; end
	n := r.count("function bodies", MaxEntries)
	if defined := len(m.functions) - m.imported; n != uint32(defined) {
		r.fail("%d bodies for %d functions", n, defined)
	}
	out := appendU32(make([]byte, 0, len(r.b)+len(r.b)/6), n)
	var points []int // where in a body to insert a check; reused
	for ; n > 0 && r.err == nil; n-- {
		size := r.u32()
		if size > MaxFunctionBytes {
			r.fail("function of %d bytes, %d allowed", size, MaxFunctionBytes)
		}
		body := r.take(size)
		f := reader{b: body, base: r.base + r.off - len(body), what: r.what, err: r.err}
		points = m.body(&f, points[:0])
		if r.err = f.err; r.err != nil {
			break
		}
		out = appendU32(out, uint32(len(body)+len(points)*len(check)))
		from := 0
		for _, at := range points {
			out = append(append(out, body[from:at]...), check...)
			from = at
		}
		out = append(out, body[from:]...)
		m.Checks += len(points)
	}
	r.end()
	return out
}

// body decodes one function body and appends the offsets at which a check belongs to points.
func (m *module) body(r *reader, points []int) []int {
	var locals uint64
	for n := r.count("groups of locals", MaxLocals); n > 0 && r.err == nil; n-- {
		locals += uint64(r.u32())
		r.valueType()
	}
	if m.locals += locals; locals > MaxLocals || m.locals > MaxModuleLocals {
		r.fail("%d locals in a function, %d in the module: %d and %d allowed", locals, m.locals, MaxLocals, MaxModuleLocals)
	}
	entry, called := r.off, false
	points = append(points, entry)
	for depth := 1; depth > 0 && r.err == nil; {
		at := r.off
		switch r.instruction() {
		case opens:
			depth++
		case loops:
			depth++
			points = append(points, r.off)
		case ends:
			depth--
		case calls:
			called = true
		case bulk:
			points = append(points, at)
		}
		if depth > MaxNesting {
			r.fail("more than %d nested blocks", MaxNesting)
		}
	}
	r.end()
	if !called {
		return points[1:] // nothing can recurse without a call
	}
	return points
}
