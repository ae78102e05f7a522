// Package wit writes the types of a component's imports and exports as WIT, the language in which people read them.
package wit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weftlattice/weft/host/internal/component/binary"
	"github.com/weftlattice/weft/host/internal/component/plan"
	"github.com/weftlattice/weft/host/internal/component/types"
)

// World writes all of a component's imports and exports, in their order.
func World(p *plan.Plan) string {
	w := newWriter(p)
	w.line("world component {")
	w.depth++
	w.items("import", p.Imports)
	w.items("export", p.Exports)
	w.depth--
	w.line("}")
	return w.b.String()
}

// Func writes the type of a function.
func Func(f *types.Func) string { return (&writer{}).function(f) }

// maxParts is how many types one writer takes apart. A type that has another one twice, which has another one twice,
// has as many parts as a file can count; beyond this they are written as "…".
const maxParts = 20_000

// writer knows the names of types.
type writer struct {
	b     strings.Builder
	depth int
	parts int              // taken apart so far
	types map[any]typeName // by plan.Item.Named
	bases map[any]typeName // the first one of each type, by *types.Type, its Base, and *types.Resource
	here  string           // the interface that is being written
}

type typeName struct{ face, name string }

func newWriter(p *plan.Plan) *writer {
	w := &writer{types: map[any]typeName{}, bases: map[any]typeName{}}
	for _, all := range [][]plan.Item{p.Imports, p.Exports} {
		for _, it := range all {
			w.note("", it)
			for _, inner := range it.Items {
				w.note(it.Name.Text, inner)
			}
		}
	}
	return w
}

// note remembers the name of a type.
func (w *writer) note(face string, it plan.Item) {
	if it.Named == nil {
		return
	}
	n := typeName{face, it.Name.Text}
	if _, known := w.types[it.Named]; !known {
		w.types[it.Named] = n
	}
	var base any = it.Resource
	if it.Type != nil {
		base = it.Type.Base()
	}
	if _, known := w.bases[base]; !known {
		w.bases[base] = n
	}
}

func (w *writer) line(s string) {
	w.b.WriteString(strings.Repeat("  ", w.depth) + s + "\n")
}

func (w *writer) items(verb string, all []plan.Item) {
	for _, it := range all {
		switch it.Sort {
		case binary.Instances:
			w.face(it.Name.Text, verb+" "+it.Name.Text+":", it.Items)
		case binary.Func:
			w.line(fmt.Sprintf("%s %s: %s;", verb, it.Name.Text, w.function(it.Func.Type)))
		case binary.Types:
			w.typeItem(it, nil)
		default:
			w.line(fmt.Sprintf("// %s %s: a %s", verb, it.Name.Text, it.Sort))
		}
	}
}

// face writes an interface with what is in it.
func (w *writer) face(name, head string, all []plan.Item) {
	before := w.here
	w.here = name
	w.line(head + " interface {")
	w.depth++
	w.uses(all)
	methods := map[string][]plan.Item{}
	for _, it := range all {
		if r := resourceOf(it.Name.Text); it.Func != nil && r != "" {
			methods[r] = append(methods[r], it)
		}
	}
	for _, it := range all {
		switch {
		case it.Sort == binary.Types:
			w.typeItem(it, methods[it.Name.Text])
		case it.Func != nil && resourceOf(it.Name.Text) == "":
			w.line(fmt.Sprintf("%s: %s;", it.Name.Text, w.function(it.Func.Type)))
		}
	}
	w.depth--
	w.line("}")
	w.here = before
}

// uses writes which types come from other interfaces.
func (w *writer) uses(all []plan.Item) {
	from := map[string][]string{}
	var order []string
	for _, it := range all {
		n, ok := w.nameOf(it)
		if !ok || n.face == w.here || n.face == "" {
			continue
		}
		use := n.name
		if n.name != it.Name.Text {
			use += " as " + it.Name.Text
		}
		if from[n.face] == nil {
			order = append(order, n.face)
		}
		from[n.face] = append(from[n.face], use)
	}
	for _, face := range order {
		w.line(fmt.Sprintf("use %s.{%s};", face, strings.Join(from[face], ", ")))
	}
}

// nameOf is the other name of a type that the item has, too.
func (w *writer) nameOf(it plan.Item) (typeName, bool) {
	n, ok := w.types[it.From]
	return n, ok && it.From != nil
}

// resourceOf is the resource that a function belongs to, or "".
func resourceOf(name string) string {
	if !strings.HasPrefix(name, "[") {
		return ""
	}
	_, rest, _ := strings.Cut(name, "]")
	resource, _, _ := strings.Cut(rest, ".")
	return resource
}

// typeItem writes the definition of a type that begins here.
func (w *writer) typeItem(it plan.Item, methods []plan.Item) {
	n, ok := w.nameOf(it)
	if ok && n.face != w.here && n.face != "" {
		return // used
	}
	name, t := it.Name.Text, it.Type
	switch {
	case ok && n.name != name:
		w.line(fmt.Sprintf("type %s = %s;", name, n.name))
		return
	case it.Resource != nil:
		w.resource(name, methods)
		return
	case t == nil:
		return
	}
	switch t.Kind {
	case types.Record:
		w.block("record "+name, len(t.Fields),
			func(i int) string { return t.Fields[i].Label + ": " + w.value(t.Fields[i].Type) })
	case types.Variant:
		w.block("variant "+name, len(t.Cases), func(i int) string {
			if c := t.Cases[i]; c.Type != nil {
				return c.Label + "(" + w.value(c.Type) + ")"
			}
			return t.Cases[i].Label
		})
	case types.Enum:
		w.block("enum "+name, len(t.Cases), func(i int) string { return t.Cases[i].Label })
	case types.Flags:
		w.block("flags "+name, len(t.Labels), func(i int) string { return t.Labels[i] })
	default:
		w.line(fmt.Sprintf("type %s = %s;", name, w.structure(t)))
	}
}

func (w *writer) block(head string, n int, part func(i int) string) {
	w.line(head + " {")
	w.depth++
	for i := range n {
		w.line(part(i) + ",")
	}
	w.depth--
	w.line("}")
}

func (w *writer) resource(name string, methods []plan.Item) {
	if len(methods) == 0 {
		w.line("resource " + name + ";")
		return
	}
	w.line("resource " + name + " {")
	w.depth++
	for _, m := range methods {
		kind, rest, _ := strings.Cut(m.Name.Text[1:], "]")
		_, method, _ := strings.Cut(rest, ".")
		f := *m.Func.Type
		switch kind {
		case "constructor":
			own := f.Result != nil && f.Result.Kind == types.Own
			if own {
				f.Result = nil
			}
			w.line(strings.Replace(w.function(&f), "func", "constructor", 1) + ";")
		case "method":
			if len(f.Params) > 0 {
				f.Params = slices.Clone(f.Params[1:]) // self
			}
			w.line(method + ": " + w.function(&f) + ";")
		default:
			w.line(method + ": static " + w.function(&f) + ";")
		}
	}
	w.depth--
	w.line("}")
}

func (w *writer) function(f *types.Func) string {
	params := make([]string, len(f.Params))
	for i, p := range f.Params {
		params[i] = p.Label + ": " + w.value(p.Type)
	}
	s := "func(" + strings.Join(params, ", ") + ")"
	if f.Result != nil {
		s += " -> " + w.value(f.Result)
	}
	return s
}

// value is a type's name, or what it is made of.
func (w *writer) value(t *types.Type) string {
	if n, ok := w.types[t]; ok {
		return n.name
	}
	if n, ok := w.bases[t.Base()]; ok && t.Kind > types.String {
		return n.name
	}
	if w.parts++; w.parts > maxParts {
		return "…"
	}
	return w.structure(t)
}

func (w *writer) structure(t *types.Type) string {
	switch t.Kind {
	case types.List:
		if t.Len > 0 {
			return fmt.Sprintf("list<%s, %d>", w.value(t.Element), t.Len)
		}
		return "list<" + w.value(t.Element) + ">"
	case types.Option:
		return "option<" + w.value(t.Cases[1].Type) + ">"
	case types.Result:
		ok, bad := t.Cases[0].Type, t.Cases[1].Type
		switch {
		case ok == nil && bad == nil:
			return "result"
		case bad == nil:
			return "result<" + w.value(ok) + ">"
		case ok == nil:
			return "result<_, " + w.value(bad) + ">"
		}
		return "result<" + w.value(ok) + ", " + w.value(bad) + ">"
	case types.Tuple, types.Record:
		parts := make([]string, len(t.Fields))
		for i, f := range t.Fields {
			if parts[i] = w.value(f.Type); f.Label != "" {
				parts[i] = f.Label + ": " + parts[i]
			}
		}
		return t.Kind.String() + "<" + strings.Join(parts, ", ") + ">"
	case types.Own:
		return w.handle(t)
	case types.Borrow:
		return "borrow<" + w.handle(t) + ">"
	case types.Variant, types.Enum:
		parts := make([]string, len(t.Cases))
		for i, c := range t.Cases {
			if parts[i] = c.Label; c.Type != nil {
				parts[i] += "(" + w.value(c.Type) + ")"
			}
		}
		return t.Kind.String() + " {" + strings.Join(parts, ", ") + "}"
	case types.Flags:
		return "flags {" + strings.Join(t.Labels, ", ") + "}"
	}
	return t.Kind.String()
}

func (w *writer) handle(t *types.Type) string {
	if n, ok := w.types[t.Name]; ok {
		return n.name
	}
	if n, ok := w.bases[t.Resource]; ok {
		return n.name
	}
	face, name, _ := strings.Cut(t.Resource.Name, " ")
	face, _, _ = strings.Cut(face, "@")
	return strings.TrimSpace(face + " " + name)
}

// Shape writes the type of a function with all that it is made of, and no name but those of labels and resources. Two
// functions that are called alike have the same shape.
func Shape(f *types.Func) string { return (&writer{}).function(f) }
