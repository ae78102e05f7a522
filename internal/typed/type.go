package typed

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/weftlattice/weft/lattice"
)

// Kind is what a type is, by its name in WIT.
type Kind string

// The kinds of types.
const (
	Bool    Kind = "bool"
	S8      Kind = "s8"
	U8      Kind = "u8"
	S16     Kind = "s16"
	U16     Kind = "u16"
	S32     Kind = "s32"
	U32     Kind = "u32"
	S64     Kind = "s64"
	U64     Kind = "u64"
	F32     Kind = "f32"
	F64     Kind = "f64"
	Char    Kind = "char"
	String  Kind = "string"
	List    Kind = "list"
	Record  Kind = "record"
	Tuple   Kind = "tuple"
	Variant Kind = "variant"
	Enum    Kind = "enum"
	Option  Kind = "option"
	Result  Kind = "result"
	Flags   Kind = "flags"
	Handle  Kind = "handle" // of a resource: it has no values outside of its host
)

var primitives = []Kind{Bool, S8, U8, S16, U16, S32, U32, S64, U64, F32, F64, Char, String}

// Type is the type of a value.
type Type struct {
	Kind    Kind
	Fields  []Field        // Record, Tuple (without labels)
	Cases   []Field        // Variant, Option (none, some), Result (ok, err); a nil Type has no value
	Labels  []string       // Enum, Flags
	Element *Type          // List
	Len     uint32         // List of a fixed length; 0: any
	Name    string         // Handle: of the resource
	places  map[string]int // of fields, cases or flags, by label
}

// Field is a part of a record or a tuple, a case of a variant, or a parameter.
type Field struct {
	Label string
	Type  *Type
}

// Func is the type of a function.
type Func struct {
	Params []Field
	Result *Type  // nil: none
	Handle string // a resource that it passes; "": it has values only, and can be called over the lattice
}

// Bounds of types as text.
const (
	maxText = 64 << 10 // bytes of one function
	maxNest = 100      // types within each other
)

// ParseFunc reads the type of a function as wit.Shape writes it: WIT, but with each type in the place of its name. The
// error is lattice.ErrInvalid.
func ParseFunc(text string) (*Func, error) {
	p := &parser{rest: text}
	if len(text) > maxText {
		p.fail("a type of more than %d KiB", maxText>>10)
	}
	f := &Func{}
	p.want("func(")
	f.Params = p.fields(")")
	if p.rest != "" {
		p.want(" -> ")
		f.Result = p.value(0)
	}
	if p.rest != "" {
		p.fail("something follows it")
	}
	if p.err != nil {
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "read the type of a function", Detail: p.err.Error()}
	}
	f.Handle = p.handle
	return f, nil
}

type parser struct {
	rest   string
	handle string // the first one
	err    error
}

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		near := p.rest[:min(len(p.rest), 40)]
		p.err = fmt.Errorf(format+", before %q", append(args, lattice.Printable(near))...)
	}
	p.rest = "" // nothing more is read
}

func (p *parser) want(s string) {
	if !p.take(s) {
		p.fail("want %q", s)
	}
}

func (p *parser) take(s string) bool {
	rest, ok := strings.CutPrefix(p.rest, s)
	if ok && p.err == nil {
		p.rest = rest
		return true
	}
	return false
}

// word takes letters, digits and what names have.
func (p *parser) word(more string) string {
	end := strings.IndexFunc(p.rest, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(more, r))
	})
	if end < 0 {
		end = len(p.rest)
	}
	w := p.rest[:end]
	if w == "" {
		p.fail("want a name")
		return ""
	}
	p.rest = p.rest[end:]
	return w
}

// list takes parts with commas between them, until end.
func (p *parser) list(end string, part func()) {
	for first := true; p.err == nil && !p.take(end); first = false {
		if !first {
			p.want(", ")
		}
		part()
	}
}

// fields takes "label: type" parts.
func (p *parser) fields(end string) []Field { return p.labelled(end, 0) }

func (p *parser) labelled(end string, nest int) (all []Field) {
	p.list(end, func() {
		label := p.word("-")
		p.want(": ")
		all = append(all, Field{label, p.value(nest + 1)})
	})
	return all
}

func (p *parser) value(nest int) *Type {
	if nest > maxNest {
		p.fail("types within each other: %d allowed", maxNest)
		return nil
	}
	word := p.word("-:/@.+")
	t := &Type{Kind: Kind(word)}
	switch {
	case slices.Contains(primitives, t.Kind):
	case p.take("<"):
		p.generic(t, nest)
	case p.take(" {"):
		p.cases(t, nest)
	case t.Kind == Result:
		t.Cases = []Field{{"ok", nil}, {"err", nil}}
	default:
		t.Kind, t.Name = Handle, word
		if p.take(" ") {
			t.Name += " " + p.word("-")
		}
		if p.handle == "" {
			p.handle = t.Name
		}
	}
	t.index()
	return t
}

// generic is what has types in angle brackets.
func (p *parser) generic(t *Type, nest int) {
	switch t.Kind {
	case List:
		t.Element = p.value(nest + 1)
		if p.take(", ") {
			n, err := strconv.ParseUint(p.word(""), 10, 32)
			if t.Len = uint32(n); err != nil || n == 0 {
				p.fail("want the length of a list")
			}
		}
		p.want(">")
	case Option:
		t.Cases = []Field{{"none", nil}, {"some", p.value(nest + 1)}}
		p.want(">")
	case Result:
		t.Cases = []Field{{"ok", nil}, {"err", nil}}
		if !p.take("_") {
			t.Cases[0].Type = p.value(nest + 1)
		}
		if p.take(", ") {
			t.Cases[1].Type = p.value(nest + 1)
		}
		p.want(">")
	case Record:
		t.Fields = p.labelled(">", nest)
	case Tuple:
		p.list(">", func() { t.Fields = append(t.Fields, Field{Type: p.value(nest + 1)}) })
	case "borrow":
		*t = *p.value(nest + 1)
		t.Name = "borrow<" + t.Name + ">"
		p.want(">")
	default:
		p.fail("no type is called %s", t.Kind)
	}
}

// cases is what has labels in braces.
func (p *parser) cases(t *Type, nest int) {
	switch t.Kind {
	case Variant:
		p.list("}", func() {
			c := Field{Label: p.word("-")}
			if p.take("(") {
				c.Type = p.value(nest + 1)
				p.want(")")
			}
			t.Cases = append(t.Cases, c)
		})
	case Enum, Flags:
		p.list("}", func() { t.Labels = append(t.Labels, p.word("-")) })
	default:
		p.fail("no type is called %s", t.Kind)
	}
}

// String is the type as text.
func (f *Func) String() string {
	s := "func(" + texts(f.Params) + ")"
	if f.Result != nil {
		s += " -> " + f.Result.String()
	}
	return s
}

func texts(fields []Field) string {
	all := make([]string, len(fields))
	for i, f := range fields {
		if all[i] = f.Type.String(); f.Label != "" {
			all[i] = f.Label + ": " + all[i]
		}
	}
	return strings.Join(all, ", ")
}

// String is the type as text.
func (t *Type) String() string {
	switch t.Kind {
	case List:
		if t.Len > 0 {
			return fmt.Sprintf("list<%s, %d>", t.Element, t.Len)
		}
		return "list<" + t.Element.String() + ">"
	case Record, Tuple:
		return string(t.Kind) + "<" + texts(t.Fields) + ">"
	case Option:
		return "option<" + t.Cases[1].Type.String() + ">"
	case Result:
		ok, bad := t.Cases[0].Type, t.Cases[1].Type
		switch {
		case ok == nil && bad == nil:
			return "result"
		case bad == nil:
			return "result<" + ok.String() + ">"
		case ok == nil:
			return "result<_, " + bad.String() + ">"
		}
		return "result<" + ok.String() + ", " + bad.String() + ">"
	case Variant:
		all := make([]string, len(t.Cases))
		for i, c := range t.Cases {
			if all[i] = c.Label; c.Type != nil {
				all[i] += "(" + c.Type.String() + ")"
			}
		}
		return "variant {" + strings.Join(all, ", ") + "}"
	case Enum, Flags:
		return string(t.Kind) + " {" + strings.Join(t.Labels, ", ") + "}"
	case Handle:
		return t.Name
	}
	return string(t.Kind)
}
