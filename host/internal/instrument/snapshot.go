package instrument

import (
	"bytes"
	"fmt"
	"strings"
)

// globalPrefix begins the names under which Separate exports globals.
const globalPrefix = ReservedPrefix + "global_"

// maxMutable is how many mutable globals an instance may have to be restored; compilers make a handful.
const maxMutable = 1000

// Segment is what instantiation would copy into the memory.
type Segment struct {
	Offset uint32
	Bytes  []byte
}

// Separated is a module whose state can be taken and put back from outside: a snapshot.
type Separated struct {
	Wasm []byte
	// Data is what the module's active data segments were: who instantiates Wasm copies it into the memory, in this order,
	// unless the memory comes from a snapshot already.
	Data []Segment
	// Globals are exports of all mutable globals but those of this package, in their order.
	Globals []string
	// Opaque says what keeps the state from being taken. Then Wasm is what Separate was given, and the rest is empty. The
	// empty string means that memory and globals are all the state there is.
	Opaque string
}

// Separate prepares a module that Rewrite has made for snapshots: it takes the data segments out, so that a new instance
// can begin with a memory that is not touched, and exports the mutable globals. It is a pure function, its input is not
// changed, and Data is a copy. Opaque is a module that has state out of reach: tables that change, segments that are
// dropped, mutable references or vectors, imports other than functions.
func Separate(wasm []byte) (*Separated, error) {
	sections, err := split(wasm)
	if err != nil {
		return nil, err
	}
	s := &separation{taken: map[uint32]bool{}}
	for _, sec := range sections {
		r := sec.reader()
		if s.read(sec.id, r); r.err != nil {
			return nil, r.err
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
	mutable []uint32
	taken   map[uint32]bool // globals that this package has exported
	data    []Segment
}

func (s *separation) because(format string, args ...any) {
	if s.opaque == "" {
		s.opaque = fmt.Sprintf(format, args...)
	}
}

func (s *separation) read(id byte, r *reader) {
	switch id {
	case secImport:
		for n := r.count("imports", MaxEntries); n > 0 && r.err == nil; n-- {
			r.name()
			name := r.name()
			if kind := ImportKind(r.byte()); kind != FuncImport {
				s.because("it imports %s, which is no function", name)
				return
			}
			r.u32()
		}
	case secGlobal:
		for i := range r.count("globals", MaxEntries) {
			if r.err != nil {
				return
			}
			kind := r.byte()
			if r.byte() == 1 {
				if s.mutable = append(s.mutable, i); len(s.mutable) > maxMutable {
					s.because("it has more than %d globals that change", maxMutable)
				}
				if kind < 0x7c || kind > 0x7f {
					s.because("global %d is a reference or a vector and can change", i)
				}
			}
			r.constant()
		}
	case secExport:
		for n := r.count("exports", MaxEntries); n > 0 && r.err == nil; n-- {
			name, kind, index := r.name(), r.byte(), r.u32()
			if kind == 3 && strings.HasPrefix(name, ReservedPrefix) {
				s.taken[index] = true
			}
		}
	case secCode:
		for n := r.count("function bodies", MaxEntries); n > 0 && r.err == nil && s.opaque == ""; n-- {
			body := r.take(r.u32())
			b := &reader{b: body, base: r.base + r.off - len(body), what: r.what, err: r.err}
			s.body(b)
			r.err = b.err
		}
	case secData:
		for n := r.count("data segments", MaxEntries); n > 0 && r.err == nil; n-- {
			s.segment(r)
		}
	}
}

// body looks for instructions that change tables or drop segments. Those that read a passive segment go with them: a
// segment is kept where its use cannot be ruled out.
func (s *separation) body(r *reader) {
	for n := r.count("groups of locals", MaxLocals); n > 0 && r.err == nil; n-- {
		r.u32()
		r.valueType()
	}
	for r.more() && s.opaque == "" {
		at := r.off
		r.instruction()
		switch r.b[at] {
		case 0x26:
			s.because("it changes a table")
		case 0xfc:
			sub := &reader{b: r.b, off: at + 1}
			switch sub.u32() {
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
	flags := r.u32()
	if flags == 1 {
		r.take(r.u32())
		return
	}
	if flags == 2 {
		r.zero()
	}
	from := r.off
	r.constant()
	offset := &reader{b: r.b[from:r.off]}
	if offset.byte() != opI32Const {
		s.because("where a data segment belongs is computed")
	}
	at := uint32(offset.signed(5))
	if offset.byte() != opEnd {
		s.because("where a data segment belongs is computed")
	}
	s.data = append(s.data, Segment{Offset: at, Bytes: bytes.Clone(r.take(r.u32()))})
}

// export appends the exports of the mutable globals.
func (s *separation) export(r *reader) (section []byte, names []string) {
	n := r.u32()
	var added []byte
	for _, index := range s.mutable {
		if s.taken[index] {
			continue
		}
		name := fmt.Sprint(globalPrefix, index)
		names = append(names, name)
		added = appendU32(append(appendBytes(added, []byte(name)), 3), index)
	}
	section = appendU32(nil, n+uint32(len(names)))
	return append(append(section, r.b[r.off:]...), added...), names
}
