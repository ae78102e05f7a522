package rpc

import (
	"log/slog"
	"sync"
	"time"

	"github.com/weftlattice/weft/lattice"
)

const (
	clockTolerance = time.Minute      // a difference that is worth a word; messages take seconds at the most
	clockQuiet     = 10 * time.Minute // between two words about one host
	// hosts that are told apart at a time; host ids are not signed, so any client can make them up
	clockHosts = 64
)

// clocks says which hosts have clocks that differ, each at most once in clockQuiet. It is safe for concurrent use.
type clocks struct {
	mu   sync.Mutex
	told map[lattice.HostID]time.Time // by host; guarded by mu
}

// note logs a clock that is behind ours by a notable difference, negative when ahead. The usual case takes no lock.
func (c *clocks) note(log *slog.Logger, host lattice.HostID, behind time.Duration, refused bool, now time.Time) {
	if behind.Abs() < clockTolerance && !refused || !c.due(host, now) {
		return
	}
	way := "behind"
	if behind < 0 {
		way = "ahead"
	}
	log.Warn("clock of a host differs from this one's", lattice.LogHost, lattice.Printable(host), way,
		coarse(behind.Abs()), "refused", refused)
}

// due reports whether a word about a host is due, and counts it as said. When the table is full of young entries, new
// hosts get none: a sender of made-up ids cannot fill the log.
func (c *clocks) due(host lattice.HostID, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if last, ok := c.told[host]; ok && now.Sub(last) < clockQuiet {
		return false
	}
	if len(c.told) >= clockHosts {
		for h, last := range c.told {
			if now.Sub(last) >= clockQuiet {
				delete(c.told, h)
			}
		}
		if len(c.told) >= clockHosts {
			return false
		}
	}
	if c.told == nil {
		c.told = map[lattice.HostID]time.Time{}
	}
	c.told[host] = now
	return true
}
