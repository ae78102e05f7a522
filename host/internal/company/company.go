// Package company is what a host knows of the other weft hosts, from what all of them tell: whether they live, from
// their beats; what they run, from their heartbeats. A host whose beats end, though it has not said that it ends, is
// lost. One of the others publishes that, with what ran there, and all of them remember it for a while. A host counts
// the silence of others only while it hears its own beats come back from NATS: a host that is itself cut off, stopped
// or slow knows nothing of others.
package company

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/wire"
)

const (
	// lostBeats is after how many beats that did not come a host is lost. Calls go elsewhere long before
	// (rpc.missedBeats); this is for people, and a host may hang for a moment.
	lostBeats = 10
	// deafBeats is after how many beats of its own that did not come a host counts as one that could not hear others.
	deafBeats = 3
	// lostStays is for how long a lost host is remembered.
	lostStays = 10 * time.Minute
	// The host with the lowest id tells of a loss. tellPause is how much longer a host waits for each living host
	// before it, and maxTurns how many of those it waits for.
	tellPause = 2 * time.Second
	maxTurns  = 10
	// maxNeighbours and maxRemembered bound what is remembered: so many hosts, and so many bytes of what runs on each.
	maxNeighbours = 512
	maxRemembered = 16 << 10
)

// circle is what a host knows of the others. It is safe for concurrent use. It has no clock: times are since some
// moment.
type circle struct {
	self  lattice.HostID
	beat  time.Duration // period of this host's own beats
	grace time.Duration // after its connection was lost, others may be silent for so long: theirs may still be away
	any   atomic.Int64  // when another host gave a sign of life, in Unix seconds

	mu    sync.Mutex
	hosts map[lattice.HostID]*neighbour // guarded by mu
	hears bool                          // an own beat has come back; guarded by mu
	echo  time.Duration                 // when that was last; guarded by mu
	deaf  time.Duration                 // silence of others counts from then on only; guarded by mu
	found []foundHost                   // since the last look; guarded by mu
}

// neighbour is another host.
type neighbour struct {
	heard    time.Duration // its last beat
	at       time.Time     // the same, by this machine's clock
	uptime   time.Duration // of the host then
	patience time.Duration // for how long it may be silent
	runs     control.LostHost
	lost     bool
	lostAt   time.Duration
	told     bool // some host has published that
	mine     bool // it was this one
	shown    [traits]bool
	doubted  bool // so said its last heartbeat, which may have been sent while the state's bucket was made anew
}

// trait is what is wrong with a host, and is to be told once.
type trait int

const (
	apart   trait = iota // it keeps the lattice's state elsewhere
	foreign              // it signs with a cluster key that is not trusted here
	traits
)

func newCircle(self lattice.HostID, beat, grace time.Duration) *circle {
	return &circle{self: self, beat: beat, grace: grace, hosts: map[lattice.HostID]*neighbour{}}
}

// news is what has come to light of the others.
type news struct {
	lost  []control.LostHost
	tell  []control.LostHost // of those that are lost, those that this host has to tell the lattice of
	found []foundHost
}

// foundHost is one that was lost and gives a sign of life again.
type foundHost struct {
	host control.LostHost
	tell bool // this host has told of the loss, and the other one was not started again, which it tells itself
}

// heard takes a beat of any host.
func (c *circle) heard(b wire.Beat, now time.Duration, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := b.HostID
	if id == c.self {
		if c.hears && now-c.echo > deafBeats*c.beat { // it had no time, or no network
			c.deaf = max(c.deaf, now)
		}
		c.hears, c.echo = true, now
		return
	}
	c.any.Store(at.Unix())
	n := c.hosts[id]
	if n == nil {
		// The last beat of one that has stopped may be handled after its word that it has.
		if len(c.hosts) >= maxNeighbours || b.EndsInMS > 0 {
			return
		}
		n = &neighbour{runs: control.LostHost{HostID: id, Unknown: true}}
		c.hosts[id] = n
	}
	uptime := time.Duration(min(b.UptimeMS, 1<<43)) * time.Millisecond
	again := uptime < n.uptime
	if n.lost && len(c.found) < maxNeighbours {
		c.found = append(c.found, foundHost{n.memory(), n.mine && !again})
	}
	if again { // it does not run any more what it ran
		n.runs = control.LostHost{HostID: id, FriendlyName: n.runs.FriendlyName, Labels: n.runs.Labels, Unknown: true}
	}
	n.heard, n.at, n.uptime = now, at, uptime
	n.patience = lostBeats*b.Period() + b.EndsIn()
	n.lost, n.told, n.mine = false, false, false
}

// away takes that the connection to NATS was lost and is back.
func (c *circle) away(now time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deaf = now + c.grace
}

// runs takes what a host says in a heartbeat. Hosts that send no beats are not remembered.
func (c *circle) runs(inv control.HostInventory) {
	memory := remember(inv, maxRemembered)
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.hosts[inv.HostID]; n != nil && !n.lost {
		n.runs = memory
	}
}

// shows takes whether a host has a trait, and reports whether that has just come to light. Hosts that send no beats are
// not remembered.
func (c *circle) shows(id lattice.HostID, what trait, has bool) (news bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.hosts[id]
	if n == nil || n.lost {
		return false
	}
	news, n.shown[what] = has && !n.shown[what], has
	return news
}

// twice takes whether a heartbeat of a host says something, and reports whether the one before it said so, too.
func (c *circle) twice(id lattice.HostID, says bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.hosts[id]
	if n == nil {
		return false
	}
	before := n.doubted
	n.doubted = says
	return says && before
}

// stopped takes that a host has ended.
func (c *circle) stopped(id lattice.HostID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.hosts, id)
}

// told takes that another host has told of a loss.
func (c *circle) told(l control.LostHost) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.hosts[l.HostID]
	if n == nil {
		return
	}
	n.told = true
	if n.runs.Unknown && !l.Unknown {
		n.runs = l
	}
}

// look finds out which hosts are lost, and which have been found since the look before.
func (c *circle) look(now time.Duration) (n news) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n.found, c.found = c.found, nil
	if !c.hears {
		return n
	}
	turn := 0 // how many living hosts are before this one
	for id, o := range c.hosts {
		if id < c.self && !o.lost && c.silence(o) <= o.patience {
			turn++
		}
	}
	pause := time.Duration(min(turn, maxTurns)) * tellPause
	for id, o := range c.hosts {
		silence := c.silence(o)
		if !o.lost && silence > o.patience {
			o.lost, o.lostAt = true, now
			n.lost = append(n.lost, o.memory())
		}
		wait := pause
		if o.runs.Unknown { // others may know better
			wait += maxTurns * tellPause / 2
		}
		if o.lost && !o.told && silence > o.patience+wait {
			o.told, o.mine = true, true
			n.tell = append(n.tell, o.memory())
		}
		if o.lost && now-o.lostAt > lostStays {
			delete(c.hosts, id)
		}
	}
	return n
}

// silence is for how long a host has given no sign of life while this one could have heard it. mu is held.
func (c *circle) silence(n *neighbour) time.Duration { return c.echo - max(n.heard, c.deaf) }

// missed are the lost hosts, the one that was heard last first.
func (c *circle) missed() []control.LostHost {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []control.LostHost
	for _, n := range c.hosts {
		if n.lost {
			all = append(all, n.memory())
		}
	}
	slices.SortFunc(all, func(a, b control.LostHost) int {
		return cmp.Or(b.LastHeard.Compare(a.LastHeard), cmp.Compare(a.HostID, b.HostID))
	})
	return all
}

// memory is what is known of a host, for telling.
func (n *neighbour) memory() control.LostHost {
	l := n.runs
	l.LastHeard, l.UptimeSeconds = n.at.UTC().Truncate(time.Second), uint64(n.uptime.Seconds())
	return l
}
