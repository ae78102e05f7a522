package instrument

import (
	"strings"

	"github.com/weftlattice/weft/host/internal/wasmbin"
)

// section reads one section and puts it, changed where it must be, into the output.
func (m *module) section(id byte, r *reader) {
	body := r.B
	switch id {
	case secCustom:
		m.custom(r)
		return
	case secStart:
		return // it has become an export
	case secType:
		body = m.typeSection(r)
	case secImport:
		m.imports(r)
	case secFunction:
		body = m.functionSection(r)
	case secTable:
		body = m.tableSection(r)
	case secMemory:
		for range r.Count("memories", MostPages) {
			m.memory(r)
		}
		if m.memories == 0 {
			body = noMemory
		}
	case secGlobal:
		body = m.globalSection(r)
	case secExport:
		body = m.exports(r)
	case secElement:
		for n := r.Count("element segments", maxEntries); n > 0 && r.Err == nil; n-- {
			r.element()
		}
	case secDataCount:
		r.U32()
	case secCode:
		body = m.code(r)
	case secData:
		for n := r.Count("data segments", maxEntries); n > 0 && r.Err == nil; n-- {
			r.data()
		}
	}
	if r.End(); r.memory && m.memories == 0 {
		r.Fail("a memory is used, but there is none")
	}
	m.put(id, body)
}

// typeSection appends the types of the helpers, and those of blocks that leave what functions with several results
// return.
func (m *module) typeSection(r *reader) []byte {
	n := r.Count("types", maxEntries)
	from := r.Off
	values := func(what string) []byte {
		n := r.Count(what, maxParams)
		from := r.Off
		for range n {
			r.ValueType()
		}
		return r.B[from:r.Off]
	}
	for ; n > 0 && r.Err == nil; n-- {
		if form := r.Byte(); form != 0x60 {
			r.Lacks(wasmbin.GarbageTypes)
		}
		m.types = append(m.types, Signature{values("parameters"), values("results")})
	}
	added, blocks := append([]byte(nil), newTypes...), uint32(typesAdded)
	for _, t := range m.types {
		if key := string(t.Results); len(key) > 1 && m.blocks[key] == 0 {
			m.blocks[key] = uint32(len(m.types)) + blocks
			added = appendBytes(append(added, 0x60, 0), t.Results)
			blocks++
		}
	}
	out := appendU32(make([]byte, 0, len(r.B)+len(added)+5), uint32(len(m.types))+blocks)
	return append(append(out, r.B[from:]...), added...)
}

// functionSection appends the helpers, unless there is nothing to help.
func (m *module) functionSection(r *reader) []byte {
	n := r.Count("functions", maxEntries)
	if n == 0 {
		return r.B
	}
	from := r.Off
	for i := n; i > 0 && r.Err == nil; i-- {
		t := r.U32()
		r.typeIndex(t)
		m.functions = append(m.functions, t)
	}
	out := appendU32(make([]byte, 0, len(r.B)+10), n+helpers)
	out = append(out, r.B[from:]...)
	for _, t := range m.helperTypes() {
		out = appendU32(out, t)
	}
	return out
}

// imports reads what the module imports. Indices of functions begin with the imported ones.
func (m *module) imports(r *reader) {
	for n := r.Count("imports", maxEntries); n > 0 && r.Err == nil; n-- {
		i := Import{Module: r.Name(), Name: r.Name(), Kind: ImportKind(r.Byte())}
		switch i.Kind {
		case FuncImport:
			t := r.U32()
			if r.typeIndex(t); r.Err == nil {
				i.Type = m.types[t]
			}
			m.functions = append(m.functions, t)
		case TableImport:
			r.RefType()
			r.limits()
			m.tables++
		case MemoryImport: // its size is told by the module that has it
			m.memory(r)
			m.MemoryPages, m.MemoryMost = 0, 0
		case GlobalImport:
			m.global(r)
		case 4:
			r.Lacks(wasmbin.Exceptions)
		default:
			r.Fail("unknown kind of import %d", i.Kind)
		}
		m.Imports = append(m.Imports, i)
	}
	m.imported = len(m.functions)
}

// limits reads a range of sizes; bounded says whether it has an upper end.
func (r *reader) limits() (low, high uint32, bounded bool) {
	flag := r.Byte()
	switch {
	case flag >= 4:
		r.Lacks(wasmbin.WideMemory)
	case flag >= 2:
		r.Lacks(wasmbin.Threads)
	}
	low = r.U32()
	if bounded = flag == 1; bounded {
		high = r.U32()
	}
	return low, high, bounded
}

// memory reads the limits of the one memory that there may be.
func (m *module) memory(r *reader) {
	low, high, bounded := r.limits()
	if m.memories++; m.memories > 1 {
		r.Lacks(wasmbin.ManyMemories)
	}
	m.MemoryPages, m.MemoryMost = uint64(low), MostPages
	if bounded {
		m.MemoryMost = min(uint64(high), MostPages)
	}
}

// tableSection lowers the tables' maxima.
func (m *module) tableSection(r *reader) []byte {
	n := r.Count("tables", maxTables)
	out := appendU32(nil, n)
	for ; n > 0 && r.Err == nil; n-- {
		m.tables++
		from := r.Off
		r.RefType()
		out = append(out, r.B[from:r.Off]...)
		low, high, bounded := r.limits()
		switch {
		case low > maxTableElements:
			r.Fail("table of %d elements, %d allowed", low, maxTableElements)
		case bounded && high < low:
			r.Fail("table with a maximum below its minimum")
		case !bounded || high > maxTableElements:
			high = maxTableElements
		}
		m.tablesLow, m.tablesHigh = m.tablesLow+uint64(low), m.tablesHigh+uint64(high)
		out = appendU32(appendU32(append(out, 1), low), high)
	}
	return out
}

// global reads a type of a global.
func (m *module) global(r *reader) {
	r.ValueType()
	switch r.Byte() {
	case 0:
	case 1:
		m.mutable++
	default:
		r.Fail("global neither constant nor mutable")
	}
	m.globals++
}

// globalSection appends the globals of the helpers.
func (m *module) globalSection(r *reader) []byte {
	n := r.Count("globals", maxEntries)
	from := r.Off
	for range n {
		if m.global(r); r.Err != nil {
			return nil
		}
		r.constant()
	}
	out := appendU32(make([]byte, 0, len(r.B)+len(newGlobals)+5), n+globals)
	return append(append(out, r.B[from:]...), newGlobals...)
}

// exports appends the exports of the globals and, if there is one, of the start function.
func (m *module) exports(r *reader) []byte {
	n := r.Count("exports", maxEntries)
	from := r.Off
	for i := n; i > 0 && r.Err == nil; i-- {
		name := r.Name()
		if strings.HasPrefix(name, ReservedPrefix) {
			r.Fail("export %q: names that begin with %s are reserved", name, ReservedPrefix)
		}
		switch kind, index := ImportKind(r.Byte()), r.U32(); kind {
		case FuncImport:
			if r.refer(index); r.Err == nil {
				m.Functions[name] = m.types[m.functions[index]]
			}
		case MemoryImport:
			r.memory = true
		case GlobalImport:
			r.global(index)
		}
	}
	if r.Err != nil {
		return nil
	}
	body := r.B[from:]
	add := uint32(globals)
	var start []byte
	if m.start != nil {
		add++
		if *m.start >= uint32(len(m.functions)) || !m.isUnit(m.functions[*m.start]) {
			r.Fail("start function %d does not exist or takes or returns something", *m.start)
		}
		start = appendU32(append(appendBytes(nil, []byte(StartFunc)), 0), *m.start)
	}
	out := appendU32(make([]byte, 0, len(r.B)+64), n+add)
	out = append(append(out, body...), start...)
	for n, name := range [globals]string{StopGlobal, LeftGlobal, HandedGlobal, LimitGlobal, SeedGlobal} {
		out = appendU32(append(appendBytes(out, []byte(name)), 3), m.globals+uint32(n))
	}
	return out
}

func (m *module) isUnit(t uint32) bool {
	return t < uint32(len(m.types)) && len(m.types[t].Params)+len(m.types[t].Results) == 0
}

// element reads one element segment.
func (r *reader) element() {
	flags := r.U32()
	if flags > 7 {
		r.Fail("unknown kind of element segment %d", flags)
	}
	passive, explicit, expressions := flags&1 != 0, flags&2 != 0, flags&4 != 0
	if !passive {
		if explicit {
			r.U32() // table
		}
		r.constant()
	}
	switch {
	case !passive && !explicit: // functions of table 0
	case expressions:
		r.RefType()
	default:
		if r.Byte() != 0 {
			r.Fail("unknown kind of element")
		}
	}
	for n := r.Count("elements", maxTableElements); n > 0 && r.Err == nil; n-- {
		if expressions {
			r.constant()
		} else {
			r.refer(r.U32())
		}
	}
}

// data reads one data segment.
func (r *reader) data() {
	flags := r.U32()
	switch flags {
	case 0:
		r.memory = true
		r.constant()
	case 1: // passive
	case 2:
		if r.U32() != 0 {
			r.Lacks(wasmbin.ManyMemories)
		}
		r.memory = true
		r.constant()
	default:
		r.Fail("unknown kind of data segment %d", flags)
	}
	if size := len(r.Take(r.U32())); size > maxInitBytes && r.module != nil && r.module.inits {
		r.Fail("data segment of %d bytes beside memory.init, %d allowed", size, maxInitBytes)
	}
}
