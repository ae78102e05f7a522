package instrument

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weftlattice/weft/host/internal/wasmbin"
)

// globalPrefix begins the names under which Separate exports globals.
const globalPrefix = ReservedPrefix + "global_"

// maxMutable is how many mutable globals an instance may have to be restored; compilers make a handful, linkers of
// shared libraries thousands.
const maxMutable = 1 << 14

// Segment is what instantiation would copy into the memory.
type Segment struct {
	Bytes []byte
	place []term
}

// term is an instruction of a constant: i32.const, global.get, or one that computes.
type term struct {
	op     byte
	n      uint32
	global string // name of its export
}

// Offset is where the segment belongs; global returns the value of a global by the name of its export.
func (s *Segment) Offset(global func(name string) uint32) uint32 {
	var stack []uint32
	for _, t := range s.place {
		switch t.op {
		case opI32Const:
			stack = append(stack, t.n)
		case wasmbin.GlobalGet:
			stack = append(stack, global(t.global))
		default:
			a, b := stack[len(stack)-2], stack[len(stack)-1]
			switch t.op {
			case opI32Add:
				a += b
			case opI32Sub:
				a -= b
			case opI32Mul:
				a *= b
			}
			stack = append(stack[:len(stack)-2], a)
		}
	}
	return stack[0]
}

// Separated is a module whose state can be taken and put back from outside: a snapshot.
type Separated struct {
	Wasm []byte
	// Data is what the module's active data segments were: who instantiates Wasm copies it into the memory, in this
	// order, unless the memory comes from a snapshot already.
	Data []Segment
	// Globals are exports of all mutable globals of its own but those of this package, in their order. One that is
	// imported belongs to the module that has it, as memories and tables do.
	Globals []string
	// Opaque says what keeps the state from being taken. Then Wasm is what Separate was given, and the rest is empty.
	// The empty string means that memory and globals are all the state there is.
	Opaque string
}

// Separate prepares a module that Rewrite has made for snapshots: it takes the data segments out, so that a new
// instance can begin with a memory that is not touched, and exports the mutable globals. It is a pure function, its
// input is not changed, and Data is a copy. Opaque is a module that has state out of reach: tables that change,
// segments that are dropped, mutable references or vectors.
func Separate(wasm []byte) (*Separated, error) {
	sections, err := split(wasm)
	if err != nil {
		return nil, err
	}
	s := &separation{taken: map[uint32]bool{}, looked: map[uint32]bool{}}
	for _, sec := range sections {
		r := sec.reader()
		if s.read(sec.id, r); r.Err != nil {
			return nil, r.Err
		}
	}
	if s.opaque != "" {
		return &Separated{Wasm: wasm, Opaque: s.opaque}, nil
	}
	out := append(make([]byte, 0, len(wasm)+16*len(s.mutable)), wasm[:8]...)
	var names []string
	for _, sec := range sections {
		switch sec.id {
		case secData, secDataCount:
			continue
		case secExport:
			sec.b, names = s.export(sec.reader())
		}
		out = appendBytes(append(out, sec.id), sec.b)
	}
	return &Separated{Wasm: out, Data: s.data, Globals: names}, nil
}

// separation is the state of one Separate.
type separation struct {
	opaque  string
	globals []bool // imported ones first: whether it is a constant i32
	mutable []uint32
	taken   map[uint32]bool // globals that this package has exported
	looked  map[uint32]bool // globals that say where data belongs
	data    []Segment
}

func (s *separation) because(format string, args ...any) {
	if s.opaque == "" {
		s.opaque = fmt.Sprintf(format, args...)
	}
}

// read notes of a section what the separation needs: which globals change, which are exported under our names already,
// what functions do to tables and segments, and the data.
func (s *separation) read(id byte, r *reader) {
	switch id {
	case secImport:
		for n := r.Count("imports", maxEntries); n > 0 && r.Err == nil; n-- {
			r.Name()
			r.Name()
			switch ImportKind(r.Byte()) {
			case FuncImport:
				r.U32()
			case TableImport:
				r.RefType()
				r.limits()
			case MemoryImport:
				r.limits()
			case GlobalImport:
				kind, mutable := r.Byte(), r.Byte() == 1
				s.globals = append(s.globals, kind == typeI32 && !mutable)
			}
		}
	case secGlobal:
		for n := r.Count("globals", maxEntries); n > 0 && r.Err == nil; n-- {
			kind, mutable := r.Byte(), r.Byte() == 1
			if mutable {
				if s.mutable = append(s.mutable, uint32(len(s.globals))); len(s.mutable) > maxMutable {
					s.because("it has more than %d globals that change", maxMutable)
				}
				if kind < 0x7c || kind > 0x7f {
					s.because("global %d is a reference or a vector and can change", len(s.globals))
				}
			}
			s.globals = append(s.globals, kind == typeI32 && !mutable)
			r.constant()
		}
	case secExport:
		for n := r.Count("exports", maxEntries); n > 0 && r.Err == nil; n-- {
			name, kind, index := r.Name(), r.Byte(), r.U32()
			if kind == 3 && strings.HasPrefix(name, ReservedPrefix) {
				s.taken[index] = true
			}
		}
	case secCode:
		for n := r.Count("function bodies", maxEntries); n > 0 && r.Err == nil && s.opaque == ""; n-- {
			body := r.Take(r.U32())
			b := &reader{Reader: wasmbin.Reader{B: body, Base: r.Base + r.Off - len(body), What: r.What, Err: r.Err}}
			s.body(b)
			r.Err = b.Err
		}
	case secData:
		for n := r.Count("data segments", maxEntries); n > 0 && r.Err == nil; n-- {
			s.segment(r)
		}
	}
}

// body looks for instructions that change tables or drop segments. Those that read a passive segment go with them: a
// segment is kept where its use cannot be ruled out.
func (s *separation) body(r *reader) {
	for n := r.Count("groups of locals", maxLocals); n > 0 && r.Err == nil; n-- {
		r.U32()
		r.ValueType()
	}
	for r.More() && s.opaque == "" {
		at := r.Off
		r.instruction()
		switch r.B[at] {
		case 0x26:
			s.because("it changes a table")
		case 0xfc:
			sub := &reader{Reader: wasmbin.Reader{B: r.B, Off: at + 1}}
			switch sub.U32() {
			case 8, 9:
				s.because("it reads or drops data segments while it runs")
			case 12, 13, 14, 15, 17:
				s.because("it changes a table or drops a part of one")
			}
		}
	}
}

// segment reads one data segment. A passive one is of no use to a module without memory.init.
func (s *separation) segment(r *reader) {
	flags := r.U32()
	if flags == 1 {
		r.Take(r.U32())
		return
	}
	if flags == 2 {
		r.zero()
	}
	from := r.Off
	r.constant()
	place := s.place(&reader{Reader: wasmbin.Reader{B: r.B[from:r.Off]}})
	s.data = append(s.data, Segment{Bytes: bytes.Clone(r.Take(r.U32())), place: place})
}

// place reads where a segment belongs. What the engine would refuse is left to it.
func (s *separation) place(r *reader) (place []term) {
	depth := 0
	for r.More() {
		t := term{op: r.Byte()}
		switch t.op {
		case opI32Const:
			t.n = uint32(r.Signed(5))
			depth++
		case wasmbin.GlobalGet:
			t.n = r.U32()
			if int(t.n) >= len(s.globals) || !s.globals[t.n] {
				s.because("where a data segment belongs is no constant")
				return nil
			}
			s.looked[t.n] = true
			t.global = globalName(t.n)
			depth++
		case opI32Add, opI32Sub, opI32Mul:
			if depth--; depth < 1 {
				s.because("where a data segment belongs is no constant")
				return nil
			}
		case opEnd:
			if depth == 1 {
				return place
			}
			fallthrough
		default:
			s.because("where a data segment belongs is no constant")
			return nil
		}
		place = append(place, t)
	}
	return place
}

func globalName(index uint32) string { return fmt.Sprint(globalPrefix, index) }

// export appends the exports of the mutable globals, and of those that say where data belongs.
func (s *separation) export(r *reader) (section []byte, names []string) {
	n := r.U32()
	var added []byte
	add := func(index uint32) {
		added = appendU32(append(appendBytes(added, []byte(globalName(index))), 3), index)
		n++
	}
	for _, index := range s.mutable {
		if !s.taken[index] {
			names = append(names, globalName(index))
			add(index)
		}
	}
	for _, index := range slices.Sorted(maps.Keys(s.looked)) {
		add(index)
	}
	section = appendU32(nil, n)
	return append(append(section, r.B[r.Off:]...), added...), names
}
