package instrument

import (
	"github.com/weftlattice/weft/host/internal/wasmbin"
	"github.com/weftlattice/weft/lattice"
)

// reader reads a module's parts.
type reader struct {
	wasmbin.Reader

	module *module // whose indices are checked, or nil
	memory bool    // something that was read needs a memory
}

// bad makes the error of this package.
func bad(format string, args ...any) *lattice.Error { return wasmbin.Bad(format, args...) }

// appendU32 appends v as unsigned LEB128.
func appendU32(b []byte, v uint32) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// appendBytes appends the length of p and p.
func appendBytes(b, p []byte) []byte { return append(appendU32(b, uint32(len(p))), p...) }
