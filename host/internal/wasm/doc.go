// Package wasm runs actors: WebAssembly core modules that speak the waPC ABI ("wasmbus"), or plain WASI commands. It is
// the only place that knows the engine underneath.
//
// An Engine compiles bytes to a Module, once; a Module makes any number of Instances; an Instance serves one call at a
// time. Whatever a guest does, a call ends: at its deadline, at the instance's execution limit, or at its memory limit,
// each with an error of its own, and the host and the other instances go on. After such an error the instance is broken
// and must be closed (Instance.Healthy); only lattice.ErrGuest, an error that the guest itself reported, leaves it fit.
//
// How a guest is stopped: package instrument has inserted checks of a flag into its code. A call arms a watch on its
// context; when that ends, the flag is raised and the guest traps at its next check. Host calls and sleeps in progress
// end with the context, too.
//
// What a guest gets: the nine waPC functions under the names "wasmbus" and "wapc", and WASI preview 1 with clocks, real
// randomness, sleeping, stdout and stderr (line by line to Host.Log), the environment that it is given, and no files.
package wasm
