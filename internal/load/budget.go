package load

import (
	"container/list"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/weftlattice/weft/lattice"
)

// Allowance is the time that a call gets on top when its payload is a large one, and for how long one without a
// deadline waits for room.
const Allowance = 13 * time.Second

// DefaultBudget is the limit of a Budget when none is given.
const DefaultBudget = 512 << 20

// Budget bounds how many bytes of large payloads, those above wire.MaxInlineBytes, a process holds in memory at the
// same time. A call that finds no room waits for it in order of arrival, for nine tenths of the time that it has left
// (13 s without a deadline). Then it gets lattice.ErrBusy, so that its caller hears of it in time. A process shares one
// among its servers and clients. It is safe for concurrent use.
//
// What a call needs after it was admitted never waits: to wait for what the call itself holds would be a deadlock. So
// its response takes the place of its request, and what the calls carry that it makes itself is added. So the limit may
// be exceeded by that much.
type Budget struct {
	limit int64

	mu    sync.Mutex
	used  int64      // guarded by mu
	queue *list.List // of *waiter; guarded by mu
}

type waiter struct {
	bytes int64
	ready chan struct{}
}

// NewBudget returns a budget of so many bytes; 0 means DefaultBudget.
func NewBudget(bytes int64) *Budget {
	if bytes <= 0 {
		bytes = DefaultBudget
	}
	return &Budget{limit: bytes, queue: list.New()}
}

// Used is the number of bytes that are held now, and how many calls wait for room.
func (b *Budget) Used() (bytes int64, waiting int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used, b.queue.Len()
}

// Limit is the number of bytes that may be held at the same time.
func (b *Budget) Limit() int64 { return b.limit }

// Acquire waits for room, which Release gives back. What it is for, what, is in the text of an error: that of Hold.
func (b *Budget) Acquire(ctx context.Context, what string, bytes int64) error {
	if bytes > b.limit {
		return &lattice.Error{Code: lattice.ErrTooLarge,
			Detail: fmt.Sprintf("%s of %d bytes, and this process takes %d bytes of large payloads in all", what,
				bytes, b.limit)}
	}
	b.mu.Lock()
	if b.queue.Len() == 0 && b.used+bytes <= b.limit {
		b.used += bytes
		b.mu.Unlock()
		return nil
	}
	w := &waiter{bytes, make(chan struct{})}
	at := b.queue.PushBack(w)
	b.mu.Unlock()

	wait := Allowance
	if deadline, ok := ctx.Deadline(); ok {
		wait = time.Until(deadline) * 9 / 10
	}
	late := time.NewTimer(wait)
	defer late.Stop()
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
	case <-late.C:
	}
	b.mu.Lock()
	select {
	case <-w.ready: // just now
		b.mu.Unlock()
		return nil
	default:
	}
	b.queue.Remove(at)
	used := b.used
	b.grant() // those behind may fit
	b.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return &lattice.Error{Code: lattice.CodeOf(err), Op: "wait for room for a large payload", Err: err}
	}
	return &lattice.Error{Code: lattice.ErrBusy,
		Detail: fmt.Sprintf("no room for a %s of %d bytes: %d of %d bytes of large payloads are in use", what, bytes,
			used, b.limit)}
}

// try takes bytes if there is room now, and no call waits.
func (b *Budget) try(bytes int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.queue.Len() > 0 || b.used+bytes > b.limit {
		return false
	}
	b.used += bytes
	return true
}

// Hold waits for room for what comes in, an answer or a body. Release gives the room back; held is how much that is. It
// is 0 when ctx is that of a call that is being served: that call carries the room until it is over. Errors:
// lattice.ErrBusy when there is no room in time, lattice.ErrTooLarge when there never is.
func (b *Budget) Hold(ctx context.Context, what string, bytes int64) (held int64, err error) {
	if r := reserved(ctx); r != nil {
		r.carry(bytes)
		return 0, nil
	}
	return bytes, b.Acquire(ctx, what, bytes)
}

// Release gives back what Acquire or Hold has taken.
func (b *Budget) Release(bytes int64) {
	if bytes <= 0 {
		return
	}
	b.mu.Lock()
	b.used -= bytes
	b.grant()
	b.mu.Unlock()
}

// add takes bytes without waiting.
func (b *Budget) add(bytes int64) {
	b.mu.Lock()
	b.used += bytes
	b.mu.Unlock()
}

// grant lets the calls in that fit, in order. mu is held.
func (b *Budget) grant() {
	for at := b.queue.Front(); at != nil; at = b.queue.Front() {
		w := at.Value.(*waiter)
		if b.used+w.bytes > b.limit {
			return
		}
		b.used += w.bytes
		b.queue.Remove(at)
		close(w.ready)
	}
}
