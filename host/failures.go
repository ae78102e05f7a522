package host

import (
	"cmp"
	"context"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/lattice/wire"
)

// How much of what failed a host remembers.
const (
	failuresPerActor = 500       // entries
	failureBytes     = 256 << 10 // of one actor
	failuresBytesAll = 4 << 20   // of all
)

// failures remembers the last calls that failed here: a ring for each actor, so that a flood by one does not push out
// what is known of the others. Beyond what is kept in all, the largest ring loses its oldest. It is safe for concurrent
// use.
type failures struct {
	mu    sync.Mutex
	rings map[string]*failureRing // by actor; "" for what is not proven to be about one; guarded by mu
	bytes int                     // of all; guarded by mu
	last  uint64                  // number of the newest; guarded by mu
}

// failureRing is a queue whose oldest entries go first.
type failureRing struct {
	all   []wire.Failure
	bytes int
}

func newFailures() *failures { return &failures{rings: map[string]*failureRing{}} }

// add remembers a failure under an actor.
func (s *failures) add(ring string, f wire.Failure) {
	f = f.Bounded()
	size := f.Bytes()
	s.mu.Lock()
	defer s.mu.Unlock()
	// Numbers go on after a restart, so that a client that follows them misses nothing.
	s.last = max(s.last+1, uint64(time.Now().UnixMicro()))
	f.Seq = s.last
	r := s.rings[ring]
	if r == nil {
		r = &failureRing{}
		s.rings[ring] = r
	}
	r.all = append(r.all, f)
	r.bytes += size
	s.bytes += size
	for len(r.all) > failuresPerActor || r.bytes > failureBytes {
		s.drop(ring, r)
	}
	for s.bytes > failuresBytesAll {
		largest := ring
		for name, other := range s.rings {
			if other.bytes > s.rings[largest].bytes {
				largest = name
			}
		}
		s.drop(largest, s.rings[largest])
	}
}

// drop forgets the oldest of a ring. mu is held.
func (s *failures) drop(name string, r *failureRing) {
	size := r.all[0].Bytes()
	r.all[0] = wire.Failure{}
	r.all = r.all[1:] // append moves it down once in a while
	r.bytes -= size
	s.bytes -= size
	if len(r.all) == 0 {
		delete(s.rings, name)
	}
}

// find returns those that fit, oldest first, and the number of the newest of all.
func (s *failures) find(r control.FailuresRequest) ([]wire.Failure, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	oldest := time.Time{}
	if r.MaxAgeMs > 0 {
		oldest = time.Now().Add(-time.Duration(min(r.MaxAgeMs, 1<<40)) * time.Millisecond)
	}
	var out []wire.Failure
	for _, ring := range s.rings {
		for _, f := range ring.all {
			if f.Seq > r.After && !f.Time.Before(oldest) && (r.ActorID == "" || f.ActorID == string(r.ActorID)) && strings.HasPrefix(f.TraceID, r.TraceID) {
				out = append(out, f)
			}
		}
	}
	slices.SortFunc(out, func(a, b wire.Failure) int { return cmp.Compare(a.Seq, b.Seq) })
	return out, s.last
}

// noteServed remembers a call of an actor that failed on this host. One that was turned away unbegun is not remembered:
// its caller tries elsewhere, and knows how that ends.
func (h *Host) noteServed(ctx context.Context, inv *wire.Invocation, err error) {
	if inv == nil || rpc.NotBegun(err) || lattice.CodeOf(err) == lattice.ErrCanceled {
		return
	}
	f := wire.NewFailure(err)
	f.ActorID, f.Operation, f.Caller, f.Contract, f.LinkName = inv.Target.PublicKey, inv.Operation, inv.Origin.PublicKey, inv.Origin.ContractID, inv.Origin.LinkName
	ring := f.ActorID
	if code := lattice.CodeOf(err); h.actor(lattice.ActorID(ring)) == nil || code.Refusal() && code != lattice.ErrMissingCapability && code != lattice.ErrDenied {
		ring = "" // a call without proof may name any actor
	}
	h.note(ctx, ring, f)
}

// noteCalled remembers a call that an actor of this host made and that failed.
func (v *version) noteCalled(ctx context.Context, target, contract, link, operation string, err error) {
	if lattice.CodeOf(err) == lattice.ErrCanceled {
		return
	}
	f := wire.NewFailure(err)
	f.ActorID, f.Operation, f.Target, f.Contract, f.LinkName = string(v.actor.id), operation, target, contract, link
	v.actor.host.note(ctx, f.ActorID, f)
}

// noteTold remembers what a provider of this host tells.
func (p *provider) noteTold(f wire.Failure) {
	f.HostID, f.Caller = string(p.host.id), string(p.id)
	f.Contract, f.LinkName = p.contract, string(p.link)
	ring := f.ActorID
	if !lattice.IsKey(ring, 'M') || !p.host.links.linked(ring, p.id, p.link) {
		ring = ""
	}
	p.host.failures.add(ring, f)
}

func (h *Host) note(ctx context.Context, ring string, f wire.Failure) {
	f.HostID = string(h.id)
	f.TraceID = traceID(ctx)
	h.failures.add(ring, f)
}

// traceID is the id of the trace that ctx has, or "".
func traceID(ctx context.Context) string {
	tc, ok := trace.From(ctx)
	if !ok {
		return ""
	}
	return hex.EncodeToString(tc.TraceID[:])
}
