package rpc

import (
	"container/list"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// DefaultBudget is the limit of a Budget when none is given.
const DefaultBudget = 512 << 20

// Budget bounds how many bytes of large payloads, those above wire.MaxInlineBytes, a process holds in memory at the same
// time. Who finds no room waits for it in order of arrival, nine tenths of the time that the call has left (13 s without a deadline), and then gets
// lattice.ErrBusy, so that the caller hears of it in time. A process shares one among its servers and clients. It is safe for
// concurrent use.
//
// What a call needs after it was admitted replaces what it holds (its response its request) or is added without waiting
// (what the calls that it makes in turn carry): waiting for what oneself holds would be a deadlock. So the limit may be
// exceeded by that much.
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

// acquire waits for room.
func (b *Budget) acquire(ctx context.Context, what string, bytes int64) error {
	if bytes > b.limit {
		return &lattice.Error{Code: lattice.ErrTooLarge, Detail: fmt.Sprintf("%s of %d bytes, and this process takes %d bytes of large payloads in all", what, bytes, b.limit)}
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

	wait := chunkAllowance
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
	return &lattice.Error{Code: lattice.ErrBusy, Detail: fmt.Sprintf("no room for a %s of %d bytes: %d of %d bytes of large payloads are in use", what, bytes, used, b.limit)}
}

// try takes bytes if there is room now, and nobody waits.
func (b *Budget) try(bytes int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.queue.Len() > 0 || b.used+bytes > b.limit {
		return false
	}
	b.used += bytes
	return true
}

// Hold waits for room for what comes in, an answer or a body. The room is given back with Release; held is how much that is: 0 when
// ctx is that of a call that is being served, which then carries it until it is over. Errors: lattice.ErrBusy when there is no
// room in time, lattice.ErrTooLarge when there never is.
func (b *Budget) Hold(ctx context.Context, what string, bytes int64) (held int64, err error) {
	if r := reserved(ctx); r != nil {
		r.carry(bytes)
		return 0, nil
	}
	return bytes, b.acquire(ctx, what, bytes)
}

// Release gives back what Hold has taken.
func (b *Budget) Release(bytes int64) {
	if bytes > 0 {
		b.release(bytes)
	}
}

// add takes bytes without waiting.
func (b *Budget) add(bytes int64) {
	b.mu.Lock()
	b.used += bytes
	b.mu.Unlock()
}

func (b *Budget) release(bytes int64) {
	b.mu.Lock()
	b.used -= bytes
	b.grant()
	b.mu.Unlock()
}

// grant lets those in who fit, in order. mu is held.
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

// Room is what one call that is served holds of a budget. A transport other than NATS that counts what it brings makes one for
// each call, lets the call's context have it (IsRoomKey), and ends it when the answer has been sent.
type Room struct {
	budget *Budget
	taken  atomic.Bool // by the Serve that it was made for; calls made in turn have their own

	mu        sync.Mutex
	held      int64 // the request, then the response; guarded by mu
	carried   int64 // the payload of the call that it made last; guarded by mu
	answering bool  // the response has been reserved; guarded by mu
}

type roomKey struct{}

// IsRoomKey reports whether key is the one under which the context of a call that is served has its *Room.
func IsRoomKey(key any) bool { return key == (roomKey{}) }

// reserved returns the room of the call that ctx belongs to; nil when it belongs to none.
func reserved(ctx context.Context) *Room {
	r, _ := ctx.Value(roomKey{}).(*Room)
	return r
}

// Use says of which budget an empty room is.
func (r *Room) Use(b *Budget) { r.budget = b }

// Try is Request for a caller that cannot wait; it reports whether there was room.
func (r *Room) Try(bytes int64) bool {
	if !r.budget.try(bytes) {
		return false
	}
	r.mu.Lock()
	r.held += bytes
	r.mu.Unlock()
	return true
}

// has reports whether so much is held already.
func (r *Room) has(bytes int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held >= bytes
}

// Reserve makes room for the response of the call that ctx belongs to, in the place of its request, before the handler has
// it in memory. Small responses, and those of no call, need none. A handler that does not reserve has its response counted
// when it returns. Errors: lattice.ErrBusy when there is no room in time, lattice.ErrTooLarge when there never is.
func Reserve(ctx context.Context, bytes int) error {
	if r := reserved(ctx); r != nil && bytes > wire.MaxInlineBytes {
		return r.response(ctx, int64(bytes))
	}
	return nil
}

// Request waits for room for the request of the call. Errors: as of Reserve.
func (r *Room) Request(ctx context.Context, bytes int64) error {
	if err := r.budget.acquire(ctx, "request", bytes); err != nil {
		return err
	}
	r.mu.Lock()
	r.held += bytes
	r.mu.Unlock()
	return nil
}

// response takes the place of the request. Those who want to bring in new requests stand behind it.
func (r *Room) response(ctx context.Context, bytes int64) error {
	r.mu.Lock()
	held, again := r.held, r.answering && r.held == bytes
	r.answering = true
	if !again {
		r.held = 0
	}
	r.mu.Unlock()
	if again {
		return nil
	}
	r.budget.release(held)
	if err := r.budget.acquire(ctx, "response", bytes); err != nil {
		return err
	}
	r.mu.Lock()
	r.held = bytes
	r.mu.Unlock()
	return nil
}

// carry counts the payload of a call that this one makes, in the place of that of the call before.
func (r *Room) carry(bytes int64) {
	r.mu.Lock()
	before := r.carried
	r.carried = bytes
	r.mu.Unlock()
	r.budget.add(bytes)
	r.budget.release(before)
}

// begun reports whether the handler has come as far as a response.
func (r *Room) begun() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.answering
}

// End gives back all that is held. The room is as new afterwards.
func (r *Room) End() {
	r.mu.Lock()
	bytes := r.held + r.carried
	r.held, r.carried = 0, 0
	r.mu.Unlock()
	if bytes > 0 {
		r.budget.release(bytes)
	}
}
