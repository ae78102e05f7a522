package instrument

// The bounds of a module. Each is far above what compilers emit; beyond one, Rewrite answers with lattice.ErrBadModule.
const (
	maxModuleBytes   = 64 << 20 // the whole module
	maxSections      = 10_000
	maxFunctionBytes = 7_654_321 // one function body, as in browsers
	maxEntries       = 1_000_000 // types, imports, functions, globals, exports, segments: of each
	maxParams        = 1_000     // parameters, and also results, of one function type
	maxLocals        = 50_000    // locals of one function
	maxModuleLocals  = 4_000_000 // locals of all functions together
	MaxNesting       = 20_000    // blocks within blocks
	MaxLoopNesting   = 200       // loops within loops; the engine's time to compile grows with the square
	maxInitBytes     = 8 << 20   // a data segment, in a module with memory.init, which cannot be interrupted
	maxTables        = 4
	maxTableElements = 1 << 20 // per table; a larger or missing maximum is lowered to it
)
