package plan

import (
	"fmt"

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
	case binary.CoreModules:
		if have != nil {
			want, err := p.unknown(s, t, where)
			if err != nil {
				return item{}, err
			}
			return *have, admits(want.value.(*coreModule).surface, have.value.(*coreModule).surface, where)
		}
		fallthrough
	case binary.Components:
		if have == nil && p.judging > 0 {
			return p.unknown(s, t, where)
		}
		if have == nil {
			return item{}, wasmbin.Bad("%s: the component imports a %s, which a host does not provide; "+
				"put it into the file (wac, wasm-tools compose)", where, t.Sort)
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
			return p.known(where, item{binary.Types, &resource{is: &types.Resource{Owner: -1}}}), nil
		}
		if _, ok := have.value.(*resource); !ok {
			return item{}, wasmbin.Bad("%s is %s where a resource is wanted", where, describe(*have))
		}
		return *have, nil
	}
	want, err := at(s.types, t.N, binary.Types)
	if err != nil {
		return item{}, err
	}
	if have == nil {
		return p.known(where, item{binary.Types, named(want)}), nil
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
	case *resource:
		b, ok := b.(*resource)
		return ok && a.is == b.is
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
	f := have.value.(*Func)
	if !types.EqualFunc(want, f.Type) {
		return item{}, wasmbin.Bad("%s has another type than is wanted", where)
	}
	// What is wanted is the same type, which may have other names for its parts.
	return item{binary.Func, &Func{Type: want, Import: f.Import, Lift: f.Lift}}, nil
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
	inner, result := &scope{parent: st.scope, instance: s.instance, typ: st}, &instance{}
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
		if err := p.give(inner, result, e.Name, it); err != nil {
			return item{}, fmt.Errorf("%s: %w", where, err)
		}
	}
	return item{binary.Instances, result}, nil
}

// unknown is a component or a core module that is known by its type alone.
func (p *planner) unknown(s *scope, t binary.ExternType, where place) (item, error) {
	if t.Sort == binary.Components {
		v, err := at(s.types, t.N, binary.Types)
		st, ok := v.(*scopeType)
		if err == nil && (!ok || !st.Component) {
			err = wasmbin.Bad("%s is a component of a type that is none of components", where)
		}
		return item{binary.Components, &closure{typ: st}}, err
	}
	c, err := at(s.coreTypes, t.N, binary.CoreTypes)
	if err != nil {
		return item{}, err
	}
	if c.Module == nil {
		return item{}, wasmbin.Bad("%s is a core module of a type that is none of modules", where)
	}
	surface, err := s.surfaceOf(c.Module)
	return item{binary.CoreModules, &coreModule{surface: surface, number: -1}}, err
}

// admits says why a core module is not one of a type: it may import less and export more.
func admits(want, have *wasmbin.Surface, where place) error {
	byName := func(all []wasmbin.Extern) map[[2]string]*wasmbin.Extern {
		m := make(map[[2]string]*wasmbin.Extern, len(all))
		for i := range all {
			m[[2]string{all[i].Module, all[i].Name}] = &all[i]
		}
		return m
	}
	imports, exports := byName(want.Imports), byName(have.Exports)
	for _, i := range have.Imports {
		given := imports[[2]string{i.Module, i.Name}]
		if given == nil {
			return wasmbin.Bad("%s: the core module imports %s from %s, which its type does not", where,
				lattice.Printable(i.Name), lattice.Printable(i.Module))
		}
		if why := mismatch(i, *given); why != "" {
			return wasmbin.Bad("%s: the import %s of the core module: %s", where, lattice.Printable(i.Name), why)
		}
	}
	for _, e := range want.Exports {
		given := exports[[2]string{"", e.Name}]
		if given == nil {
			return wasmbin.Bad("%s: the core module exports no %s, as its type does", where, lattice.Printable(e.Name))
		}
		if why := mismatch(e, *given); why != "" {
			return wasmbin.Bad("%s: the export %s of the core module: %s", where, lattice.Printable(e.Name), why)
		}
	}
	return nil
}

// coreType gives a core type the next index.
func (s *scope) coreType(t binary.CoreType) error {
	s.coreTypes = append(s.coreTypes, t)
	if t.Module == nil {
		return nil
	}
	_, err := s.surfaceOf(t.Module)
	return err
}

// surfaceOf is what a module of a type shows.
func (s *scope) surfaceOf(m *binary.CoreModuleType) (*wasmbin.Surface, error) {
	surface, inner := &wasmbin.Surface{}, []binary.CoreType{}
	names := map[[2]string]bool{}
	add := func(module, name string, t binary.CoreExternType, all *[]wasmbin.Extern, verb string) error {
		if key := [2]string{verb + module, name}; names[key] {
			return wasmbin.Bad("the type of a core module %s %s twice", verb, lattice.Printable(module+" "+name))
		} else {
			names[key] = true
		}
		e, err := coreExtern(t, inner)
		e.Module, e.Name = module, name
		*all = append(*all, e)
		return err
	}
	for _, d := range m.Declarations {
		var err error
		switch d := d.(type) {
		case binary.CoreType:
			inner = append(inner, d)
		case binary.CoreOuterType:
			var from *scope
			if d.Outer == 0 {
				return nil, wasmbin.Bad("a core type that is an alias within its own module's type")
			}
			if from, _, err = s.outer(d.Outer - 1); err == nil {
				var t binary.CoreType
				t, err = at(from.coreTypes, d.N, binary.CoreTypes)
				inner = append(inner, t)
			}
		case binary.CoreImport:
			err = add(d.Module, d.Name, d.Type, &surface.Imports, "imports")
		case binary.CoreExportType:
			err = add("", d.Name, d.Type, &surface.Exports, "exports")
		}
		if err != nil {
			return nil, err
		}
	}
	return surface, nil
}

// Bounds of core memories (pages of 64 KiB) and tables.
const (
	maxPages   = 1 << 16
	maxEntries = 1<<32 - 1
)

// coreExtern is the type of an import or export of a core module.
func coreExtern(t binary.CoreExternType, types []binary.CoreType) (wasmbin.Extern, error) {
	e := wasmbin.Extern{Kind: byte(t.Sort), Value: byte(t.Value), Vary: t.Mutable,
		Limits: wasmbin.Limits{Min: t.Limits.Min, Max: t.Limits.Max}}
	most := uint64(maxEntries)
	switch t.Sort {
	case binary.CoreFunc, binary.CoreTag:
		c, err := at(types, t.Func, binary.CoreTypes)
		if err != nil {
			return e, err
		}
		if c.Func == nil {
			return e, wasmbin.Bad("a core function of a type that is none of functions")
		}
		bytes := func(all []binary.CoreValType) []byte {
			b := make([]byte, len(all))
			for i, v := range all {
				b[i] = byte(v)
			}
			return b
		}
		e.Func = wasmbin.Func{Params: bytes(c.Func.Params), Results: bytes(c.Func.Results)}
	case binary.CoreMemory:
		most = maxPages
	}
	l := t.Limits
	for bit, set := range map[byte]bool{1: l.Bounded, 2: l.Shared, 4: l.Wide} {
		if set {
			e.Limits.Flags |= bit
		}
	}
	if !l.Wide && (l.Min > most || l.Bounded && (l.Max > most || l.Max < l.Min)) {
		return e, wasmbin.Bad("a core memory or table of %d to %d, of which at most %d are allowed", l.Min, l.Max, most)
	}
	return e, nil
}

// declare runs a declaration that is neither an import nor an export.
func (p *planner) declare(s *scope, d binary.Declaration) error {
	switch d := d.(type) {
	case binary.CoreType:
		return s.coreType(d)
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
