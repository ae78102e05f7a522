package instrument

// The bounds of a module. Each is far above what compilers emit; beyond one, Rewrite answers with lattice.ErrBadModule.
const (
	MaxModuleBytes   = 64 << 20 // the whole module
	MaxSections      = 10_000
	MaxFunctionBytes = 7_654_321 // one function body, as in browsers
	MaxEntries       = 1_000_000 // types, imports, functions, globals, exports, segments: of each
	MaxParams        = 1_000     // parameters, and also results, of one function type
	MaxLocals        = 50_000    // locals of one function
	MaxModuleLocals  = 4_000_000 // locals of all functions together
	MaxNesting       = 20_000    // blocks within blocks
	MaxLoopNesting   = 200       // loops within loops; the engine's time to compile grows with the square
	MaxInitBytes     = 8 << 20   // a data segment, in a module with memory.init, which cannot be interrupted
	MaxTables        = 4
	MaxTableElements = 1 << 20 // per table; a larger or missing maximum is lowered to it
)
