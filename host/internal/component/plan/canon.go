package plan

import (
	"slices"

	"github.com/weftlattice/weft/host/internal/component/binary"
	"github.com/weftlattice/weft/host/internal/component/types"
	"github.com/weftlattice/weft/host/internal/wasmbin"
)

// maxBuiltins bounds the functions of the canonical ABI in a plan. JavaScript components have about a hundred.
const maxBuiltins = 20_000

// canon adds a canonical function. Those of a resource that make one or look into it belong to the component that
// defines it; any component that has a handle may drop it.
func (p *planner) canon(s *scope, d binary.Canon) error {
	switch d.Kind {
	case binary.Lift:
		return p.lift(s, d)
	case binary.Lower:
		return p.lower(s, d)
	}
	t, err := at(s.types, d.Type, binary.Types)
	if err != nil {
		return err
	}
	named, ok := t.(*resource)
	if !ok {
		return wasmbin.Bad("%s of a type that is no resource", d.Kind)
	}
	r := named.real()
	if d.Kind != binary.ResourceDrop && (r.Owner != s.instance || r != named.is) {
		return wasmbin.Bad("%s of a resource that another component defines", d.Kind)
	}
	i32 := []types.Core{types.I32}
	b := Builtin{Kind: d.Kind, Signature: types.Signature{Params: i32, Results: i32}, Instance: s.instance, Resource: r}
	if d.Kind == binary.ResourceDrop {
		b.Signature.Results = nil
		for _, known := range p.plan.Resources {
			if known.Type == r {
				b.Destructor = known.Destructor
			}
		}
	}
	return p.builtin(s, b)
}

// lift makes a component's function of a core one. The core function must have the very signature that CanonicalABI.md
// flattens the type to, and the options that the type needs, such as a memory for text.
func (p *planner) lift(s *scope, d binary.Canon) error {
	v, err := at(s.types, d.Type, binary.Types)
	if err != nil {
		return err
	}
	t, ok := v.(*types.Func)
	if !ok {
		return wasmbin.Bad("a function is lifted to a type that is none of functions")
	}
	l := &Lift{Instance: s.instance}
	if l.Core, err = s.coreFunc(d.Func, t.Lifted()); err != nil {
		return err
	}
	if l.Options, err = s.options(d.Opts, &types.Signature{Params: t.Lifted().Results}); err != nil {
		return err
	}
	if err := l.Options.require(liftNeeds(t)); err != nil {
		return err
	}
	s.funcs = append(s.funcs, &Func{Type: t, Lift: l})
	return nil
}

// lower makes a core function of a component's one. An import that is lowered is used: the host has to serve it.
func (p *planner) lower(s *scope, d binary.Canon) error {
	f, err := at(s.funcs, d.Func, binary.Func)
	if err != nil {
		return err
	}
	b := Builtin{Kind: binary.Lower, Signature: f.Type.Lowered(), Instance: s.instance, Func: f}
	if b.Options, err = s.options(d.Opts, nil); err != nil {
		return err
	}
	if err := b.Options.require(lowerNeeds(f.Type)); err != nil {
		return err
	}
	if f.Import != nil {
		f.Import.Used = true
	}
	return p.builtin(s, b)
}

// builtin gives a canonical function a number in the plan and an index in the component. Their number is bounded, since
// each becomes a function of the host.
func (p *planner) builtin(s *scope, b Builtin) error {
	if len(p.plan.Builtins) >= maxBuiltins {
		return wasmbin.Bad("more than %d canonical functions", maxBuiltins)
	}
	c := coreItem{Def{Step: FromBuiltins, Builtin: len(p.plan.Builtins)}, wasmbin.Extern{Kind: wasmbin.KindFunc,
		Func: coreType(b.Signature)}}
	p.plan.Builtins = append(p.plan.Builtins, b)
	s.core[binary.CoreFunc] = append(s.core[binary.CoreFunc], c)
	return nil
}

// options resolves canonical options. PostReturn must have the signature after, unless that is nil.
func (s *scope) options(o binary.Options, after *types.Signature) (Options, error) {
	opts := Options{Encoding: o.Encoding}
	if o.Memory != nil {
		m, err := at(s.core[binary.CoreMemory], *o.Memory, binary.CoreMemory)
		if err != nil {
			return opts, err
		}
		opts.Memory = &m.def
	}
	if o.Realloc != nil {
		f, err := s.coreFunc(*o.Realloc, reallocType)
		if err != nil {
			return opts, err
		}
		if opts.Realloc = &f; opts.Memory == nil {
			return opts, wasmbin.Bad("canonical option realloc without memory")
		}
	}
	if o.PostReturn != nil && after != nil {
		f, err := s.coreFunc(*o.PostReturn, *after)
		if err != nil {
			return opts, err
		}
		opts.PostReturn = &f
	}
	return opts, nil
}

// reallocType is the type of the function that makes room.
var reallocType = types.Signature{Params: []types.Core{types.I32, types.I32, types.I32, types.I32},
	Results: []types.Core{types.I32}}

// liftNeeds says what a function of a guest needs to be called: its parameters are written to the guest's memory, and
// its result is read from there.
func liftNeeds(t *types.Func) (memory, realloc bool) {
	realloc = t.SpillsParams() || anyPointer(t)
	return realloc || t.SpillsResult() || t.Result != nil && t.Result.Pointer, realloc
}

// lowerNeeds says what a guest needs to call a function.
func lowerNeeds(t *types.Func) (memory, realloc bool) {
	realloc = t.Result != nil && t.Result.Pointer
	return realloc || t.SpillsParams() || t.SpillsResult() || anyPointer(t), realloc
}

// anyPointer reports whether a parameter has a part that lies in memory.
func anyPointer(t *types.Func) bool {
	return slices.ContainsFunc(t.Params, func(p types.Field) bool { return p.Type.Pointer })
}

// require checks that what values need is there.
func (o Options) require(memory, realloc bool) error {
	switch {
	case memory && o.Memory == nil:
		return wasmbin.Bad("values go through memory, but canonical option memory is not given")
	case realloc && o.Realloc == nil:
		return wasmbin.Bad("values are written to memory, but canonical option realloc is not given")
	}
	return nil
}

// coreFunc is a core function that must have a signature.
func (s *scope) coreFunc(n uint32, want types.Signature) (Def, error) {
	c, err := at(s.core[binary.CoreFunc], n, binary.CoreFunc)
	if err != nil {
		return Def{}, err
	}
	if why := mismatch(wasmbin.Extern{Kind: wasmbin.KindFunc, Func: coreType(want)}, c.kind); why != "" {
		return Def{}, wasmbin.Bad("core function %d (%s) is of the type %x -> %x where %x -> %x is wanted", n,
			c.kind.Name, c.kind.Func.Params, c.kind.Func.Results, want.Params, want.Results)
	}
	return c.def, nil
}

// coreType is a signature in the bytes of the binary format.
func coreType(s types.Signature) wasmbin.Func {
	list := func(all []types.Core) []byte {
		b := make([]byte, len(all))
		for i, c := range all {
			b[i] = byte(c)
		}
		return b
	}
	return wasmbin.Func{Params: list(s.Params), Results: list(s.Results)}
}
