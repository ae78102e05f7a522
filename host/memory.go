package host

import (
	"github.com/weftlattice/weft/host/internal/memory"
	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/internal/load"
)

const (
	// ownBytes and a fifth of what there is are for the host itself, for its providers, and for what is not counted.
	ownBytes      = 64 << 20
	minGuestBytes = 32 << 20
	minLargeBytes = 16 << 20
)

// divide splits the memory that there is, 0 where that is not known, into that of guests and that of large payloads.
// What the configuration says counts. 0 for the guests is no limit.
func (c *Config) divide(available int64) (guests, large int64) {
	guests, large = c.GuestBytes, c.LargeBytes
	if large == 0 {
		large = load.DefaultBudget
		if available > 0 {
			large = max(minLargeBytes, min(large, available/8))
		}
	}
	if guests == 0 && available > 0 {
		guests = max(minGuestBytes, available-available/5-ownBytes-large)
	}
	return guests, large
}

// newBudget is that of the guests; nil without a limit.
func newBudget(bytes int64) *memory.Budget {
	if bytes == 0 {
		return nil
	}
	return memory.NewBudget(bytes)
}

// compileMemory is how much compiling a module may take: what the configuration says, else the default or half of what
// there is.
func (c *Config) compileMemory(available int64) uint64 {
	if c.CompileMemory > 0 || available == 0 {
		return uint64(c.CompileMemory)
	}
	return min(wasm.DefaultCompileMemory, uint64(available)/2)
}
