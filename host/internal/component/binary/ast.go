package binary

// Component is one component: its definitions in the order of the file. Indices are those of the file: each sort counts
// for itself, and each definition may name only what stands before it. Package plan resolves them.
type Component struct {
	Definitions []Definition
	Customs     []Custom // the custom sections, which mean nothing to the component itself
}

// Definition is one of CoreModule, CoreInstance, CoreType, Nested, Instance, Alias, Type, Canon, Import and Export.
type Definition interface{ definition() }

func (CoreModule) definition()   {}
func (CoreInstance) definition() {}
func (CoreType) definition()     {}
func (Nested) definition()       {}
func (Instance) definition()     {}
func (Alias) definition()        {}
func (Type) definition()         {}
func (Canon) definition()        {}
func (Import) definition()       {}
func (Export) definition()       {}

// Custom is a custom section. Data is a part of the file.
type Custom struct {
	Name string
	Data []byte
}

// CoreModule is a core module, a part of the file.
type CoreModule struct{ Bytes []byte }

// Nested is a component that is defined within another one.
type Nested struct{ Component *Component }

// CoreInstance makes a core instance: of a module, or of things that exist, when Inline.
type CoreInstance struct {
	Inline  bool
	Module  uint32
	Args    []CoreArg
	Exports []CoreExport // when Inline
}

// CoreArg names the core instance that satisfies the imports of a module from Name.
type CoreArg struct {
	Name     string
	Instance uint32
}

// CoreExport names something of a core sort.
type CoreExport struct {
	Name string
	Item Index
}

// Instance makes an instance: of a component, or of things that exist, when Inline.
type Instance struct {
	Inline    bool
	Component uint32
	Args      []Arg
	Exports   []Arg // when Inline
}

// Arg names something of any sort.
type Arg struct {
	Name string
	Item Index
}

// Index is an index in the index space of a sort.
type Index struct {
	Sort Sort
	N    uint32
}

// Sort is what an index space holds.
type Sort byte

// The sorts; those that begin with Core hold things of core WebAssembly.
const (
	CoreFunc Sort = iota
	CoreTable
	CoreMemory
	CoreGlobal
	CoreTag
	CoreTypes
	CoreModules
	CoreInstances
	Func
	Value
	Types
	Components
	Instances
)

var sortNames = [...]string{"core func", "core table", "core memory", "core global", "core tag", "core type",
	"core module",
	"core instance", "func", "value", "type", "component", "instance"}

// String is the sort's name in the text format.
func (s Sort) String() string { return sortNames[s] }

// AliasKind says where an alias leads.
type AliasKind byte

// The kinds of aliases: to an export of an instance, of a core instance, and to something of an enclosing scope.
const (
	AliasExport AliasKind = iota
	AliasCoreExport
	AliasOuter
)

// Alias gives something an index here.
type Alias struct {
	Sort     Sort
	Kind     AliasKind
	Instance uint32 // whose export it is
	Name     string // of the export
	Outer    uint32 // how many scopes outwards, 0 is this one
	N        uint32 // index there
}

// Canon is a canonical definition: a function that leads from core WebAssembly to a component's types, or back.
type Canon struct {
	Kind CanonKind
	Func uint32 // Lift: a core function. Lower: a function
	Type uint32 // Lift: the function's type. Resource…: the resource
	Opts Options
}

// CanonKind is a canonical definition's kind. Those of WASI 0.3 are refused by name.
type CanonKind byte

// The canonical definitions.
const (
	Lift CanonKind = iota
	Lower
	ResourceNew
	ResourceDrop
	ResourceRep
)

var canonNames = [...]string{"lift", "lower", "resource.new", "resource.drop", "resource.rep"}

// String is the definition's name in the text format.
func (k CanonKind) String() string { return canonNames[k] }

// Encoding is how strings lie in memory.
type Encoding byte

// The encodings.
const (
	UTF8 Encoding = iota
	UTF16
	Latin1OrUTF16
)

// Options are those of a canonical definition; a nil index was not given.
type Options struct {
	Encoding   Encoding
	Memory     *uint32 // core memory
	Realloc    *uint32 // core function
	PostReturn *uint32 // core function
}

// Import is something that a component asks for.
type Import struct {
	Name Name
	Type ExternType
}

// Export is something that a component gives. It has an index of its own, like an alias.
type Export struct {
	Name Name
	Item Index
	Type *ExternType // nil: that of the item
}

// Name is the name of an import or export, with its attributes.
type Name struct {
	Text          string
	Implements    string // the interface, or ""
	VersionSuffix string // what the version in Text leaves out
	ExternalID    string
}

// ExternType is the type of an import or export.
type ExternType struct {
	Sort     Sort   // CoreModules, Func, Types, Components or Instances
	N        uint32 // index of a type; not where Resource
	Resource bool   // of the sort Types: a new resource type
}
