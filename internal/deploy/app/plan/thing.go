package plan

import (
	"fmt"
	"slices"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// thing plans one thing that is wanted.
func (a *planner) thing(t *Thing) Status {
	present := a.present(t.Object)
	to := a.target(t, present)
	want := to.want
	s := Status{Object: t.Object, Name: t.Name, Problem: to.problem}
	proven := false
	for h, n := range want {
		s.Wanted = add(s.Wanted, n)
		if p := present[h]; p != nil && p.State == Running && p.version() == t.version() {
			s.Ready = add(s.Ready, min(n, p.Max))
			proven = true
		}
	}
	for _, p := range present {
		if p.State == Running {
			s.Serving = add(s.Serving, p.Max)
		}
	}
	a.update(t, want, present, proven, &s)
	a.raise(t, want, present)
	a.lower(t, to, present)
	if s.Problem == "" && s.Ready < s.Wanted && s.Waits == "" {
		s.Waits = "hosts that start it"
	}
	return s
}

// present is a thing as it is on each host that has it.
func (a *planner) present(o Object) map[lattice.HostID]*Present {
	present := map[lattice.HostID]*Present{}
	for _, p := range a.byObject[o] {
		present[p.Host] = p
	}
	return present
}

// order is the hosts of a map, so that equal input gives equal plans.
func order[V any](m map[lattice.HostID]V) []lattice.HostID {
	list := make([]lattice.HostID, 0, len(m))
	for h := range m {
		list = append(list, h)
	}
	slices.Sort(list)
	return list
}

// raise starts a thing where it does not run, and gives it more instances where it has too few. An instance of another
// version counts as one: it serves until its update.
func (a *planner) raise(t *Thing, want map[lattice.HostID]uint32, present map[lattice.HostID]*Present) {
	for _, h := range order(want) {
		at := place{host: h, of: t.Object}
		if _, under := a.under(at); under || a.planned[at] {
			continue
		}
		p := present[h]
		switch {
		case p == nil || p.State == Failed:
			a.do(a.begin(t, h, want[h], p))
		case t.IsActor() && p.Max < want[h] && p.State == Running && a.byID[h].Liveness == Alive:
			c := a.scale(p, want[h])
			c.Why = fmt.Sprintf("its share grows from %s", Count(p.Max))
			a.do(c)
		}
	}
}

// Count writes a number of instances for people.
func Count(n uint32) string {
	if n == Unlimited {
		return "unlimited"
	}
	return fmt.Sprint(n)
}

// begin starts a thing on a host, where it is not there or has failed.
func (a *planner) begin(t *Thing, h lattice.HostID, n uint32, p *Present) Command {
	c := Command{Do: Scale, Host: h, Object: t.Object, Name: t.Name, Ref: t.Ref, Digest: t.Digest, Spec: t.Spec, Max: n,
		Limits: t.Limits, Config: t.Config, Configuration: t.Configuration, Why: "its share is there"}
	if !t.IsActor() {
		c.Do, c.Max = Start, 1
	}
	if p != nil {
		c.Why = "it has failed there: " + p.Error
		if !t.IsActor() {
			c.Do = Replace
		} else if p.version() != t.version() {
			c.Do = Update
		}
	}
	return c
}

// scale changes the number of instances of what is there, in its own version.
func (a *planner) scale(p *Present, n uint32) Command {
	return Command{Do: Scale, Host: p.Host, Object: p.Object, Name: p.Name, Ref: p.Ref, Digest: p.Digest, Spec: p.Spec,
		Max: n}
}

// update brings what runs in another version to the one that is wanted: on one host first, and once it runs there on a
// quarter of the hosts at a time.
func (a *planner) update(t *Thing, want map[lattice.HostID]uint32, present map[lattice.HostID]*Present, proven bool,
	s *Status) {
	var old []*Present
	busy, failing := 0, 0
	for _, h := range order(want) {
		p := present[h]
		if p == nil || p.version() == t.version() {
			if p != nil && p.State == Starting {
				busy++
			}
			continue
		}
		at := place{host: h, of: t.Object}
		if _, under := a.under(at); under {
			busy++
			continue
		}
		if f, ok := a.memory.failed[at]; ok && f.of == t.version() {
			failing++
			s.Problem = fmt.Sprintf("the update failed on %s: %s", a.byID[h].Name, f.err)
			if a.now.Before(f.before) {
				a.again(f.before)
				continue
			}
			old = slices.Insert(old, 0, p) // its time has come, before others
			continue
		}
		if p.State == Running && a.byID[h].Liveness == Alive {
			old = append(old, p)
		}
	}
	may := 1
	if proven {
		may = max(1, (len(want)+3)/4)
	} else if failing >= 2 { // it is the version, not a host
		old = old[:min(len(old), failing)]
		old = slices.DeleteFunc(old, func(p *Present) bool {
			f, ok := a.memory.failed[place{host: p.Host, of: t.Object}]
			return !ok || f.of != t.version()
		})
	}
	for _, p := range old[:max(0, min(may-busy, len(old)))] {
		c := a.begin(t, p.Host, max(p.Max, want[p.Host]), nil)
		c.Do, c.Why = Update, "it runs there in another version"
		if !t.IsActor() {
			c.Do = Replace
		}
		a.do(c)
	}
	if len(old) > 0 && s.Waits == "" {
		s.Waits = fmt.Sprintf("its update on %s", count(len(old), "host"))
	}
}

// serves is how many instances of a thing on a host can be relied on, with what is under way.
func (a *planner) serves(p *Present) uint64 {
	h := a.byID[p.Host]
	until, held := a.held(h)
	if held {
		a.again(until)
	}
	if held || h.Liveness != Alive || p.State != Running {
		return 0
	}
	n := p.Max
	if c, ok := a.under(place{host: p.Host, of: p.Object}); ok {
		switch c.Do {
		case Stop:
			n = 0
		case Scale:
			n = min(n, c.Max)
		}
	}
	return uint64(n)
}

// lower takes away what is too much, where enough serves without it. Where no host is left for the thing, all stays.
func (a *planner) lower(t *Thing, to target, present map[lattice.HostID]*Present) {
	if len(to.want) == 0 && t.Place.Count > 0 {
		return
	}
	serving := make([]uint64, len(to.groups)) // in each group
	all, needed := uint64(0), uint64(0)
	for i, g := range to.groups {
		needed += g.needed
		for _, p := range present {
			if lattice.Matches(a.byID[p.Host].Labels, g.where) {
				serving[i] += a.serves(p)
			}
		}
	}
	behind := false // a host has less than it is to have
	for h, n := range to.want {
		behind = behind || present[h] == nil || a.serves(present[h]) < uint64(n)
	}
	for _, p := range present {
		all += a.serves(p)
	}
	for _, h := range order(present) {
		p, n := present[h], to.want[h]
		at := place{host: h, of: t.Object}
		if _, under := a.under(at); under || a.planned[at] || p.Max <= n || a.byID[h].Liveness != Alive {
			continue
		}
		had := a.serves(p)
		less := had - min(had, uint64(n))
		enough := all-less >= needed
		for i, g := range to.groups {
			if lattice.Matches(a.byID[h].Labels, g.where) {
				enough = enough && serving[i]-less >= g.needed
			}
		}
		switch {
		case t.Place.Each: // a host without the labels stands in for no other
			enough = true
		case t.Place.Count == Unlimited:
			enough = !behind
		}
		if !enough {
			continue
		}
		all -= less
		for i, g := range to.groups {
			if lattice.Matches(a.byID[h].Labels, g.where) {
				serving[i] -= less
			}
		}
		a.do(a.less(p, n, "enough runs elsewhere"))
	}
}

// less lowers what is there to n instances; 0 stops it.
func (a *planner) less(p *Present, n uint32, why string) Command {
	c := a.scale(p, n)
	if n == 0 {
		c = Command{Do: Stop, Host: p.Host, Object: p.Object, Name: p.Name}
	}
	c.Why = why
	return c
}

// pending says what of the two ends of a link is still to come in place of what is there under the same name; "" if
// nothing is.
func (a *planner) pending(name string, o Object) string {
	s := a.wanted[name]
	if s == nil || s.Object == o || s.Ready >= s.Wanted && s.Ready > 0 {
		return ""
	}
	return name
}

// links plans the links.
func (a *planner) links() {
	runs := map[Object]bool{}
	names := map[Object]string{}
	for o, list := range a.byObject {
		for _, p := range list {
			runs[o] = runs[o] || p.State == Running
			names[o] = p.Name
		}
	}
	for _, t := range a.want.Things {
		names[t.Object] = t.Name
	}
	have := make(map[LinkKey]wire.LinkDefinition, len(a.have.Links))
	for _, l := range a.have.Links {
		have[KeyOf(l)] = l
	}
	wanted := make(map[LinkKey]bool, len(a.want.Links))
	for _, l := range a.want.Links {
		wanted[KeyOf(l)] = true
		is, ok := have[KeyOf(l)]
		a.plan.Links = append(a.plan.Links, LinkStatus{l, a.put(l, is, ok, runs, names)})
		if ok {
			a.kept = append(a.kept, is)
		}
	}
	for _, l := range a.have.Links {
		if wanted[KeyOf(l)] || a.have.Owner(KeyOf(l)) != a.want.Name {
			continue
		}
		a.kept = append(a.kept, l)
		from, to := ends(l)
		if a.pending(names[from], from) != "" || a.pending(names[to], to) != "" {
			continue
		}
		if _, under := a.under(place{link: KeyOf(l)}); !under && a.mayTry(KeyOf(l)) == "" {
			a.do(Command{Do: DelLink, Link: l, Why: "it left the application"})
		}
	}
}

// mayTry says why a link is not tried now, for the failure before; "": it may be.
func (a *planner) mayTry(k LinkKey) string {
	f, ok := a.memory.failed[place{link: k}]
	if !ok || !a.now.Before(f.before) {
		return ""
	}
	a.again(f.before)
	return f.err
}

// put plans a link that is wanted, and says why it is not there; "": it is.
func (a *planner) put(want, is wire.LinkDefinition, ok bool, runs map[Object]bool, names map[Object]string) string {
	key := KeyOf(want)
	owner := ""
	if ok {
		owner = a.have.Owner(key)
	}
	switch {
	case ok && owner != a.want.Name && owner != "":
		return "it belongs to the application " + owner
	case ok && owner != a.want.Name:
		return "a person has put it; --adopt takes it over"
	case ok && is.Equal(want):
		return ""
	}
	if _, under := a.under(place{link: key}); under {
		return "it is being put"
	}
	from, to := ends(want)
	_, before := ends(is)
	if !ok && !runs[from] {
		return "waits until " + names[from] + " runs"
	}
	if (!ok || before != to) && !runs[to] {
		return "waits until " + names[to] + " runs"
	}
	if why := a.mayTry(key); why != "" {
		return why
	}
	a.do(Command{Do: PutLink, Link: want, Why: "the application wants it"})
	return "it is being put"
}

// leave takes away what left the application, once nothing waits for it.
func (a *planner) leave() {
	linked := map[Object]bool{}
	for _, l := range a.kept {
		from, to := ends(l)
		linked[from], linked[to] = true, true
	}
	wanted := map[Object]bool{}
	for _, t := range a.want.Things {
		wanted[t.Object] = true
	}
	objects := make([]Object, 0, len(a.byObject))
	for o := range a.byObject {
		if !wanted[o] {
			objects = append(objects, o)
		}
	}
	slices.SortFunc(objects, Object.compare)
	for _, o := range objects {
		list := a.byObject[o]
		s := Status{Object: o, Name: list[0].Name, Leaving: true}
		for _, p := range list {
			if p.State == Running {
				s.Serving = add(s.Serving, p.Max)
			}
		}
		if next := a.pending(s.Name, o); next != "" {
			s.Waits = "what takes its place to be ready"
		} else if linked[o] {
			s.Waits = "its links to be gone"
		} else {
			for _, p := range list {
				if _, under := a.under(place{host: p.Host, of: o}); !under && a.byID[p.Host].Liveness == Alive {
					a.do(a.less(p, 0, "it left the application"))
				}
			}
		}
		a.plan.Things = append(a.plan.Things, s)
	}
}
