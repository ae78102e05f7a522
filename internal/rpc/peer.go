package rpc

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

const (
	floor      = 200 * time.Microsecond // below this, differences between latencies say nothing
	halfLife   = time.Second            // in which what was seen of a host's latency counts half
	absence    = time.Second            // after no answer from a host it is left out for so long
	distrust   = time.Minute            // after a refused MAC, a host's calls are signed for so long
	lateFactor = 2                      // a call that was turned away counts as one that took so many times as long
)

// peer is a weft host as its beats show it.
type peer struct {
	host    lattice.HostID
	seen    atomic.Int64         // when its last beat came
	doubted atomic.Bool          // it counts as gone until its next beat
	beat    atomic.Pointer[beat] // what that said
	signed  atomic.Int64         // until when calls to it are signed
	warned  sync.Once            // of that

	revision uint64                // of serves; guarded by Directory.mu
	asked    bool                  // a question is under way; guarded by Directory.mu
	serves   map[target]*candidate // guarded by Directory.mu
}

// beat is what a peer's last beat said, reckoned once for all calls that read it. It is never changed: a later beat is
// another one.
type beat struct {
	issuer   lattice.ClusterID
	load     float64 // calls in progress for each that can be
	stale    int64   // nanoseconds after which the host counts as gone
	draining bool
	timeout  bool // it reads wire.Invocation.Timeout
	sent     bool // it reads wire.Invocation.Sent
	streams  bool // it reads frames of streams
}

// hear takes a beat. The new beat is there before the time, so that a caller that sees it alive reads no older one.
func (p *peer) hear(b wire.Beat, now time.Duration) {
	p.beat.Store(&beat{issuer: b.Direct.Issuer, load: float64(b.Direct.Load) / float64(max(1, b.Direct.Capacity)),
		stale: int64(missedBeats * b.Period()), draining: b.Draining, timeout: b.Direct.Timeout, sent: b.Direct.Sent,
		streams: b.Direct.Streams})
	p.seen.Store(int64(now))
	p.doubted.Store(false)
}

// alive reports whether its beats come.
func (p *peer) alive(now time.Duration) bool {
	return int64(now)-p.seen.Load() < p.beat.Load().stale && !p.doubted.Load()
}

// candidate is a host that serves a target, as the calls to it show it.
type candidate struct {
	peer    *peer
	subject string
	streams atomic.Bool  // the target takes streams
	host    bool         // the host itself serves it, not a provider's process, which may be of another version
	flight  atomic.Int64 // our calls under way
	latency atomic.Int64 // moving average in nanoseconds
	at      atomic.Int64 // when it was last reckoned
	out     atomic.Int64 // until when it is left out
}

// up reports whether a call may go there.
func (c *candidate) up(now time.Duration) bool {
	b := c.peer.beat.Load()
	return c.peer.alive(now) && !b.draining && c.out.Load() <= int64(now)
}

// takes reports whether a call may go there with a stream.
func (c *candidate) takes(now time.Duration) bool {
	return c.streams.Load() && c.peer.beat.Load().streams && c.up(now) && int64(now) >= c.peer.signed.Load()
}

// expect is the latency that was seen, less the longer ago that was, so that a host that was slow is tried again.
func (c *candidate) expect(now time.Duration) time.Duration {
	age := max(0, int64(now)-c.at.Load())
	return time.Duration(c.latency.Load() >> min(62, age/int64(halfLife)))
}

// cost grows with the time that the host takes to answer, with our calls that it has not answered yet, and with its
// load.
func (c *candidate) cost(now time.Duration) float64 {
	return float64(max(floor, c.expect(now))) * float64(1+c.flight.Load()) * (1 + c.peer.beat.Load().load)
}

// took notes how long a call took. What is slower than before counts more than what is quicker. Writers may overtake
// each other; it is an estimate.
func (c *candidate) took(d, now time.Duration) {
	before := c.expect(now)
	weight := time.Duration(8)
	if d > before {
		weight = 2
	}
	c.latency.Store(int64(before + (d-before)/weight))
	c.at.Store(int64(now))
}

// turnedAway notes that the host had no room for a call.
func (c *candidate) turnedAway(now time.Duration) {
	c.took(lateFactor*max(floor, c.expect(now))+time.Millisecond, now)
}

// absent notes that the host did not answer.
func (c *candidate) absent(now time.Duration) { c.out.Store(int64(now + absence)) }
