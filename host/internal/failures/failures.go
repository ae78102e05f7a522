// Package failures remembers which calls failed on a host, and why, for operators.
package failures

import (
	"cmp"
	"context"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/lattice/wire"
)

// How much of what failed a host remembers.
const (
	perActor   = 500       // entries
	actorBytes = 256 << 10 // of one actor
	allBytes   = 4 << 20   // of all
)

// Log remembers the last calls that failed here: a ring for each actor, so that a flood by one does not push out
// what is known of the others. Beyond what is kept in all, the largest ring loses its oldest. It is safe for concurrent
// use.
type Log struct {
	host lattice.HostID

	mu    sync.Mutex
	rings map[lattice.ActorID]*ring // by actor; "" for what is not proven to be about one; guarded by mu
	bytes int                       // of all; guarded by mu
	last  uint64                    // number of the newest; guarded by mu
}

// ring is a queue whose oldest entries go first.
type ring struct {
	all   []wire.Failure
	bytes int
}

// New makes the log of a host, empty.
func New(host lattice.HostID) *Log { return &Log{host: host, rings: map[lattice.ActorID]*ring{}} }

// Add remembers a failure under an actor.
func (s *Log) Add(under lattice.ActorID, f wire.Failure) {
	f.Message = reason(&f)
	f = f.Bounded()
	size := f.Bytes()
	s.mu.Lock()
	defer s.mu.Unlock()
	// Numbers go on after a restart, so that a client that follows them misses nothing.
	s.last = max(s.last+1, uint64(time.Now().UnixMicro()))
	f.Seq = s.last
	r := s.rings[under]
	if r == nil {
		r = &ring{}
		s.rings[under] = r
	}
	r.all = append(r.all, f)
	r.bytes += size
	s.bytes += size
	for len(r.all) > perActor || r.bytes > actorBytes {
		s.drop(under, r)
	}
	for s.bytes > allBytes {
		largest := under
		for name, other := range s.rings {
			if other.bytes > s.rings[largest].bytes {
				largest = name
			}
		}
		s.drop(largest, s.rings[largest])
	}
}

// drop forgets the oldest of a ring. mu is held.
func (s *Log) drop(name lattice.ActorID, r *ring) {
	size := r.all[0].Bytes()
	r.all[0] = wire.Failure{}
	r.all = r.all[1:] // append moves it down once in a while
	r.bytes -= size
	s.bytes -= size
	if len(r.all) == 0 {
		delete(s.rings, name)
	}
}

// Find returns those that fit, oldest first, and the number of the newest of all.
func (s *Log) Find(r control.FailuresRequest) ([]wire.Failure, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	oldest := time.Time{}
	if r.MaxAgeMs > 0 {
		oldest = time.Now().Add(-time.Duration(min(r.MaxAgeMs, 1<<40)) * time.Millisecond)
	}
	var out []wire.Failure
	for _, one := range s.rings {
		for _, f := range one.all {
			if f.Seq > r.After && !f.Time.Before(oldest) && (r.ActorID == "" || f.ActorID == r.ActorID) &&
				strings.HasPrefix(f.TraceID, r.TraceID) {
				out = append(out, f)
			}
		}
	}
	slices.SortFunc(out, func(a, b wire.Failure) int { return cmp.Compare(a.Seq, b.Seq) })
	return out, s.last
}

// Served remembers a call of an actor of this host that failed; runs says that this actor runs here. A call that was
// turned away unbegun is not remembered while its caller waits, who tries elsewhere and knows how that ends.
func (s *Log) Served(ctx context.Context, inv *wire.Invocation, err error, runs bool) {
	if inv == nil || invocation.NotBegun(err) && ctx.Err() == nil || lattice.CodeOf(err) == lattice.ErrCanceled {
		return
	}
	f := wire.NewFailure(err)
	f.ActorID, f.Operation = inv.Target.Actor(), inv.Operation
	f.Caller, f.Contract, f.LinkName = inv.Origin.PublicKey, inv.Origin.ContractID, inv.Origin.LinkName
	under := f.ActorID
	if code := lattice.CodeOf(err); !runs || code.Refusal() && code != lattice.ErrMissingCapability &&
		code != lattice.ErrDenied {
		under = "" // a call without proof may name any actor
	}
	s.note(ctx, under, f)
}

// Called remembers a call that an actor of this host made and that failed. f says which call it was.
func (s *Log) Called(ctx context.Context, f wire.Failure, err error) {
	if lattice.CodeOf(err) == lattice.ErrCanceled {
		return
	}
	of := wire.NewFailure(err)
	of.ActorID, of.Operation, of.Target, of.Contract, of.LinkName = f.ActorID, f.Operation, f.Target, f.Contract,
		f.LinkName
	s.note(ctx, of.ActorID, of)
}

// Told remembers what a provider of this host tells; linked says that the actor in question has a link to it.
func (s *Log) Told(f wire.Failure, linked bool) {
	f.HostID = s.host
	under := f.ActorID
	if under.Check() != nil || !linked {
		under = ""
	}
	s.Add(under, f)
}

func (s *Log) note(ctx context.Context, under lattice.ActorID, f wire.Failure) {
	f.HostID = s.host
	f.TraceID = TraceID(ctx)
	s.Add(under, f)
}

// TraceID is the id of the trace that ctx has, or "".
func TraceID(ctx context.Context) string {
	tc, ok := trace.From(ctx)
	if !ok {
		return ""
	}
	return hex.EncodeToString(tc.TraceID[:])
}
