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

func appendU32(b []byte, v uint32) []byte { return wasmbin.AppendU32(b, v) }

func appendBytes(b, p []byte) []byte { return wasmbin.AppendBytes(b, p) }
