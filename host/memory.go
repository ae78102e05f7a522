package host

import (
	"time"

	"github.com/weftlattice/weft/host/internal/memory"
	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/internal/load"
	"github.com/weftlattice/weft/lattice/wire"
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

// reclaim gives up the instance of this host that has been idle the longest, and reports whether there was one.
func (h *Host) reclaim() bool {
	var oldest *version
	var since time.Time
	for _, a := range h.allActors() {
		v := a.current.Load()
		if v == nil {
			continue
		}
		if at, idle := v.pool.OldestIdle(); idle && (oldest == nil || at.Before(since)) {
			oldest, since = v, at
		}
	}
	return oldest != nil && oldest.pool.Reclaim()
}

// holdRequest counts a request while it waits for an instance and is served; give back what it returns. Those above
// wire.MaxInlineBytes are counted as large payloads already.
func (h *Host) holdRequest(inv *wire.Invocation) (held uint64, err error) {
	n := uint64(len(inv.Msg))
	if n > wire.MaxInlineBytes {
		return 0, nil
	}
	return n, h.memory.Take("a request", n)
}

// compileMemory is how much compiling a module may take: what the configuration says, else the default or half of what
// there is.
func (c *Config) compileMemory(available int64) uint64 {
	if c.CompileMemory > 0 || available == 0 {
		return uint64(c.CompileMemory)
	}
	return min(wasm.DefaultCompileMemory, uint64(available)/2)
}
