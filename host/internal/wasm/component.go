package wasm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/weftlattice/weft/host/internal/component/binary"
	"github.com/weftlattice/weft/host/internal/component/face"
	"github.com/weftlattice/weft/host/internal/component/plan"
	"github.com/weftlattice/weft/host/internal/component/types"
	"github.com/weftlattice/weft/host/internal/component/wasi"
	"github.com/weftlattice/weft/host/internal/component/wit"
	"github.com/weftlattice/weft/host/internal/instrument"
	"github.com/weftlattice/weft/host/internal/wasmbin"
	"github.com/weftlattice/weft/internal/typed"
	"github.com/weftlattice/weft/lattice"
)

// Component is a module of many: it exports interfaces, and its core modules are instantiated together.
const Component Kind = "component"

// component is what a Module of that kind has besides.
type component struct {
	plan    *plan.Plan
	parts   []*Module                   // the code of each step
	host    api.Module                  // the functions of the canonical ABI; nil: there are none
	imports map[*plan.Import]*face.Func // of the host
	// provided is which of them each builtin calls; nil: it is none that calls the host
	provided []*face.Func
	handle   *plan.Func     // wasi:http/incoming-handler handle; nil: it has none
	typed    typedFunctions // that others call, and that others serve
	// restored is weft-restored, which is called in an instance that was made from a snapshot; nil: it has none
	restored *plan.Func
}

// Names under which the core modules of a component import what the plan says.
const (
	stepPrefix  = "$"  // and the number of the step
	builtinName = "$h" // the field is the number of the builtin

	preview1Name = "wasi_snapshot_preview1" // the engine's own module, for modules that run as components
)

// Check says why a module or component cannot be run, as far as that can be told without compiling anything.
func Check(file []byte) error {
	if !isComponent(file) {
		_, err := instrument.Rewrite(file)
		return err
	}
	m, err := readComponent(file)
	if err != nil {
		return err
	}
	if err := m.component.callable(); err != nil {
		return err
	}
	for _, core := range m.component.plan.Modules {
		if _, err := instrument.Rewrite(core.Bytes); err != nil {
			return err
		}
	}
	return nil
}

// World writes what a component imports and exports, as WIT; "" for a module.
func World(file []byte) (string, error) {
	if !isComponent(file) {
		return "", nil
	}
	p, err := planOf(file)
	if err != nil {
		return "", err
	}
	return wit.World(p), nil
}

// Contracts are those that a component needs for what it calls and for how it is called, sorted; nil for a module.
func Contracts(file []byte) ([]lattice.ContractID, error) {
	if !isComponent(file) {
		return nil, nil
	}
	p, err := planOf(file)
	if err != nil {
		return nil, err
	}
	needed := []lattice.ContractID{}
	need := func(face string) {
		if c := wasi.Contract(face); c != "" && !slices.Contains(needed, c) {
			needed = append(needed, c)
		}
	}
	for _, f := range p.Functions {
		if f.Used {
			need(f.Interface)
		}
	}
	for _, e := range p.Exports {
		need(e.Name.Text)
	}
	slices.Sort(needed)
	return needed, nil
}

// Interfaces are the names of what a component imports and exports, in its order; nil for a module.
func Interfaces(file []byte) (imports, exports []string, err error) {
	if !isComponent(file) {
		return nil, nil, nil
	}
	p, err := planOf(file)
	if err != nil {
		return nil, nil, err
	}
	names := func(items []plan.Item) []string {
		all := make([]string, len(items))
		for i, it := range items {
			all[i] = it.Name.Text
		}
		return all
	}
	return names(p.Imports), names(p.Exports), nil
}

// isComponent reports whether a file is a component, or a module that wit-bindgen made to become one: such a module
// carries the type that it would have, and is run as if it were a component already.
func isComponent(file []byte) bool {
	if binary.Is(file) {
		return true
	}
	if !binary.HasWorlds(file) {
		return false
	}
	s, err := wasmbin.ReadSurface(file)
	return err != nil || !slices.ContainsFunc(s.Exports, func(e wasmbin.Extern) bool {
		return e.Name == guestCall || e.Name == start
	})
}

// planOf plans a component.
func planOf(file []byte) (*plan.Plan, error) {
	if !binary.Is(file) {
		worlds, err := binary.Worlds(file)
		if err != nil {
			return nil, err
		}
		return plan.MakeModule(file, worlds)
	}
	decoded, err := binary.Decode(file)
	if err != nil {
		return nil, err
	}
	return plan.Make(decoded)
}

// compileComponent reads a component and compiles its core modules.
func (e *Engine) compileComponent(ctx context.Context, file []byte) (*Module, error) {
	m, err := readComponent(file)
	if err != nil {
		return nil, err
	}
	m.engine = e
	if err := m.compileParts(ctx); err != nil {
		return nil, errors.Join(err, m.Close(ctx))
	}
	return m, nil
}

// readComponent plans a component and finds what it imports.
func readComponent(file []byte) (*Module, error) {
	p, err := planOf(file)
	if err != nil {
		return nil, err
	}
	m := &Module{component: &component{plan: p, imports: map[*plan.Import]*face.Func{}}}
	m.info.Kind = Component
	return m, m.component.inspect(&m.info)
}

// inspect finds what the component imports from the host and what it can be called for. All that is missing is told
// together, with what to do, and so is what it would be called for in vain: a person builds once more, and not once for
// each.
func (c *component) inspect(info *Info) error {
	missing, vain := slices.Clone(c.plan.Untold), []string(nil)
	for n, step := range c.plan.Steps {
		for at, d := range step.Imports {
			if d.Step != plan.FromPreview1 {
				continue
			}
			want := c.plan.Modules[c.plan.Steps[n].Module].Surface.Imports[at]
			info.Imports = append(info.Imports, want.Module+"."+want.Name)
			if fault := lacks(want); fault != "" {
				missing = append(missing, fault)
			}
		}
	}
	for _, f := range c.plan.Functions {
		if !f.Used {
			continue
		}
		name := f.Interface + "#" + f.Name
		info.Imports = append(info.Imports, name)
		switch have, shape := wasi.Find(f.Interface, f.Name); {
		case have == nil:
			if why, ok := c.typed.importOther(f, info); !ok {
				missing = append(missing, name+why)
			}
		case shape != wit.Shape(f.Type):
			missing = append(missing, name+" of the type "+wit.Func(f.Type))
		default:
			c.imports[f] = have
		}
	}
	slices.Sort(info.Imports)
	for _, e := range c.plan.Exports {
		info.Exports = append(info.Exports, e.Name.Text)
		if f := e.Func; e.Name.Text == restoredComponent && f != nil && f.Lift != nil && wit.Shape(f.Type) == "func()" {
			c.restored = f
		} else {
			c.typed.export("", e, info)
		}
		http := strings.HasPrefix(e.Name.Text, "wasi:http/incoming-handler@") // in whatever version the host calls
		for _, inner := range e.Items {
			if http && inner.Func != nil && inner.Func.Lift != nil &&
				wasi.Export(e.Name.Text, inner.Name.Text) == wit.Shape(inner.Func.Type) {
				c.handle = inner.Func
				continue
			}
			if nobodyCalls(e.Name.Text, inner) {
				vain = append(vain, e.Name.Text+"#"+inner.Name.Text)
			}
			c.typed.export(e.Name.Text, inner, info)
		}
	}
	var faults []string
	tell := func(what string, names []string, wayOut func(face string) string) {
		if len(names) == 0 {
			return
		}
		slices.Sort(names)
		faults = append(faults, what+strings.Join(names, ", "))
		for _, name := range names {
			face, _, _ := strings.Cut(name, "#")
			if way := wayOut(face); way != "" && !slices.Contains(faults, way) {
				faults = append(faults, way)
			}
		}
	}
	tell("it imports what this host does not have: ", missing, wasi.WayOut)
	tell("it exports what nobody would ever call: ", vain, wasi.WayOutOfExport)
	if len(faults) == 0 {
		return nil
	}
	return badModule(strings.Join(faults, "; "))
}

// nobodyCalls reports whether a function that WASI has for hosts to call is called by none: this one does not know it,
// or by another type, and other actors cannot, since it passes resources.
func nobodyCalls(in string, it plan.Item) bool {
	if it.Func == nil || !strings.HasPrefix(in, "wasi:") {
		return false
	}
	shape := wit.Shape(it.Func.Type)
	typ, err := typed.ParseFunc(shape)
	return wasi.Export(in, it.Name.Text) != shape && (err != nil || typ.Handle != "")
}

// lacks says what keeps a function of WASI preview 1 from being there; "": nothing.
func lacks(want wasmbin.Extern) string {
	name := want.Module + "." + want.Name
	at := slices.IndexFunc(wasiFuncs, func(f hostFunc) bool { return f.name == want.Name })
	if at < 0 {
		return name
	}
	have := instrument.Signature{Params: valueTypes(wasiFuncs[at].params), Results: valueTypes(wasiFuncs[at].results)}
	asked := instrument.Signature{Params: want.Func.Params, Results: want.Func.Results}
	if !sameSignature(asked, have) {
		return name + " with the signature " + signature(asked) + " instead of " + signature(have)
	}
	return ""
}

// callable says why nothing of a component can ever be called.
func (c *component) callable() error {
	for _, e := range c.plan.Exports {
		if e.Func != nil {
			return nil
		}
		for _, inner := range e.Items {
			if inner.Func != nil {
				return nil
			}
		}
	}
	return badModule("the component exports no function")
}

// compileParts compiles the core module of each step, with imports that lead to where the plan says.
func (m *Module) compileParts(ctx context.Context) error {
	c := m.component
	if err := m.engine.judgeUnused(ctx, c.plan); err != nil {
		return err
	}
	for _, step := range c.plan.Steps {
		core := c.plan.Modules[step.Module]
		code, err := wasmbin.Rename(core.Bytes, importNames(step))
		if err != nil {
			return err
		}
		part, _, err := m.engine.code(ctx, code)
		if err != nil {
			return err
		}
		part.mostBytes = max(part.mostBytes, part.pages*pageBytes)
		if part.opaque != "" && m.opaque == "" {
			m.opaque = "core module " + strconv.Itoa(step.Module) + ": " + part.opaque
		}
		c.parts = append(c.parts, part)
		m.pages += part.pages
	}
	for i := range c.plan.Modules {
		c.plan.Modules[i].Bytes = nil // they would keep the file
	}
	m.info.MemoryBytes = m.pages * pageBytes
	return c.buildHost(ctx, m.engine.runtime)
}

// judgeUnused compiles the core modules of which there are no instances, and throws the code away: a component is right
// when all of its code is.
func (e *Engine) judgeUnused(ctx context.Context, p *plan.Plan) error {
	used := make([]bool, len(p.Modules))
	for _, step := range p.Steps {
		used[step.Module] = true
	}
	for n, core := range p.Modules {
		if used[n] {
			continue
		}
		names := make([][2]string, len(core.Surface.Imports)) // the engine takes no empty ones
		for i := range names {
			names[i] = [2]string{stepPrefix, strconv.Itoa(i)}
		}
		code, err := wasmbin.Rename(core.Bytes, names)
		if err != nil {
			return err
		}
		part, _, err := e.code(ctx, code)
		if err != nil {
			return fmt.Errorf("core module %d, which nothing uses: %w", n, err)
		}
		if err := part.Close(ctx); err != nil {
			return err
		}
	}
	return nil
}

// importNames are the names under which the core module of a step imports what the plan says.
func importNames(step plan.Step) [][2]string {
	names := make([][2]string, len(step.Imports))
	for i, d := range step.Imports {
		switch d.Step {
		case plan.FromBuiltins:
			names[i] = [2]string{builtinName, strconv.Itoa(d.Builtin)}
		case plan.FromPreview1:
			names[i] = [2]string{preview1Name, d.Name}
		default:
			names[i] = [2]string{stepPrefix + strconv.Itoa(d.Step), d.Name}
		}
	}
	return names
}

// buildHost makes the functions of the canonical ABI, once for all instances: each finds its instance in the context.
func (c *component) buildHost(ctx context.Context, r wazero.Runtime) error {
	if len(c.plan.Builtins) == 0 {
		return nil
	}
	b := r.NewHostModuleBuilder(builtinName)
	c.provided = make([]*face.Func, len(c.plan.Builtins))
	for n := range c.plan.Builtins {
		builtin := &c.plan.Builtins[n]
		if f := builtin.Func; f != nil && f.Lift == nil {
			c.provided[n] = c.imports[f.Import]
		}
		enter := func(ctx context.Context, stack []uint64) {
			i := ctx.Value(instanceKey{}).(*Instance)
			i.builtin(ctx, n, stack)
		}
		b.NewFunctionBuilder().WithGoFunction(api.GoFunc(enter), coreTypes(builtin.Signature.Params),
			coreTypes(builtin.Signature.Results)).Export(strconv.Itoa(n))
	}
	code, err := b.Compile(ctx)
	if err != nil {
		return fmt.Errorf("functions of the canonical ABI: %w", err)
	}
	c.host, err = r.InstantiateModule(ctx, code, wazero.NewModuleConfig().WithName(""))
	return err
}

func coreTypes(all []types.Core) []api.ValueType {
	out := make([]api.ValueType, len(all))
	for i, t := range all {
		out[i] = api.ValueType(t)
	}
	return out
}

// close releases the code of all parts.
func (c *component) close(ctx context.Context) error {
	var errs []error
	for _, p := range c.parts {
		errs = append(errs, p.Close(ctx))
	}
	if c.host != nil {
		errs = append(errs, c.host.Close(ctx))
	}
	return errors.Join(errs...)
}
