package plan

import (
	"github.com/weftlattice/weft/host/internal/component/binary"
	"github.com/weftlattice/weft/host/internal/component/types"
	"github.com/weftlattice/weft/host/internal/wasmbin"
	"github.com/weftlattice/weft/lattice"
)

// place says what is being matched, for errors and for the names of what the host provides.
type place struct {
	face string // the instance that it is in; "": none
	name string
	// given is what implements it: an export of a core module. nil: the host provides it.
	given *module
}

func (p place) String() string {
	if p.face == "" {
		return lattice.Printable(p.name)
	}
	return lattice.Printable(p.face) + " " + lattice.Printable(p.name)
}

// match checks that something has a type, and returns it as that type shows it. Types that are declared become those
// that are given: that is how a type which is imported is the same as the one that was given. A nil have is something
// that the host has to provide.
func (p *planner) match(s *scope, t binary.ExternType, have *item, where place) (item, error) {
	if have != nil && have.sort != t.Sort {
		return item{}, wasmbin.Bad("%s is %s where a %s is wanted", where, describe(*have), t.Sort)
	}
	switch t.Sort {
	case binary.Types:
		return p.matchType(s, t, have, where)
	case binary.Func:
		return p.matchFunc(s, t, have, where)
	case binary.Instances:
		return p.matchInstance(s, t, have, where)
	case binary.Components, binary.CoreModules:
		if have == nil {
			return item{}, wasmbin.Bad("%s: the component imports a %s, which a host does not provide; put it into the file (wac, wasm-tools compose)", where, t.Sort)
		}
		return *have, nil
	}
	return item{}, wasmbin.Bad("%s is of the sort %s", where, t.Sort)
}

func (p *planner) matchType(s *scope, t binary.ExternType, have *item, where place) (item, error) {
	if t.Resource {
		if have == nil && where.given != nil {
			return where.given.resource(where)
		}
		if have == nil {
			return p.named(where, item{binary.Types, &types.Resource{Owner: -1}}), nil
		}
		if _, ok := have.value.(*types.Resource); !ok {
			return item{}, wasmbin.Bad("%s is %s where a resource is wanted", where, describe(*have))
		}
		return *have, nil
	}
	want, err := at(s.types, t.N, binary.Types)
	if err != nil {
		return item{}, err
	}
	if have == nil {
		return p.named(where, item{binary.Types, want}), nil
	}
	if !sameType(want, have.value) {
		return item{}, wasmbin.Bad("%s is %s which differs from what is wanted", where, describe(*have))
	}
	return *have, nil
}

// sameType compares types of any sort. Types of components and instances are compared where they are used.
func sameType(a, b any) bool {
	switch a := a.(type) {
	case *types.Type:
		b, ok := b.(*types.Type)
		return ok && types.Equal(a, b)
	case *types.Func:
		b, ok := b.(*types.Func)
		return ok && types.EqualFunc(a, b)
	case *types.Resource:
		return a == b
	}
	_, ok := b.(*scopeType)
	return ok
}

func (p *planner) matchFunc(s *scope, t binary.ExternType, have *item, where place) (item, error) {
	v, err := at(s.types, t.N, binary.Types)
	if err != nil {
		return item{}, err
	}
	want, ok := v.(*types.Func)
	if !ok {
		return item{}, wasmbin.Bad("%s is a function of a type that is none of functions", where)
	}
	if have == nil && where.given != nil {
		f, err := where.given.lift(where, want)
		return item{binary.Func, f}, err
	}
	if have == nil {
		i := &Import{Interface: where.face, Name: where.name, Type: want}
		p.plan.Functions = append(p.plan.Functions, i)
		return item{binary.Func, &Func{Type: want, Import: i}}, nil
	}
	if f := have.value.(*Func); !types.EqualFunc(want, f.Type) {
		return item{}, wasmbin.Bad("%s has another type than is wanted", where)
	}
	return *have, nil
}

func (p *planner) matchInstance(s *scope, t binary.ExternType, have *item, where place) (item, error) {
	v, err := at(s.types, t.N, binary.Types)
	if err != nil {
		return item{}, err
	}
	st, ok := v.(*scopeType)
	if !ok || st.Component {
		return item{}, wasmbin.Bad("%s is an instance of a type that is none of instances", where)
	}
	var given *instance
	if have != nil {
		given = have.value.(*instance)
	}
	if p.nest++; p.nest > maxNest {
		return item{}, wasmbin.Bad("instances within each other: %d allowed", maxNest)
	}
	defer func() { p.nest-- }()
	inner, result := &scope{parent: st.scope, instance: s.instance}, &instance{}
	for _, d := range st.Declarations {
		if err := p.step(); err != nil {
			return item{}, err
		}
		e, ok := d.(binary.ExportType)
		if !ok {
			if err := p.declare(inner, d); err != nil {
				return item{}, err
			}
			continue
		}
		var part *item
		if given != nil {
			it, ok := given.exports[e.Name.Text]
			if !ok {
				return item{}, wasmbin.Bad("%s has no %s", where, lattice.Printable(e.Name.Text))
			}
			part = &it
		}
		it, err := p.match(inner, e.Type, part, place{where.name, e.Name.Text, where.given})
		if err != nil {
			return item{}, err
		}
		if _, twice := result.exports[e.Name.Text]; twice {
			return item{}, wasmbin.Bad("%s has %s twice", where, lattice.Printable(e.Name.Text))
		}
		result.add(e.Name, it)
		inner.put(it)
	}
	return item{binary.Instances, result}, nil
}

// declare runs a declaration that is neither an import nor an export.
func (p *planner) declare(s *scope, d binary.Declaration) error {
	switch d := d.(type) {
	case binary.CoreType:
		s.coreTypes = append(s.coreTypes, d)
	case binary.Type:
		t, err := p.defType(s, d.Type)
		if err != nil {
			return err
		}
		s.types = append(s.types, t)
	case binary.Alias:
		return p.alias(s, d)
	}
	return nil
}
