package rpc

import (
	"math"
	"sync"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// fleet is a directory with hosts and a clock of its own.
type fleet struct {
	*Directory
	clock  time.Duration
	target wire.Entity
	hosts  []lattice.HostID
}

func newFleet(t *testing.T, n int) *fleet {
	f := &fleet{target: wire.Entity{PublicKey: latticetest.NewKey(t, 'M').Public()}}
	f.Directory = newDirectory(func() time.Duration { return f.clock }, latticetest.Logger(t))
	f.wake.Do(func() {}) // no NATS
	f.clock = time.Hour
	t.Cleanup(f.Close)
	for range n {
		f.hosts = append(f.hosts, lattice.HostID(latticetest.NewKey(t, 'N').Public()))
	}
	for _, h := range f.hosts {
		f.beat(h, 0, false)
		f.learn(h, 1, []wire.Entity{f.target}, nil)
		f.asked(h)
	}
	return f
}

func (f *fleet) beat(host lattice.HostID, load uint32, draining bool) bool {
	return f.heard(wire.Beat{HostID: host, Sequence: 1, Draining: draining, Direct: &wire.Direct{Version: 1,
		Load: load, Capacity: 100, Served: 1}})
}

// share counts how often each host is picked; each call is answered at once by latency.
func (f *fleet) share(calls int, latency map[lattice.HostID]time.Duration) map[lattice.HostID]int {
	s := f.find(f.target)
	count := map[lattice.HostID]int{}
	for range calls {
		c := f.pick(s, nil, f.clock)
		if c == nil {
			count[""]++
			continue
		}
		count[c.peer.host]++
		c.took(latency[c.peer.host], f.clock)
	}
	return count
}

func TestEqualHostsShareEqually(t *testing.T) {
	for _, n := range []int{1, 2, 3, 8, 9, 100} {
		f := newFleet(t, n)
		calls := 2000 * n
		for h, got := range f.share(calls, nil) {
			if math.Abs(float64(got)-2000) > 400 { // nine standard deviations
				t.Errorf("%d hosts: %s got %d calls of %d", n, h, got, calls)
			}
		}
	}
}

// The load of the one that is given two choices at random is much more even than that of one choice.
func TestTwoChoicesKeepQueuesShort(t *testing.T) {
	f := newFleet(t, 100)
	s := f.find(f.target)
	for range 1000 { // ten each
		f.pick(s, nil, f.clock).flight.Add(1)
	}
	most := int64(0)
	for _, c := range *s.hosts.Load() {
		most = max(most, c.flight.Load())
	}
	if most > 15 { // by one random choice it would be 19 in the mean
		t.Errorf("a host has %d calls where the mean is 10", most)
	}
}

func TestBusyAndSlowHostsAreAvoided(t *testing.T) {
	f := newFleet(t, 3)
	slow := f.hosts[0]
	latency := map[lattice.HostID]time.Duration{slow: 500 * time.Millisecond, f.hosts[1]: time.Millisecond,
		f.hosts[2]: time.Millisecond}
	f.share(100, latency) // all are known now
	if got := f.share(1000, latency)[slow]; got > 0 {
		t.Errorf("a slow host got %d calls of 1000", got)
	}
	f.clock += 20 * time.Second // it is forgiven
	for _, h := range f.hosts {
		f.beat(h, 0, false)
	}
	if got := f.share(1000, nil)[slow]; got < 200 {
		t.Errorf("a host that was slow got %d calls of 1000", got)
	}
	f.beat(f.hosts[1], 90, false)
	if got := f.share(1000, nil)[f.hosts[1]]; got > 0 {
		t.Errorf("a loaded host got %d calls of 1000, though two others were free", got)
	}
}

func TestHostsThatAreGoneAreLeftOut(t *testing.T) {
	f := newFleet(t, 3)
	f.beat(f.hosts[0], 0, true)
	f.clock += 2900 * time.Millisecond
	f.beat(f.hosts[1], 0, false)
	f.beat(f.hosts[0], 0, true)
	if got := f.share(100, nil); got[f.hosts[0]] > 0 {
		t.Errorf("a draining host got %d calls", got[f.hosts[0]])
	}
	f.clock += 200 * time.Millisecond // the last one has missed three
	if got := f.share(100, nil); got[f.hosts[1]] != 100 {
		t.Errorf("calls went to %v, want all to %s", got, f.hosts[1])
	}
	f.clock += 3 * time.Second
	if got := f.share(100, nil); got[""] != 100 {
		t.Errorf("calls went to %v, want all to the queue group", got)
	}
	f.clock += forgetAfter
	if !f.beat(f.hosts[1], 0, false) {
		t.Error("a host that was forgotten is not asked what it serves")
	}
	f.learn(f.hosts[1], 1, []wire.Entity{f.target}, nil)
	if len(f.peers) != 1 || len(*f.find(f.target).hosts.Load()) != 1 {
		t.Errorf("%d hosts are remembered, want one", len(f.peers))
	}
	if f.learn(f.hosts[1], 2, nil, nil); f.find(f.target) != nil {
		t.Error("nobody serves the target any more, but it is remembered")
	}
}

func TestHostsAreAskedWhenTheirSetChanges(t *testing.T) {
	f := newFleet(t, 1)
	h := f.hosts[0]
	if f.beat(h, 0, false) {
		t.Error("asked without a change")
	}
	f.learn(h, 7, nil, nil)
	if !f.beat(h, 0, false) {
		t.Error("not asked after a change")
	}
	if f.beat(h, 0, false) {
		t.Error("asked again while a question is under way")
	}
	f.asked(h)
	if !f.beat(h, 0, false) {
		t.Error("not asked again after a question without an answer")
	}
	if f.heard(wire.Beat{HostID: h, Sequence: 1}); len(f.peers) != 0 {
		t.Error("a host that takes no direct calls is remembered")
	}
}

func TestQueueGroupIsUsedToLearnAndToShare(t *testing.T) {
	f := newFleet(t, 2)
	s := f.find(f.target)
	queue := 0
	for range 1000 {
		f.clock += 10 * time.Millisecond
		for _, h := range f.hosts {
			f.beat(h, 0, false)
		}
		if f.choose(s) == nil {
			queue++
		}
	}
	if queue < 9 || queue > 11 { // one a second
		t.Errorf("%d calls of 1000 in ten seconds went by the queue group, want ten", queue)
	}
	(&dispatch{served: s}).noteWho(f.Directory, nil) // answered by somebody else
	for range 100 {
		if f.choose(s) != nil {
			t.Fatal("software that is not weft gets no share")
		}
	}
	f.clock += foreignStays + time.Second
	for _, h := range f.hosts {
		f.beat(h, 0, false)
	}
	f.choose(s)
	if f.choose(s) == nil {
		t.Error("calls go by the queue group though nobody else has answered for long")
	}
}

func TestDirectoryHammer(t *testing.T) {
	f := newFleet(t, 10)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 500 {
				h := f.hosts[(i+n)%len(f.hosts)]
				switch n % 5 {
				case 0:
					f.learn(h, uint64(n), nil, nil)
				case 1, 2:
					f.learn(h, uint64(n), []wire.Entity{f.target}, nil)
				case 3:
					f.beat(h, uint32(n), false)
				default:
					if s := f.find(f.target); s != nil {
						if c := f.choose(s); c != nil {
							c.flight.Add(1)
							c.took(time.Millisecond, f.clock)
							c.flight.Add(-1)
						}
					}
				}
			}
		})
	}
	wg.Wait()
	for _, h := range f.hosts {
		f.learn(h, 1, nil, nil)
	}
	if f.find(f.target) != nil {
		t.Error("hosts are left over")
	}
}

func BenchmarkChoose(b *testing.B) {
	for _, n := range []int{1, 10, 1000} {
		b.Run(map[int]string{1: "1", 10: "10", 1000: "1000"}[n], func(b *testing.B) {
			target := wire.Entity{PublicKey: latticetest.NewKey(b, 'M').Public()}
			d := newDirectory(func() time.Duration { return time.Hour }, latticetest.Logger(b))
			d.wake.Do(func() {})
			defer d.Close()
			for range n {
				h := latticetest.NewKey(b, 'N').Public()
				d.heard(wire.Beat{HostID: lattice.HostID(h), Direct: &wire.Direct{Version: 1, Capacity: 1}})
				d.learn(lattice.HostID(h), 1, []wire.Entity{target}, nil)
			}
			b.ReportAllocs()
			for b.Loop() {
				d.choose(d.find(target))
			}
		})
	}
}
