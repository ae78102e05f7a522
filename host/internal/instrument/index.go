package instrument

// What is added gets the last indices of its kind. An index that was out of range before must not name it. A reader
// without a module checks nothing.

func (r *reader) typeIndex(n uint32) {
	if r.module != nil && int(n) >= len(r.module.types) {
		r.Fail("type %d does not exist", n)
	}
}

func (r *reader) function(n uint32) {
	if r.module != nil && int(n) >= len(r.module.functions) {
		r.Fail("function %d does not exist", n)
	}
}

func (r *reader) global(n uint32) {
	if r.module != nil && n >= r.module.globals {
		r.Fail("global %d does not exist", n)
	}
}

// refer is a reference to a function outside of code: the function can get into a table, and code may refer to it.
func (r *reader) refer(n uint32) {
	m := r.module
	if r.function(n); m == nil || r.Err != nil {
		return
	}
	if m.referenced == nil {
		m.referenced = make([]bool, len(m.functions))
	}
	m.referenced[n] = true
}

// declared is a reference to a function in code.
func (r *reader) declared(n uint32) {
	if r.module != nil && !r.module.refers(n) {
		r.Fail("reference to function %d, which is not declared", n)
	}
}

func (m *module) refers(function uint32) bool {
	return int(function) < len(m.referenced) && m.referenced[function]
}
