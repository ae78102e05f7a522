package binary

import "fmt"

// The bytes that begin types.
const (
	opResource  = 0x3f
	opFunc      = 0x40
	opComponent = 0x41
	opInstance  = 0x42
	opAsyncFunc = 0x43
	opModule    = 0x50
	opCoreFunc  = 0x60
)

// laterTypes are those that weft does not run.
var laterTypes = map[byte][2]string{
	0x63: {"a map type", "use a list of tuples"}, 0x64: {"an error-context", WayOutAsync},
	0x65: {"a future", WayOutAsync},
	0x66: {"a stream", WayOutAsync},
}

// defType reads a type. The bytes are signed LEB128 in the format, and all of one byte. What is later than this version
// of the format is refused by its name.
func (s *section) defType() DefType {
	switch b := s.Byte(); b {
	case opResource:
		return s.resource()
	case opFunc:
		return s.funcType()
	case opAsyncFunc:
		s.refuse("an async function", WayOutAsync)
	case opComponent, opInstance:
		return s.scopeType(b == opComponent)
	case 0x72:
		return Record{s.some("fields", vector(s, "fields", s.field))}
	case 0x71:
		cases := vector(s, "cases", s.variantCase)
		s.notEmpty("variant", len(cases))
		s.distinct("cases", len(cases), func(i int) string { return cases[i].Label })
		return Variant{cases}
	case 0x70:
		return List{Element: s.valType()}
	case 0x67:
		l := List{Element: s.valType(), Len: s.U32()}
		s.notEmpty("list of a fixed length", int(l.Len))
		return l
	case 0x6f:
		types := vector(s, "types", s.valType)
		s.notEmpty("tuple", len(types))
		return Tuple{types}
	case 0x6e:
		labels := s.labels()
		if s.notEmpty("flags", len(labels)); len(labels) > 32 {
			s.Fail("%d flags, 32 allowed", len(labels))
		}
		return Flags{labels}
	case 0x6d:
		labels := s.labels()
		s.notEmpty("enum", len(labels))
		return Enum{labels}
	case 0x6b:
		return Option{s.valType()}
	case 0x6a:
		return Result{s.maybe(), s.maybe()}
	case 0x69:
		return Own{s.U32()}
	case 0x68:
		return Borrow{s.U32()}
	default:
		if p := Prim(b); primNames[p] != "" {
			return ValType{Prim: p}
		}
		s.unknownType(b)
	}
	return ValType{Prim: Bool}
}

// unknownType tells what is too new from what is wrong.
func (s *section) unknownType(b byte) {
	if later, ok := laterTypes[b]; ok {
		s.refuse(later[0], later[1])
		return
	}
	s.Fail("type %#x is unknown", b)
}

func (s *section) notEmpty(what string, n int) {
	if s.Err == nil && n == 0 {
		s.Fail("an empty %s", what)
	}
}

func (s *section) some(what string, fields []Field) []Field {
	s.notEmpty("record", len(fields))
	s.distinct(what, len(fields), func(i int) string { return fields[i].Label })
	return fields
}

// distinct fails where two labels are the same but for their case.
func (s *section) distinct(what string, n int, label func(i int) string) {
	if s.Err != nil {
		return
	}
	seen := make(map[string]bool, n)
	for i := range n {
		l := lower(label(i))
		if seen[l] {
			s.Fail("%s: label %q twice", what, label(i))
			return
		}
		seen[l] = true
	}
}

// label reads the name of a field, a case, a flag or a parameter.
func (s *section) label() string {
	l := s.name()
	if s.Err == nil && !isLabel(l) {
		s.Fail("%q is no label: want words of letters and digits with hyphens between them", l)
	}
	return l
}

func (s *section) labels() []string {
	labels := vector(s, "labels", s.label)
	s.distinct("labels", len(labels), func(i int) string { return labels[i] })
	return labels
}

func (s *section) field() Field { return Field{s.label(), s.valType()} }

func (s *section) variantCase() Case {
	c := Case{s.label(), s.maybe()}
	if b := s.Byte(); s.Err == nil && b != 0 {
		s.Fail("a case that refines another one, which no tool writes any more")
	}
	return c
}

// valType reads a primitive type or an index; both are numbers of up to 33 bits with a sign.
func (s *section) valType() ValType {
	v := s.Signed(5)
	switch {
	case s.Err != nil:
	case v >= 0 && v < 1<<32:
		return ValType{N: uint32(v)}
	case v >= -64 && v < 0 && primNames[Prim(v&0x7f)] != "":
		return ValType{Prim: Prim(v & 0x7f)}
	default:
		s.unknownType(byte(v & 0x7f))
	}
	return ValType{Prim: Bool}
}

// maybe reads a type that may be missing: nil.
func (s *section) maybe() *ValType {
	if s.choice("a type that may be missing", 1) == 0 {
		return nil
	}
	t := s.valType()
	return &t
}

// resource reads the definition of a resource. It is represented by a core value, of which the format has i32 alone for
// now.
func (s *section) resource() Resource {
	if rep := s.Byte(); s.Err == nil && rep != byte(I32) {
		if rep == byte(I64) {
			s.refuse("a resource of the representation i64", "build for wasm32")
		} else {
			s.Fail("a resource of the representation %#x", rep)
		}
	}
	var r Resource
	if s.choice("a destructor", 1) == 1 {
		n := s.U32()
		r.Destructor = &n
	}
	return r
}

func (s *section) funcType() FuncType {
	f := FuncType{Params: vector(s, "parameters", s.field)}
	s.distinct("parameters", len(f.Params), func(i int) string { return f.Params[i].Label })
	if s.choice("results", 1) == 0 {
		t := s.valType()
		f.Result = &t
	} else if n := s.Byte(); s.Err == nil && n != 0 {
		s.Fail("results with names, which no tool writes any more")
	}
	return f
}

// scopeType reads the type of a component or an instance.
func (s *section) scopeType(component bool) ScopeType {
	t := ScopeType{Component: component}
	if s.depth++; s.depth >= maxDepth {
		s.Fail("types within each other: %d allowed", maxDepth)
	}
	for range s.Count("declarations", maxDefinitions) {
		t.Declarations = append(t.Declarations, s.declaration(component))
		if s.decoder.left--; s.decoder.left < 0 {
			s.Fail("more than %d definitions", maxDefinitions)
		}
		if s.Err != nil {
			break
		}
	}
	s.depth--
	return t
}

// declaration reads one line of the type of a component or instance. An instance's type has no imports. A resource
// cannot be defined there: only a component that runs can.
func (s *section) declaration(component bool) Declaration {
	switch b := s.Byte(); {
	case b == 0x00:
		return s.coreType()
	case b == 0x01:
		t := s.defType()
		if _, ok := t.(Resource); ok {
			s.Fail("a resource that is defined in the type of a component or instance")
		}
		return Type{t}
	case b == 0x02:
		a := s.alias()
		inner := a.Kind == AliasExport && (a.Sort == Instances || a.Sort == Types)
		if outer := a.Kind == AliasOuter && (a.Sort == CoreTypes || a.Sort == Types); s.Err == nil && !inner && !outer {
			s.Fail("an alias of a %s in the type of a component or instance", a.Sort)
		}
		return a
	case b == 0x03 && component:
		i := s.imported()
		return ImportType(i)
	case b == 0x04:
		i := s.imported()
		return ExportType(i)
	default:
		s.Fail("declaration %#x is unknown", b)
		return nil
	}
}

// coreType reads a type of core functions or modules.
func (s *section) coreType() CoreType {
	switch b := s.Byte(); b {
	case opCoreFunc:
		f := s.coreFunc()
		return CoreType{Func: &f}
	case opModule:
		m := CoreModuleType{vector(s, "declarations", s.coreDeclaration)}
		return CoreType{Module: &m}
	case 0x00, 0x4e, 0x4f, 0x5e, 0x5f:
		s.refuse("a type of garbage-collected WebAssembly", "build without it")
	default:
		s.Fail("core type %#x is unknown", b)
	}
	return CoreType{}
}

func (s *section) coreFunc() CoreFuncType {
	return CoreFuncType{Params: vector(s, "parameters", s.coreValType), Results: vector(s, "results", s.coreValType)}
}

// coreValType reads a core value type, among them vectors and references, which modules have among themselves.
func (s *section) coreValType() CoreValType { return CoreValType(s.ValueType()) }

// coreDeclaration reads one line of the type of a module. It counts against the bound on definitions, since a type may
// have many.
func (s *section) coreDeclaration() CoreDeclaration {
	s.decoder.left--
	switch b := s.Byte(); b {
	case 0x00:
		return CoreImport{s.name(), s.name(), s.coreExtern()}
	case 0x01:
		t := s.coreType()
		if t.Module != nil {
			s.Fail("the type of a module within the type of a module")
		}
		return t
	case 0x02:
		if sort, kind := s.Byte(), s.Byte(); s.Err == nil && (sort != 0x10 || kind != 0x01) {
			s.Fail("an alias %#x %#x in the type of a module", sort, kind)
		}
		return CoreOuterType{s.U32(), s.U32()}
	case 0x03:
		return CoreExportType{s.name(), s.coreExtern()}
	default:
		s.Fail("declaration %#x of a module's type is unknown", b)
		return nil
	}
}

func (s *section) coreExtern() CoreExternType {
	switch b := s.Byte(); b {
	case 0x00:
		return CoreExternType{Sort: CoreFunc, Func: s.U32()}
	case 0x01:
		return CoreExternType{Sort: CoreTable, Value: s.coreValType(), Limits: s.limits()}
	case 0x02:
		return CoreExternType{Sort: CoreMemory, Limits: s.limits()}
	case 0x03:
		return CoreExternType{Sort: CoreGlobal, Value: s.coreValType(), Mutable: s.choice("mutability", 1) == 1}
	case 0x04:
		if kind := s.Byte(); s.Err == nil && kind != 0 {
			s.Fail("tag of the kind %#x", kind)
		}
		return CoreExternType{Sort: CoreTag, Func: s.U32()}
	default:
		s.Fail("%s is unknown", fmt.Sprintf("core import or export %#x", b))
		return CoreExternType{}
	}
}

// limits reads those of a memory or a table. The flags are 1 for a maximum, 2 for a shared memory, 4 for 64 bits; what
// is not supported is refused where it is used.
func (s *section) limits() Limits {
	b := s.choice("limits", 7)
	l := Limits{Bounded: b&1 != 0, Shared: b&2 != 0, Wide: b&4 != 0}
	number := func() uint64 {
		if l.Wide {
			return uint64(s.Signed(10))
		}
		return uint64(s.U32())
	}
	l.Min = number()
	if l.Bounded {
		l.Max = number()
	}
	return l
}
