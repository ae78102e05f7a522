package instrument

import (
	"bytes"
	"strings"

	"github.com/weftlattice/weft/host/internal/wasmbin"
)

// The names under which the rewriter exports what it adds. A module that exports a name with ReservedPrefix is refused.
const (
	ReservedPrefix = "__weft_"
	StopGlobal     = "__weft_stop"   // mutable i32: StopFlag, VisitFlag
	LeftGlobal     = "__weft_left"   // mutable i32: what is left of the last budget; see Fuel
	HandedGlobal   = "__weft_handed" // mutable i64: the sum of all budgets; see Fuel
	LimitGlobal    = "__weft_limit"  // mutable i64: how much may be handed out; see Fuel
	SeedGlobal     = "__weft_seed"   // mutable i64, not 0: to be set to what no guest can know; see Bounds
	// func (): present if the module had a start section; call it once, before all else
	StartFunc = "__weft_start"
)

// Bits of StopGlobal, which are looked at by each check.
const (
	StopFlag = 1 // the guest traps
	// the guest asks for a memory of MostPages pages first, so that an allocator hears of the check
	VisitFlag = 1 << visitBit
	visitBit  = 1
)

// MostPages is how many pages of 64 KiB a memory can have.
const MostPages = 1 << 16

// ImportKind is the kind of an import, in the numbers of the binary format.
type ImportKind byte

// The kinds of imports.
const (
	FuncImport ImportKind = iota
	TableImport
	MemoryImport
	GlobalImport
)

// Import names something that a module wants from its host.
type Import struct {
	Module, Name string
	Kind         ImportKind
	Type         Signature // of a function
}

// Signature is the type of a function: the types of its parameters and results, in the bytes of the binary format,
// which are part of what was rewritten.
type Signature struct{ Params, Results []byte }

// Result is a rewritten module and what was learnt while reading it.
type Result struct {
	Wasm        []byte
	Imports     []Import
	Functions   map[string]Signature // that it exports, by name
	MemoryPages uint64               // the initial size of its own memory, in pages of 64 KiB
	MemoryMost  uint64               // the most pages that that may have, by the module's own word
	TableMost   uint64               // the most elements that all tables may have
	Checks      int                  // how many checks were inserted
}

const (
	secCustom byte = iota
	secType
	secImport
	secFunction
	secTable
	secMemory
	secGlobal
	secExport
	secStart
	secElement
	secCode
	secData
	secDataCount
	secTag
)

// rank is the place of each section in a module.
var rank = [...]int{secType: 1, secImport: 2, secFunction: 3, secTable: 4, secMemory: 5, secGlobal: 6, secExport: 7,
	secStart: 8, secElement: 9, secDataCount: 10, secCode: 11, secData: 12}

var sectionNames = [...]string{"custom", "type", "import", "function", "table", "memory", "global", "export", "start",
	"element", "code", "data", "data count"}

// section is one section as it stands in the input.
type section struct {
	id  byte
	off int // where its body begins in the module
	b   []byte
}

// module is the state of one rewriting.
type module struct {
	Result
	out                   []byte
	types                 []Signature
	functions             []uint32 // types of the functions, imported ones first
	imported              int      // how many of them are imported
	memories              uint32   // imported and defined, as the next two
	tables                uint32
	globals               uint32            // without those added
	mutable               uint32            // how many of them are mutable
	width, reloads        uint64            // see widen
	start                 *uint32           // index of the start function
	blocks                map[string]uint32 // types added: by several results, of blocks that leave these
	referenced            []bool            // functions that can get into a table
	summaries             []summary         // of the functions that are not imported
	locals                uint64
	named                 bool   // a name section was kept
	growsTables           bool   // there is a table.grow
	tablesLow, tablesHigh uint64 // elements of all tables
	inits                 bool   // there is a memory.init
}

// Rewrite returns the module with checks inserted (see the package documentation). It is a pure function, and its input
// is not changed. What it passes may still be invalid in its types: the engine checks that. Every error is a
// *lattice.Error with lattice.ErrBadModule.
func Rewrite(wasm []byte) (*Result, error) {
	if err := header(wasm); err != nil {
		return nil, err
	}
	sections, err := split(wasm)
	if err != nil {
		return nil, err
	}
	if err := checkEffort(sections); err != nil {
		return nil, err
	}
	m := &module{Result: Result{Functions: map[string]Signature{}}, blocks: map[string]uint32{},
		out: append(make([]byte, 0, len(wasm)+len(wasm)/6), wasm[:8]...)}
	for _, s := range sections {
		if s.id == secStart { // it comes after the exports, which must know it
			r := s.reader()
			index := r.U32()
			if r.End(); r.Err != nil {
				return nil, r.Err
			}
			m.start = &index
		}
	}
	last := 0
	for _, s := range sections {
		if s.id != secCustom {
			if err := m.fill(last, rank[s.id]); err != nil {
				return nil, err
			}
			last = rank[s.id]
		}
		r := s.reader()
		r.module = m
		if m.section(s.id, r); r.Err != nil {
			return nil, r.Err
		}
	}
	if len(m.functions) > m.imported && last < rank[secCode] {
		return nil, bad("functions without code")
	}
	if err := m.fill(last, len(rank)); err != nil {
		return nil, err
	}
	m.Wasm = m.out
	m.TableMost = m.tablesLow
	if m.growsTables {
		m.TableMost = m.tablesHigh
	}
	return &m.Result, nil
}

func (s section) reader() *reader {
	return &reader{Reader: wasmbin.Reader{B: s.b, Base: s.off, What: "section " + sectionNames[s.id]}}
}

// split cuts a module into its sections and checks their order.
func split(wasm []byte) ([]section, error) {
	var sections []section
	r := &reader{Reader: wasmbin.Reader{B: wasm, Off: 8, What: "module"}}
	last := 0
	for r.More() {
		id := r.Byte()
		body := r.Take(r.U32())
		switch {
		case r.Err != nil:
		case id == secTag:
			r.Lacks(wasmbin.Exceptions)
		case int(id) >= len(rank):
			r.Fail("unknown section %d", id)
		case id != secCustom && rank[id] <= last:
			r.Fail("section %s is out of order", sectionNames[id])
		case len(sections) == maxSections:
			r.Fail("more than %d sections", maxSections)
		case id != secCustom:
			last = rank[id]
		}
		sections = append(sections, section{id: id, off: r.Off - len(body), b: body})
	}
	if r.Err != nil {
		return nil, r.Err
	}
	return sections, nil
}

// header looks at the first eight bytes and at the size.
func header(wasm []byte) error {
	switch {
	case len(wasm) < 8 || !bytes.Equal(wasm[:4], []byte("\x00asm")):
		return bad("not a WebAssembly module")
	case wasm[6] == 1 && wasm[7] == 0:
		return bad("a component where a core module is wanted")
	case !bytes.Equal(wasm[4:8], []byte{1, 0, 0, 0}):
		return bad("unknown version %x of the binary format", wasm[4:8])
	case len(wasm) > maxModuleBytes:
		return bad("module of %d bytes, %d allowed", len(wasm), maxModuleBytes)
	}
	return nil
}

// fill appends the memory, global and export section, if the module has none, on the way from one rank to another.
func (m *module) fill(last, next int) error {
	for _, id := range []byte{secMemory, secGlobal, secExport} {
		if last >= rank[id] || next <= rank[id] {
			continue
		}
		if id == secMemory && m.memories > 0 {
			continue // imported
		}
		r := section{id: id, b: []byte{0}}.reader()
		r.module = m
		if m.section(id, r); r.Err != nil {
			return r.Err
		}
	}
	return nil
}

// noMemory is the memory section of a module that has no memory: one from 0 to 0 pages, to grow by none.
var noMemory = []byte{1, 1, 0, 0}

func (m *module) put(id byte, body []byte) { m.out = appendBytes(append(m.out, id), body) }

// keep reports whether a custom section remains true when code moves.
func keep(name string) bool {
	for _, prefix := range []string{".debug_", "reloc.", "metadata.code."} {
		if strings.HasPrefix(name, prefix) {
			return false
		}
	}
	return name != "sourceMappingURL" && name != "external_debug_info" && name != "linking"
}

// custom keeps a custom section that is still right after the rewriting; see the package's doc. A second "name" section
// is dropped.
func (m *module) custom(r *reader) {
	name := r.Name()
	switch {
	case r.Err != nil || !keep(name):
	case name != "name":
		m.put(secCustom, r.B)
	case !m.named:
		if body, ok := names(r.B[r.Off:]); ok {
			m.named = true
			m.put(secCustom, append([]byte("\x04name"), body...))
		}
	}
}

// names keeps the names of the module and of its functions.
func names(b []byte) (kept []byte, ok bool) {
	r := &reader{Reader: wasmbin.Reader{B: b, What: "names"}}
	for r.More() {
		id := r.Byte()
		sub := r.Take(r.U32())
		s := &reader{Reader: wasmbin.Reader{B: sub, What: "names", Err: r.Err}}
		switch id {
		case 0:
			s.Name()
		case 1:
			for n := s.Count("names", maxEntries); n > 0 && s.Err == nil; n-- {
				s.U32()
				s.Name()
			}
		default:
			continue
		}
		if s.End(); s.Err != nil {
			return nil, false
		}
		kept = appendBytes(append(kept, id), sub)
	}
	return kept, r.Err == nil
}
