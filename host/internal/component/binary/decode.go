package binary

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/weftlattice/weft/host/internal/wasmbin"
	"github.com/weftlattice/weft/lattice"
)

// Bounds of a file. A composition of a hundred components stays far below them.
const (
	maxDepth       = 64      // components and types within each other
	maxDefinitions = 100_000 // and declarations, in all components of a file together
	maxItems       = 10_000  // of one vector: fields, cases, arguments, exports
	maxName        = 100_000 // bytes
)

var preamble = []byte("\x00asm\x0d\x00\x01\x00")

// Is reports whether a file says of itself that it is a component, of whatever version.
func Is(file []byte) bool {
	return len(file) >= len(preamble) && bytes.Equal(file[:4], preamble[:4]) && bytes.Equal(file[6:8], preamble[6:])
}

// Decode decodes a component. The error is a lattice.ErrBadModule, which names the place.
func Decode(file []byte) (*Component, error) {
	if !Is(file) {
		return nil, wasmbin.Bad("this is no component")
	}
	if !bytes.Equal(file[4:6], preamble[4:6]) {
		return nil, wasmbin.Bad("a component of the binary format %#x; weft reads 0xd, which tools write since 2023: "+
			"make it anew", file[4])
	}
	d := &decoder{left: maxDefinitions}
	c, err := d.component(file[len(preamble):], len(preamble), 0)
	if err != nil {
		return nil, d.explain(err, file)
	}
	return c, nil
}

// explain says of a file that belongs to WASI 0.3 for which of its interfaces it was built.
func (d *decoder) explain(err error, file []byte) error {
	var ours *lattice.Error
	if !d.later || !errors.As(err, &ours) {
		return err
	}
	var named []string
	for _, n := range laterInterface.FindAll(file, 100) {
		if !slices.Contains(named, string(n)) {
			named = append(named, string(n))
		}
	}
	if named == nil {
		return err
	}
	return wasmbin.Bad("built for %s; weft runs 0.2: build for wasm32-wasip2 (%s)", strings.Join(named, ", "),
		ours.Detail)
}

// laterInterface is an interface of WASI 0.3 with functions that are called, or that a host calls.
var laterInterface = regexp.MustCompile(`wasi:(http/(handler|client)|cli/run|sockets/types|filesystem/types)` +
	`@0\.3\.[0-9][0-9a-z.-]*`)

// decoder decodes one file.
type decoder struct {
	left  int  // definitions that may still come
	later bool // something belongs to WASI 0.3
}

// sections are the names of a component's sections by their id.
var sections = [...]string{"custom", "core module", "core instance", "core type", "component", "instance", "alias",
	"type", "canon", "start", "import", "export", "value"}

// component decodes what comes after a preamble, which begins at base in the file.
func (d *decoder) component(body []byte, base, depth int) (*Component, error) {
	c := &Component{}
	for r := (&wasmbin.Reader{B: body, Base: base, What: "component"}); r.More(); {
		id := r.Byte()
		b := r.Take(r.U32())
		if r.Err != nil {
			return nil, r.Err
		}
		if int(id) >= len(sections) {
			return nil, wasmbin.Bad("component at byte %#x: unknown section %d", base+r.Off-len(b), id)
		}
		s := &section{decoder: d, depth: depth, Reader: wasmbin.Reader{B: b, Base: base + r.Off - len(b),
			What: sections[id] + " section"}}
		s.read(id, c)
		s.End()
		if s.Err != nil {
			return nil, s.Err
		}
		if d.left < 0 {
			return nil, wasmbin.Bad("more than %d definitions", maxDefinitions)
		}
	}
	return c, nil
}

// section decodes one section.
type section struct {
	wasmbin.Reader
	decoder *decoder
	depth   int // of components and types around this
}

// refuse is the error of what weft does not run.
func (s *section) refuse(what, wayOut string) {
	s.decoder.later = s.decoder.later || wayOut == WayOutAsync
	s.Fail("%s: weft does not run this; %s", what, wayOut)
}

// WayOutAsync is what one does about what belongs to WASI 0.3.
const WayOutAsync = "it belongs to WASI 0.3: build for WASI 0.2 (wasm32-wasip2)"

const (
	wayOutThreads = "build without threads"
	wayOutValues  = "no tool writes it yet"
)

// read reads one section into the component. Sections may come in any order and several times; their contents make one
// list of definitions, in the order of the file, since each may refer only to what stands before it (component-model,
// Binary.md).
func (s *section) read(id byte, c *Component) {
	add := func(d Definition) {
		c.Definitions = append(c.Definitions, d)
		s.decoder.left--
	}
	each := func(of string, one func() Definition) {
		for range s.Count(of, maxDefinitions) {
			d := one()
			if s.Err != nil {
				return
			}
			add(d)
		}
	}
	switch id {
	case 0:
		c.Customs = append(c.Customs, Custom{s.name(), s.Take(uint32(s.Left()))})
	case 1:
		add(CoreModule{s.module()})
	case 2:
		each("core instances", func() Definition { return s.coreInstance() })
	case 3:
		each("core types", func() Definition { return s.coreType() })
	case 4:
		if n := s.nested(); n != nil {
			add(Nested{n})
		}
	case 5:
		each("instances", func() Definition { return s.instance() })
	case 6:
		each("aliases", func() Definition { return s.alias() })
	case 7:
		each("types", func() Definition { return Type{s.defType()} })
	case 8:
		each("canonical definitions", func() Definition { return s.canon() })
	case 9:
		s.refuse("a start function of a component", wayOutValues)
	case 10:
		each("imports", func() Definition { return s.imported() })
	case 11:
		each("exports", func() Definition { return s.export() })
	case 12:
		s.refuse("values", wayOutValues)
	}
}

// module takes a core module as it is, but for what it says of itself.
func (s *section) module() []byte {
	b := s.Take(uint32(s.Left()))
	if s.Err == nil && (len(b) < 8 || !bytes.Equal(b[:8], []byte("\x00asm\x01\x00\x00\x00"))) {
		s.Off = 0
		s.Fail("this is no core module")
	}
	return b
}

// nested reads a component within the component. Its depth is bounded, since reading one recurses.
func (s *section) nested() *Component {
	b := s.Take(uint32(s.Left()))
	switch {
	case s.Err != nil:
	case !bytes.HasPrefix(b, preamble):
		s.Off = 0
		s.Fail("this is no component")
	case s.depth+1 >= maxDepth:
		s.Fail("components within each other: %d allowed", maxDepth)
	default:
		c, err := s.decoder.component(b[len(preamble):], s.Base+len(preamble), s.depth+1)
		if s.Err = err; err == nil {
			return c
		}
	}
	return nil
}

// vector reads a vector of anything.
func vector[T any](s *section, of string, one func() T) []T {
	n := s.Count(of, maxItems)
	if n == 0 {
		return nil
	}
	all := make([]T, 0, min(n, 64)) // what is announced need not come
	for range n {
		v := one()
		if s.Err != nil {
			return nil
		}
		all = append(all, v)
	}
	return all
}

// name reads any name.
func (s *section) name() string {
	n := s.U32()
	if s.Err == nil && n > maxName {
		s.Fail("a name of %d bytes, %d allowed", n, maxName)
		return ""
	}
	b := s.Take(n)
	if !utf8.Valid(b) {
		s.Fail("name is not UTF-8")
		return ""
	}
	return string(b)
}

// choice reads a byte that must be one of few.
func (s *section) choice(of string, max byte) byte {
	b := s.Byte()
	if s.Err == nil && b > max {
		s.Off--
		s.Fail("%s %#x is unknown", of, b)
		return 0
	}
	return b
}

// sort reads what kind of thing an index means. Values are an extension that the format marks as such, and no tool
// writes them.
func (s *section) sort() Sort {
	switch b := s.Byte(); b {
	case 0x00:
		return s.coreSort()
	case 0x01:
		return Func
	case 0x02:
		s.refuse("a value", wayOutValues)
	case 0x03:
		return Types
	case 0x04:
		return Components
	case 0x05:
		return Instances
	default:
		s.Fail("sort %#x is unknown", b)
	}
	return 0
}

// coreSort is sort for core WebAssembly. The order of the constants is that of the bytes.
func (s *section) coreSort() Sort {
	switch b := s.Byte(); {
	case b <= 0x04:
		return CoreFunc + Sort(b)
	case b >= 0x10 && b <= 0x12:
		return CoreTypes + Sort(b-0x10)
	default:
		s.Fail("core sort %#x is unknown", b)
		return 0
	}
}

func (s *section) item() Index { return Index{s.sort(), s.U32()} }

// coreInstance reads an instance of a core module, or one that is put together of what is there. Core modules take
// instances alone for arguments.
func (s *section) coreInstance() CoreInstance {
	if s.choice("a core instance of the kind", 1) == 1 {
		return CoreInstance{Inline: true, Exports: vector(s, "exports", func() CoreExport {
			return CoreExport{s.name(), Index{s.coreSort(), s.U32()}}
		})}
	}
	return CoreInstance{Module: s.U32(), Args: vector(s, "arguments", func() CoreArg {
		a := CoreArg{Name: s.name()}
		if sort := s.Byte(); s.Err == nil && sort != 0x12 {
			s.Fail("an argument of a core module that is no instance, but of the core sort %#x", sort)
		}
		a.Instance = s.U32()
		return a
	})}
}

// instance reads an instance of a component, or one that is put together of what is there.
func (s *section) instance() Instance {
	if s.choice("an instance of the kind", 1) == 1 {
		return Instance{Inline: true, Exports: vector(s, "exports", func() Arg {
			n, item := s.externName(), s.item()
			s.fits(n, item.Sort)
			return Arg{n.Text, item}
		})}
	}
	return Instance{Component: s.U32(), Args: vector(s, "arguments", func() Arg { return Arg{s.name(), s.item()} })}
}

// alias reads another name for something: an export of an instance, or a definition of a component around this one.
// From around only types, modules and components can be had: the rest is of one instance, and a component may be
// instantiated more than once.
func (s *section) alias() Alias {
	a := Alias{Sort: s.sort(), Kind: AliasKind(s.choice("an alias of the kind", 2))}
	switch a.Kind {
	case AliasOuter:
		a.Outer, a.N = s.U32(), s.U32()
	default:
		a.Instance, a.Name = s.U32(), s.name()
	}
	if s.Err != nil {
		return a
	}
	core := a.Sort < Func && a.Sort != CoreModules && a.Sort != CoreTypes
	switch {
	case a.Kind == AliasCoreExport && !(core && a.Sort != CoreInstances), a.Kind == AliasExport && core,
		a.Kind == AliasOuter && a.Sort != CoreModules && a.Sort != CoreTypes && a.Sort != Types && a.Sort != Components:
		s.Fail("an alias of this kind cannot be of a %s", a.Sort)
	}
	return a
}

// export reads an export, with the type that it is shown with where one stands there. Of core WebAssembly only modules
// can be exported.
func (s *section) export() Export {
	e := Export{Name: s.externName(), Item: s.item()}
	if s.choice("an export whose type is", 1) == 1 {
		t := s.externType()
		e.Type = &t
	}
	if s.Err == nil && e.Item.Sort < Func && e.Item.Sort != CoreModules {
		s.Fail("%q is a %s, which a component cannot export", e.Name.Text, e.Item.Sort)
	}
	s.fits(e.Name, e.Item.Sort)
	return e
}

func (s *section) imported() Import {
	i := Import{s.externName(), s.externType()}
	s.fits(i.Name, i.Type.Sort)
	return i
}

// fits fails where a name is not one for something of that sort.
func (s *section) fits(n Name, sort Sort) {
	switch {
	case s.Err != nil:
	case strings.HasPrefix(n.Text, "[") && sort != Func:
		s.Fail("%q names a function, and is a %s", n.Text, sort)
	case n.Implements == "":
	case sort != Instances:
		s.Fail("%q implements %s, and is no instance but a %s", n.Text, n.Implements, sort)
	case !isLabel(n.Text):
		s.Fail("%q implements %s: the name of an instance that implements one is a label", n.Text, n.Implements)
	}
}

// externName reads the name of an import or export.
func (s *section) externName() Name {
	kind := s.choice("a name of the kind", 2)
	n := Name{Text: s.name()}
	if s.Err != nil {
		return n
	}
	if why := checkName(n.Text); why != "" {
		s.Fail("the name %s %s", lattice.Printable(n.Text), why)
		return n
	}
	if kind == 2 {
		s.attributes(&n)
	}
	return n
}

// attributes reads what a name has besides its text. Each may come once.
func (s *section) attributes(n *Name) {
	seen := 0
	for range s.Count("attributes", 3) {
		kind := s.choice("an attribute of the kind", 2)
		text := s.name()
		if seen&(1<<kind) != 0 {
			s.Fail("an attribute that %q has already", n.Text)
		}
		seen |= 1 << kind
		switch kind {
		case 0:
			n.Implements = text
			if s.Err == nil && !isInterfaceName(text) {
				s.Fail("%q implements %s, which is no interface", n.Text, lattice.Printable(text))
			}
		case 1:
			n.VersionSuffix = text
		case 2:
			n.ExternalID = text
		}
	}
}

// externType reads the type of an import or export: an index of a type, or of a type a bound, equal to another or any
// resource.
func (s *section) externType() ExternType {
	switch b := s.Byte(); b {
	case 0x00:
		if c := s.Byte(); s.Err == nil && c != 0x11 {
			s.Fail("a type of the core sort %#x, which a component can neither import nor export", c)
		}
		return ExternType{Sort: CoreModules, N: s.U32()}
	case 0x01:
		return ExternType{Sort: Func, N: s.U32()}
	case 0x02:
		s.refuse("a value", wayOutValues)
	case 0x03:
		if s.choice("a bound of a type", 1) == 1 {
			return ExternType{Sort: Types, Resource: true}
		}
		return ExternType{Sort: Types, N: s.U32()}
	case 0x04:
		return ExternType{Sort: Components, N: s.U32()}
	case 0x05:
		return ExternType{Sort: Instances, N: s.U32()}
	default:
		s.Fail("the type %#x of an import or export is unknown", b)
	}
	return ExternType{}
}

// canon reads a canonical definition: what lifts, lowers, makes or drops. Those of asynchronous components and of
// threads are known by name, so that the refusal says what to build without.
func (s *section) canon() Canon {
	b := s.Byte()
	switch b {
	case 0x00, 0x01:
		if sort := s.Byte(); s.Err == nil && sort != 0 {
			s.Fail("canonical definition %#x %#x is unknown", b, sort)
		}
		c := Canon{Kind: CanonKind(b), Func: s.U32(), Opts: s.options()}
		if c.Kind == Lift {
			c.Type = s.U32()
		} else if s.Err == nil && c.Opts.PostReturn != nil {
			s.Fail("a lowered function with post-return, which lifted ones have alone")
		}
		return c
	case 0x02, 0x03, 0x04:
		return Canon{Kind: CanonKind(b), Type: s.U32()}
	}
	if name := laterCanons[b]; name != "" {
		wayOut := WayOutAsync
		if b >= 0x40 {
			wayOut = wayOutThreads
		}
		s.refuse("canon "+name, wayOut)
	} else {
		s.Fail("canonical definition %#x is unknown", b)
	}
	return Canon{}
}

// laterCanons are those that weft does not run.
var laterCanons = map[byte]string{
	0x05: "task.cancel", 0x06: "subtask.cancel", 0x07: "resource.drop async", 0x08: "backpressure.set",
	0x09: "task.return",
	0x0a: "context.get", 0x0b: "context.set", 0x0c: "thread.yield", 0x0d: "subtask.drop", 0x0e: "stream.new",
	0x0f: "stream.read", 0x10: "stream.write", 0x11: "stream.cancel-read", 0x12: "stream.cancel-write",
	0x13: "stream.drop-readable", 0x14: "stream.drop-writable", 0x15: "future.new", 0x16: "future.read",
	0x17: "future.write", 0x18: "future.cancel-read", 0x19: "future.cancel-write", 0x1a: "future.drop-readable",
	0x1b: "future.drop-writable", 0x1c: "error-context.new", 0x1d: "error-context.debug-message",
	0x1e: "error-context.drop", 0x1f: "waitable-set.new", 0x20: "waitable-set.wait", 0x21: "waitable-set.poll",
	0x22: "waitable-set.drop", 0x23: "waitable.join", 0x24: "backpressure.inc", 0x25: "backpressure.dec",
	0x26: "thread.index", 0x27: "thread.new-indirect", 0x28: "thread.resume-later", 0x29: "thread.suspend",
	0x2a: "thread.suspend-then-resume", 0x2b: "thread.yield-then-resume", 0x2c: "thread.suspend-then-promote",
	0x2d: "thread.yield-then-promote", 0x40: "thread.spawn-ref", 0x41: "thread.spawn-indirect",
	0x42: "thread.available-parallelism",
}

// options reads the options of a lift or lower. Each may come once. Whether those are there that a type needs is for
// package plan, which knows the type.
func (s *section) options() Options {
	var o Options
	encoded := false
	once := func(what string, p **uint32) {
		n := s.U32()
		if s.Err == nil && *p != nil {
			s.Fail("canonical option %s is given twice", what)
		}
		*p = &n
	}
	for range s.Count("canonical options", 16) {
		switch b := s.Byte(); b {
		case 0x00, 0x01, 0x02:
			if encoded {
				s.Fail("two string encodings")
			}
			encoded, o.Encoding = true, Encoding(b)
		case 0x03:
			once("memory", &o.Memory)
		case 0x04:
			once("realloc", &o.Realloc)
		case 0x05:
			once("post-return", &o.PostReturn)
		case 0x06, 0x07:
			s.refuse(fmt.Sprintf("canonical option %s", []string{"async", "callback"}[b-6]), WayOutAsync)
		case 0x08, 0x09:
			s.Lacks(wasmbin.GarbageTypes)
		default:
			s.Fail("canonical option %#x is unknown", b)
		}
		if s.Err != nil {
			break
		}
	}
	return o
}
