package wasm

import (
	"math/rand/v2"

	"github.com/tetratelabs/wazero/api"

	"github.com/weftlattice/weft/host/internal/instrument"
)

// MaxFuel is the largest Limits.Fuel that counts; it lasts for weeks.
const MaxFuel = 1 << 53

// meter counts what a guest spends; see package instrument, Fuel. Only the goroutine that runs the guest touches it.
type meter struct{ left, handed, limit, seed api.MutableGlobal }

func newMeter(guest api.Module) meter {
	global := func(name string) api.MutableGlobal { return guest.ExportedGlobal(name).(api.MutableGlobal) }
	return meter{global(instrument.LeftGlobal), global(instrument.HandedGlobal), global(instrument.LimitGlobal), global(instrument.SeedGlobal)}
}

// start begins to count from nothing: what the last call has left over does not count. So a call costs the same each
// time and is stopped at the same place. 0 is no limit.
func (m *meter) start(limit uint64) {
	first := uint64(instrument.Budget)
	if limit > 0 {
		limit = min(limit, MaxFuel)
		first = min(first, limit)
		m.limit.Set(limit + instrument.Budget)
	}
	m.left.Set(first)
	m.handed.Set(first)
	m.seed.Set(rand.Uint64() | 1)
}

// over reports whether the guest was stopped because it has spent its limit.
func (m *meter) over() bool { return int64(m.handed.Get()) > int64(m.limit.Get()) }

// spent is what was spent since start. After a trap it may be off by a budget.
func (m *meter) spent() uint64 {
	handed := int64(m.handed.Get())
	if m.over() { // what was handed out last was never taken
		return uint64(handed - instrument.Budget)
	}
	return uint64(max(0, handed-int64(int32(m.left.Get()))))
}
