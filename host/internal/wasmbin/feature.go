package wasmbin

// Feature is a part of core WebAssembly that the engine does not run.
type Feature string

// The features, as errors name them.
const (
	Exceptions      Feature = "exceptions are"
	GarbageTypes    Feature = "garbage collected types are"
	TypedReferences Feature = "typed function references are"
	TailCalls       Feature = "tail calls are"
	Threads         Feature = "threads are"
	WideMemory      Feature = "64-bit memory is"
	ManyMemories    Feature = "several memories are"
	RelaxedVectors  Feature = "relaxed SIMD is"
)

// wayOut is what one builds with instead.
var wayOut = map[Feature]string{
	Exceptions:      "build without them (-fno-exceptions, panic=abort, no -fwasm-exceptions)",
	GarbageTypes:    "build with a toolchain that brings its own memory management, as Rust, Go, C and TinyGo do",
	TypedReferences: "build without them (no -mreference-types beyond WebAssembly 2.0)",
	TailCalls:       "build without them (no -mtail-call)",
	Threads:         "build without them (wasm32-wasip1 or wasip2, not wasip1-threads; no -pthread, no shared memory)",
	WideMemory:      "build for wasm32, not wasm64",
	ManyMemories:    "build with one memory (no --multi-memory)",
	RelaxedVectors:  "build without it (no -mrelaxed-simd)",
}

// Lacks is the error of a feature that is not run: it says what to do.
func (r *Reader) Lacks(f Feature) { r.Fail("%s not supported: %s", f, wayOut[f]) }
