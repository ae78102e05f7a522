package plan

import (
	"bytes"

	"github.com/weftlattice/weft/host/internal/component/binary"
	"github.com/weftlattice/weft/host/internal/component/types"
	"github.com/weftlattice/weft/host/internal/wasmbin"
	"github.com/weftlattice/weft/lattice"
)

// Bounds of a plan. Components may instantiate components, so that a small file could ask for any number of them.
const (
	maxInstances = 1000    // of components
	maxModules   = 1000    // core modules
	maxSteps     = 1000    // instances of core modules
	maxWork      = 500_000 // definitions and declarations run, and exports shown
	maxNest      = 64      // instances within each other
)

// Make plans a component. The error is a lattice.ErrBadModule.
func Make(c *binary.Component) (*Plan, error) {
	p := newPlanner(&Plan{})
	root := &instance{}
	err := p.instantiate(&closure{component: c}, nil, root)
	if err != nil {
		return nil, err
	}
	if p.plan.Exports, err = p.items(root); err != nil {
		return nil, err
	}
	for i := range p.plan.Imports {
		name(p.plan.Imports[i].Items, p.plan.Imports[i].Name.Text+" ")
	}
	name(p.plan.Exports, "")
	p.plan.Instances, p.plan.Modules = p.instances, p.defined
	return p.plan, nil
}

func newPlanner(plan *Plan) *planner {
	return &planner{plan: plan, judged: map[any]bool{}, open: map[*binary.Declaration]bool{},
		modules: map[*byte]*coreModule{}}
}

// planner makes one plan.
type planner struct {
	plan      *Plan
	instances int
	work      int
	nest      int
	module    *module // what is planned is a core module with its worlds
	// judging is how deep in what is looked at alone: what comes from it is thrown away, and what a component imports
	// may be anything.
	judging int
	judged  map[any]bool // components, and the first declarations of types
	// open are the types of components and instances, by their first declaration, that mention resources which lie
	// outside of them.
	open    map[*binary.Declaration]bool
	modules map[*byte]*coreModule // by where their bytes begin
	defined []Module              // by their numbers
}

// judge looks at a component or a type where it is defined: what is wrong with it is wrong, whether it is used or not.
// Each is looked at once.
func (p *planner) judge(what any, look func() error) error {
	if p.judged[what] {
		return nil
	}
	p.judged[what] = true
	plan, instances, module := p.plan, p.instances, p.module
	p.plan, p.module = &Plan{}, nil
	p.judging++
	err := look()
	p.judging--
	p.plan, p.instances, p.module = plan, instances, module
	return err
}

// instantiateType makes an instance of a component that is known by its type: what it exports is what its type says.
func (p *planner) instantiateType(t *scopeType, args map[string]item, result *instance) error {
	s := &scope{parent: t.scope, typ: t, names: newNames(args)}
	for _, d := range t.Declarations {
		if err := p.step(); err != nil {
			return err
		}
		var err error
		switch d := d.(type) {
		case binary.ImportType:
			err = p.imported(s, binary.Import(d), args)
		case binary.ExportType:
			var it item
			if it, err = p.match(s, d.Type, nil, place{name: d.Name.Text}); err == nil {
				err = p.give(s, result, d.Name, it)
			}
		default:
			err = p.declare(s, d)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// give adds an export, which has an index of its own.
func (p *planner) give(s *scope, result *instance, n binary.Name, it item) error {
	if err := s.exports.take("the export", n.Text, it); err != nil {
		return err
	}
	if err := p.show(s, exported, n, it); err != nil {
		return err
	}
	result.add(n, it)
	s.put(it)
	return nil
}

// instantiate runs a component with its arguments, and puts what it exports into result. A nil args is the host: what
// the component imports is asked of it.
func (p *planner) instantiate(c *closure, args map[string]item, result *instance) error {
	if p.instances++; p.instances > maxInstances {
		return wasmbin.Bad("more than %d instances of components", maxInstances)
	}
	if p.nest++; p.nest > maxNest {
		return wasmbin.Bad("components that instantiate each other: %d allowed", maxNest)
	}
	defer func() { p.nest-- }()
	if c.component == nil {
		return p.instantiateType(c.typ, args, result)
	}
	s := &scope{parent: c.scope, instance: p.instances - 1, body: true, names: newNames(args)}
	for _, d := range c.component.Definitions {
		if err := p.step(); err != nil {
			return err
		}
		if err := p.define(s, d, args, result); err != nil {
			return err
		}
	}
	return nil
}

// step counts work.
func (p *planner) step() error {
	if p.work++; p.work > maxWork {
		return wasmbin.Bad("a component that takes more than %d steps to resolve", maxWork)
	}
	return nil
}

// define carries out one definition: it adds to the index spaces of s what the definition says, and to the plan what
// has to be done when an instance is made. args are what the component is instantiated with, result what it exports.
func (p *planner) define(s *scope, d binary.Definition, args map[string]item, result *instance) (err error) {
	switch d := d.(type) {
	case binary.CoreModule:
		var m *coreModule
		if m, err = p.coreModule(d.Bytes); err == nil {
			s.modules = append(s.modules, m)
		}
	case binary.CoreInstance:
		var i coreInstance
		if i, err = p.coreInstance(s, d); err == nil {
			s.coreInsts = append(s.coreInsts, i)
		}
	case binary.CoreType:
		err = s.coreType(d)
	case binary.Nested:
		c := &closure{component: d.Component, scope: s}
		s.components = append(s.components, c)
		err = p.judge(d.Component, func() error { return p.instantiate(c, nil, &instance{}) })
	case binary.Instance:
		var i *instance
		if i, err = p.instance(s, d); err == nil {
			s.instances = append(s.instances, i)
		}
	case binary.Alias:
		err = p.alias(s, d)
	case binary.Type:
		var t any
		if t, err = p.defType(s, d.Type); err == nil {
			s.types = append(s.types, t)
		}
	case binary.Canon:
		err = p.canon(s, d)
	case binary.Import:
		err = p.imported(s, d, args)
	case binary.Export:
		err = p.exported(s, d, result)
	}
	return err
}

// coreInstance plans a step, or collects what an inline instance names.
func (p *planner) coreInstance(s *scope, d binary.CoreInstance) (coreInstance, error) {
	if d.Inline {
		i := coreInstance{}
		for _, e := range d.Exports {
			if e.Item.Sort > binary.CoreTag {
				return nil, wasmbin.Bad("a core instance that exports a %s", e.Item.Sort)
			}
			c, err := at(s.core[e.Item.Sort], e.Item.N, e.Item.Sort)
			if err != nil {
				return nil, err
			}
			if _, twice := i[e.Name]; twice {
				return nil, wasmbin.Bad("a core instance exports %s twice", lattice.Printable(e.Name))
			}
			i[e.Name] = c
		}
		return i, nil
	}
	m, err := at(s.modules, d.Module, binary.CoreModules)
	if err != nil {
		return nil, err
	}
	given := map[string]coreInstance{}
	for _, a := range d.Args {
		i, err := at(s.coreInsts, a.Instance, binary.CoreInstances)
		if err != nil {
			return nil, err
		}
		if _, twice := given[a.Name]; twice {
			return nil, wasmbin.Bad("a core module gets the argument %s twice", lattice.Printable(a.Name))
		}
		given[a.Name] = i
	}
	if len(p.plan.Steps) >= maxSteps {
		return nil, wasmbin.Bad("more than %d instances of core modules", maxSteps)
	}
	step := Step{Module: m.number}
	for _, want := range m.surface.Imports {
		have, ok := given[want.Module][want.Name]
		if !ok {
			return nil, wasmbin.Bad("a core module imports %s from %s, which it is not given",
				lattice.Printable(want.Name), lattice.Printable(want.Module))
		}
		if why := mismatch(want, have.kind); why != "" {
			return nil, wasmbin.Bad("a core module imports %s from %s: %s", lattice.Printable(want.Name),
				lattice.Printable(want.Module), why)
		}
		step.Imports = append(step.Imports, have.def)
	}
	i, n := coreInstance{}, len(p.plan.Steps)
	for _, e := range m.surface.Exports {
		i[e.Name] = coreItem{Def{Step: n, Name: e.Name}, e}
	}
	p.plan.Steps = append(p.plan.Steps, step)
	return i, nil
}

// coreModule is the module that a definition has: a component that is instantiated twice has its modules once.
func (p *planner) coreModule(b []byte) (*coreModule, error) {
	if m := p.modules[&b[0]]; m != nil {
		return m, nil
	}
	if len(p.modules) >= maxModules {
		return nil, wasmbin.Bad("more than %d core modules", maxModules)
	}
	surface, err := wasmbin.ReadSurface(b)
	if err != nil {
		return nil, err
	}
	seen := make(map[[2]string]bool, len(surface.Imports))
	for _, i := range surface.Imports {
		key := [2]string{i.Module, i.Name}
		if seen[key] {
			return nil, wasmbin.Bad("a core module imports %s from %s twice", lattice.Printable(i.Name),
				lattice.Printable(i.Module))
		}
		seen[key] = true
	}
	m := &coreModule{surface: surface, number: len(p.modules)}
	p.modules[&b[0]] = m
	p.defined = append(p.defined, Module{b, surface})
	return m, nil
}

// mismatch says why a core module cannot have what it is given for an import; "": it can.
func mismatch(want, have wasmbin.Extern) string {
	switch {
	case want.Kind != have.Kind:
		return "it is given something of another kind"
	case want.Kind == wasmbin.KindFunc || want.Kind == wasmbin.KindTag:
		if !bytes.Equal(want.Func.Params, have.Func.Params) || !bytes.Equal(want.Func.Results, have.Func.Results) {
			return "it is given a function of another type"
		}
	case want.Kind == wasmbin.KindGlobal:
		if want.Value != have.Value || want.Vary != have.Vary {
			return "it is given a global of another type"
		}
	default:
		l, h := want.Limits, have.Limits
		if want.Value != have.Value || l.Min > h.Min || l.Flags&^1 != h.Flags&^1 || l.Flags&1 != 0 &&
			(h.Flags&1 == 0 || h.Max > l.Max) {
			return "it is given one of other limits"
		}
	}
	return ""
}

// instance instantiates a component with the given arguments, or puts an instance together. The planner runs the nested
// component's definitions each time, as each instance has its own.
func (p *planner) instance(s *scope, d binary.Instance) (*instance, error) {
	result, bag := &instance{}, namespace{anonymous: true}
	given := map[string]item{}
	named := d.Args
	if d.Inline {
		named = d.Exports
	}
	for _, a := range named {
		it, err := s.get(a.Item)
		if err != nil {
			return nil, err
		}
		if _, twice := given[a.Name]; twice {
			return nil, wasmbin.Bad("an instance has %s twice", lattice.Printable(a.Name))
		}
		given[a.Name] = it
		if d.Inline {
			if err := bag.take("the export", a.Name, it); err != nil {
				return nil, err
			}
			result.add(binary.Name{Text: a.Name}, it)
		}
	}
	if d.Inline {
		return result, nil
	}
	c, err := at(s.components, d.Component, binary.Components)
	if err != nil {
		return nil, err
	}
	return result, p.instantiate(c, given, result)
}

// alias adds something that is known already to an index space.
func (p *planner) alias(s *scope, d binary.Alias) error {
	switch d.Kind {
	case binary.AliasCoreExport:
		i, err := at(s.coreInsts, d.Instance, binary.CoreInstances)
		if err != nil {
			return err
		}
		c, ok := i[d.Name]
		if !ok || c.kind.Kind != byte(d.Sort) {
			return wasmbin.Bad("a core instance exports no %s %s", d.Sort, lattice.Printable(d.Name))
		}
		s.core[d.Sort] = append(s.core[d.Sort], c)
	case binary.AliasExport:
		i, err := at(s.instances, d.Instance, binary.Instances)
		if err != nil {
			return err
		}
		it, ok := i.exports[d.Name]
		if !ok || it.sort != d.Sort {
			return wasmbin.Bad("an instance exports no %s %s", d.Sort, lattice.Printable(d.Name))
		}
		s.put(it)
	case binary.AliasOuter:
		from, leaves, err := s.outer(d.Outer)
		if err != nil {
			return err
		}
		if d.Sort == binary.CoreTypes {
			t, err := at(from.coreTypes, d.N, d.Sort)
			s.coreTypes = append(s.coreTypes, t)
			return err
		}
		it, err := from.get(binary.Index{Sort: d.Sort, N: d.N})
		if err != nil {
			return err
		}
		if d.Sort == binary.Types && p.refersToResources(it.value) {
			if leaves {
				return wasmbin.Bad("an alias of a type of resources that another component has, " +
					"which is to be imported")
			}
			for t := s; t != from; t = t.parent {
				if t.typ != nil {
					p.open[&t.typ.Declarations[0]] = true
				}
			}
		}
		s.put(it)
	}
	return nil
}

func (p *planner) exported(s *scope, d binary.Export, result *instance) error {
	it, err := s.get(d.Item)
	if err != nil {
		return err
	}
	if d.Type != nil {
		if it, err = p.match(s, *d.Type, &it, place{name: d.Name.Text}); err != nil {
			return err
		}
	}
	switch t := d.Type; {
	case t == nil || t.Sort != binary.Types:
	case t.Resource: // which hides what it is
		hidden := *it.value.(*resource).real()
		hidden.Hides = it.value.(*resource).real()
		it.value = &resource{is: &hidden}
	default:
		it.value = s.types[t.N] // the same, with names of its own
	}
	it.value = named(it.value)
	return p.give(s, result, d.Name, it)
}

func (p *planner) imported(s *scope, d binary.Import, args map[string]item) error {
	var have *item
	if args != nil {
		it, ok := args[d.Name.Text]
		if !ok {
			return wasmbin.Bad("a component imports %s, which it is not given", d.Name.Text)
		}
		have = &it
	}
	it, err := p.match(s, d.Type, have, place{name: d.Name.Text})
	if err != nil {
		return err
	}
	if t := d.Type; s.names != nil && t.Sort == binary.Types && !t.Resource && s.names.exports[s.types[t.N]] &&
		!s.names.imports[s.types[t.N]] {
		return wasmbin.Bad("the import %s is of a type that the component exports", lattice.Printable(d.Name.Text))
	}
	if err := p.show(s, imported, d.Name, it); err != nil {
		return err
	}
	if err := s.imports.take("the import", d.Name.Text, it); err != nil {
		return err
	}
	if args == nil && p.judging == 0 {
		shown, err := p.item(d.Name, it)
		if err != nil {
			return err
		}
		p.plan.Imports = append(p.plan.Imports, shown)
	}
	s.put(it)
	return nil
}

// items are an instance's exports. An instance that is in it twice is shown twice, so that this is work, too.
func (p *planner) items(i *instance) (all []Item, err error) {
	if p.nest++; p.nest > maxNest {
		return nil, wasmbin.Bad("instances within each other: %d allowed", maxNest)
	}
	defer func() { p.nest-- }()
	for _, n := range i.order {
		if err := p.step(); err != nil {
			return nil, err
		}
		shown, err := p.item(n, i.exports[n.Text])
		if err != nil {
			return nil, err
		}
		all = append(all, shown)
	}
	return all, nil
}

// item makes what others see of something.
func (p *planner) item(n binary.Name, it item) (e Item, err error) {
	e = Item{Name: n, Sort: it.sort}
	switch v := it.value.(type) {
	case *Func:
		e.Func = v
	case *types.Type:
		e.Type, e.Named = v, v
		if from := v.From(); from != nil {
			e.From = from
		}
	case *resource:
		e.Resource, e.Named = v.real(), v
		if v.from != nil {
			e.From = v.from
		}
	case *instance:
		e.Items, err = p.items(v)
	}
	return e, err
}

// name gives resources the names that people know them by.
func name(all []Item, prefix string) {
	for i := range all {
		switch it := &all[i]; {
		case it.Resource != nil && it.Resource.Name == "":
			it.Resource.Name = prefix + it.Name.Text
		case it.Items != nil:
			name(it.Items, it.Name.Text+" ")
		}
	}
}
