package company

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/wire"
)

// Hosts of the tests, in the order of their ids.
var (
	hostA = lattice.HostID("N" + strings.Repeat("A", 55))
	hostB = lattice.HostID("N" + strings.Repeat("B", 55))
	hostC = lattice.HostID("N" + strings.Repeat("C", 55))
)

// played is a circle whose beats and time the test makes.
type played struct {
	*circle
	now   time.Duration
	alive map[lattice.HostID]wire.Beat
}

var circleBegan = time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)

func play(self lattice.HostID, others ...lattice.HostID) *played {
	c := &played{circle: newCircle(self, time.Second, time.Minute), alive: map[lattice.HostID]wire.Beat{}}
	for _, id := range append(others, self) {
		c.alive[id] = wire.Beat{HostID: id, UptimeMS: 60_000}
	}
	return c
}

// pass lets seconds pass, in which those alive send beats, and returns what comes to light.
func (c *played) pass(seconds int) (all news) {
	for range seconds {
		c.now += time.Second
		for id, b := range c.alive {
			b.UptimeMS += 1000
			c.alive[id] = b
			c.heard(b, c.now, circleBegan.Add(c.now))
		}
		n := c.look(c.now)
		all.lost, all.tell, all.found = append(all.lost, n.lost...), append(all.tell, n.tell...),
			append(all.found, n.found...)
	}
	return all
}

func ids(all []control.LostHost) (list []lattice.HostID) {
	for _, l := range all {
		list = append(list, l.HostID)
	}
	return list
}

func is(list []control.LostHost, want ...lattice.HostID) bool { return slices.Equal(ids(list), want) }

func runsApp(id lattice.HostID) control.HostInventory {
	return control.HostInventory{HostID: id, FriendlyName: "edge-1", Labels: map[string]string{"zone": "edge"},
		Actors: []control.Actor{{ID: "MAPP", Name: "app",
			Instances: []control.ActorInstance{{MaxInstances: 3}, {MaxInstances: 4}}}},
		Providers: []control.Provider{{ID: "VWEB", Name: "web", ContractID: "acme:web", LinkName: "default"}}}
}

// The host with the lowest id of those that live tells, once, with what ran there; the others know it, and tell
// nothing.
func TestAHostThatDiesIsToldOfOnceWithWhatItRan(t *testing.T) {
	a, b := play(hostA, hostB, hostC), play(hostB, hostA, hostC)
	for _, c := range []*played{a, b} {
		c.pass(5)
		c.runs(runsApp(hostC))
		delete(c.alive, hostC)
	}
	if n := a.pass(10); len(n.lost) > 0 {
		t.Fatalf("lost after ten seconds: %+v", n)
	}
	n := a.pass(1)
	if !is(n.lost, hostC) || !is(n.tell, hostC) {
		t.Fatalf("the first host says %+v", n)
	}
	l := n.tell[0]
	if l.FriendlyName != "edge-1" || l.Labels["zone"] != "edge" || l.Unknown || l.UptimeSeconds != 65 ||
		!l.LastHeard.Equal(circleBegan.Add(5*time.Second)) ||
		len(l.Actors) != 1 || l.Actors[0] != (control.LostActor{ID: "MAPP", Name: "app", MaxInstances: 7}) ||
		len(l.Providers) != 1 || l.Providers[0] != (control.LostProvider{ID: "VWEB", Name: "web",
		ContractID: "acme:web", LinkName: "default"}) {
		t.Errorf("it is told of as %+v", l)
	}
	m := b.pass(11)
	b.told(l) // the first one's event
	if rest := b.pass(60); !is(m.lost, hostC) || len(m.tell)+len(rest.lost)+len(rest.tell) > 0 {
		t.Errorf("the second host says %+v, then %+v", m, rest)
	}
	if more := a.pass(60); len(more.lost)+len(more.tell) > 0 {
		t.Errorf("told again: %+v", more)
	}
	if got := b.missed(); !is(got, hostC) || got[0].Actors[0].Name != "app" {
		t.Errorf("the second host remembers %+v", got)
	}
}

// When the host whose turn it is dies with the other, the next one tells of both.
func TestTheNextHostTellsWhenTwoDie(t *testing.T) {
	b := play(hostB, hostA, hostC)
	b.pass(5)
	b.runs(runsApp(hostA))
	b.runs(runsApp(hostC))
	delete(b.alive, hostA)
	b.pass(3)
	delete(b.alive, hostC)
	if n := b.pass(30); !slices.Equal(ids(n.tell), []lattice.HostID{hostA, hostC}) {
		t.Errorf("it tells of %+v", n.tell)
	}
}

// A host that does not know what ran there leaves it to those that do, and takes over what they say.
func TestWhoKnowsWhatRanThereTellsFirst(t *testing.T) {
	a, b := play(hostA, hostB, hostC), play(hostB, hostA, hostC)
	a.pass(5)
	b.pass(5)
	b.runs(runsApp(hostC))
	delete(a.alive, hostC)
	delete(b.alive, hostC)
	n, m := a.pass(14), b.pass(14)
	if len(n.tell) > 0 || !is(m.tell, hostC) || m.tell[0].Unknown {
		t.Fatalf("who does not know says %+v, who does %+v", n.tell, m.tell)
	}
	a.told(m.tell[0])
	if rest := a.pass(60); len(rest.tell) > 0 || len(a.missed()) != 1 || len(a.missed()[0].Actors) != 1 {
		t.Errorf("told again as %+v; it remembers %+v", rest.tell, a.missed())
	}
	alone := play(hostA, hostC)
	alone.pass(5)
	delete(alone.alive, hostC)
	if n := alone.pass(60); !is(n.tell, hostC) || !n.tell[0].Unknown {
		t.Errorf("nobody knows what ran there, and is told %+v", n.tell)
	}
}

// A host that says that it ends is not lost, unless it does not end in the time that it has named.
func TestAHostThatEndsIsNotLost(t *testing.T) {
	c := play(hostA, hostB, hostC)
	c.pass(5)
	for _, id := range []lattice.HostID{hostB, hostC} {
		ending := c.alive[id]
		ending.Draining, ending.EndsInMS = true, 30_000
		c.heard(ending, c.now, circleBegan)
		delete(c.alive, id)
	}
	if n := c.pass(30); len(n.lost) > 0 {
		t.Fatalf("lost while it ends its work: %+v", n)
	}
	c.stopped(hostB)
	// Its last beat comes by another subscription than its word that it has stopped, and may be handled later.
	c.heard(wire.Beat{HostID: hostB, UptimeMS: 90_000, Draining: true, EndsInMS: 15_000}, c.now, circleBegan)
	if n := c.pass(30); !is(n.lost, hostC) {
		t.Errorf("lost: %+v", n.lost)
	}
}

// A host that keeps the lattice's state elsewhere is news once, and again after it was of the same mind.
func TestAHostOfAnotherDomainIsNewsOnce(t *testing.T) {
	c := play(hostA, hostB)
	c.pass(1)
	for i, one := range []struct{ apart, news bool }{{true, true}, {true, false}, {false, false}, {false, false},
		{true, true}} {
		if news := c.shows(hostB, apart, one.apart); news != one.news {
			t.Errorf("%d: %v", i, news)
		}
	}
	if !c.shows(hostB, foreign, true) || c.shows(hostB, foreign, true) {
		t.Error("its cluster key is not news, or is news again")
	}
	if c.shows(hostC, apart, true) { // nothing bounds those that send no beats
		t.Error("of a host that sends no beats")
	}
}

// A bucket that is made anew is known to one host before it is to another: only what two heartbeats say counts.
func TestAnotherBucketCountsWhenTwoHeartbeatsSaySo(t *testing.T) {
	c := play(hostA, hostB)
	c.pass(1)
	for i, one := range []struct{ says, sure bool }{{true, false}, {true, true}, {false, false}, {true, false}} {
		if sure := c.twice(hostB, one.says); sure != one.sure {
			t.Errorf("%d: %v", i, sure)
		}
	}
	for range 2 {
		if c.twice(hostC, true) {
			t.Error("of a host that sends no beats")
		}
	}
}

// A host that is cut off from NATS, or is stopped for a while, does not take all others for lost when it is back; those
// that are gone then are lost a minute later.
func TestAHostThatWasCutOffDoesNotMissTheOthers(t *testing.T) {
	for name, back := range map[string]func(*played){
		"cut off": func(c *played) { c.away(c.now) },
		"stopped": func(*played) {},
	} {
		t.Run(name, func(t *testing.T) {
			c := play(hostA, hostB, hostC)
			c.pass(5)
			all := c.alive
			c.alive = map[lattice.HostID]wire.Beat{} // its own beats do not come back either
			n := c.pass(300)
			c.alive = map[lattice.HostID]wire.Beat{hostA: all[hostA]}
			back(c)
			more := c.pass(9) // others are slower to come back
			c.alive[hostB] = all[hostB]
			if rest := c.pass(600); len(n.lost)+len(more.lost) > 0 || !is(rest.lost, hostC) || !is(rest.tell, hostC) {
				t.Errorf("away: %+v, back: %+v, later: %+v", n.lost, more.lost, rest.lost)
			}
		})
	}
}

// A host that hung and comes back is found, by the one that told of the loss; one that was started again tells that
// itself.
func TestALostHostThatComesBack(t *testing.T) {
	c := play(hostA, hostB, hostC)
	c.pass(5)
	c.runs(runsApp(hostB))
	c.runs(runsApp(hostC))
	hung := c.alive[hostB]
	delete(c.alive, hostB)
	delete(c.alive, hostC)
	if n := c.pass(20); len(n.tell) != 2 {
		t.Fatalf("told of %+v", n.tell)
	}
	hung.UptimeMS += 20_000
	c.alive[hostB], c.alive[hostC] = hung, wire.Beat{HostID: hostC}
	n := c.pass(1)
	if len(n.found) != 2 || len(c.missed()) != 0 {
		t.Fatalf("found %+v, missed %+v", n.found, c.missed())
	}
	for _, f := range n.found {
		if f.tell != (f.host.HostID == hostB) || f.host.FriendlyName != "edge-1" {
			t.Errorf("found %+v", f)
		}
	}
	delete(c.alive, hostB)
	delete(c.alive, hostC)
	for _, l := range c.pass(60).tell {
		if l.Unknown != (l.HostID == hostC) || l.FriendlyName != "edge-1" {
			t.Errorf("lost again: %+v", l)
		}
	}
}

// A lost host is remembered for ten minutes; what is remembered is bounded.
func TestLostHostsAreForgotten(t *testing.T) {
	c := play(hostA, hostB)
	c.pass(5)
	inv := runsApp(hostB)
	inv.Actors = slices.Repeat(inv.Actors, 10_000)
	c.runs(inv)
	delete(c.alive, hostB)
	c.pass(20)
	l := c.missed()
	if len(l) != 1 || l[0].FriendlyName != "edge-1" || len(l[0].Actors) == 0 || len(l[0].Actors) > 1000 ||
		len(l[0].Actors)+len(l[0].Providers)+l[0].Omitted != 10_001 {
		t.Fatalf("missed %.300v", l)
	}
	if c.pass(580); len(c.missed()) != 1 {
		t.Error("forgotten early")
	}
	if c.pass(20); len(c.missed()) != 0 {
		t.Error("never forgotten")
	}
	for i := range 2 * maxNeighbours {
		c.heard(wire.Beat{HostID: lattice.HostID("N" + strings.Repeat(string(rune('A'+i%26)), 50) +
			string(rune('A'+i/26%26)) + string(rune('A'+i/676)))}, c.now, circleBegan)
	}
	if n := len(c.circle.hosts); n != maxNeighbours {
		t.Errorf("%d hosts are remembered", n)
	}
}
