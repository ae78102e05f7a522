package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

var begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// rig is a lattice that carries out what is planned at once, and what else a test does to it.
type rig struct {
	t      *testing.T
	now    time.Time
	hosts  []Host
	things []Present
	links  []wire.LinkDefinition
	owner  map[LinkKey]string
	memory Memory
	fail   func(c Command) error // what a host says; nil: all works
	last   Plan
}

func newRig(t *testing.T, hosts ...string) *rig {
	r := &rig{t: t, now: begin.Add(time.Hour), owner: map[LinkKey]string{}}
	for _, text := range hosts { // name, and labels
		words := strings.Fields(text)
		labels := map[string]string{}
		for _, w := range words[1:] {
			k, v, _ := strings.Cut(w, "=")
			labels[k] = v
		}
		r.hosts = append(r.hosts, Host{ID: lattice.HostID("N" + words[0]), Name: words[0], Labels: labels,
			Since: begin})
	}
	return r
}

func (r *rig) host(name string) *Host {
	i := slices.IndexFunc(r.hosts, func(h Host) bool { return h.Name == name })
	return &r.hosts[i]
}

func (r *rig) at(c Command) int {
	return slices.IndexFunc(r.things, func(p Present) bool { return p.Host == c.Host && p.Object == c.Object })
}

// step plans once, and carries the plan out. It returns what was done.
func (r *rig) step(app App) (done []string) {
	have := Have{Things: slices.Clone(r.things), Links: slices.Clone(r.links),
		Owner: func(k LinkKey) string { return r.owner[k] }}
	r.last = NewRound(slices.Clone(r.hosts), r.now).App(app, have, &r.memory)
	for _, c := range r.last.Commands {
		done = append(done, r.text(c))
		r.memory.Begin(c)
		var err error
		if r.fail != nil {
			err = r.fail(c)
		}
		text := ""
		if err != nil {
			text = err.Error()
		} else {
			r.carryOut(app, c)
		}
		r.memory.End(c, text, r.now)
	}
	return done
}

func (r *rig) carryOut(app App, c Command) {
	i := r.at(c)
	switch c.Do {
	case PutLink, DelLink:
		r.links = slices.DeleteFunc(r.links, func(l wire.LinkDefinition) bool { return KeyOf(l) == KeyOf(c.Link) })
		delete(r.owner, KeyOf(c.Link))
		if c.Do == PutLink {
			r.links = append(r.links, c.Link)
			r.owner[KeyOf(c.Link)] = app.Name
		}
	case Stop:
		if i >= 0 {
			r.things = slices.Delete(r.things, i, i+1)
		}
	default:
		p := Present{Object: c.Object, Host: c.Host, Name: c.Name, Ref: c.Ref, Digest: c.Digest, Spec: c.Spec,
			Max:   c.Max,
			State: Running}
		if i >= 0 {
			r.things[i] = p
		} else {
			r.things = append(r.things, p)
		}
	}
}

func (r *rig) text(c Command) string {
	host := strings.TrimPrefix(string(c.Host), "N")
	switch c.Do {
	case Scale:
		return fmt.Sprintf("%s: %s to %s", host, c.Name, Count(c.Max))
	case Update:
		return fmt.Sprintf("%s: %s becomes %s", host, c.Name, c.Digest)
	case Start:
		return fmt.Sprintf("%s: start %s", host, c.Name)
	case Replace:
		return fmt.Sprintf("%s: %s becomes %s", host, c.Name, c.Digest)
	case Stop:
		return fmt.Sprintf("%s: stop %s", host, c.Name)
	case PutLink:
		return fmt.Sprintf("link %s %s", c.Link.ActorID, c.Link.ProviderID)
	}
	return fmt.Sprintf("unlink %s %s", c.Link.ActorID, c.Link.ProviderID)
}

// settle steps until nothing is left to do, and returns all that was done.
func (r *rig) settle(app App) (done []string) {
	r.t.Helper()
	for range 100 {
		did := r.step(app)
		if len(did) == 0 {
			return done
		}
		done = append(done, did...)
		r.now = r.now.Add(time.Second)
	}
	r.t.Fatalf("it does not settle: %v", done[len(done)-10:])
	return nil
}

// scale is how many instances of a thing each host has.
func (r *rig) scale(o Object) string {
	var out []string
	for _, p := range r.things {
		if p.Object == o {
			out = append(out, fmt.Sprintf("%s=%s", strings.TrimPrefix(string(p.Host), "N"), Count(p.Max)))
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func want[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

var (
	web  = Object{Actor: "Mweb"}
	web2 = Object{Actor: "Mweb2"}
	kv   = Object{Provider: "Vkv", LinkName: "default"}
)

func actor(count uint32) Thing {
	return Thing{Object: web, Name: "web", Ref: "web:1", Digest: "v1", Place: Placement{Count: count}}
}

func shop(things ...Thing) App { return App{Name: "shop", Things: things} }

// Instances are spread evenly, by weight over labels, or on each host that fits.
func TestPlacement(t *testing.T) {
	eu, us := map[string]string{"zone": "eu"}, map[string]string{"zone": "us"}
	for _, c := range []struct {
		name    string
		place   Placement
		scale   string
		problem string
	}{
		{"evenly", Placement{Count: 100}, "a=34 b=33 c=33", ""},
		{"fewer than hosts", Placement{Count: 2}, "a=1 b=1", ""},
		{"one zone", Placement{Count: 10, Where: us}, "c=10", ""},
		{"by weight", Placement{Count: 10, Spread: []Share{{eu, 80}, {us, 20}}}, "a=4 b=4 c=2", ""},
		{"weights that leave a rest", Placement{Count: 5, Spread: []Share{{us, 1}, {eu, 2}}}, "a=2 b=2 c=1", ""},
		{"on each", Placement{Count: 7, Each: true, Where: eu}, "a=7 b=7", ""},
		{"unlimited", Placement{Count: Unlimited, Where: eu}, "a=unlimited b=unlimited", ""},
		{"nowhere", Placement{Count: 1, Where: map[string]string{"zone": "eux", "arch": "arm64"}}, "",
			"no host has the labels arch=arm64, zone=eux"},
		{"partly nowhere", Placement{Count: 4, Spread: []Share{{eu, 1}, {map[string]string{"zone": "ap"}, 1}}},
			"a=1 b=1", "no host has the label zone=ap"},
		{"two labels of one name", Placement{Count: 1, Where: us, Spread: []Share{{eu, 1}}}, "",
			"no host has the label zone=eu"},
		{"stopped", Placement{}, "", ""},
	} {
		r := newRig(t, "a zone=eu", "b zone=eu", "c zone=us")
		thing := actor(0)
		thing.Place = c.place
		r.settle(shop(thing))
		want(t, c.name, r.scale(web), c.scale)
		want(t, c.name, r.last.Things[0].Problem, c.problem)
		want(t, c.name+" is settled", r.last.Settled(), c.problem == "")
	}
}

// A provider has one instance on a host, also where more are asked for than there are hosts.
func TestProviderRunsOnceOnAHost(t *testing.T) {
	r := newRig(t, "a", "b")
	p := Thing{Object: kv, Name: "kv", Digest: "v1", Place: Placement{Count: 3}}
	want(t, "done", r.settle(shop(p)), []string{"a: start kv", "b: start kv"})
}

// A host that is lost loses its share to the others, and gets it back when it has been there for a while. The others
// keep what they took over until then.
func TestLostHost(t *testing.T) {
	r := newRig(t, "a", "b", "c")
	app := shop(actor(90))
	r.settle(app)
	r.host("c").Liveness = Suspect
	want(t, "suspicion", r.settle(app), []string(nil))
	r.host("c").Liveness = Lost
	want(t, "loss", r.settle(app), []string{"a: web to 45", "b: web to 45"})
	*r.host("c") = Host{ID: "Nc", Name: "c", Since: r.now, Losses: 1}
	want(t, "return with all that it had", r.settle(app), []string(nil))
	want(t, "next look", r.last.Again, r.host("c").Since.Add(HoldFirst))
	r.now = r.last.Again
	want(t, "after the hold", r.settle(app), []string{"a: web to 30", "b: web to 30"})
	want(t, "settled", r.last.Settled(), true)
}

// Of two hosts that run what shall run once, the one goes on that was not lost.
func TestReturnedHostDoublesNothing(t *testing.T) {
	r := newRig(t, "a", "b")
	app := shop(actor(1))
	r.settle(app)
	r.host("a").Liveness = Lost
	want(t, "loss", r.settle(app), []string{"b: web to 1"})
	*r.host("a") = Host{ID: "Na", Name: "a", Since: r.now, Losses: 1}
	want(t, "return", r.settle(app), []string{"a: stop web"})
	r.now = r.now.Add(time.Hour)
	want(t, "later", r.settle(app), []string(nil))
}

// A host that comes back empty again and again gets something new after longer and longer times.
func TestFlakyHostIsHeld(t *testing.T) {
	h := Host{}
	want(t, "never lost", h.Hold(), time.Duration(0))
	for losses, hold := range map[int]time.Duration{1: 5 * time.Second, 2: 10 * time.Second, 4: 40 * time.Second,
		7: 5 * time.Minute, 1000: 5 * time.Minute} {
		h.Losses = losses
		want(t, "hold", h.Hold(), hold)
	}
	r := newRig(t, "a")
	r.host("a").Losses, r.host("a").Since = 3, r.now
	app := shop(actor(1))
	want(t, "held", r.settle(app), []string(nil))
	want(t, "why", r.last.Things[0].Problem,
		"no host can take it now: a: it was lost 3 times lately, and gets nothing new for another 20s")
	r.now = r.last.Again
	want(t, "after that", r.settle(app), []string{"a: web to 1"})
}

// A host that ends its work gives it away first.
func TestDrain(t *testing.T) {
	r := newRig(t, "a", "b")
	app := shop(actor(1))
	r.settle(app)
	r.host("a").Liveness = Draining
	want(t, "drain", r.settle(app), []string{"b: web to 1"})
	r.things = slices.DeleteFunc(r.things, func(p Present) bool { return p.Host == "Na" }) // it ends what it has itself
	want(t, "settled", len(r.settle(app)) == 0 && r.last.Settled(), true)
}

// What moves starts at its new place before it ends at the old one, and stays where the new place fails.
func TestMoveFailsAndLeavesWhatWorked(t *testing.T) {
	r := newRig(t, "a zone=eu", "b zone=us")
	thing := actor(4)
	thing.Place.Where = map[string]string{"zone": "eu"}
	r.settle(shop(thing))
	thing.Place.Where = map[string]string{"zone": "us"}
	r.fail = func(c Command) error { return errors.New("no memory") }
	want(t, "first try", r.step(shop(thing)), []string{"b: web to 4"})
	want(t, "at once", r.step(shop(thing)), []string(nil))
	want(t, "why", r.last.Things[0].Problem,
		"no host can take it now: b: no memory; it failed there 1 time, next try in 1s")
	want(t, "it stays", r.scale(web), "a=4")
	r.now, r.fail = r.last.Again, nil
	want(t, "later", r.settle(shop(thing)), []string{"b: web to 4", "a: stop web"})
}

// A thing that does not start on a host is tried there after longer and longer times, and on others meanwhile.
func TestFailingStart(t *testing.T) {
	r := newRig(t, "a", "b")
	app := shop(actor(1))
	r.fail = func(c Command) error {
		if c.Host == "Na" {
			return errors.New("it exports no such function")
		}
		return nil
	}
	want(t, "done", r.settle(app), []string{"a: web to 1", "b: web to 1"})
	want(t, "settled", r.last.Settled(), true)
	r.host("b").Liveness = Lost
	var waits []time.Duration
	for range 20 {
		r.step(app)
		if next := r.last.Again; next.After(r.now) {
			waits = append(waits, next.Sub(r.now).Round(time.Second))
			r.now = next
		}
	}
	want(t, "waits", slices.Max(waits), MaxBackOff)
	if !slices.IsSorted(waits) {
		t.Errorf("waits do not grow: %v", waits)
	}
}

// Hosts with too little memory are passed over; those that have compiled the code are preferred.
func TestPreference(t *testing.T) {
	r := newRig(t, "a", "b", "c")
	r.host("a").Free, r.host("c").Code = 1<<20, map[string]struct{}{"v1": {}}
	thing := actor(2)
	thing.Memory = 64 << 20
	want(t, "done", r.settle(shop(thing)), []string{"b: web to 1", "c: web to 1"})
	thing.Place.Count = 1
	r.things = nil
	r.memory = Memory{}
	want(t, "one", r.settle(shop(thing)), []string{"c: web to 1"})
}

// Things that shall run once each are spread over the hosts, not put on one.
func TestThingsAreSpread(t *testing.T) {
	r := newRig(t, "a", "b", "c")
	var things []Thing
	for i := range 6 {
		thing := actor(1)
		thing.Actor, thing.Name = lattice.ActorID(fmt.Sprint("M", i)), fmt.Sprint("t", i)
		things = append(things, thing)
	}
	r.settle(shop(things...))
	n := map[lattice.HostID]int{}
	for _, p := range r.things {
		n[p.Host]++
	}
	want(t, "things", n, map[lattice.HostID]int{"Na": 2, "Nb": 2, "Nc": 2})
}

// An update begins on one host, and goes on to a quarter of the others at a time.
func TestUpdateGoesHostByHost(t *testing.T) {
	r := newRig(t, "a", "b", "c", "d", "e")
	thing := actor(50)
	r.settle(shop(thing))
	thing.Digest = "v2"
	want(t, "first", r.step(shop(thing)), []string{"a: web becomes v2"})
	want(t, "wave", r.step(shop(thing)), []string{"b: web becomes v2", "c: web becomes v2"})
	want(t, "rest", r.settle(shop(thing)), []string{"d: web becomes v2", "e: web becomes v2"})
	want(t, "scale", r.scale(web), "a=10 b=10 c=10 d=10 e=10")
}

// A version that starts nowhere is tried on two hosts, and then on no other; the one before goes on serving, and heals.
func TestBadVersionStopsByItself(t *testing.T) {
	r := newRig(t, "a", "b", "c", "d")
	thing := actor(40)
	r.settle(shop(thing))
	thing.Digest = "v2"
	r.fail = func(c Command) error {
		if c.Digest == "v2" {
			return errors.New("it traps in its start function")
		}
		return nil
	}
	tried := map[string]bool{}
	for range 50 {
		for _, d := range r.step(shop(thing)) {
			tried[d] = true
		}
		r.now = r.now.Add(time.Minute)
	}
	want(t, "tried", tried, map[string]bool{"a: web becomes v2": true, "b: web becomes v2": true})
	want(t, "scale", r.scale(web), "a=10 b=10 c=10 d=10")
	want(t, "why", r.last.Things[0].Problem, "the update failed on b: it traps in its start function")
	r.host("d").Liveness = Lost
	var healed []string
	for range 5 {
		healed = append(healed, r.step(shop(thing))...)
	}
	for _, d := range []string{"a: web to 13", "b: web to 13", "c: web to 14"} {
		if !slices.Contains(healed, d) {
			t.Errorf("%v lacks %s", healed, d)
		}
	}
}

// A thing under another key takes the place of the one before: it runs first, then its links are there, and then the
// old one goes, links first.
func TestAnotherKey(t *testing.T) {
	r := newRig(t, "a")
	store := Thing{Object: kv, Name: "kv", Digest: "p1", Place: Placement{Count: 1}}
	link := wire.LinkDefinition{ActorID: "Mweb", ProviderID: "Vkv", ContractID: "wasmcloud:keyvalue",
		LinkName: "default"}
	app := shop(actor(2), store)
	app.Links = []wire.LinkDefinition{link}
	want(t, "first", r.settle(app), []string{"a: web to 2", "a: start kv", "link Mweb Vkv"})
	next := actor(2)
	next.Object, next.Digest = web2, "n1"
	app = shop(next, store)
	link.ActorID = "Mweb2"
	app.Links = []wire.LinkDefinition{link}
	r.fail = func(c Command) error { return errors.New("no") }
	want(t, "fails", r.step(app), []string{"a: web to 2"})
	want(t, "stays", r.scale(web), "a=2")
	r.fail = nil
	r.now = r.now.Add(time.Minute)
	want(t, "second", r.settle(app), []string{"a: web to 2", "link Mweb2 Vkv", "unlink Mweb Vkv", "a: stop web"})
	want(t, "deleted", r.settle(App{Name: "shop"}), []string{"unlink Mweb2 Vkv", "a: stop web", "a: stop kv"})
}

// A link of somebody else is left alone, and named.
func TestLinkOfAnother(t *testing.T) {
	link := wire.LinkDefinition{ActorID: "Mweb", ProviderID: "Vkv", ContractID: "wasmcloud:keyvalue",
		LinkName: "default"}
	other := link
	other.Values = map[string]string{"url": "redis://other"}
	for owner, text := range map[string]string{"news": "it belongs to the application news",
		"": "a person has put it; --adopt takes it over"} {
		r := newRig(t, "a")
		r.links, r.owner[KeyOf(link)] = []wire.LinkDefinition{other}, owner
		app := shop(actor(1), Thing{Object: kv, Name: "kv", Place: Placement{Count: 1}})
		app.Links = []wire.LinkDefinition{link}
		r.settle(app)
		want(t, "link", r.last.Links[0].Problem, text)
		want(t, "it stays", r.links[0].Values["url"], "redis://other")
		r.settle(App{Name: "shop"})
		want(t, "it stays when the application goes", len(r.links), 1)
	}
}

// A command whose effect is not seen is sent again after a while, not before.
func TestLostCommand(t *testing.T) {
	r := newRig(t, "a")
	app := shop(actor(1))
	have := Have{Owner: func(LinkKey) string { return "" }}
	p := NewRound(r.hosts, r.now).App(app, have, &r.memory)
	r.memory.Begin(p.Commands[0])
	r.memory.End(p.Commands[0], "", r.now)
	again := NewRound(r.hosts, r.now.Add(Settle-1)).App(app, have, &r.memory)
	want(t, "too early", len(again.Commands), 0)
	again = NewRound(r.hosts, r.now.Add(Settle)).App(app, have, &r.memory)
	want(t, "again", len(again.Commands), 1)
}

// Each host is given a share, or the reason why not.
func TestLooks(t *testing.T) {
	r := newRig(t, "a zone=eu", "b zone=us", "c", "d zone=eu", "e zone=eu", "f zone=eu")
	r.host("d").Liveness, r.host("e").Losses, r.host("e").Since = Lost, 1, r.now
	thing := actor(1)
	thing.Place.Where = map[string]string{"zone": "eu"}
	var text []string
	for _, k := range NewRound(r.hosts, r.now).Looks(shop(thing), Have{}, &r.memory, &thing) {
		text = append(text, fmt.Sprintf("%s %d %s", k.Name, k.Max, k.Why))
	}
	want(t, "looks", strings.Join(text, "\n"), strings.Join([]string{
		"a 1 ",
		"b 0 its label zone is us, not eu",
		"c 0 it has no label zone=eu",
		"d 0 it is lost",
		"e 0 it was lost 1 time lately, and gets nothing new for another 5s",
		"f 0 others were chosen for all",
	}, "\n"))
}

// BenchmarkPlan plans 10,000 actors of 100 applications on 1,000 hosts: all at once, and then one application when
// nothing has changed.
func BenchmarkPlan(b *testing.B) {
	const hosts, apps, each = 1000, 100, 100
	var all []Host
	for i := range hosts {
		all = append(all, Host{ID: lattice.HostID(fmt.Sprintf("N%04d", i)), Since: begin,
			Labels: map[string]string{"zone": fmt.Sprint("z", i%10)}})
	}
	now := begin.Add(time.Hour)
	wants := make([]App, apps)
	for i := range wants {
		wants[i].Name = fmt.Sprint("app", i)
		for j := range each {
			t := actor(uint32(1 + j%20))
			t.Actor, t.Name = lattice.ActorID(fmt.Sprintf("M%d.%d", i, j)), fmt.Sprint("t", j)
			if j%2 == 0 {
				t.Place.Where = map[string]string{"zone": fmt.Sprint("z", j%10)}
			}
			wants[i].Things = append(wants[i].Things, t)
		}
	}
	have := make([]Have, apps)
	memory := make([]Memory, apps)
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
			round, commands := NewRound(all, now), 0
			for i := range wants {
				p := round.App(wants[i], Have{}, &Memory{})
				commands += len(p.Commands)
				have[i] = Have{Owner: func(LinkKey) string { return "" }}
				for _, c := range p.Commands {
					have[i].Things = append(have[i].Things, Present{Object: c.Object, Host: c.Host, Name: c.Name,
						Digest: c.Digest, Max: c.Max, State: Running})
				}
			}
			if commands < apps*each {
				b.Fatalf("%d commands", commands)
			}
			b.ReportMetric(float64(commands), "commands")
		}
	})
	b.Run("one", func(b *testing.B) {
		for b.Loop() {
			if p := NewRound(all, now).App(wants[0], have[0], &memory[0]); !p.Settled() {
				b.Fatalf("%d commands", len(p.Commands))
			}
		}
	})
}
