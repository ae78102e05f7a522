package wasm

import (
	"math/rand/v2"

	"github.com/tetratelabs/wazero/api"

	"github.com/weftlattice/weft/host/internal/instrument"
)

// MaxFuel is the largest Limits.Fuel that counts; it lasts for weeks.
const MaxFuel = 1 << 53

// meter counts what a guest spends; see package instrument, Fuel. Each core module of a guest counts for itself, and
// the limit holds for all of them together. Only the goroutine that runs the guest touches it.
type meter struct {
	parts []part
	limit uint64 // 0: none
}

type part struct{ left, handed, limit, seed api.MutableGlobal }

// add takes in a core module that has been instantiated.
func (m *meter) add(guest api.Module) {
	global := func(name string) api.MutableGlobal { return guest.ExportedGlobal(name).(api.MutableGlobal) }
	p := part{global(instrument.LeftGlobal), global(instrument.HandedGlobal), global(instrument.LimitGlobal),
		global(instrument.SeedGlobal)}
	p.start(m.limit)
	m.parts = append(m.parts, p)
}

// start begins to count from nothing: what the last call has left over does not count. So a call costs the same each
// time and is stopped at the same place. 0 is no limit.
func (m *meter) start(limit uint64) {
	m.limit = min(limit, MaxFuel)
	for i := range m.parts {
		m.parts[i].start(m.limit)
	}
}

func (p *part) start(limit uint64) {
	// See package instrument, Fuel: the limit that the guest compares with is a budget higher. The first budget of a
	// small limit is that limit.
	first := uint64(instrument.Budget)
	if limit > 0 {
		first = min(first, limit)
		p.limit.Set(limit + instrument.Budget)
	}
	p.left.Set(first)
	p.handed.Set(first)
	p.seed.Set(rand.Uint64() | 1)
}

// over reports whether the guest was stopped because it has spent its limit.
func (m *meter) over() bool {
	for i := range m.parts {
		if m.parts[i].over() {
			return true
		}
	}
	return m.together()
}

// together reports whether several core modules have spent more than the limit, each of them less.
func (m *meter) together() bool { return len(m.parts) > 1 && m.limit > 0 && m.spent() > m.limit }

func (p *part) over() bool { return int64(p.handed.Get()) > int64(p.limit.Get()) }

// spent is what was spent since start. After a trap it may be off by a budget.
func (m *meter) spent() (fuel uint64) {
	for i := range m.parts {
		fuel += m.parts[i].spent()
	}
	return fuel
}

// spent is what was handed out less what is left. left is a signed 32-bit number in the guest: it may fall below zero
// by what one path costs.
func (p *part) spent() uint64 {
	handed := int64(p.handed.Get())
	if p.over() { // what was handed out last was never taken
		return uint64(handed - instrument.Budget)
	}
	return uint64(max(0, handed-int64(int32(p.left.Get()))))
}
