package binary

// CoreType is a type of core WebAssembly: of a function, or of a module.
type CoreType struct {
	Func   *CoreFuncType
	Module *CoreModuleType
}

// CoreValType is a value type of core WebAssembly, by its byte in the binary format.
type CoreValType byte

// The value types that components exchange with core modules.
const (
	I32 CoreValType = 0x7f
	I64 CoreValType = 0x7e
	F32 CoreValType = 0x7d
	F64 CoreValType = 0x7c
)

// CoreFuncType is the type of a core function.
type CoreFuncType struct{ Params, Results []CoreValType }

// CoreModuleType is the type of a core module: its declarations in order.
type CoreModuleType struct{ Declarations []CoreDeclaration }

// CoreDeclaration is one of CoreImport, CoreType, CoreOuterType and CoreExportType.
type CoreDeclaration interface{ coreDeclaration() }

func (CoreImport) coreDeclaration()     {}
func (CoreType) coreDeclaration()       {}
func (CoreOuterType) coreDeclaration()  {}
func (CoreExportType) coreDeclaration() {}

// CoreImport is what a module asks for.
type CoreImport struct {
	Module, Name string
	Type         CoreExternType
}

// CoreOuterType is an alias of a core type in an enclosing scope.
type CoreOuterType struct{ Outer, N uint32 }

// CoreExportType is what a module gives.
type CoreExportType struct {
	Name string
	Type CoreExternType
}

// CoreExternType is the type of something that a core module imports or exports.
type CoreExternType struct {
	Sort    Sort        // CoreFunc, CoreTable, CoreMemory, CoreGlobal or CoreTag
	Func    uint32      // index of a core type; also of a tag
	Value   CoreValType // of a global, or a table's elements
	Mutable bool        // of a global
	Limits  Limits      // of a table or memory
}

// Limits bound a table (entries) or a memory (pages of 64 KiB).
type Limits struct {
	Min     uint64
	Max     uint64
	Bounded bool // whether there is a Max
	Shared  bool
	Wide    bool // indices are of 64 bits
}

// Type is the definition of a type.
type Type struct{ Type DefType }

// DefType is one of ValType (a name for another type), Record, Variant, List, Tuple, Flags, Enum, Option, Result, Own,
// Borrow, FuncType, ScopeType and Resource.
type DefType interface{ defType() }

func (ValType) defType()   {}
func (Record) defType()    {}
func (Variant) defType()   {}
func (List) defType()      {}
func (Tuple) defType()     {}
func (Flags) defType()     {}
func (Enum) defType()      {}
func (Option) defType()    {}
func (Result) defType()    {}
func (Own) defType()       {}
func (Borrow) defType()    {}
func (FuncType) defType()  {}
func (ScopeType) defType() {}
func (Resource) defType()  {}

// Prim is a primitive type, by its byte in the binary format.
type Prim byte

// The primitive types.
const (
	Bool   Prim = 0x7f
	S8     Prim = 0x7e
	U8     Prim = 0x7d
	S16    Prim = 0x7c
	U16    Prim = 0x7b
	S32    Prim = 0x7a
	U32    Prim = 0x79
	S64    Prim = 0x78
	U64    Prim = 0x77
	Float  Prim = 0x76
	Double Prim = 0x75
	Char   Prim = 0x74
	String Prim = 0x73
)

var primNames = map[Prim]string{Bool: "bool", S8: "s8", U8: "u8", S16: "s16", U16: "u16", S32: "s32", U32: "u32",
	S64: "s64",
	U64: "u64", Float: "f32", Double: "f64", Char: "char", String: "string"}

// String is the type's name in WIT.
func (p Prim) String() string { return primNames[p] }

// ValType is a type of values: a primitive one, or one that was defined before.
type ValType struct {
	Prim Prim   // 0: see N
	N    uint32 // index of a type
}

// Field is a value with a label: of a record, or a parameter.
type Field struct {
	Label string
	Type  ValType
}

// Case is one of a variant; a nil Type has no value.
type Case struct {
	Label string
	Type  *ValType
}

// The types of values.
type (
	// Record has a field of each.
	Record struct{ Fields []Field }
	// Variant is one of its cases.
	Variant struct{ Cases []Case }
	// List has elements of one type: so many, or any number when Len is 0.
	List struct {
		Element ValType
		Len     uint32
	}
	// Tuple is a record without labels.
	Tuple struct{ Types []ValType }
	// Flags are some of its labels.
	Flags struct{ Labels []string }
	// Enum is one of its labels.
	Enum struct{ Labels []string }
	// Option is a value or not.
	Option struct{ Type ValType }
	// Result is one of two; nil has no value.
	Result struct{ OK, Error *ValType }
	// Own is a handle that owns a resource of the type with this index.
	Own struct{ Resource uint32 }
	// Borrow is a handle for the time of a call.
	Borrow struct{ Resource uint32 }
)

// FuncType is the type of a function. A nil Result is none.
type FuncType struct {
	Params []Field
	Result *ValType
}

// Resource is a resource type that a component defines. Its representation is an i32.
type Resource struct {
	Destructor *uint32 // core function; nil: none
}

// ScopeType is the type of a component, or of an instance: declarations in order, in index spaces of their own.
type ScopeType struct {
	Component    bool // else of an instance
	Declarations []Declaration
}

// Declaration is one of CoreType, Type, Alias, ImportType (of a component's type alone) and ExportType.
type Declaration interface{ declaration() }

func (CoreType) declaration()   {}
func (Type) declaration()       {}
func (Alias) declaration()      {}
func (ImportType) declaration() {}
func (ExportType) declaration() {}

// ImportType declares an import.
type ImportType struct {
	Name Name
	Type ExternType
}

// ExportType declares an export.
type ExportType struct {
	Name Name
	Type ExternType
}
