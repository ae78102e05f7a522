package operate

import (
	"encoding/binary"

	"github.com/weftlattice/weft/lattice"
)

// pageBytes is the unit of a module's memory.
const pageBytes = 64 << 10

// WasmInfo is what a module says of itself, read without running it.
type WasmInfo struct {
	Imports          []string `json:"imports"` // functions, "module.name"
	Exports          []string `json:"exports"` // functions
	MemoryBytes      uint64   `json:"memory_bytes"`
	MemoryLimitBytes uint64   `json:"memory_limit_bytes,omitempty"` // 0: the module sets none
}

// ReadWasm reads imports, exports and memory of a WebAssembly module. What is no module is lattice.ErrBadModule.
func ReadWasm(data []byte) (WasmInfo, error) {
	r := wasmReader{b: data}
	info := WasmInfo{Imports: []string{}, Exports: []string{}}
	if string(r.take(8)) != "\x00asm\x01\x00\x00\x00" {
		return info, &lattice.Error{Code: lattice.ErrBadModule, Op: "read module",
			Detail: "no WebAssembly module of version 1"}
	}
	for len(r.b) > 0 && !r.bad {
		id := r.byte()
		s := wasmReader{b: r.take(r.u32())}
		switch id {
		case 2:
			s.imports(&info)
		case 5:
			if s.u32() > 0 {
				s.memory(&info)
			}
		case 7:
			s.exports(&info)
		}
		r.bad = r.bad || s.bad
	}
	if r.bad {
		return info, &lattice.Error{Code: lattice.ErrBadModule, Op: "read module", Detail: "a section is cut short"}
	}
	return info, nil
}

// wasmReader takes values from the front of a buffer. After the end everything is zero and bad is set.
type wasmReader struct {
	b   []byte
	bad bool
}

// The kinds of imports and exports.
const (
	externFunc = iota
	externTable
	externMemory
	externGlobal
	externTag
)

func (r *wasmReader) imports(info *WasmInfo) {
	for n := r.u32(); n > 0 && !r.bad; n-- {
		module, name := r.name(), r.name()
		switch r.byte() {
		case externFunc:
			r.u32()
			info.Imports = append(info.Imports, module+"."+name)
		case externTable:
			r.byte()
			r.limits()
		case externMemory:
			r.memory(info)
		case externGlobal:
			r.take(2)
		case externTag:
			r.byte()
			r.u32()
		default:
			r.bad = true
		}
	}
}

func (r *wasmReader) exports(info *WasmInfo) {
	for n := r.u32(); n > 0 && !r.bad; n-- {
		name, kind := r.name(), r.byte()
		r.u32()
		if kind == externFunc && !r.bad {
			info.Exports = append(info.Exports, name)
		}
	}
}

func (r *wasmReader) memory(info *WasmInfo) {
	low, high := r.limits()
	info.MemoryBytes, info.MemoryLimitBytes = uint64(low)*pageBytes, uint64(high)*pageBytes
}

func (r *wasmReader) limits() (low, high uint32) {
	bounded := r.byte()&1 != 0
	low = r.u32()
	if bounded {
		high = r.u32()
	}
	return low, high
}

func (r *wasmReader) name() string { return lattice.Printable(string(r.take(r.u32()))) }

func (r *wasmReader) byte() byte {
	if b := r.take(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (r *wasmReader) take(n uint32) []byte {
	if uint64(n) > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *wasmReader) u32() uint32 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || n > 5 || v > 1<<32-1 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return uint32(v)
}
