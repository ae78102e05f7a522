package wasmbin

import "bytes"

// Extern is what a core module imports or exports: a function, table, memory, global or tag.
type Extern struct {
	Module string // of an import
	Name   string
	Kind   byte   // KindFunc, KindTable, KindMemory, KindGlobal or KindTag
	Func   Func   // of a function or tag
	Value  byte   // of a global, or a table's elements
	Vary   bool   // a global that is mutable
	Limits Limits // of a table or memory
}

// The kinds of externs.
const (
	KindFunc byte = iota
	KindTable
	KindMemory
	KindGlobal
	KindTag
)

// Func is the type of a core function; value types by their byte.
type Func struct{ Params, Results []byte }

// Limits bound a table (entries) or a memory (pages of 64 KiB).
type Limits struct {
	Min, Max uint64
	Flags    byte // 1: there is a Max, 2: shared, 4: indices of 64 bits
}

// Surface is what a core module shows to the outside.
type Surface struct {
	Imports, Exports []Extern
}

const maxSurface = 100_000 // imports, exports, types and functions of a module, each

// ReadSurface reads the imports and exports of a core module with their types. It looks at no code.
func ReadSurface(module []byte) (*Surface, error) {
	if len(module) < 8 || !bytes.Equal(module[:8], []byte("\x00asm\x01\x00\x00\x00")) {
		return nil, Bad("this is no core module")
	}
	s := &surface{}
	for r := (&Reader{B: module, Off: 8, What: "core module"}); r.More(); {
		id := r.Byte()
		b := r.Take(r.U32())
		if r.Err != nil {
			return nil, r.Err
		}
		if read := s.sections()[id]; read != nil {
			s.Reader = Reader{B: b, Base: r.Off - len(b), What: "core module"}
			read()
			s.End()
			if s.Err != nil {
				return nil, s.Err
			}
		}
	}
	return &s.Surface, nil
}

// surface collects index spaces while a module is read.
type surface struct {
	Reader
	Surface
	types  []Func
	spaces [KindTag + 1][]Extern
}

// sections are those that tell of a module's surface, by id. All others are passed over unread.
func (s *surface) sections() map[byte]func() {
	define := func(kind byte) func() {
		return func() {
			for range s.Count("definitions", maxSurface) {
				if s.Err == nil {
					s.spaces[kind] = append(s.spaces[kind], s.extern(kind))
				}
			}
		}
	}
	return map[byte]func(){1: s.readTypes, 2: s.readImports, 3: define(KindFunc), 4: s.readTables,
		5: define(KindMemory),
		6: s.readGlobals, 7: s.readExports, 13: define(KindTag)}
}

func (s *surface) readTypes() {
	for range s.Count("types", maxSurface) {
		if form := s.Byte(); s.Err == nil && form != 0x60 {
			s.Lacks(GarbageTypes)
		}
		f := Func{s.valueTypes(), s.valueTypes()}
		if s.Err != nil {
			return
		}
		s.types = append(s.types, f)
	}
}

func (s *surface) valueTypes() []byte {
	n := s.Count("value types", maxSurface)
	from := s.Off
	for range n {
		s.ValueType()
	}
	if s.Err != nil {
		return nil
	}
	return s.B[from:s.Off]
}

func (s *surface) readImports() {
	for range s.Count("imports", maxSurface) {
		module, name, kind := s.Name(), s.Name(), s.Byte()
		if s.Err == nil && kind > KindTag {
			s.Fail("unknown kind of import %d", kind)
		}
		if s.Err != nil {
			return
		}
		e := s.extern(kind)
		s.spaces[kind] = append(s.spaces[kind], e)
		e.Module, e.Name = module, name
		s.Imports = append(s.Imports, e)
	}
}

// extern reads the type of something of a kind.
func (s *surface) extern(kind byte) Extern {
	e := Extern{Kind: kind}
	switch kind {
	case KindFunc, KindTag:
		if kind == KindTag {
			s.Byte() // always 0
		}
		if t := s.U32(); int64(t) < int64(len(s.types)) {
			e.Func = s.types[t]
		} else {
			s.Fail("type %d of %d", t, len(s.types))
		}
	case KindTable:
		e.Value, e.Limits = s.RefType(), s.limits()
	case KindMemory:
		e.Limits = s.limits()
	case KindGlobal:
		e.Value, e.Vary = s.ValueType(), s.Byte() == 1
	}
	return e
}

func (s *surface) limits() Limits {
	l := Limits{Flags: s.Byte()}
	if s.Err == nil && l.Flags&4 != 0 {
		s.Off--
		s.Lacks(WideMemory)
	}
	l.Min = uint64(s.U32())
	if l.Flags&1 != 0 {
		l.Max = uint64(s.U32())
	}
	return l
}

func (s *surface) readTables() {
	for range s.Count("tables", maxSurface) {
		if s.Err != nil {
			return
		}
		initialised := s.More() && s.B[s.Off] == 0x40
		if initialised {
			s.Take(2)
		}
		s.spaces[KindTable] = append(s.spaces[KindTable], s.extern(KindTable))
		if initialised {
			s.Constant(func(byte, uint32) {})
		}
	}
}

func (s *surface) readGlobals() {
	for range s.Count("globals", maxSurface) {
		if s.Err != nil {
			return
		}
		s.spaces[KindGlobal] = append(s.spaces[KindGlobal], s.extern(KindGlobal))
		s.Constant(func(byte, uint32) {})
	}
}

func (s *surface) readExports() {
	for range s.Count("exports", maxSurface) {
		name, kind, n := s.Name(), s.Byte(), s.U32()
		if s.Err == nil && (kind > KindTag || int64(n) >= int64(len(s.spaces[kind]))) {
			s.Fail("export %q of something that is not there", name)
		}
		if s.Err != nil {
			return
		}
		e := s.spaces[kind][n]
		e.Module, e.Name = "", name
		s.Exports = append(s.Exports, e)
	}
}

// Rename returns the module with other names for its imports, in their order. It keeps of the custom sections the
// names alone: what tools left for debuggers is often most of a module.
func Rename(module []byte, names [][2]string) ([]byte, error) {
	if _, err := ReadSurface(module); err != nil {
		return nil, err
	}
	out := append(make([]byte, 0, len(module)), module[:8]...)
	for r := (&Reader{B: module, Off: 8, What: "core module"}); r.More(); {
		id := r.Byte()
		b := r.Take(r.U32())
		switch {
		case r.Err != nil:
			return nil, r.Err
		case id == 0:
			if c := (&Reader{B: b}); c.Name() != "name" {
				continue
			}
		case id == 2:
			s := &surface{Reader: Reader{B: b, What: "import section"}}
			if b = s.rename(names); s.Err != nil {
				return nil, s.Err
			}
		}
		out = AppendBytes(append(out, id), b)
	}
	return out, nil
}

func (s *surface) rename(names [][2]string) []byte {
	n := s.Count("imports", maxSurface)
	out := AppendU32(nil, n)
	for i := range n {
		s.Name()
		s.Name()
		from := s.Off
		if s.skipExtern(); s.Err != nil || int(i) >= len(names) {
			return nil
		}
		out = AppendBytes(AppendBytes(out, []byte(names[i][0])), []byte(names[i][1]))
		out = append(out, s.B[from:s.Off]...)
	}
	return out
}

// skipExtern passes the kind and type of an import.
func (s *surface) skipExtern() {
	switch kind := s.Byte(); kind {
	case KindFunc:
		s.U32()
	case KindTag:
		s.Byte()
		s.U32()
	case KindTable:
		s.RefType()
		s.limits()
	case KindMemory:
		s.limits()
	case KindGlobal:
		s.Take(2)
	}
}

// AppendU32 appends v as unsigned LEB128.
func AppendU32(b []byte, v uint32) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// AppendBytes appends the length of p and p.
func AppendBytes(b, p []byte) []byte { return append(AppendU32(b, uint32(len(p))), p...) }
