package wasm

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/weftlattice/weft/host/internal/instrument"
	"github.com/weftlattice/weft/internal/typed"
	"github.com/weftlattice/weft/lattice"
)

// Kind is the way a module is called.
type Kind string

// The kinds of modules.
const (
	WAPC        Kind = "wapc"         // exports __guest_call; an instance serves many calls
	WASICommand Kind = "wasi-command" // exports _start only; each call is a run of its own: argv, stdin, stdout
)

// Info tells what a module is.
type Info struct {
	Kind        Kind
	Imports     []string // "module.name", sorted
	Exports     []string // of functions, sorted
	MemoryBytes uint64   // of a fresh instance
	// Surface is what a component exports for others and imports from others.
	Surface typed.Surface
}

// Module is compiled code. It is safe for concurrent use.
type Module struct {
	engine    *Engine
	code      wazero.CompiledModule
	tables    uint64 // elements that all tables may have
	size      uint64 // that it has taken of the memory of the engine
	pages     uint64
	mostBytes uint64 // what the memory may grow to, by its own declaration
	info      Info

	data    []instrument.Segment // what a new memory holds
	globals []string             // exports of the mutable globals
	opaque  string               // why no snapshot can be taken; empty: it can

	component *component // of the kind Component alone

	close    sync.Once // the engine counts the modules made of the same bytes, and would count one twice
	closeErr error
}

// Info returns what the module is. The slices are shared: do not change them.
func (m *Module) Info() Info { return m.info }

// Close releases the code. Instances go on; new ones cannot be made. Closing twice is not an error.
func (m *Module) Close(ctx context.Context) error {
	m.close.Do(func() {
		if m.component != nil {
			m.closeErr = m.component.close(ctx)
			return
		}
		m.closeErr = m.code.Close(ctx)
		m.engine.cfg.Memory.Give(m.size)
	})
	return m.closeErr
}

const (
	guestCall  = "__guest_call"
	initialize = "_initialize"
	start      = "_start"
	wapcInit   = "wapc_init"
	restored   = "weft_restored" // called in an instance that was made from a snapshot, before all else
	// the same in a component, whose names have no underscores
	restoredComponent = "weft-restored"
)

// restored is the name of the export that is called in an instance that was made from a snapshot.
func (m *Module) restored() string {
	if m.component != nil {
		return restoredComponent
	}
	return restored
}

// inspect fills in the info, or says why the module cannot be run. It does not ask the engine for functions, which
// would make it describe all of them, and keep that.
func (m *Module) inspect(r *instrument.Result) error {
	if err := m.checkImports(r.Imports); err != nil {
		return err
	}
	m.info.Exports = slices.Sorted(maps.Keys(r.Functions))
	m.info.MemoryBytes = m.pages * pageBytes

	i32 := api.ValueTypeI32
	wanted := map[string]instrument.Signature{
		guestCall:  {Params: []api.ValueType{i32, i32}, Results: []api.ValueType{i32}},
		initialize: {}, start: {}, wapcInit: {}, restored: {},
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if have, ok := r.Functions[name]; ok && !sameSignature(have, wanted[name]) {
			return badModule("export " + name + " has the signature " + signature(have))
		}
	}
	_, called := r.Functions[guestCall]
	_, run := r.Functions[start]
	switch {
	case called && m.code.ExportedMemories()["memory"] == nil:
		return badModule("exports no memory named \"memory\"")
	case called:
		m.info.Kind = WAPC
	case run:
		m.info.Kind = WASICommand
	default:
		return badModule("exports neither __guest_call (an actor) nor _start (a WASI command)")
	}
	return nil
}

func (m *Module) checkImports(imports []instrument.Import) error {
	var unknown []string
	for _, i := range imports {
		m.info.Imports = append(m.info.Imports, i.Module+"."+i.Name)
		if fault := m.engine.known(i); fault != "" {
			unknown = append(unknown, fault)
		}
	}
	slices.Sort(m.info.Imports)
	m.info.Imports = slices.Compact(m.info.Imports)
	if len(unknown) == 0 {
		return nil
	}
	// A module for another host may lack hundreds; the first few tell which host it was made for.
	const most = 8
	if n := len(unknown); n > most {
		unknown = append(unknown[:most], "and more")
	}
	return badModule("imports what this host does not have: " + strings.Join(unknown, ", "))
}

func badModule(detail string) error {
	return &lattice.Error{Code: lattice.ErrBadModule, Op: "load module", Detail: detail}
}
