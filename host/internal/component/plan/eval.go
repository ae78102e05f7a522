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
	maxSteps     = 1000    // instances of core modules
	maxWork      = 500_000 // definitions and declarations run, and exports shown
	maxNest      = 64      // instances within each other
)

// Make plans a component. The error is a lattice.ErrBadModule.
func Make(c *binary.Component) (*Plan, error) {
	p := &planner{plan: &Plan{}}
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
	p.plan.Instances = p.instances
	return p.plan, nil
}

// planner makes one plan.
type planner struct {
	plan      *Plan
	instances int
	work      int
	nest      int
	module    *module // what is planned is a core module with its worlds
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
	s := &scope{parent: c.scope, instance: p.instances - 1}
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

func (p *planner) define(s *scope, d binary.Definition, args map[string]item, result *instance) (err error) {
	switch d := d.(type) {
	case binary.CoreModule:
		s.modules = append(s.modules, &coreModule{bytes: d.Bytes, number: -1})
	case binary.CoreInstance:
		var i coreInstance
		if i, err = p.coreInstance(s, d); err == nil {
			s.coreInsts = append(s.coreInsts, i)
		}
	case binary.CoreType:
		s.coreTypes = append(s.coreTypes, d)
	case binary.Nested:
		s.components = append(s.components, &closure{d.Component, s})
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
	if err := p.surface(m); err != nil {
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

// surface reads a module's surface and gives it a number.
func (p *planner) surface(m *coreModule) (err error) {
	if m.number >= 0 {
		return nil
	}
	for n := range p.plan.Modules { // a component that is instantiated twice has its modules once
		if known := p.plan.Modules[n]; len(known.Bytes) == len(m.bytes) &&
			(len(m.bytes) == 0 || &known.Bytes[0] == &m.bytes[0]) {
			m.number, m.surface = n, known.Surface
			return nil
		}
	}
	if m.surface, err = wasmbin.ReadSurface(m.bytes); err != nil {
		return err
	}
	m.number = len(p.plan.Modules)
	p.plan.Modules = append(p.plan.Modules, Module{m.bytes, m.surface})
	return nil
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

func (p *planner) instance(s *scope, d binary.Instance) (*instance, error) {
	result := &instance{}
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
	if c.component == nil {
		return nil, wasmbin.Bad("a component that instantiates one which it imports; weft runs what is in the file")
	}
	return result, p.instantiate(c, given, result)
}

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
		from, err := s.outer(d.Outer)
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
	if _, twice := result.exports[d.Name.Text]; twice {
		return wasmbin.Bad("%s is exported twice", d.Name.Text)
	}
	result.add(d.Name, it)
	s.put(it)
	return nil
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
	if args == nil {
		if Find(p.plan.Imports, d.Name.Text) != nil {
			return wasmbin.Bad("%s is imported twice", d.Name.Text)
		}
		shown, err := p.show(d.Name, it)
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
		shown, err := p.show(n, i.exports[n.Text])
		if err != nil {
			return nil, err
		}
		all = append(all, shown)
	}
	return all, nil
}

// show makes what others see of something.
func (p *planner) show(n binary.Name, it item) (e Item, err error) {
	e = Item{Name: n, Sort: it.sort}
	switch v := it.value.(type) {
	case *Func:
		e.Func = v
	case *types.Type:
		e.Type = v
	case *types.Resource:
		e.Resource = v
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
