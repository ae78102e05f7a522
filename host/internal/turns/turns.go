// Package turns shares the processors of a host among the actors that compute on it.
//
// Compiled guest code keeps its thread until it comes back into Go. Go's scheduler lets each have ten milliseconds, and
// does not look at the network meanwhile when every processor has a guest. So two actors that compute make all others
// late by many milliseconds at each step of a call.
//
// Here a guest that computes for longer than a moment needs a turn, of which there are as many as processors. Go's
// scheduler has two processors more (see Processors). So what is quick, and all that is not a guest, always finds one.
// When more guests compute than there are turns, the turns go round. A guest gives its turn up after a slice, and the
// turn goes to the actor that has used the least time of late. Calls of one actor take their turns in order. No actor
// starves, since an actor is charged for the time in which it runs.
//
// A guest that waits for something, as in a host call, gives its turn up meanwhile.
package turns

import (
	"container/list"
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// Slice is how long a guest keeps its turn while others wait.
	Slice = time.Millisecond

	// looks is how many checks a guest passes before it looks at the clock once.
	looks = 4
)

// Scheduler hands out turns. It is safe for concurrent use.
type Scheduler struct {
	now  func() time.Duration // monotonic
	full atomic.Bool          // whether all turns are held; written with mu held

	mu    sync.Mutex
	free  int           // turns that are not held; guarded by mu
	queue []*Share      // those with calls that wait; guarded by mu
	floor time.Duration // what the share had used that was served last; guarded by mu
	press pressure      // guarded by mu
}

// New returns a scheduler of so many turns.
func New(turns int) *Scheduler {
	begin := time.Now()
	return &Scheduler{now: func() time.Duration { return time.Since(begin) }, free: turns}
}

// Share is an actor's part of the processors.
type Share struct {
	scheduler *Scheduler
	used      time.Duration // guarded by Scheduler.mu
	holds     int           // turns; guarded by Scheduler.mu
	waiting   list.List     // of *Turn; guarded by Scheduler.mu
}

// Share returns the part of one more actor, equal to all others.
func (s *Scheduler) Share() *Share { return &Share{scheduler: s} }

// Turn is the right of one guest to compute. It is for one goroutine at a time.
type Turn struct {
	share *Share
	held  bool
	since time.Duration // when the slice began
	looks int           // checks passed
	ready chan struct{} // holds an element when the turn was given to a call that waits
}

// Turn returns a turn that is not held yet.
func (s *Share) Turn() *Turn { return &Turn{share: s, ready: make(chan struct{}, 1)} }

// Held reports whether the guest has its turn.
func (t *Turn) Held() bool { return t.held }

// Take waits for a turn, or for the end of ctx, and reports whether there is one now.
func (t *Turn) Take(ctx context.Context) bool {
	if t.held {
		return true
	}
	s := t.share.scheduler
	s.mu.Lock()
	if t.share.holds == 0 && t.share.waiting.Len() == 0 {
		// Time in which it did not compute is no credit: else an actor that has slept for an hour would have an hour to
		// itself.
		t.share.used = max(t.share.used, s.floor)
	}
	if s.free > 0 {
		now := s.now()
		if s.free--; s.free == 0 {
			s.full.Store(true)
			s.press.since = now
		}
		t.begin(now)
		s.mu.Unlock()
		return true
	}
	return t.wait(ctx)
}

// wait joins the queue and waits. Scheduler.mu is held, and is not afterwards.
func (t *Turn) wait(ctx context.Context) bool {
	s := t.share.scheduler
	if t.share.waiting.Len() == 0 {
		s.queue = append(s.queue, t.share)
	}
	place := t.share.waiting.PushBack(t)
	s.mu.Unlock()
	select {
	case <-t.ready:
		return true
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-t.ready: // at the last moment
		now := s.now()
		t.end(now)
		s.pass(now)
	default:
		t.share.waiting.Remove(place)
		s.settle(t.share)
	}
	return false
}

// begin makes t held. Scheduler.mu is held.
func (t *Turn) begin(now time.Duration) {
	t.held, t.since = true, now
	t.share.holds++
	t.share.scheduler.floor = max(t.share.scheduler.floor, t.share.used)
}

// end makes t held no more, and charges for it. Scheduler.mu is held.
func (t *Turn) end(now time.Duration) {
	t.held = false
	t.share.holds--
	t.share.used += now - t.since
}

// Give gives the turn up, if it is held.
func (t *Turn) Give() {
	if !t.held {
		return
	}
	s := t.share.scheduler
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	t.end(now)
	s.pass(now)
}

// pass gives a turn that has become free to a call that waits. mu is held.
func (s *Scheduler) pass(now time.Duration) {
	next := s.least()
	if next != nil {
		s.grant(next, now)
		return
	}
	if s.free++; s.free == 1 {
		s.press.add(now)
		s.full.Store(false)
	}
}

// least is the share that has used the least of those with calls that wait. mu is held.
func (s *Scheduler) least() *Share {
	var least *Share
	for _, share := range s.queue {
		if least == nil || share.used < least.used {
			least = share
		}
	}
	return least
}

// grant gives a turn to the first of a share. mu is held.
func (s *Scheduler) grant(share *Share, now time.Duration) {
	t := share.waiting.Remove(share.waiting.Front()).(*Turn)
	s.settle(share)
	t.begin(now)
	t.ready <- struct{}{}
}

// settle takes a share out of the queue when no call of it waits any more. mu is held.
func (s *Scheduler) settle(share *Share) {
	if share.waiting.Len() > 0 {
		return
	}
	for i, q := range s.queue {
		if q == share {
			last := len(s.queue) - 1
			s.queue[i] = s.queue[last]
			s.queue[last] = nil
			s.queue = s.queue[:last]
			return
		}
	}
}

// Share is what a guest calls now and then while it computes. After its slice it lets another one go first, and waits
// for its next turn. It reports whether the guest has a turn, which it has not when ctx has ended.
func (t *Turn) Share(ctx context.Context) bool {
	s := t.share.scheduler
	if t.looks++; t.looks%looks != 0 || !s.full.Load() {
		return true
	}
	now := s.now()
	if now-t.since < Slice {
		return true
	}
	s.mu.Lock()
	s.press.add(now)
	next := s.least()
	if next == nil {
		s.mu.Unlock()
		return true
	}
	t.end(now)
	if next.used > t.share.used {
		t.begin(now) // it is still the one that is due
		s.mu.Unlock()
		return true
	}
	s.grant(next, now)
	return t.wait(ctx)
}
