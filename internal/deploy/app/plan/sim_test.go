package plan

import (
	"container/heap"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// A simulated lattice in virtual time. Hosts carry out commands, die, come back, are cut off, are slow, fail to start
// things; messages are late, lost, repeated and overtake each other; leaders die. What one plans from is what has
// reached it. A run is a seed.

var (
	seeds = flag.Int("seeds", 1000, "how many simulations to run")
	only  = flag.Uint64("seed", 0, "run the simulation of this seed alone, and log what happens")
)

const (
	simBeat      = time.Second
	simSuspect   = 1500 * time.Millisecond
	simLost      = 2500 * time.Millisecond
	simResync    = 10 * time.Second
	simTakeOver  = 3 * time.Second
	simLook      = 250 * time.Millisecond
	simFaults    = 90 * time.Second // time in which things go wrong
	simQuiet     = 8 * time.Minute  // by then all must be as it is wanted
	simTimeout   = 5 * time.Second  // of a command
	simForgetful = 10 * time.Minute // losses count for so long
)

type event struct {
	at  time.Time
	seq int
	do  func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at.Before(e[j].at) || e[i].at.Equal(e[j].at) && e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	x := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return x
}

// simHost is a host as it truly is.
type simHost struct {
	id       lattice.HostID
	labels   map[string]string
	up       bool
	deaf     bool // commands do not reach it
	mute     bool // what it says reaches nobody
	boot     int  // how often it was started
	things   map[Object]*Present
	bad      map[string]bool // versions that do not start here
	lostAt   time.Time       // when it was last heard no more
	lastSent int
}

// view is what a leader knows of a host.
type view struct {
	heard  time.Time
	since  time.Time
	losses []time.Time
	lost   bool
	boot   int
	seq    int // of the inventory
	things []Present
}

type simLeader struct {
	from   time.Time
	views  map[lattice.HostID]*view
	memory Memory
	dead   bool
}

type sim struct {
	t        *testing.T
	seed     uint64
	rng      *rand.Rand
	now      time.Time
	queue    events
	seq      int
	hosts    []*simHost
	byID     map[lattice.HostID]*simHost
	app      App
	links    map[LinkKey]wire.LinkDefinition
	leader   *simLeader
	faults   time.Time // when they end
	commands int
	dirty    bool      // there is something new to plan from
	nextLook time.Time // when to plan all the same
	changed  time.Time // when the application was changed last
	changes  int       // faults and changes of the application
	log      []string
	last     Plan
	lastDid  time.Time
}

func (s *sim) after(d time.Duration, do func()) {
	s.seq++
	heap.Push(&s.queue, event{s.now.Add(d), s.seq, do})
}

func (s *sim) every(d time.Duration, do func()) {
	s.after(d, func() { do(); s.every(d, do) })
}

func (s *sim) upTo(d time.Duration) time.Duration { return time.Duration(s.rng.Int64N(int64(d) + 1)) }
func (s *sim) chance(p float64) bool              { return s.rng.Float64() < p }
func (s *sim) stormy() bool                       { return s.now.Before(s.faults) }

func (s *sim) logf(format string, args ...any) {
	s.log = append(s.log, fmt.Sprintf("%7.2f ", s.now.Sub(begin).Seconds())+fmt.Sprintf(format, args...))
}

func (s *sim) failf(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("%s\nthe last of what happened:\n%s\nall of it: go test %s -run TestSimulation -v -seed %d",
		fmt.Sprintf(format, args...), strings.Join(s.log[max(0, len(s.log)-60):], "\n"),
		"./internal/deploy/app/plan", s.seed)
}

func newSim(t *testing.T, seed uint64) *sim {
	s := &sim{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), now: begin, byID: map[lattice.HostID]*simHost{},
		links: map[LinkKey]wire.LinkDefinition{}, faults: begin.Add(simFaults)}
	for i := range 2 + s.rng.IntN(6) {
		h := &simHost{id: lattice.HostID(fmt.Sprint("N", i)), up: true, things: map[Object]*Present{},
			bad: map[string]bool{}, labels: map[string]string{"zone": []string{"eu", "us"}[i%2]}}
		s.hosts = append(s.hosts, h)
		s.byID[h.id] = h
		s.after(s.upTo(simBeat), func() { s.every(simBeat, func() { s.beat(h) }) })
	}
	s.app = s.someApp(0)
	s.lead()
	s.every(simLook, s.plan)
	s.every(simResync, func() {
		for _, h := range s.hosts {
			s.tell(h)
		}
	})
	for range 4 + s.rng.IntN(12) {
		s.after(s.upTo(simFaults), s.fault)
	}
	s.after(simFaults, s.calm)
	return s
}

// someApp is an application of a few things; another version of it has other digests, sizes and members.
func (s *sim) someApp(version int) App {
	app := App{Name: "shop"}
	for i := range 1 + s.rng.IntN(4) {
		t := Thing{Object: Object{Actor: lattice.ActorID(fmt.Sprint("M", i))}, Name: fmt.Sprint("a", i),
			Digest: fmt.Sprint("v", s.rng.IntN(version+1)), Place: Placement{Count: uint32(1 + s.rng.IntN(20))}}
		if version > 0 && s.chance(0.2) { // another key
			t.Actor += "x"
		}
		switch s.rng.IntN(5) {
		case 0:
			t.Place.Where = map[string]string{"zone": "eu"}
		case 1:
			t.Place.Each = true
		case 2:
			t.Place.Spread = []Share{{map[string]string{"zone": "eu"}, 70}, {map[string]string{"zone": "us"}, 30}}
		}
		app.Things = append(app.Things, t)
	}
	for i := range s.rng.IntN(3) {
		t := Thing{Object: Object{Provider: lattice.ProviderID(fmt.Sprint("V", i)), LinkName: "default"},
			Name: fmt.Sprint("p", i), Digest: fmt.Sprint("v", s.rng.IntN(version+1)),
			Place: Placement{Count: uint32(1 + s.rng.IntN(2))}}
		for _, a := range app.Things {
			if a.IsActor() && s.chance(0.7) {
				app.Links = append(app.Links, wire.LinkDefinition{ActorID: a.Actor, ProviderID: t.Provider,
					LinkName: "default", ContractID: lattice.ContractID(fmt.Sprint("acme:", i)),
					Values: map[string]string{"v": t.Digest}})
			}
		}
		app.Things = append(app.Things, t)
	}
	return app
}

func (s *sim) beat(h *simHost) {
	if !h.up || h.mute || s.stormy() && s.chance(0.03) {
		return
	}
	boot := h.boot
	s.after(s.upTo(50*time.Millisecond), func() {
		l := s.leader
		v := l.views[h.id]
		if v == nil {
			v = &view{since: s.now, lost: true, heard: s.now}
			l.views[h.id] = v
		}
		if !v.lost && v.boot != boot { // it was away for a moment, and has nothing of what it had
			s.lose(h, v)
		}
		v.boot = boot
		if v.lost {
			s.tell(h)
		}
		v.heard = s.now
	})
}

func (s *sim) lose(h *simHost, v *view) {
	s.dirty = true
	v.lost, v.losses, v.things = true, append(v.losses, s.now), nil
	s.logf("leader has lost %s", h.id)
}

// tell sends what runs on a host to whoever leads.
func (s *sim) tell(h *simHost) {
	h.lastSent++
	seq, boot, to := h.lastSent, h.boot, s.leader
	var things []Present
	for _, o := range sorted(h.things) {
		things = append(things, *h.things[o])
	}
	if !h.up || h.mute || s.stormy() && s.chance(0.1) {
		return
	}
	arrive := func() {
		v := to.views[h.id]
		if to.dead || v == nil || v.seq > seq || h.boot != boot {
			return
		}
		s.dirty = s.dirty || v.lost || !slices.EqualFunc(v.things, things, func(a, b Present) bool { return a == b })
		v.seq, v.things, v.heard = seq, things, s.now
		if v.lost {
			v.lost, v.since = false, s.now
			s.logf("leader hears %s again", h.id)
		}
	}
	s.after(s.upTo(300*time.Millisecond), arrive)
	if s.chance(0.1) {
		s.after(s.upTo(2*time.Second), arrive)
	}
}

func sorted(m map[Object]*Present) []Object {
	var list []Object
	for o := range m {
		list = append(list, o)
	}
	slices.SortFunc(list, Object.compare)
	return list
}

// lead puts a new leader in the place of the one that is dead. It knows nothing, and listens for a while first.
func (s *sim) lead() {
	s.dirty = true
	s.leader = &simLeader{from: s.now.Add(simTakeOver), views: map[lattice.HostID]*view{}}
}

func (s *sim) plan() {
	s.measure()
	l := s.leader
	for _, v := range l.views {
		s.dirty = s.dirty || !v.lost && s.now.Sub(v.heard) > simSuspect
	}
	if s.now.Before(l.from) || s.now.Before(s.nextLook) && !s.dirty {
		return
	}
	s.dirty = false
	var hosts []Host
	have := Have{Owner: func(k LinkKey) string { return "shop" }}
	for _, h := range s.hosts {
		v := l.views[h.id]
		if v == nil {
			continue
		}
		silent := s.now.Sub(v.heard)
		if !v.lost && silent > simLost {
			s.lose(h, v)
		}
		host := Host{ID: h.id, Name: string(h.id), Labels: h.labels, Since: v.since}
		for _, at := range v.losses {
			if s.now.Sub(at) < simForgetful {
				host.Losses++
			}
		}
		switch {
		case v.lost:
			host.Liveness = Lost
		case silent > simSuspect:
			host.Liveness = Suspect
		}
		hosts = append(hosts, host)
		have.Things = append(have.Things, v.things...)
	}
	for _, l := range s.links {
		have.Links = append(have.Links, l)
	}
	slices.SortFunc(have.Links, func(a, b wire.LinkDefinition) int {
		return strings.Compare(KeyOf(a).String(), KeyOf(b).String())
	})
	s.last = NewRound(hosts, s.now).App(s.app, have, &l.memory)
	for _, c := range s.last.Commands {
		s.commands++
		s.lastDid = s.now
		s.logf("leader: %s", c)
		s.judge(c)
		l.memory.Begin(c)
		s.carry(l, c)
	}
	s.nextLook = s.now.Add(simResync)
	if at := s.last.Again; !at.IsZero() && at.Before(s.nextLook) {
		s.nextLook = at
	}
}

// carry sends a command, and tells the leader what became of it.
func (s *sim) carry(l *simLeader, c Command) {
	ended := false
	end := func(err string) {
		if !ended && !l.dead {
			s.dirty = true
			l.memory.End(c, err, s.now)
		}
		ended = true
	}
	s.after(simTimeout, func() { end("no answer") })
	if c.Do == PutLink || c.Do == DelLink {
		s.after(s.upTo(50*time.Millisecond), func() {
			if c.Do == PutLink {
				s.links[KeyOf(c.Link)] = c.Link
			} else {
				delete(s.links, KeyOf(c.Link))
			}
			end("")
		})
		return
	}
	h := s.byID[c.Host]
	arrive := func() {
		if !h.up || h.deaf {
			return
		}
		boot := h.boot
		s.after(20*time.Millisecond+s.upTo(800*time.Millisecond), func() {
			if !h.up || h.boot != boot {
				return
			}
			err := s.apply(h, c)
			s.tell(h)
			if !h.mute {
				s.after(s.upTo(20*time.Millisecond), func() { end(err) })
			}
		})
	}
	if s.stormy() && s.chance(0.05) {
		return // lost
	}
	s.after(s.upTo(30*time.Millisecond), arrive)
	if s.stormy() && s.chance(0.05) {
		s.after(s.upTo(2*time.Second), arrive) // repeated
	}
}

// apply is what a host does at a command.
func (s *sim) apply(h *simHost, c Command) (err string) {
	p := h.things[c.Object]
	if c.Do == Stop || c.Max == 0 {
		delete(h.things, c.Object)
		s.logf("%s stopped %s", h.id, c.Name)
		return ""
	}
	if h.bad[c.version()] && (p == nil || p.version() != c.version()) {
		s.logf("%s fails to start %s", h.id, c.Name)
		return "it does not start"
	}
	if p != nil && c.Do == Scale && p.version() != c.version() { // as hosts refuse it
		return "another version runs"
	}
	h.things[c.Object] = &Present{Object: c.Object, Host: h.id, Name: c.Name, Ref: c.Ref, Digest: c.Digest,
		Spec: c.Spec, Max: c.Max, State: Running}
	s.logf("%s has %s %s: %d", h.id, c.Name, c.Digest, c.Max)
	return ""
}

// judge checks a command by which a host gives up instances: enough are left, if what the leader knows of the thing is
// true. What it cannot know yet is not its fault.
func (s *sim) judge(c Command) {
	h := s.byID[c.Host]
	i := slices.IndexFunc(s.app.Things, func(t Thing) bool { return t.Object == c.Object })
	if i < 0 || h == nil || h.things[c.Object] == nil || c.Do != Stop && c.Max >= h.things[c.Object].Max {
		return
	}
	t := &s.app.Things[i]
	if t.Place.Each || s.now.Before(s.lastChange().Add(simTimeout)) {
		return
	}
	needed := t.Place.Count
	if !t.IsActor() {
		needed = 1
	}
	group := map[string]string{}
	for i, share := range t.Place.Spread { // each zone has a share of its own
		if lattice.Matches(h.labels, share.Where) {
			group, needed = share.Where, quotas(t.Place.Count, t.Place.Spread)[i]
		}
	}
	var left, before uint32
	for _, other := range s.hosts {
		p, v := other.things[c.Object], s.leader.views[other.id]
		if v == nil || v.boot != other.boot || !other.up {
			return
		}
		known := slices.IndexFunc(v.things, func(p Present) bool { return p.Object == c.Object })
		if known < 0 != (p == nil) || p != nil && *p != v.things[known] {
			return
		}
		if p == nil || !lattice.Matches(other.labels, group) {
			continue
		}
		n := p.Max
		if under, ok := s.leader.memory.under[place{host: other.id, of: c.Object}]; ok && under.command.Max < n {
			n = under.command.Max // 0 for Stop
		}
		before += n
		if other == h {
			n = min(n, c.Max)
		}
		left += n
	}
	if left < min(needed, before) {
		s.failf("%s gives up %s, and %d of %d are left", h.id, t.Name, left, needed)
	}
}

// lastChange is when a host was last lost, or the application changed.
func (s *sim) lastChange() time.Time {
	last := s.changed
	for _, h := range s.hosts {
		if h.lostAt.After(last) {
			last = h.lostAt
		}
	}
	return last
}

// measure checks that there is no more of anything than needed, once all hosts have been there for long enough.
func (s *sim) measure() {
	if s.now.Before(s.faults.Add(HoldMost + simResync)) {
		return
	}
	for _, t := range s.app.Things {
		var have uint32
		for _, h := range s.hosts {
			if p := h.things[t.Object]; p != nil {
				have += p.Max
			}
		}
		if have > t.Place.Count && !t.Place.Each {
			s.failf("there are %d of %s, and %d are needed", have, t.Name, t.Place.Count)
		}
	}
}

// fault lets something go wrong, or changes what is wanted.
func (s *sim) fault() {
	h := s.hosts[s.rng.IntN(len(s.hosts))]
	s.changes++
	back := time.Second + s.upTo(20*time.Second)
	switch s.rng.IntN(8) {
	case 0, 1:
		s.kill(h)
		s.after(back, func() { s.boot(h) })
	case 2:
		s.logf("%s is cut off", h.id)
		h.deaf, h.mute, h.lostAt = true, true, s.now
		s.after(back, func() { s.heal(h) })
	case 3:
		s.logf("%s hears nothing", h.id)
		h.deaf = true
		s.after(back, func() { s.heal(h) })
	case 4:
		s.logf("%s is not heard", h.id)
		h.mute, h.lostAt = true, s.now
		s.after(back, func() { s.heal(h) })
	case 5:
		s.logf("the leader dies")
		s.leader.dead = true
		s.lead()
	case 6:
		s.app, s.changed, s.dirty = s.someApp(1+s.rng.IntN(3)), s.now, true
		s.logf("the application changes")
	case 7:
		v := fmt.Sprintf("v%d ", s.rng.IntN(3))
		s.logf("%s does not start %s", h.id, v)
		h.bad[v] = true
		s.after(back, func() { delete(h.bad, v) })
	}
}

func (s *sim) kill(h *simHost) {
	s.logf("%s dies", h.id)
	h.up, h.lostAt = false, s.now
	h.things = map[Object]*Present{}
}

func (s *sim) boot(h *simHost) {
	if !h.up {
		s.logf("%s starts", h.id)
		h.up = true
		h.boot++
	}
}

func (s *sim) heal(h *simHost) {
	s.logf("%s is whole", h.id)
	h.deaf, h.mute = false, false
	s.tell(h)
}

// calm mends all that went wrong.
func (s *sim) calm() {
	for _, h := range s.hosts {
		h.bad = map[string]bool{}
		s.boot(h)
		s.heal(h)
	}
}

func (s *sim) run() {
	end := begin.Add(simFaults + simQuiet)
	for s.queue.Len() > 0 && s.now.Before(end) {
		e := heap.Pop(&s.queue).(event)
		s.now = e.at
		e.do()
	}
	s.check()
}

// check holds what is true against what is wanted.
func (s *sim) check() {
	if !s.last.Settled() {
		s.failf("it has not settled: %+v %+v", s.last.Things, s.last.Links)
	}
	total := 0
	for _, t := range s.app.Things {
		var have, hosts uint32
		for _, h := range s.hosts {
			p := h.things[t.Object]
			if p == nil {
				continue
			}
			total++
			have += p.Max
			hosts++
			if p.version() != t.version() {
				s.failf("%s has %s in version %q", h.id, t.Name, p.version())
			}
			if !lattice.Matches(h.labels, t.Place.Where) {
				s.failf("%s has %s without the labels", h.id, t.Name)
			}
		}
		need := t.Place.Count
		if !t.IsActor() {
			need = min(need, uint32(len(s.hosts)))
		}
		if t.Place.Each {
			need *= uint32(len(s.hosts))
		}
		if have != need {
			s.failf("%s: %d instances on %d hosts, want %d", t.Name, have, hosts, need)
		}
	}
	for _, h := range s.hosts {
		total -= len(h.things)
	}
	if total != 0 {
		s.failf("%d things run that are not wanted", -total)
	}
	if len(s.links) != len(s.app.Links) {
		s.failf("%d links, want %d", len(s.links), len(s.app.Links))
	}
	for _, l := range s.app.Links {
		if !s.links[KeyOf(l)].Equal(l) {
			s.failf("link %v, want %v", s.links[KeyOf(l)], l)
		}
	}
	if quiet := s.now.Sub(s.lastDid); quiet < simQuiet/3 {
		s.failf("the last command was %s ago", quiet)
	}
	if most := (s.changes + 2) * (len(s.hosts) + 2) * 12; s.commands > most {
		s.failf("%d commands for %d changes on %d hosts: it flaps", s.commands, s.changes, len(s.hosts))
	}
}

// Whatever goes wrong, in whatever order: once it ends, what runs is what is wanted, and the planner rests.
func TestSimulation(t *testing.T) {
	if *only != 0 {
		s := newSim(t, *only)
		s.run()
		t.Log(strings.Join(s.log, "\n"))
		return
	}
	n := *seeds
	if testing.Short() {
		n = min(n, 100)
	}
	const parts = 4
	for part := range parts {
		t.Run(fmt.Sprint("part", part), func(t *testing.T) {
			t.Parallel()
			for seed := uint64(1 + part); seed <= uint64(n); seed += parts {
				newSim(t, seed).run()
			}
		})
	}
}
