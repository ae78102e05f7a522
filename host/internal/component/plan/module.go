package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weftlattice/weft/host/internal/component/binary"
	"github.com/weftlattice/weft/host/internal/component/face"
	"github.com/weftlattice/weft/host/internal/component/types"
	"github.com/weftlattice/weft/host/internal/wasmbin"
	"github.com/weftlattice/weft/lattice"
)

// The names by which a core module imports and exports what belongs to the canonical ABI.
const (
	preview1      = "wasi_snapshot_preview1"
	rootModule    = "$root"    // functions that the world imports by themselves
	exportPrefix  = "[export]" // and an interface: functions for the resources that the module defines in it
	dropPrefix    = "[resource-drop]"
	newPrefix     = "[resource-new]"
	repPrefix     = "[resource-rep]"
	destroyPrefix = "[dtor]"
	postReturn    = "cabi_post_" // and the name of an export
	memoryName    = "memory"
	reallocName   = "cabi_realloc"
	initName      = "_initialize"
)

// asyncImports begin the names of what bindings for WASI 0.3 import.
var asyncImports = []string{"[async-lower]", "[async]", "[stream-", "[future-", "[task-", "[subtask-", "[waitable",
	"[backpressure-", "[context-", "[error-context-", "[thread-", "[yield"}

// module is a core module that is planned as the component that its worlds tell of.
type module struct {
	planner *planner
	surface *wasmbin.Surface
	exports map[string]wasmbin.Extern
	// known are the types by the interface, with its version track, and the name that they have there: worlds that
	// speak of the same interface mean the same types.
	known map[string]any
	// items say where an item is in its list, by the names on the way to it: see add.
	items       map[string]int
	destructors map[*types.Resource]*Def
	encoding    binary.Encoding // of the world that is being read
	encoded     map[*Import]binary.Encoding
}

// MakeModule plans a core module that carries worlds, as if it had been made a component: the module is its one step,
// and what it imports is found by name. Functions of WASI preview 1 lead to the engine's own. The error is a
// lattice.ErrBadModule.
func MakeModule(file []byte, worlds []binary.World) (*Plan, error) {
	surface, err := wasmbin.ReadSurface(file)
	if err != nil {
		return nil, err
	}
	p := newPlanner(&Plan{Modules: []Module{{file, surface}}, Instances: 1})
	m := &module{planner: p, surface: surface, exports: map[string]wasmbin.Extern{}, known: map[string]any{},
		items: map[string]int{}, destructors: map[*types.Resource]*Def{}, encoded: map[*Import]binary.Encoding{}}
	p.module = m
	for _, e := range surface.Exports {
		m.exports[e.Name] = e
	}
	for _, w := range worlds {
		if err := m.world(w); err != nil {
			return nil, err
		}
	}
	name(p.plan.Imports, "")
	name(p.plan.Exports, "")
	step := Step{}
	if step.Imports, err = m.imports(); err != nil {
		return nil, err
	}
	if init, ok := m.exports[initName]; ok {
		if why := mismatch(wasmbin.Extern{Kind: wasmbin.KindFunc}, init); why != "" {
			return nil, wasmbin.Bad("%s takes or returns values", initName)
		}
		step.Init = initName
	}
	p.plan.Steps = []Step{step}
	m.prune()
	return p.plan, nil
}

// world takes over what a world imports and exports.
func (m *module) world(w binary.World) error {
	p := m.planner
	t, err := m.find(w)
	if err != nil {
		return err
	}
	m.encoding = w.Encoding
	s := &scope{parent: t.scope}
	for _, d := range t.Declarations {
		if err := p.step(); err != nil {
			return err
		}
		switch d := d.(type) {
		case binary.ImportType:
			err = m.declare(s, d.Name, d.Type, place{name: d.Name.Text})
		case binary.ExportType:
			err = m.declare(s, d.Name, d.Type, place{name: d.Name.Text, given: m})
		default:
			err = p.declare(s, d)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// find returns the type of a world. The component that holds it exports a type of components for it, or one for its
// package; in that one the world is a component of its name.
func (m *module) find(w binary.World) (*scopeType, error) {
	p, root := m.planner, &instance{}
	keep := p.plan
	p.plan, p.module = &Plan{}, nil
	defer func() { p.plan, p.module = keep, m }()
	if err := p.instantiate(&closure{component: w.Types}, nil, root); err != nil {
		return nil, err
	}
	for _, n := range root.order {
		t, ok := root.exports[n.Text].value.(*scopeType)
		if !ok || !t.Component {
			continue
		}
		found, err := m.within(t, w.Name)
		if found != nil || err != nil {
			return found, err
		}
	}
	return nil, wasmbin.Bad("the type of the world %s is not where its name says", lattice.Printable(w.Name))
}

// within looks for a world among what a type of components exports.
func (m *module) within(t *scopeType, world string) (*scopeType, error) {
	p, s := m.planner, &scope{parent: t.scope}
	for _, d := range t.Declarations {
		if err := p.step(); err != nil {
			return nil, err
		}
		var name string
		var extern binary.ExternType
		switch d := d.(type) {
		case binary.ImportType:
			name, extern = d.Name.Text, d.Type
		case binary.ExportType:
			name, extern = d.Name.Text, d.Type
		default:
			if err := p.declare(s, d); err != nil {
				return nil, err
			}
			continue
		}
		if extern.Sort == binary.Components {
			v, err := at(s.types, extern.N, binary.Types)
			if err != nil {
				return nil, err
			}
			inner, ok := v.(*scopeType)
			if !ok || !inner.Component {
				return nil, wasmbin.Bad("%s is a component of a type that is none of components",
					lattice.Printable(name))
			}
			if world == "" || worldName(name) == world {
				return inner, nil
			}
			s.put(item{binary.Components, &closure{}})
			continue
		}
		it, err := p.match(s, extern, nil, place{name: name})
		if err != nil {
			return nil, err
		}
		s.put(it)
	}
	return nil, nil
}

// worldName is a world's name without package and version.
func worldName(name string) string {
	name, _, _ = strings.Cut(name, "@")
	return name[strings.LastIndex(name, "/")+1:]
}

// declare adds an import or export of a world to those of the worlds before.
func (m *module) declare(s *scope, n binary.Name, t binary.ExternType, where place) error {
	p := m.planner
	before := len(p.plan.Functions)
	it, err := p.match(s, t, nil, where)
	if err != nil {
		return err
	}
	s.put(it)
	for _, f := range p.plan.Functions[before:] {
		m.encoded[f] = m.encoding
	}
	shown, err := p.item(n, it)
	if err != nil {
		return err
	}
	if where.given != nil {
		return m.add(&p.plan.Exports, exportsPath, shown)
	}
	return m.add(&p.plan.Imports, importsPath, shown)
}

// The paths of the two lists.
const (
	importsPath = "imports"
	exportsPath = "exports"
)

// path is that of an item in a list of a path: no name has a zero byte.
func path(list, name string) string { return list + "\x00" + name }

// item is the item of a name in the list of a path; nil: it has none.
func (m *module) item(all []Item, list, name string) *Item {
	n, ok := m.items[path(list, name)]
	if !ok {
		return nil
	}
	return &all[n]
}

// add adds an item to the list of a path, or what it says of one that is there to that.
func (m *module) add(all *[]Item, list string, it Item) error {
	have, here, parts := m.item(*all, list, it.Name.Text), path(list, it.Name.Text), it.Items
	if have == nil {
		m.items[here] = len(*all)
		it.Items = nil
		*all = append(*all, it)
		have = &(*all)[len(*all)-1]
	}
	if have.Sort != it.Sort || have.Func != nil && !types.EqualFunc(have.Func.Type, it.Func.Type) ||
		have.Type != nil && (it.Type == nil || !types.Equal(have.Type, it.Type)) || have.Resource != it.Resource {
		return wasmbin.Bad("two worlds that the module carries disagree about %s", lattice.Printable(it.Name.Text))
	}
	for _, part := range parts {
		if err := m.add(&have.Items, here, part); err != nil {
			return err
		}
	}
	return nil
}

// known is a type by the name that it has in its interface: the one that had the name before, where the two are equal.
func (p *planner) known(where place, it item) item {
	if p.module == nil {
		return it
	}
	key := face.Track(where.face) + " " + where.name
	if where.given != nil {
		key = exportPrefix + key
	}
	before, ok := p.module.known[key]
	if !ok {
		p.module.known[key] = it.value
		return it
	}
	_, handles := before.(*resource)
	if _, same := it.value.(*resource); handles && same || !handles && sameType(before, it.value) {
		it.value = before
	}
	return it
}

// resource is one that the module defines.
func (m *module) resource(where place) (item, error) {
	r := &types.Resource{}
	it := m.planner.known(where, item{binary.Types, &resource{is: r}})
	if it.value.(*resource).is != r {
		return it, nil
	}
	known := Resource{Type: r}
	if destroy := where.core(destroyPrefix); m.has(destroy) {
		d, err := m.export(destroy, types.Signature{Params: []types.Core{types.I32}})
		if err != nil {
			return item{}, err
		}
		r.Destructor, known.Destructor, m.destructors[r] = true, d, d
	}
	m.planner.plan.Resources = append(m.planner.plan.Resources, known)
	return it, nil
}

// core is the name of what stands for it in a core module.
func (w place) core(prefix string) string {
	if w.face == "" {
		return prefix + w.name
	}
	return w.face + "#" + prefix + w.name
}

// lift makes a function of an export of the module.
func (m *module) lift(where place, t *types.Func) (*Func, error) {
	def, err := m.export(where.core(""), t.Lifted())
	if err != nil {
		return nil, err
	}
	l := &Lift{Core: *def, Options: Options{Encoding: m.encoding}}
	if after := postReturn + def.Name; m.has(after) {
		if l.Options.PostReturn, err = m.export(after, types.Signature{Params: t.Lifted().Results}); err != nil {
			return nil, err
		}
	}
	memory, realloc := liftNeeds(t)
	return &Func{Type: t, Lift: l}, m.options(&l.Options, memory, realloc)
}

func (m *module) has(name string) bool { _, ok := m.exports[name]; return ok }

// export is an exported function of a signature.
func (m *module) export(name string, want types.Signature) (*Def, error) {
	e, ok := m.exports[name]
	if !ok {
		return nil, wasmbin.Bad("the module does not export %s, though its world says so", lattice.Printable(name))
	}
	if why := mismatch(wasmbin.Extern{Kind: wasmbin.KindFunc, Func: coreType(want)}, e); why != "" {
		return nil, wasmbin.Bad("the module exports %s as %x -> %x where its world wants %x -> %x",
			lattice.Printable(name), e.Func.Params, e.Func.Results, want.Params, want.Results)
	}
	return &Def{Name: name}, nil
}

// options adds what values need.
func (m *module) options(o *Options, memory, realloc bool) (err error) {
	if memory {
		if e, ok := m.exports[memoryName]; ok && e.Kind == wasmbin.KindMemory {
			o.Memory = &Def{Name: memoryName}
		}
	}
	if realloc && m.has(reallocName) {
		o.Realloc, err = m.export(reallocName, reallocType)
	}
	if err != nil {
		return err
	}
	return o.require(memory, realloc)
}

// imports finds what each import of the module is. What the worlds do not tell of is collected in Plan.Untold.
func (m *module) imports() ([]Def, error) {
	p := m.planner
	defs := make([]Def, 0, len(m.surface.Imports))
	for _, want := range m.surface.Imports {
		if want.Module == preview1 && want.Kind == wasmbin.KindFunc {
			defs = append(defs, Def{Step: FromPreview1, Name: want.Name})
			continue
		}
		b, err := m.builtin(want)
		if err != nil {
			return nil, err
		}
		if b == nil {
			p.plan.Untold = append(p.plan.Untold, lattice.Printable(want.Module)+"#"+lattice.Printable(want.Name))
			b = &Builtin{}
		}
		if len(p.plan.Builtins) >= maxBuiltins {
			return nil, wasmbin.Bad("more than %d canonical functions", maxBuiltins)
		}
		defs = append(defs, Def{Step: FromBuiltins, Builtin: len(p.plan.Builtins)})
		p.plan.Builtins = append(p.plan.Builtins, *b)
	}
	slices.Sort(p.plan.Untold)
	return defs, nil
}

// builtin is the function of the canonical ABI that an import is; nil: the worlds do not tell of it.
func (m *module) builtin(want wasmbin.Extern) (*Builtin, error) {
	where := lattice.Printable(want.Module) + " " + lattice.Printable(want.Name)
	for _, prefix := range asyncImports {
		if strings.HasPrefix(want.Name, prefix) {
			return nil, wasmbin.Bad("the module imports %s: weft does not run this; %s", where, binary.WayOutAsync)
		}
	}
	if want.Kind != wasmbin.KindFunc {
		return nil, nil
	}
	b := m.named(want.Module, want.Name)
	if b == nil {
		return nil, nil
	}
	if why := mismatch(wasmbin.Extern{Kind: wasmbin.KindFunc, Func: coreType(b.Signature)}, want); why != "" {
		return nil, wasmbin.Bad("the module imports %s as %x -> %x where its world says %x -> %x", where,
			want.Func.Params, want.Func.Results, b.Signature.Params, b.Signature.Results)
	}
	if b.Kind != binary.Lower {
		return b, nil
	}
	b.Func.Import.Used = true
	b.Options.Encoding = m.encoded[b.Func.Import]
	memory, realloc := lowerNeeds(b.Func.Type)
	if err := m.options(&b.Options, memory, realloc); err != nil {
		return nil, fmt.Errorf("import %s: %w", where, err)
	}
	return b, nil
}

// named is the function of the canonical ABI that has a name as an import; nil: none has.
func (m *module) named(from, name string) *Builtin {
	p := m.planner
	items, list := p.plan.Imports, importsPath
	face, own := strings.CutPrefix(from, exportPrefix)
	if own {
		items, list = p.plan.Exports, exportsPath
	}
	if from != rootModule && face != rootModule {
		in := m.item(items, list, face)
		if in == nil {
			return nil
		}
		items, list = in.Items, path(list, face)
	}
	i32 := []types.Core{types.I32}
	for prefix, b := range map[string]Builtin{
		dropPrefix: {Kind: binary.ResourceDrop, Signature: types.Signature{Params: i32}},
		newPrefix:  {Kind: binary.ResourceNew, Signature: types.Signature{Params: i32, Results: i32}},
		repPrefix:  {Kind: binary.ResourceRep, Signature: types.Signature{Params: i32, Results: i32}},
	} {
		resource, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		it := m.item(items, list, resource)
		if it == nil || it.Resource == nil || !own && b.Kind != binary.ResourceDrop {
			return nil
		}
		b.Resource = it.Resource
		if b.Kind == binary.ResourceDrop {
			b.Destructor = m.destructors[it.Resource]
		}
		return &b
	}
	it := m.item(items, list, name)
	if it == nil || it.Func == nil || own {
		return nil
	}
	return &Builtin{Kind: binary.Lower, Signature: it.Func.Type.Lowered(), Func: it.Func}
}
