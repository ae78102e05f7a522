// Package memory bounds what the guests of a host hold in all: their memories, the snapshots that these begin with,
// their code, and the requests that wait for them. Without that a burst of calls makes instances until the system kills
// the host, and with it everything that runs there.
package memory

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"github.com/weftlattice/weft/lattice"
)

// Budget is a number of bytes that many share. What is taken counts in full, even where it has not been written to. A
// guest may write to all of its memory at any moment, and then it is too late to refuse anything. A nil Budget is
// unlimited. It is safe for concurrent use.
type Budget struct {
	limit int64
	used  atomic.Int64

	freeing sync.Mutex
	free    func() bool // guarded by freeing
}

// NewBudget returns a budget of so many bytes.
func NewBudget(bytes int64) *Budget { return &Budget{limit: bytes} }

// OnShort sets what is called when there is no room: it gives up something that is not in use, with Give, or reports
// that there is nothing. Calls come one at a time, from the goroutines that Take. It must not Take.
func (b *Budget) OnShort(free func() bool) {
	if b == nil {
		return
	}
	b.freeing.Lock()
	defer b.freeing.Unlock()
	b.free = free
}

// Used is the number of bytes that are taken.
func (b *Budget) Used() int64 {
	if b == nil {
		return 0
	}
	return b.used.Load()
}

// Limit is the number of bytes that can be taken; 0 is no limit.
func (b *Budget) Limit() int64 {
	if b == nil {
		return 0
	}
	return b.limit
}

// Take takes bytes for what the error names, having others give up what they do not use where that is needed. It does
// not wait: lattice.ErrBusy says that there is no room now.
func (b *Budget) Take(what string, bytes uint64) error {
	if b == nil || b.try(bytes) {
		return nil
	}
	b.freeing.Lock()
	defer b.freeing.Unlock()
	for !b.try(bytes) {
		if b.free == nil || bytes > uint64(b.limit) || !b.free() {
			return &lattice.Error{Code: lattice.ErrBusy,
				Detail: fmt.Sprintf("no memory for %s of %s: %s of the %s of this host are in use "+
					"(--guest-memory, see docs/instances.md)", what, lattice.Size(int64(min(bytes, math.MaxInt64))),
					lattice.Size(b.used.Load()), lattice.Size(b.limit))}
		}
	}
	return nil
}

// Add takes bytes that are in use already, room or not.
func (b *Budget) Add(bytes uint64) {
	if b != nil {
		b.used.Add(int64(bytes))
	}
}

func (b *Budget) try(bytes uint64) bool {
	for {
		used := b.used.Load()
		if bytes > uint64(max(0, b.limit-used)) {
			return false
		}
		if b.used.CompareAndSwap(used, used+int64(bytes)) {
			return true
		}
	}
}

// Give gives back what was taken.
func (b *Budget) Give(bytes uint64) {
	if b != nil {
		b.used.Add(-int64(bytes))
	}
}
