package pool

import "maps"

// Reason says why an instance was discarded.
type Reason string

// The reasons for discarding an instance.
const (
	AfterError Reason = "error"     // its call ended with another error than the guest's own
	Unhealthy  Reason = "unhealthy" // it said so itself
	Used       Reason = "used"      // Config.Fresh, and it could not be restored
	WornOut    Reason = "calls"     // Config.MaxCalls, likewise
	TooLarge   Reason = "memory"    // Config.MaxMemoryBytes, likewise
	Idled      Reason = "idle"      // Config.IdleTimeout
	Shrunk     Reason = "shrunk"    // Resize
	Reclaimed  Reason = "reclaimed" // Reclaim
	PoolClosed Reason = "closed"
)

// Stats is a picture of a pool. Counters run from its beginning.
type Stats struct {
	InUse       int    // lent now
	Idle        int    // ready now
	Pending     int    // being made or closed now
	Waiting     int    // in line now
	MemoryBytes uint64 // of all instances, as of the last call of each
	Waits       uint64 // how many had to wait
	Created     uint64
	Restored    uint64
	Failed      uint64 // could not be created
	Discarded   map[Reason]uint64
}

// Stats returns the present state.
func (p *Pool[I]) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Discarded = maps.Clone(s.Discarded)
	s.InUse, s.Idle, s.Waiting = len(p.lent), len(p.idle), p.waiting.Len()
	s.Pending = int(p.total) - s.InUse - s.Idle
	s.MemoryBytes = p.memory
	return s
}
