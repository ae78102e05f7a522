package load

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/weftlattice/weft/lattice/wire"
)

// Room is what one call that is served holds of a budget. A transport other than NATS that counts what it brings makes
// one for each call, lets the call's context have it (IsRoomKey), and ends it when the answer has been sent.
type Room struct {
	budget *Budget
	taken  atomic.Bool // by the call that it was made for; the calls that it makes itself have their own

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

// RoomOf returns the room of the call that begins to be served in ctx. It is the one that its transport has made. Where
// ctx has no room, or the room of the call in which this one is made, it is a new one of the budget. Then fresh is
// true, the returned context has the room, and the caller ends it.
func (b *Budget) RoomOf(ctx context.Context) (within context.Context, r *Room, fresh bool) {
	if r := reserved(ctx); r != nil && r.taken.CompareAndSwap(false, true) {
		return ctx, r, false
	}
	r = &Room{budget: b}
	return context.WithValue(ctx, roomKey{}, r), r, true
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

// Reserve makes room for the response of the call that ctx belongs to, in the place of its request, before the handler
// has it in memory. Small responses, and those of no call, need none. A handler that does not reserve has its response
// counted when it returns. Errors: lattice.ErrBusy when there is no room in time, lattice.ErrTooLarge when there never
// is.
func Reserve(ctx context.Context, bytes int) error {
	if r := reserved(ctx); r != nil && bytes > wire.MaxInlineBytes {
		return r.response(ctx, int64(bytes))
	}
	return nil
}

// Request waits for room for the request of the call. Errors: as of Reserve.
func (r *Room) Request(ctx context.Context, bytes int64) error {
	if err := r.budget.Acquire(ctx, "request", bytes); err != nil {
		return err
	}
	r.mu.Lock()
	r.held += bytes
	r.mu.Unlock()
	return nil
}

// Ensure is Request where the transport has not made room for the request yet. Small requests need none.
func (r *Room) Ensure(ctx context.Context, bytes int) error {
	if bytes <= wire.MaxInlineBytes {
		return nil
	}
	r.mu.Lock()
	has := r.held >= int64(bytes)
	r.mu.Unlock()
	if has {
		return nil
	}
	return r.Request(ctx, int64(bytes))
}

// Ensure is Room.Ensure of the call that ctx belongs to, for a request that comes piece by piece; bytes are all of it.
func Ensure(ctx context.Context, bytes int) error {
	if r := reserved(ctx); r != nil {
		return r.Ensure(ctx, bytes)
	}
	return nil
}

// response takes the place of the request. Calls that want to bring in new requests stand behind it.
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
	r.budget.Release(held)
	if err := r.budget.Acquire(ctx, "response", bytes); err != nil {
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
	r.budget.Release(before)
}

// Answering reports whether the handler has come as far as a response.
func (r *Room) Answering() bool {
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
	r.budget.Release(bytes)
}
