// Package plan resolves a component: which core modules it has, what each imports from where, which functions it asks
// of the host and which it gives, with their types.
//
// A component is a small program that is run once when it is instantiated: definitions name what stands before them,
// components instantiate components. Nothing in it depends on values, so the planner runs that program once, with
// symbols instead of instances. What remains are steps: core modules to instantiate in order, each import of which is
// an export of an earlier step or a function of the canonical ABI. No index, no alias and no nested component is left,
// and an instance is made by following the steps.
//
// What must be equal is compared when the plan is made: signatures of core functions with the types that they carry,
// and what a component imports with what it is given.
package plan

import (
	"github.com/weftlattice/weft/host/internal/component/binary"
	"github.com/weftlattice/weft/host/internal/component/types"
	"github.com/weftlattice/weft/host/internal/wasmbin"
)

// Plan is a component that is resolved. It is not changed any more, and may be used by many instances at the same time.
type Plan struct {
	Modules   []Module   // each once, with those that no step makes an instance of
	Steps     []Step     // core instances, in the order in which they are made
	Builtins  []Builtin  // core functions of the canonical ABI
	Imports   []Item     // what the component asks for
	Functions []*Import  // all functions in Imports
	Exports   []Item     // what it gives
	Resources []Resource // those that the component defines
	Instances int        // component instances; each has a table of handles

	// Untold is what a core module imports though the worlds that it carries do not tell of it: "module#name", sorted.
	Untold []string
}

// Module is a core module; Bytes is a part of the file, until they are compiled.
type Module struct {
	Bytes   []byte
	Surface *wasmbin.Surface
}

// Step makes a core instance of a module. Imports are those of the module, in its order.
type Step struct {
	Module  int // in Plan.Modules
	Imports []Def
	Init    string // export to call once the instance is made, a func (); "": none
}

// Def is something of core WebAssembly: an export of a step; where Step is FromBuiltins, a function in Plan.Builtins,
// and where it is FromPreview1, a function of WASI preview 1.
type Def struct {
	Step    int
	Name    string // of the export, or of the function of WASI preview 1
	Builtin int
}

// What Def.Step is for what no step exports.
const (
	FromBuiltins = -1
	FromPreview1 = -2
)

// Builtin is a core function that the canonical ABI provides.
type Builtin struct {
	Kind      binary.CanonKind // Lower, ResourceNew, ResourceDrop or ResourceRep
	Signature types.Signature
	Instance  int             // the component instance that calls it
	Func      *Func           // Lower: what is called
	Options   Options         // Lower
	Resource  *types.Resource // of the other kinds

	// Destructor is what ResourceDrop calls for a resource that a component defines; nil: nothing.
	Destructor *Def
}

// Options say how values cross between a core module and the canonical ABI. A nil Def was not given.
type Options struct {
	Encoding   binary.Encoding
	Memory     *Def
	Realloc    *Def
	PostReturn *Def
}

// Func is a function with a component's types: of the host when Import is there, else of a core module.
type Func struct {
	Type   *types.Func
	Import *Import
	Lift   *Lift
}

// Import is a function that the host has to provide.
type Import struct {
	Interface string // "" for one that is imported by itself
	Name      string
	Type      *types.Func
	Used      bool // it is called somewhere, so that it must be there
}

// Lift is a core function that becomes one with a component's types.
type Lift struct {
	Core     Def
	Options  Options
	Instance int // the component instance that it belongs to
}

// Resource is a type of resources that the component defines. A nil Destructor is none.
type Resource struct {
	Type       *types.Resource
	Destructor *Def
}

// Item is an import or export.
type Item struct {
	Name  binary.Name
	Sort  binary.Sort // Func, Types, Instances, Components or CoreModules
	Func  *Func       // Func
	Type  *types.Type // Types that are of values
	Items []Item      // Instances: what is in it
	// Resource is set for Types that are resources.
	Resource *types.Resource
	// Named is a type by this name: Type itself, or the Name of handles that are made with it. From is Named of the
	// item that has the same type under another name, or something else; nil: it is no other's name.
	Named, From any
}

// Find returns the item of that name in items, or nil.
func Find(items []Item, name string) *Item {
	for i := range items {
		if items[i].Name.Text == name {
			return &items[i]
		}
	}
	return nil
}
