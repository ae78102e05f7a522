// Package served is the set of what a host serves. Other weft nodes choose among the hosts that serve what they call,
// and send the call to one host by itself; what they go by is told here. See RATIONALE.md, "Why do nodes choose the
// host?".
package served

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/weftlattice/weft/host/internal/identity"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// Changes counts the changes of the set of what is served. It is safe for concurrent use.
type Changes struct {
	n atomic.Uint64

	mu     sync.Mutex
	change chan struct{} // closed when the set of served actors changes; guarded by mu
}

// NewChanges begins at a moment, so that no revision is one of an earlier run.
func NewChanges(from time.Time) *Changes {
	r := &Changes{change: make(chan struct{})}
	r.n.Store(uint64(from.UnixNano()))
	return r
}

// Now is the present revision.
func (r *Changes) Now() uint64 { return r.n.Load() }

// Changed tells the other hosts, with the next beat, that the set is another one.
func (r *Changes) Changed() { r.n.Add(1) }

// ActorsChanged tells that to the providers of this host, too: the set of actors is another one.
func (r *Changes) ActorsChanged() {
	r.n.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.change)
	r.change = make(chan struct{})
}

// ActorsChange is closed when the set of actors changes after this call.
func (r *Changes) ActorsChange() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.change
}

// Actors are those that a host runs.
type Actors interface {
	Served() []lattice.ActorID
	Streams(lattice.ActorID) bool
	Load() (calls, capacity uint32) // in progress and waiting; that can be served at once
}

// Providers are those that a host runs.
type Providers interface {
	TakeDirect() []wire.Entity // those that take calls which are meant for them alone
	Streams(wire.Entity) bool  // takes one of them streams
}

// Set is what a host serves. It is safe for concurrent use.
type Set struct {
	Self      *identity.Self
	Changes   *Changes
	Actors    Actors
	Providers Providers
	Beat      time.Duration            // between beats
	Issuer    func() lattice.ClusterID // what tells others whether they have agreed on a key with this host
}

// Direct is what beats tell about calls to this host.
func (s *Set) Direct() *wire.Direct {
	d := &wire.Direct{Version: wire.DirectVersion, Issuer: s.Issuer(), Served: s.Changes.Now(),
		PeriodMS: uint32(s.Beat.Milliseconds()), Timeout: true, Sent: true, Streams: true}
	d.Load, d.Capacity = s.Actors.Load()
	return d
}

// Encode is the set for those that ask: actors, and providers that take direct calls.
func (s *Set) Encode() []byte {
	// before the set is made: what changes meanwhile is another revision
	set := wire.Served{Revision: s.Changes.Now(), EndsInMS: s.Self.EndsInMS()}
	for _, id := range s.Actors.Served() {
		name := wire.ServedName(wire.ActorEntity(id))
		set.Targets = append(set.Targets, name)
		if s.Actors.Streams(id) {
			set.Streams = append(set.Streams, name)
		}
	}
	for _, e := range s.Providers.TakeDirect() {
		set.Targets = append(set.Targets, wire.ServedName(e))
		if s.Providers.Streams(e) {
			set.Streams = append(set.Streams, wire.ServedName(e))
		}
	}
	return set.Encode()
}

// NotHere says that a call has not begun, since its target is not on this host.
func NotHere(e wire.Entity) error {
	return &lattice.Error{Code: lattice.ErrNoResponders, Op: "call", Entity: lattice.Printable(e.PublicKey),
		Detail: "it is not on this host"}
}
