package instrument

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/weftlattice/weft/host/internal/wasmbin"
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
	// Data is what the module's active data segments were: who instantiates Wasm copies it into the memory, in this
	// order, unless the memory comes from a snapshot already.
	Data []Segment
	// Globals are exports of all mutable globals but those of this package, in their order.
	Globals []string
	// Opaque says what keeps the state from being taken. Then Wasm is what Separate was given, and the rest is empty.
	// The empty string means that memory and globals are all the state there is.
	Opaque string
}

// Separate prepares a module that Rewrite has made for snapshots: it takes the data segments out, so that a new
// instance can begin with a memory that is not touched, and exports the mutable globals. It is a pure function, its
// input is not changed, and Data is a copy. Opaque is a module that has state out of reach: tables that change,
// segments that are dropped, mutable references or vectors, imports other than functions.
func Separate(wasm []byte) (*Separated, error) {
	sections, err := split(wasm)
	if err != nil {
		return nil, err
	}
	s := &separation{taken: map[uint32]bool{}}
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
		for n := r.Count("imports", MaxEntries); n > 0 && r.Err == nil; n-- {
			r.Name()
			name := r.Name()
			if kind := ImportKind(r.Byte()); kind != FuncImport {
				s.because("it imports %s, which is no function", name)
				return
			}
			r.U32()
		}
	case secGlobal:
		for i := range r.Count("globals", MaxEntries) {
			if r.Err != nil {
				return
			}
			kind := r.Byte()
			if r.Byte() == 1 {
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
		for n := r.Count("exports", MaxEntries); n > 0 && r.Err == nil; n-- {
			name, kind, index := r.Name(), r.Byte(), r.U32()
			if kind == 3 && strings.HasPrefix(name, ReservedPrefix) {
				s.taken[index] = true
			}
		}
	case secCode:
		for n := r.Count("function bodies", MaxEntries); n > 0 && r.Err == nil && s.opaque == ""; n-- {
			body := r.Take(r.U32())
			b := &reader{Reader: wasmbin.Reader{B: body, Base: r.Base + r.Off - len(body), What: r.What, Err: r.Err}}
			s.body(b)
			r.Err = b.Err
		}
	case secData:
		for n := r.Count("data segments", MaxEntries); n > 0 && r.Err == nil; n-- {
			s.segment(r)
		}
	}
}

// body looks for instructions that change tables or drop segments. Those that read a passive segment go with them: a
// segment is kept where its use cannot be ruled out.
func (s *separation) body(r *reader) {
	for n := r.Count("groups of locals", MaxLocals); n > 0 && r.Err == nil; n-- {
		r.U32()
		r.valueType()
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
	offset := &reader{Reader: wasmbin.Reader{B: r.B[from:r.Off]}}
	if offset.Byte() != opI32Const {
		s.because("where a data segment belongs is computed")
	}
	at := uint32(offset.Signed(5))
	if offset.Byte() != opEnd {
		s.because("where a data segment belongs is computed")
	}
	s.data = append(s.data, Segment{Offset: at, Bytes: bytes.Clone(r.Take(r.U32()))})
}

// export appends the exports of the mutable globals.
func (s *separation) export(r *reader) (section []byte, names []string) {
	n := r.U32()
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
	return append(append(section, r.B[r.Off:]...), added...), names
}
