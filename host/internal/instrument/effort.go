package instrument

import "github.com/weftlattice/weft/host/internal/wasmbin"

// What the engine takes to compile a module grows with the square of some of its parts: 10 000 branches in a function
// take it two seconds, 100 000 of them minutes, in which nothing in the same process can interrupt it. The bounds below
// are those parts'; they refuse at once what would be cut off later. docs/security.md has what was measured.
const (
	maxFunctionBranches = 31_600 // see branches
	// sum over all functions of the square of a function's branches; Go's own compiler has 4 × 10⁹
	maxModuleEffort = 10_000_000_000
	// call instructions; each takes the engine 140 bytes until the module is compiled
	maxModuleCalls = 2_000_000
)

// sectionBounds bound the sections whose entries cost the engine more than their bytes.
var sectionBounds = map[byte]struct {
	entries, bytes int
}{
	secType:     {50_000, 1 << 20},
	secImport:   {10_000, maxModuleBytes},
	secFunction: {200_000, maxModuleBytes},
	secGlobal:   {100_000, maxModuleBytes},
	secExport:   {100_000, maxModuleBytes},
	secElement:  {100_000, 2 << 20},
	secData:     {100_000, maxModuleBytes},
}

// checkEffort refuses what would take the engine too long. What is malformed is left for the rewriter to tell.
func checkEffort(sections []section) error {
	for _, s := range sections {
		r := s.reader()
		if bound, ok := sectionBounds[s.id]; ok {
			if n := r.U32(); r.Err == nil && int(n) > bound.entries && int(n) <= r.Left() {
				return bad("%d entries in section %s, %d allowed", n, sectionNames[s.id], bound.entries)
			}
			if len(s.b) > bound.bytes {
				return bad("section %s has %d bytes, %d allowed", sectionNames[s.id], len(s.b), bound.bytes)
			}
		}
		if s.id != secCode {
			continue
		}
		var effort, calls uint64
		r.U32()
		for i := 0; r.More(); i++ {
			b, c := branches(&reader{Reader: wasmbin.Reader{B: r.Take(r.U32()), What: r.What, Err: r.Err}})
			if calls += c; calls > maxModuleCalls {
				return bad("more than %d call instructions", maxModuleCalls)
			}
			if b > maxFunctionBranches {
				return bad("too many branches to compile in reasonable time: the function %d has %d, %d allowed; "+
					"divide it", i, b, maxFunctionBranches)
			}
			if effort += b * b; effort > maxModuleEffort {
				return bad("too many branches to compile in reasonable time: the squares of the functions' branches "+
					"exceed %d at the function %d, which has %d; divide the module",
					maxModuleEffort, i, b)
			}
		}
	}
	return nil
}

// branches counts the places of a function body where the flow divides or joins, a loop for four since code is inserted
// at its head, and the calls.
func branches(r *reader) (branches, calls uint64) {
	for n := r.Count("groups of locals", maxLocals); n > 0 && r.Err == nil; n-- {
		r.U32()
		r.Byte()
	}
	for r.More() {
		switch r.B[r.Off] {
		case 0x03: // loop
			branches += 4
		case 0x00, 0x02, 0x04, 0x05, 0x0c, 0x0d, 0x0f: // unreachable, block, if, else, br, br_if, return
			branches++
		case 0x0e: // br_table
			table := &reader{Reader: wasmbin.Reader{B: r.B, Off: r.Off + 1}}
			if n := table.U32(); int(n) <= table.Left() {
				branches += uint64(n)
			}
		case 0x10, 0x11:
			calls++
		}
		switch r.instruction().class {
		case bulk, bulkCopies, bulkFills: // guarded by an if with two arms
			branches += 3
		}
	}
	return branches, calls
}
