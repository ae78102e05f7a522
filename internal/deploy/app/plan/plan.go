package plan

import (
	"fmt"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/wire"
)

// Action is what a command does.
type Action byte

// The actions. Each says how things shall be, so that a second one changes nothing.
const (
	Scale   Action = iota // an actor on a host has Max instances; it is started where it does not run
	Update                // an actor on a host gets another version
	Start                 // a provider runs on a host
	Replace               // a provider on a host gets another version
	Stop                  // a thing leaves a host
	PutLink
	DelLink
)

// Command is one change. Which fields count depends on Do.
type Command struct {
	Do   Action
	Host lattice.HostID // "" for links
	Object
	Name              string // of the thing in its application
	Ref, Digest, Spec string // the version; "" for Stop
	Max               uint32 // of Scale and Update
	Limits            *control.ActorLimits
	Config            map[string]string
	Configuration     string
	Link              wire.LinkDefinition
	Why               string // for people
}

// String is for people, in a few words.
func (c Command) String() string {
	switch c.Do {
	case Scale:
		return fmt.Sprintf("scale %s on %s to %d: %s", c.Name, c.Host, c.Max, c.Why)
	case Update:
		return fmt.Sprintf("update %s on %s: %s", c.Name, c.Host, c.Why)
	case Start:
		return fmt.Sprintf("start %s on %s: %s", c.Name, c.Host, c.Why)
	case Replace:
		return fmt.Sprintf("replace %s on %s: %s", c.Name, c.Host, c.Why)
	case Stop:
		return fmt.Sprintf("stop %s on %s: %s", c.Name, c.Host, c.Why)
	case PutLink:
		return fmt.Sprintf("put link %s: %s", KeyOf(c.Link), c.Why)
	}
	return fmt.Sprintf("delete link %s: %s", KeyOf(c.Link), c.Why)
}

// String is for people.
func (k LinkKey) String() string { return fmt.Sprintf("%s %s %s", k.Actor, k.Contract, k.Name) }

// version tells versions of a thing apart.
func (c Command) version() string { return c.Digest + " " + c.Spec }

func (t *Thing) version() string   { return t.Digest + " " + t.Spec }
func (p *Present) version() string { return p.Digest + " " + p.Spec }

// seen reports whether the command's effect is there.
func (c Command) seen(p *Present) bool {
	if c.Do == Stop {
		return p == nil
	}
	return p != nil && p.State != Failed && p.Max == c.Max && p.version() == c.version()
}

// Plan is what to do about an application now.
type Plan struct {
	Commands []Command
	Things   []Status // those that are wanted, in their order, and then those that are leaving
	Links    []LinkStatus
	// Again is when something changes by time alone; zero: nothing will.
	Again time.Time
}

// Settled reports whether all is as it is wanted.
func (p *Plan) Settled() bool {
	for _, t := range p.Things {
		if !t.Settled() {
			return false
		}
	}
	for _, l := range p.Links {
		if l.Problem != "" {
			return false
		}
	}
	return len(p.Commands) == 0
}

// Status is how far one thing is.
type Status struct {
	Object
	Name    string
	Leaving bool
	Wanted  uint32 // instances that were placed on hosts; Unlimited: no limit on some host
	Ready   uint32 // of these, those that run in the version that is wanted
	Serving uint32 // instances that run, of any version
	// Problem says why it is not as it is wanted, in words for people; "" while it is, or is on its way.
	Problem string
	Waits   string // for what, on its way
}

// Settled reports whether the thing is as it is wanted.
func (s *Status) Settled() bool {
	return !s.Leaving && s.Problem == "" && s.Waits == "" && s.Ready >= s.Wanted
}

// LinkStatus is how far one link is.
type LinkStatus struct {
	Link    wire.LinkDefinition
	Problem string // why it is not there as it is wanted; "": it is
}

// Round plans for one moment. It is for one goroutine.
type Round struct {
	all   []Host
	hosts []*Host // that are not lost
	byID  map[lattice.HostID]*Host
	load  map[lattice.HostID]int // as observed, and as planned in this round
	fit   map[string][]*Host     // by labels, those that have them and take new things or keep old ones
	now   time.Time
}

// NewRound makes a round of the hosts as they are seen now. It keeps the list, which does not change meanwhile.
func NewRound(hosts []Host, now time.Time) *Round {
	r := &Round{all: hosts, byID: make(map[lattice.HostID]*Host, len(hosts)),
		load: make(map[lattice.HostID]int, len(hosts)),
		fit:  map[string][]*Host{}, now: now}
	for i := range hosts {
		h := &hosts[i]
		if h.Liveness == Lost {
			continue
		}
		r.hosts = append(r.hosts, h)
		r.byID[h.ID] = h
		r.load[h.ID] = h.Load
	}
	return r
}

// held reports until when a host that came back gets nothing new.
func (r *Round) held(h *Host) (until time.Time, held bool) {
	until = h.Since.Add(h.Hold())
	return until, r.now.Before(until)
}

// App plans one application. Memory is the application's own; the round forgets in it what has been seen to happen.
func (r *Round) App(want App, have Have, m *Memory) Plan {
	a := r.planner(want, have, m)
	a.plan.Things = make([]Status, 0, len(want.Things))
	for i := range want.Things {
		t := &want.Things[i]
		a.plan.Things = append(a.plan.Things, a.thing(t))
		a.wanted[t.Name] = &a.plan.Things[i]
	}
	a.links()
	a.leave()
	return a.plan
}

func (r *Round) planner(want App, have Have, m *Memory) *planner {
	a := &planner{Round: r, want: want, have: have, memory: m, byObject: map[Object][]*Present{},
		wanted: map[string]*Status{}, planned: map[place]bool{}}
	for i := range have.Things {
		p := &have.Things[i]
		if r.byID[p.Host] != nil {
			a.byObject[p.Object] = append(a.byObject[p.Object], p)
		}
	}
	a.forget()
	return a
}

// planner plans one application.
type planner struct {
	*Round
	want     App
	have     Have
	memory   *Memory
	byObject map[Object][]*Present // on hosts that are not lost
	wanted   map[string]*Status    // by name
	planned  map[place]bool        // what this plan has a command for
	kept     []wire.LinkDefinition // links that are there and stay for now
	plan     Plan
}

// forget drops from the memory what has been seen to happen, and what concerns lost hosts.
func (a *planner) forget() {
	for at, s := range a.memory.under {
		switch {
		case at.host == "":
			have, ok := a.link(at.link)
			a.memory.see(at, ok == (s.command.Do == PutLink) && (!ok || have.Equal(s.command.Link)), a.now)
		case a.byID[at.host] == nil:
			delete(a.memory.under, at)
		default:
			a.memory.see(at, s.command.seen(a.at(at.host, at.of)), a.now)
		}
	}
	for at, f := range a.memory.failed {
		if at.host == "" {
			continue
		}
		if p := a.at(at.host, at.of); a.byID[at.host] == nil || p != nil && p.State == Running && p.version() == f.of {
			delete(a.memory.failed, at)
		}
	}
	for _, list := range a.byObject {
		for _, p := range list {
			a.memory.observe(p, a.now)
		}
	}
}

// at is a thing on a host as it is there; nil: it is not.
func (a *planner) at(h lattice.HostID, o Object) *Present {
	for _, p := range a.byObject[o] {
		if p.Host == h {
			return p
		}
	}
	return nil
}

// link is a link as it is there.
func (a *planner) link(k LinkKey) (wire.LinkDefinition, bool) {
	for _, l := range a.have.Links {
		if KeyOf(l) == k {
			return l, true
		}
	}
	return wire.LinkDefinition{}, false
}

// again notes a time at which the plan may change.
func (a *planner) again(t time.Time) {
	if t.After(a.now) && (a.plan.Again.IsZero() || t.Before(a.plan.Again)) {
		a.plan.Again = t
	}
}

func (a *planner) do(c Command) {
	a.plan.Commands = append(a.plan.Commands, c)
	a.planned[c.place()] = true
}

// under returns what is under way for a thing on a host, or for a link.
func (a *planner) under(at place) (Command, bool) {
	s, ok := a.memory.under[at]
	if ok && !s.done.IsZero() {
		a.again(s.done.Add(Settle))
	}
	return s.command, ok
}
