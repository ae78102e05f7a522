// Package instrument rewrites a WebAssembly core module when it is loaded, so that a call into it can be stopped from
// outside at any time, and so that it lets the host's scheduler and garbage collector have their turn.
//
// Both need the guest's help. Compiled guest code is not Go code: the runtime can not preempt it. When a collection wants
// the world to stop, all other goroutines stand still until every guest has returned, and a guest that never does takes
// the process with it, watchdogs included. Raising a flag that the guest reads is therefore not enough; it must come back
// into Go now and then.
//
// # What is changed
//
//   - A function is appended, the check. It grows the memory by zero pages, which changes nothing, but leads through the
//     engine's Go code, where the goroutine can be preempted. Then it traps if the stop flag is raised: a mutable i32
//     global, appended and exported as StopGlobal.
//   - Calls to the check are inserted: at every loop head, every 4096th turn, counted in a local that is added; at the
//     entry of every function that loops or calls, every 4096th time, counted in another global that is appended; before
//     an instruction that works through a range (memory.copy, memory.fill, memory.init and those of tables) of more than
//     4096 bytes. A function without any of these ends after as many steps as it has instructions. A function's count
//     begins at the global one, so that many short loops come to a check as often as a long one.
//   - Whatever is appended gets the last index of its kind: no other index shifts.
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
