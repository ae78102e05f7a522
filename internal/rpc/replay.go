package rpc

import (
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/wire"
)

// remember is how long the id of a call is remembered at least. The dialect's claims never expire by themselves.
// Without a window of its own a server refuses what comes twice within this time, with a window for as long as a call
// is valid.
const remember = 5 * time.Minute

// maxSeen bounds the ids of one generation, which take 36 MiB (BenchmarkSeen): enough for 2500 calls each second during
// a whole window. Beyond it ids are forgotten earlier, with a warning, since refusing good calls would be worse.
const maxSeen = 1 << 20

// window is the time in which an invocation is valid, around the moment when it was signed. A zero side is open.
type window struct{ past, future time.Duration }

// atMost closes an open side of a window at the time for which ids are remembered.
func atMost(d time.Duration) time.Duration {
	if d <= 0 {
		return remember / 2
	}
	return d
}

// check compares the signer's clock with ours. A token that does not say when it was signed could be replayed for ever.
func (w window) check(host lattice.HostID, issued, now time.Time) error {
	if issued.IsZero() && w.past > 0 {
		return &lattice.Error{Code: lattice.ErrTokenMalformed,
			Detail: "iat is missing, so that the age of the invocation is unknown"}
	}
	switch age := now.Sub(issued); {
	case w.past > 0 && age > w.past:
		return &lattice.Error{Code: lattice.ErrTokenExpired, Detail: fmt.Sprintf(
			"clock of host %s is %s behind the receiver's, or the call is that old; up to %s is accepted",
			lattice.Printable(host), coarse(age), w.past)}
	case w.future > 0 && age < -w.future:
		return &lattice.Error{Code: lattice.ErrTokenNotYetValid, Detail: fmt.Sprintf(
			"clock of host %s is %s ahead of the receiver's; up to %s is accepted", lattice.Printable(host),
			coarse(age.Abs()), w.future)}
	}
	return nil
}

// coarse is a difference between clocks as people read it.
func coarse(d time.Duration) time.Duration {
	if d > 10*time.Minute {
		return d.Round(time.Minute)
	}
	return d.Round(time.Second)
}

// seen remembers ids for at least life, by two generations: the younger becomes the older when it has lasted for life,
// and the older one is forgotten. Ids are kept as hashes under a secret seed, so that no sender can make two that
// collide. Time is measured by the monotonic clock of the moments given: setting the clock forgets nothing. It is safe
// for concurrent use.
type seen struct {
	seed maphash.Seed
	life time.Duration
	max  int // of one generation

	mu       sync.Mutex
	ids, old map[uint64]struct{} // guarded by mu
	since    time.Time           // when ids began; guarded by mu
}

// newSeen remembers each id for life at least, and max ids in each generation.
func newSeen(life time.Duration, max int) *seen {
	return &seen{seed: maphash.MakeSeed(), life: life, max: max}
}

// add remembers an id and reports whether it is new. A full generation ends before its time; short is then how long it
// lasted, else zero.
func (s *seen) add(id string, now time.Time) (fresh bool, short time.Duration) {
	h := maphash.String(s.seed, id)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch lasted := now.Sub(s.since); {
	case s.ids == nil || lasted >= 2*s.life:
		s.ids, s.old, s.since = map[uint64]struct{}{}, nil, now
	case lasted >= s.life:
		s.ids, s.old, s.since = map[uint64]struct{}{}, s.ids, now
	case len(s.ids) >= s.max:
		s.ids, s.old, s.since, short = map[uint64]struct{}{}, s.ids, now, max(lasted, 1)
	}
	if _, ok := s.old[h]; ok {
		return false, short
	}
	n := len(s.ids)
	s.ids[h] = struct{}{}
	return len(s.ids) > n, short
}

// remove forgets an id, for a call that was not served after all.
func (s *seen) remove(id string) {
	h := maphash.String(s.seed, id)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.ids, h)
	delete(s.old, h)
}

// admitOnce refuses a verified invocation that is outside its window or was received before.
func (s *Server) admitOnce(inv *wire.Invocation, v signing.Verified, now time.Time) error {
	host, w := inv.HostID, s.window
	if signing.IsMAC(inv.EncodedClaims) { // ours at both ends: no call can be replayed once its id is forgotten
		w = window{past: atMost(w.past), future: atMost(w.future)}
	}
	err := w.check(host, v.IssuedAt, now)
	if !v.IssuedAt.IsZero() {
		s.clocks.note(s.cfg.Logger, host, now.Sub(v.IssuedAt), err != nil, now)
	}
	if err != nil {
		return err
	}
	fresh, short := s.seen.add(v.ID, now)
	if short > 0 {
		s.cfg.Logger.Warn("so many calls that ids are forgotten early; older calls could be replayed", "after", short)
	}
	if !fresh {
		return &lattice.Error{Code: lattice.ErrReplayed, Detail: lattice.Printable(v.ID)}
	}
	return nil
}
