package plan

import (
	"github.com/weftlattice/weft/host/internal/component/binary"
	"github.com/weftlattice/weft/host/internal/component/types"
	"github.com/weftlattice/weft/host/internal/wasmbin"
	"github.com/weftlattice/weft/lattice"
)

// names are the types (*types.Type and *resource) that a component, or a type of components, has given names to by what
// it imports and exports. What it shows of a type must have a name there, so that others can speak of it. Names belong
// to the pointer: an import or export of a type makes another one of it (see named), and the one before stays nameless.
type names struct {
	imports map[any]bool
	exports map[any]bool // and those of imports
}

// newNames are those of a component that is looked at where it is defined, or is the root. With arguments it has been
// looked at before.
func newNames(args map[string]item) *names {
	if args != nil {
		return nil
	}
	return &names{map[any]bool{}, map[any]bool{}}
}

// verb is how a component shows something.
type verb string

const (
	imported verb = "import"
	exported verb = "export"
)

// named gives a type a name: it is the same type, by another pointer. Types of functions, components and instances are
// parts of no others, and need none.
func named(t any) any {
	switch t := t.(type) {
	case *types.Type:
		return t.Named()
	case *resource:
		return &resource{t.is, t}
	}
	return t
}

// show names what is imported or exported. It fails where that has something within that has no name.
func (p *planner) show(s *scope, how verb, n binary.Name, it item) error {
	if s.names == nil {
		return nil
	}
	l := look{planner: p, how: how, names: s.names.exports}
	if how == imported {
		l.names = s.names.imports
	}
	switch ok, err := l.item(s, it); {
	case err != nil:
		return err
	case !ok:
		return wasmbin.Bad("the %s %s shows a type to which the component gives no name: %s that type as well, "+
			"before it", how, lattice.Printable(n.Text), how)
	}
	if how == imported {
		for _, t := range l.added {
			s.names.exports[t] = true
		}
	}
	return nil
}

// look looks for types that have no name.
type look struct {
	planner *planner
	how     verb
	names   map[any]bool
	added   []any                // to names
	seen    map[*types.Type]bool // whose parts all have names, or are being looked at
}

// item looks at something, and names it.
func (l *look) item(s *scope, it item) (bool, error) {
	if err := l.planner.step(); err != nil {
		return false, err
	}
	switch v := it.value.(type) {
	case *Func:
		return l.function(v.Type)
	case *types.Func:
		return l.function(v)
	case *types.Type:
		ok, err := l.parts(v)
		l.add(v)
		return ok, err
	case *resource:
		if l.how == imported && v.is.Owner >= 0 { // a component inside gives it, so that nobody else can
			return false, nil
		}
		l.add(v)
	case *instance:
		for _, n := range v.order {
			if ok, err := l.item(s, v.exports[n.Text]); !ok || err != nil {
				return false, err
			}
		}
	case *scopeType:
		return l.scopeType(s, v)
	}
	return true, nil
}

// scopeType looks at the type of an instance: what it names has its names within it alone. That of a component was
// looked at where it was defined.
func (l *look) scopeType(s *scope, t *scopeType) (bool, error) {
	if t.Component {
		return true, nil
	}
	p, within := l.planner, &scope{parent: t.scope, instance: s.instance, types: []any{t}}
	plan := p.plan
	p.plan = &Plan{}
	it, err := p.matchInstance(within, binary.ExternType{Sort: binary.Instances}, nil,
		place{name: "the type of an instance"})
	p.plan = plan
	if err != nil {
		return false, err
	}
	before := len(l.added)
	ok, err := l.item(s, it)
	for _, t := range l.added[before:] {
		delete(l.names, t)
	}
	l.added = l.added[:before]
	return ok, err
}

func (l *look) add(t any) {
	if !l.names[t] {
		l.names[t] = true
		l.added = append(l.added, t)
	}
}

func (l *look) function(f *types.Func) (bool, error) {
	for _, p := range f.Params {
		if ok, err := l.value(p.Type); !ok || err != nil {
			return false, err
		}
	}
	return l.value(f.Result)
}

// value reports whether a type has a name, or needs none and its parts have theirs.
func (l *look) value(t *types.Type) (bool, error) {
	if t == nil || t.Kind <= types.String {
		return true, nil
	}
	switch t.Kind {
	case types.Record, types.Variant, types.Enum, types.Flags:
		return l.names[t], nil
	}
	return l.parts(t)
}

// parts reports whether what a type has within has names.
func (l *look) parts(t *types.Type) (bool, error) {
	if t.Resource != nil {
		return l.names[t.Name], nil
	}
	if l.seen[t] {
		return true, nil
	}
	if l.seen == nil {
		l.seen = map[*types.Type]bool{}
	}
	l.seen[t] = true
	if err := l.planner.step(); err != nil {
		return false, err
	}
	if t.Element != nil {
		return l.value(t.Element)
	}
	for _, f := range t.Fields {
		if ok, err := l.value(f.Type); !ok || err != nil {
			return false, err
		}
	}
	for _, c := range t.Cases {
		if ok, err := l.value(c.Type); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}
