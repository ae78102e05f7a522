package wasm

import (
	"time"

	"github.com/weftlattice/weft/host/internal/instrument"
)

// Limits bound what one instance may use. A zero field means its default.
type Limits struct {
	// MemoryBytes caps the linear memory, rounded down to pages of 64 KiB. A larger memory.grow is refused, that is, it
	// answers -1, which most guests turn into a trap: lattice.ErrMemory. Default 64 MiB, at most a page less than 4
	// GiB.
	MemoryBytes uint64
	// Execution caps the time of one call, and of the initialisation, host calls included. Beyond it the call ends with
	// lattice.ErrInterrupted. Default 30 s.
	Execution time.Duration
	// Fuel caps the work of one call, and of the initialisation, in units: a simple instruction is about one, loads
	// from memory and divisions are dearer, and of several paths the dearest counts, so that guests spend 6 to 30 × 10⁹
	// in a second of one processor, some twice that. What is spent is the same for the same call in the same state on
	// every machine. What functions of the host do for a guest counts as what it does itself, by the bytes and entries
	// that it gives them; waiting costs nothing. It is looked at every 65536 units, and the call ends with
	// lattice.ErrFuel at the first look that finds more spent. 0 means no limit, and more than MaxFuel means MaxFuel.
	Fuel uint64
	// ResponseBytes caps the response of a call. A larger one is lattice.ErrTooLarge. Default 128 MiB, which is
	// what a lattice carries; the memory is the narrower limit.
	ResponseBytes int
	// HostCallBytes caps the payload of one host call and its response. The guest gets an error that says so. Default
	// 128 MiB.
	HostCallBytes int
	// HostCalls caps the number of host calls within one call. The next one ends the call with lattice.ErrTooLarge.
	// Default 100 000.
	HostCalls int
}

// DefaultLimits returns the limits that apply where none are given.
func DefaultLimits() Limits {
	return Limits{
		MemoryBytes:   64 << 20,
		Execution:     30 * time.Second,
		ResponseBytes: 128 << 20,
		HostCallBytes: 128 << 20,
		HostCalls:     100_000,
	}
}

// Texts from a guest are cut to these lengths.
const (
	maxNameBytes  = 4 << 10  // binding, namespace, operation of a host call
	maxErrorBytes = 64 << 10 // __guest_error
	maxLogBytes   = 16 << 10 // one line of output
)

const (
	pageBytes      = 64 << 10
	maxMemoryBytes = instrument.MostPages*pageBytes - pageBytes // asking for all is a visit: instrument.VisitFlag
)

// orDefault fills in the defaults.
func (l Limits) orDefault() Limits {
	d := DefaultLimits()
	if l.MemoryBytes == 0 {
		l.MemoryBytes = d.MemoryBytes
	}
	l.MemoryBytes = min(l.MemoryBytes, maxMemoryBytes) / pageBytes * pageBytes
	if l.Execution <= 0 {
		l.Execution = d.Execution
	}
	if l.ResponseBytes <= 0 {
		l.ResponseBytes = d.ResponseBytes
	}
	if l.HostCallBytes <= 0 {
		l.HostCallBytes = d.HostCallBytes
	}
	if l.HostCalls <= 0 {
		l.HostCalls = d.HostCalls
	}
	return l
}
