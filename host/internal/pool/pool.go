package pool

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/weftlattice/weft/lattice"
)

// Unbounded as Config.Max lets the pool grow with demand.
const Unbounded uint32 = 4294967295

// Instance is what a pool keeps.
type Instance interface {
	comparable
	Healthy() bool       // false: not to be used again
	MemoryBytes() uint64 // in use, as of the last call
	// Restore brings the instance back to how it began. After an error it is not to be used again.
	Restore(context.Context) error
	Close(context.Context) error
}

// Config sets up a Pool.
type Config struct {
	// Max is the number of instances at a time, Unbounded for no limit. Nothing is allocated in advance. With 0 every
	// caller waits until Resize.
	Max uint32
	// MaxWaiting bounds the line of callers that wait; one more is turned away with lattice.ErrBusy. 0 means no bound.
	MaxWaiting int
	// MaxMaking bounds how many instances are made at the same time; a caller that finds no instance meanwhile waits
	// for a free one or for a turn to make one, as comes first. Making takes the processor, so more at once would only
	// make all late, and leave a crowd of instances that one burst has asked for. 0 means no bound.
	MaxMaking int
	// Fresh restores an instance after every call, so that nothing of one is left for the next.
	Fresh bool
	// MaxCalls is how many calls an instance serves before it is restored. 0 means no limit.
	MaxCalls uint64
	// MaxMemoryBytes is the size above which an instance is restored after a call. 0 means no limit.
	MaxMemoryBytes uint64
	// IdleTimeout is how long an instance may lie unused. 0 means for ever.
	IdleTimeout time.Duration
}

// Pool lends instances. It is safe for concurrent use.
type Pool[I Instance] struct {
	create func(context.Context) (I, error)

	mu      sync.Mutex // never held while an instance is made or closed
	cfg     Config
	idle    []*member[I]     // ordered by the end of their last use
	lent    map[I]*member[I] // by instance
	total   uint64           // slots taken: idle, lent, being made, being closed
	making  int              // being made, or granted to be
	waiting list.List        // of chan grant[I], each with room for one
	stats   Stats            // counters; the rest is filled in by Stats
	memory  uint64           // of all members
	short   time.Time        // until when none is made while there are others, since there was no room for one
	reaper  *time.Timer      // armed while anything idles and IdleTimeout is set
	reaping sync.WaitGroup   // reaps in progress
	closed  bool
	empty   chan struct{} // closed when the pool is closed and total has come to 0
}

// member is an instance and its record.
type member[I Instance] struct {
	instance I
	calls    uint64
	memory   uint64
	idleFrom time.Time
}

// grant is what a waiting caller gets: an instance, or the right to make one, or an end.
type grant[I Instance] struct {
	member *member[I]
	err    error
}

// New makes a pool that makes its instances with create, on the goroutine and with the context of an Acquire.
func New[I Instance](cfg Config, create func(context.Context) (I, error)) *Pool[I] {
	return &Pool[I]{create: create, cfg: cfg, lent: map[I]*member[I]{}, empty: make(chan struct{}),
		stats: Stats{Discarded: map[Reason]uint64{}}}
}

// Acquire returns an instance for one call; hand it back with Release. It waits in line for one while Max are in use.
//
// # Errors
//
//   - lattice.ErrBusy: the context's deadline passed while waiting, or the line is full. Nothing has begun.
//     The line is short while create has no room for more instances.
//   - lattice.ErrCanceled: the context was cancelled while waiting.
//   - lattice.ErrNoResponders: the pool is closed.
//   - what create returns. When that is lattice.ErrBusy, and there are other instances, it waits for one of those.
func (p *Pool[I]) Acquire(ctx context.Context) (I, error) {
	for {
		instance, err := p.acquire(ctx)
		if !errors.Is(err, errNoRoom) {
			return instance, err
		}
	}
}

// acquire is one attempt of Acquire. It returns errNoRoom when the caller shall wait in line after all.
func (p *Pool[I]) acquire(ctx context.Context) (I, error) {
	var none I
	if err := ctx.Err(); err != nil {
		return none, waitError(err, 0)
	}
	p.mu.Lock()
	switch {
	case p.closed:
		p.mu.Unlock()
		return none, errClosed()
	case len(p.idle) > 0: // then no caller waits
		defer p.mu.Unlock()
		return p.lendIdle(), nil
	case p.room():
		p.reserve()
		p.mu.Unlock()
		return p.make(ctx)
	case p.cfg.MaxWaiting > 0 && p.waiting.Len() >= p.cfg.MaxWaiting:
		n := p.waiting.Len()
		p.mu.Unlock()
		return none, &lattice.Error{Code: lattice.ErrBusy, Op: "acquire instance",
			Detail: fmt.Sprintf("%d are waiting already", n)}
	case p.scarce() && p.crowded():
		n, have := p.waiting.Len(), p.there()
		p.mu.Unlock()
		return none, &lattice.Error{Code: lattice.ErrBusy, Op: "acquire instance",
			Detail: fmt.Sprintf("there is memory for %d instances now, and %d are waiting for one", have, n)}
	}
	// Room for one: those who grant hold mu and must not wait for this goroutine to come.
	granted := make(chan grant[I], 1)
	place := p.waiting.PushBack(granted)
	p.stats.Waits++
	p.mu.Unlock()
	began := time.Now()

	select {
	case g := <-granted:
		return p.take(ctx, g)
	case <-ctx.Done():
	}
	p.mu.Lock()
	select {
	case g := <-granted: // at the last moment: pass it on
		p.mu.Unlock()
		p.decline(g)
	default:
		p.waiting.Remove(place)
		p.mu.Unlock()
	}
	return none, waitError(ctx.Err(), time.Since(began))
}

// take turns a grant into an instance. The right to make one is used here, on the goroutine that waited for it, so that
// its context bounds the making.
func (p *Pool[I]) take(ctx context.Context, g grant[I]) (I, error) {
	switch {
	case g.err != nil:
		var none I
		return none, g.err
	case g.member != nil:
		return g.member.instance, nil
	}
	return p.make(ctx)
}

// decline gives back a grant that came too late.
func (p *Pool[I]) decline(g grant[I]) {
	switch {
	case g.err != nil:
	case g.member != nil:
		p.put(g.member, "")
	default:
		p.mu.Lock()
		p.making--
		p.vacate()
		p.mu.Unlock()
	}
}

// reserve takes a slot for an instance that is to be made. The caller holds mu.
func (p *Pool[I]) reserve() {
	p.total++
	p.making++
}

// make makes an instance for a slot taken before.
func (p *Pool[I]) make(ctx context.Context) (I, error) {
	instance, err := p.create(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.making--
	if err != nil {
		p.stats.Failed++
		busy := errors.Is(err, lattice.ErrBusy)
		if busy {
			// The memory was refused to this one. Others who ask now would be refused as well, each after some work.
			p.short = time.Now().Add(shortPause)
		}
		p.vacate()
		var none I
		// Some instance is there, or being made: this caller waits for that one instead of failing.
		if busy && p.total > 0 && !p.crowded() {
			return none, errNoRoom
		}
		return none, err
	}
	p.stats.Created++
	m := &member[I]{instance: instance, memory: instance.MemoryBytes()}
	p.memory += m.memory
	p.lend(m)
	p.admit() // the next may make one
	return instance, nil
}

// TryAcquire is Acquire for a caller that does something else instead of waiting. It returns an instance that idles,
// and false when no instance does, or ctx has ended.
func (p *Pool[I]) TryAcquire(ctx context.Context) (I, bool) {
	ended := ctx.Err() != nil
	p.mu.Lock()
	defer p.mu.Unlock()
	if ended || p.closed || len(p.idle) == 0 {
		var none I
		return none, false
	}
	return p.lendIdle(), true
}

// lendIdle lends the instance that was used last: its memory is the most likely to be in the processor's caches, and
// those that a smaller load does not need idle until IdleTimeout. The caller holds mu and knows that one idles.
func (p *Pool[I]) lendIdle() I {
	m := p.idle[len(p.idle)-1]
	p.idle[len(p.idle)-1] = nil
	p.idle = p.idle[:len(p.idle)-1]
	p.lend(m)
	return m.instance
}

// lend notes that m is in use. The caller holds mu.
func (p *Pool[I]) lend(m *member[I]) { p.lent[m.instance] = m }

// room reports whether an instance may be made now. The caller holds mu.
func (p *Pool[I]) room() bool {
	return !p.scarce() && (p.cfg.Max == Unbounded || p.total < uint64(p.cfg.Max)) &&
		(p.cfg.MaxMaking <= 0 || p.making < p.cfg.MaxMaking)
}

// scarce reports whether the pool makes do with the instances that it has. The caller holds mu.
func (p *Pool[I]) scarce() bool {
	if p.short.IsZero() || p.total == 0 {
		return false
	}
	if time.Now().Before(p.short) {
		return true
	}
	p.short = time.Time{}
	return false
}

// crowded reports whether as many wait as may when there is no room for more instances. The caller holds mu.
func (p *Pool[I]) crowded() bool { return uint64(p.waiting.Len()) >= waitersEach*p.there() }

// there is how many instances there are, at least one. Those that are being made do not count: where memory is short,
// most of them fail. The caller holds mu.
func (p *Pool[I]) there() uint64 { return max(p.total-uint64(p.making), 1) }

// vacate frees a slot, which goes to the first in line. The caller holds mu.
func (p *Pool[I]) vacate() {
	p.total--
	p.admit()
}

// admit hands free slots to the callers that wait, or reports that the last instance is gone. The caller holds mu.
func (p *Pool[I]) admit() {
	for p.waiting.Len() > 0 && p.room() {
		p.reserve()
		p.next() <- grant[I]{}
	}
	if p.closed && p.total == 0 {
		select {
		case <-p.empty:
		default:
			close(p.empty)
		}
	}
}

// next takes the first out of the line. The caller holds mu.
func (p *Pool[I]) next() chan grant[I] { return p.waiting.Remove(p.waiting.Front()).(chan grant[I]) }

// Release takes back an instance after one call, with the error of that call. After any error but lattice.ErrGuest the
// instance is discarded; else it is restored where the Config says so, on the caller's goroutine. Releasing one that is
// not lent does nothing.
func (p *Pool[I]) Release(instance I, err error) {
	p.mu.Lock()
	m := p.lent[instance]
	if m == nil {
		p.mu.Unlock()
		return
	}
	m.calls++
	p.memory -= m.memory
	m.memory = instance.MemoryBytes()
	p.memory += m.memory
	reason, due := Reason(""), p.due(m)
	switch {
	case err != nil && !errors.Is(err, lattice.ErrGuest):
		reason = AfterError
	case !instance.Healthy():
		reason = Unhealthy
	case due != "" && (p.closed || p.surplus()): // it is discarded anyway
		due = ""
	}
	p.mu.Unlock()
	if reason == "" && due != "" && !p.restore(m) {
		reason = due
	}
	p.put(m, reason)
}

// due says why a member is to be restored after a call, if it is. The caller holds mu.
func (p *Pool[I]) due(m *member[I]) Reason {
	switch {
	case p.cfg.Fresh:
		return Used
	case p.cfg.MaxCalls > 0 && m.calls >= p.cfg.MaxCalls:
		return WornOut
	case p.cfg.MaxMemoryBytes > 0 && m.memory > p.cfg.MaxMemoryBytes:
		return TooLarge
	}
	return ""
}

// restore makes a lent member as new.
func (p *Pool[I]) restore(m *member[I]) bool {
	if m.instance.Restore(context.Background()) != nil { // it is discarded, and the next one begins anew
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Restored++
	p.memory -= m.memory
	m.calls, m.memory = 0, m.instance.MemoryBytes()
	p.memory += m.memory
	return true
}

// surplus reports whether there are more members than there may be. The caller holds mu.
func (p *Pool[I]) surplus() bool { return p.cfg.Max != Unbounded && p.total > uint64(p.cfg.Max) }

// Warm makes an instance ahead of the first call, so that one that cannot be made shows at once. Its errors are those
// of Acquire.
func (p *Pool[I]) Warm(ctx context.Context) error {
	instance, err := p.Acquire(ctx)
	if err != nil {
		return err
	}
	p.mu.Lock()
	m := p.lent[instance]
	p.mu.Unlock()
	p.put(m, "") // no call was made
	return nil
}

// put ends the loan of m: it is discarded for the reason given, or goes to the first in line, or idles.
func (p *Pool[I]) put(m *member[I], reason Reason) {
	p.mu.Lock()
	switch {
	case reason != "":
	case p.closed:
		reason = PoolClosed
	case p.surplus():
		reason = Shrunk
	case p.waiting.Len() > 0:
		p.next() <- grant[I]{member: m} // still lent
		p.admit()                       // there may be room again
		p.mu.Unlock()
		return
	default:
		delete(p.lent, m.instance)
		m.idleFrom = time.Now()
		p.idle = append(p.idle, m)
		p.arm()
		p.mu.Unlock()
		return
	}
	delete(p.lent, m.instance)
	p.mu.Unlock()
	p.discard(m, reason)
}

// discard closes a member that is neither lent nor idle and frees its slot.
func (p *Pool[I]) discard(m *member[I], reason Reason) {
	_ = m.instance.Close(context.Background()) // nothing can be done about an error, and nothing depends on it
	p.mu.Lock()
	defer p.mu.Unlock()
	p.memory -= m.memory
	p.stats.Discarded[reason]++
	p.vacate()
}

// Resize sets a new maximum. Above the old one, callers that wait get new instances; below it, idle ones are discarded
// at once and others as they come back.
func (p *Pool[I]) Resize(max uint32) {
	p.mu.Lock()
	p.cfg.Max = max
	var surplus []*member[I]
	if max != Unbounded && p.total > uint64(max) {
		surplus = p.evict(int(min(p.total-uint64(max), uint64(len(p.idle)))))
	}
	p.admit()
	p.mu.Unlock()
	for _, m := range surplus {
		p.discard(m, Shrunk)
	}
}

// evict takes out the n members that have idled longest. The caller holds mu and discards them.
func (p *Pool[I]) evict(n int) []*member[I] {
	out := append([]*member[I](nil), p.idle[:n]...)
	p.idle = append(p.idle[:0:0], p.idle[n:]...)
	return out
}

// Close turns away the callers that wait, and discards what idles. It waits until those in use are released and
// discarded. When ctx ends before that, it returns an error, and the rest is discarded as it comes back. Closing twice
// is no error.
func (p *Pool[I]) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	for p.waiting.Len() > 0 {
		p.next() <- grant[I]{err: errClosed()}
	}
	rest := p.evict(len(p.idle))
	if p.reaper != nil {
		p.reaper.Stop()
	}
	p.admit()
	p.mu.Unlock()
	// A reap takes members out of idle before it discards them. Without waiting, Close could return while one is being
	// closed.
	p.reaping.Wait()
	for _, m := range rest {
		p.discard(m, PoolClosed)
	}
	select {
	case <-p.empty:
		return nil
	default:
	}
	select {
	case <-p.empty:
		return nil
	case <-ctx.Done():
		p.mu.Lock()
		defer p.mu.Unlock()
		return &lattice.Error{Code: lattice.CodeOf(ctx.Err()), Op: "close pool",
			Detail: fmt.Sprintf("%d instances are in use", p.total)}
	}
}

// shortPause is how long a pool makes do with the instances that it has, after there was no room for another one. It is
// long beside a call and short beside what frees memory, such as another actor's instances that idle.
const shortPause = 100 * time.Millisecond

// waitersEach is how many may wait then, for each instance that there is. A longer line would only wait until its
// callers give up.
const waitersEach = 4

// errNoRoom sends a caller that could not make an instance back to wait for one of the others.
var errNoRoom = errors.New("no room for another instance")

// OldestIdle tells since when the instance has been idle that was used the longest ago; false when none is.
func (p *Pool[I]) OldestIdle() (since time.Time, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return since, false
	}
	return p.idle[0].idleFrom, true
}

// Reclaim discards that instance, since others need its memory. It reports whether there was one.
func (p *Pool[I]) Reclaim() bool {
	p.mu.Lock()
	if len(p.idle) == 0 {
		p.mu.Unlock()
		return false
	}
	one := p.evict(1)
	p.mu.Unlock()
	p.discard(one[0], Reclaimed)
	return true
}

// errClosed says that nothing has begun, so that the call may be made to another host.
func errClosed() error {
	return &lattice.Error{Code: lattice.ErrNoResponders, Op: "acquire instance", Detail: "the actor is stopping here"}
}

// waitError explains why waiting ended, and after how long. A deadline is "busy": the call has certainly not begun, and
// another host may do.
func waitError(err error, waited time.Duration) error {
	code := lattice.ErrBusy
	if errors.Is(err, context.Canceled) {
		code = lattice.ErrCanceled
	}
	return &lattice.Error{Code: code, Op: "acquire instance", Err: err,
		Detail: fmt.Sprintf("no instance became free in time: the call waited for %s", waited.Round(time.Millisecond))}
}
