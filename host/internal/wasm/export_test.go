package wasm

import (
	"context"
	"strconv"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/component/plan"
	"github.com/weftlattice/weft/host/internal/turns"
	"github.com/weftlattice/weft/host/internal/wasmbin"
	"github.com/weftlattice/weft/lattice"
)

// UseSlices makes memories slices and copies snapshots, as on systems where nothing can be reserved and mapped.
func (e *Engine) UseSlices() { e.slices = true }

// Turns lets so many guests of modules that are compiled from now on compute at once.
func (e *Engine) Turns(n int) { e.turns = turns.New(n) }

// Hold keeps a response as that of a host call.
func (i *Instance) Hold(response []byte) error { return i.hold(response) }

// Computes reports whether the guest has a turn. It is for what the guest calls.
func (i *Instance) Computes() bool { return i.turn.Held() }

// State returns a copy of what lasts from one call to the next.
func (i *Instance) State() (memory []byte, globals []uint64) {
	i.use.Lock()
	defer i.use.Unlock()
	for _, c := range i.cores {
		memory = append(memory, c.linear.b...)
		for _, g := range c.globals {
			globals = append(globals, g.Get())
		}
	}
	return memory, globals
}

// PlainComponent links the core modules of a component on the engine as it is, as a program would that knows nothing of
// snapshots, with functions of the host that do nothing. The function that is returned instantiates and closes them.
func PlainComponent(ctx context.Context, r wazero.Runtime, file []byte) (func() error, error) {
	p, err := planOf(file)
	if err != nil {
		return nil, err
	}
	b := r.NewHostModuleBuilder(builtinName)
	for n, f := range p.Builtins {
		b.NewFunctionBuilder().WithGoFunction(api.GoFunc(func(context.Context, []uint64) {}),
			coreTypes(f.Signature.Params), coreTypes(f.Signature.Results)).Export(strconv.Itoa(n))
	}
	builtins, err := b.Compile(ctx)
	if err != nil {
		return nil, err
	}
	host, err := r.InstantiateModule(ctx, builtins, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		return nil, err
	}
	var codes []wazero.CompiledModule
	for _, step := range p.Steps {
		renamed, err := wasmbin.Rename(p.Modules[step.Module].Bytes, importNames(step))
		if err != nil {
			return nil, err
		}
		code, err := r.CompileModule(ctx, renamed)
		if err != nil {
			return nil, err
		}
		codes = append(codes, code)
	}
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions()
	return func() error {
		var guests []api.Module
		resolve := experimental.WithImportResolver(ctx, func(name string) api.Module {
			if name == builtinName {
				return host
			}
			k, _ := strconv.Atoi(name[len(stepPrefix):])
			return guests[k]
		})
		for _, code := range codes {
			guest, err := r.InstantiateModule(resolve, code, config)
			if err != nil {
				return err
			}
			guests = append(guests, guest)
		}
		for _, guest := range guests {
			if err := guest.Close(ctx); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// export finds an exported function: one of the component itself by its name, one of an interface by interface#name.
func (c *component) export(name string) *plan.Func {
	items, inner := c.plan.Exports, name
	if face, f, ok := strings.Cut(name, "#"); ok {
		it := plan.Find(items, face)
		if it == nil {
			return nil
		}
		items, inner = it.Items, f
	}
	if it := plan.Find(items, inner); it != nil {
		return it.Func
	}
	return nil
}

// invoke calls an exported function with values as in package abi.
func (i *Instance) invoke(ctx context.Context, name string, args []any) (result any, err error) {
	err = i.invoked(ctx, name, args, func(v any) { result = kept(v) })
	return result, err
}

// invoked calls an exported function, and has its result looked at.
func (i *Instance) invoked(ctx context.Context, name string, args []any, look func(v any)) error {
	f := i.template.module.component.export(name)
	if f == nil || f.Lift == nil {
		return &lattice.Error{Code: lattice.ErrNotFound, Op: "call component", Entity: lattice.Printable(name),
			Detail: "it exports no such function"}
	}
	i.use.Lock()
	defer i.use.Unlock()
	if i.closed || i.broken.Load() {
		return unavailable("the instance is closed or broken")
	}
	return i.runComponent(ctx, name, func(ctx context.Context) error {
		v, err := i.call(ctx, f, args, nil)
		if err == nil {
			look(v)
		}
		return err
	})
}

// kept is a value that lasts longer than the call whose result it is.
func kept(v any) any {
	switch v := v.(type) {
	case abi.Variant:
		return abi.Variant{Case: v.Case, Value: kept(v.Value)}
	case []any:
		all := make([]any, len(v))
		for n := range v {
			all[n] = kept(v[n])
		}
		return all
	case string: // at another place
		return v
	case []byte:
		return v
	}
	return v
}

// Reserve makes the memory of an instance that may grow so far, and frees it.
func Reserve(most uint64) error {
	m, err := newLinearMemory(&account{limit: most}, most, 0, false, nil)
	if err == nil {
		m.Free()
	}
	return err
}

// Imports are the functions that guests of an engine can import, by module and name.
func (e *Engine) Imports() map[string]map[string]api.FunctionDefinition { return e.imports }

// Costs are the costs of the functions that pay for themselves, by module and name.
func Costs() map[string]map[string]uint64 {
	costs := map[string]map[string]uint64{}
	for module, functions := range hostModules() {
		costs[module] = map[string]uint64{}
		for _, f := range functions {
			costs[module][f.name] = f.cost
		}
	}
	return costs
}

// The bounds of what a function does in one call.
const (
	LeastCost   = costLeast
	MaxVectors  = maxVectors
	MaxTransfer = maxTransfer
)
