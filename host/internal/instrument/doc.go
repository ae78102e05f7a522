// Package instrument rewrites a WebAssembly core module when it is loaded, so that a call into it can be stopped from
// outside at any time, and so that it lets the host's scheduler and garbage collector have their turn.
//
// Both need the guest's help. Compiled guest code is not Go code: the runtime cannot preempt it. When a collection
// wants the world to stop, all other goroutines stand still until every guest has returned, and a guest that never does
// takes the process with it, watchdogs included. Raising a flag that the guest reads is therefore not enough; it must
// come back into Go now and then.
//
// # What is changed
//
//   - A function is appended, the check. It grows the memory by zero pages, which changes nothing, but leads through
//     the engine's Go code, where the goroutine can be preempted. Then it traps if StopFlag is raised, and hands out a
//     new budget. With VisitFlag it asks for more pages than it can have instead, of which the memory's allocator
//     hears. Flag, budget, limit and seed are mutable globals, appended and exported.
//   - Code pays from the budget for what it does: at the head of each loop for a turn, at the entry of each function
//     that is not free. Code that finds the budget spent calls the check. Prices are about those of simple
//     instructions, loads and divisions being dearer; of several paths the dearest counts. A budget has a random size
//     of up to 65536, 2 to 10 µs of most guests.
//   - A function is free if it ends after little work, whatever path it takes: it has no loop, works through no range,
//     calls only free functions, and costs at most 128 with them (32 if it can be called through a table). Its callers
//     pay.
//   - A function is late if all that it calls is called in its only loop, and the rest costs no more than that. It pays
//     in the loop, and its callers for the rest, so that it is quick where it ends before the loop, as recursion mostly
//     does.
//   - An entry that finds the budget spent gets a new one, calls its function once more with the same parameters,
//     checks when that returns, and returns. Each budget spent on the way down of a recursion so leaves a check on the
//     way up.
//   - Functions with loops that call nothing count in a local, which the compiler keeps in a register; they take over
//     the budget from the global at their entry, and give it back before calls and at their end. All others count in
//     the global.
//   - The check of an innermost loop stands in a loop around it, small bodies stand there up to four times, jumps that
//     are known to lead forward take no turn, and loops that Go's compiler has taken apart become loops again: see
//     loop.go, thread.go and cycle.go for why that makes it cheap.
//   - memory.copy and memory.fill of more than 4096 bytes are done by two more functions, in pieces of 256 KiB with
//     payments between, a unit for 16 bytes. Other instructions that work through more than 4096 bytes or elements are
//     paid for before.
//   - Whatever is appended gets the last index of its kind: no other index shifts.
//   - The start section becomes an export, StartFunc. A start function would otherwise run inside the instantiation,
//     before the host could reach the stop flag. The code that instantiates the module must call it first.
//   - Tables are capped at maxTableElements, so that table.grow is no way around the memory limit.
//   - Of the custom sections everything is kept but what would become wrong because code has moved (".debug_*",
//     "reloc.*", "linking", "metadata.code.*", "sourceMappingURL", "external_debug_info"), and local names, which no
//     tool reads. The "name" section stays for the sake of stack traces, unless it is malformed: then it goes, too.
//
// # Fuel
//
// What has been spent since an instance was made is HandedGlobal less LeftGlobal. It is a figure for the work done, the
// same for the same call in the same state on every machine. While a function with a local count runs, and after a
// trap, it lags by at most a budget. Between calls the host may set the three as it likes: with n in both HandedGlobal
// and LeftGlobal it counts from nothing, and with a limit of f + Budget a guest is stopped at the first check after it
// has spent f.
//
// # Bounds
//
// Between two checks in a function lies at most one path without loops, of which no more than 16384 goes unchecked, and
// the price of what can miss the cache is high enough that even a chain of misses spends its budget within a few
// milliseconds.
//
// On the way down, recursion that does not check does not exist: a cycle of calls has no free function, all others
// check at their entry or, being late, in the loop from which alone they call. So what lies between two checks is,
// beside that path, a late function's way to its loop, or free functions, which callers have added to their own cost.
//
// On the way up, a million frames can be left of one recursion, and no entry passes by. What a function does after its
// last call without a check
//
//   - has been paid for at its entry, some of which left a check. No guest can see to it that other payments always
//     find the budget spent: it knows neither the seed nor the budget, and of each unit that is paid the odds that it
//     is the last are 1 in 65536 or more. So more than n times 65536 units on the way up without a check have a
//     likelihood of e to the -n;
//   - or is at most 12 units of plain arithmetic, 10 ms for as many frames as the engine's stack holds;
//   - or gets a check before its end.
//
// What is left are instructions that take long by themselves: memory.init and those of tables, bounded by maxInitBytes
// and maxTableElements, some milliseconds.
//
// # Trust
//
// The input is hostile. Every count is checked against the bytes that are left before anything is allocated for it,
// here and, which is the point of reading sections that are passed on unchanged, in the engine behind. Instructions are
// decoded in full; what the engine would read in another way than we do (an overlong SIMD opcode) is refused, so that
// no loop can hide. Indices are checked, so that what is appended cannot be named. Proposals that the engine runs
// without are refused with their name: threads, exceptions, typed function references, garbage collection, memory64,
// several memories, tail calls, relaxed SIMD, components.
package instrument
