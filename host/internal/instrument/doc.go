// Package instrument rewrites a WebAssembly core module when it is loaded, so that a call into it can be stopped from
// outside at any time, at no measurable cost while it runs.
//
// # What is changed
//
//   - One mutable i32 global is appended, the stop flag, and exported as StopGlobal. Since it gets the last index, no
//     other index shifts.
//   - `global.get $stop; if; unreachable; end` is inserted at every loop head, at the entry of every function that calls
//     another one, and before every instruction that works through a whole range of memory or table (memory.copy,
//     memory.fill, memory.init, memory.grow and the table instructions like them). Whatever runs for long passes one of
//     these: a function without loops, calls and bulk instructions ends after as many steps as it has instructions.
//   - The start section becomes an export, StartFunc. A start function would otherwise run inside the instantiation,
//     before anybody could reach the stop flag. Who instantiates the module must call it first.
//   - Tables are capped at MaxTableElements, so that table.grow is no way around the memory limit.
//   - Of the custom sections everything is kept but what would become wrong because code has moved (".debug_*", "reloc.*",
//     "linking", "metadata.code.*", "sourceMappingURL", "external_debug_info"), and local names, which nobody reads. The
//     "name" section stays for the sake of stack traces, unless it is malformed: then it goes, too.
//
// # Trust
//
// The input is hostile. Every count is checked against the bytes that are left before anything is allocated for it, here
// and, which is the point of reading sections that are passed on unchanged, in the engine behind. Instructions are
// decoded in full; what the engine would read in another way than we do (an overlong SIMD opcode) is refused, so that no
// loop can hide. Proposals that the engine runs without are refused with their name: threads, exceptions, typed function
// references, garbage collection, memory64, several memories, tail calls, relaxed SIMD, components.
package instrument
