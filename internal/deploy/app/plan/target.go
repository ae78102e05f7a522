package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weftlattice/weft/lattice"
)

// eligible are the hosts with labels, in the order of the round. The caller does not change the list.
func (r *Round) eligible(labels ...map[string]string) []*Host {
	all := map[string]string{}
	never := false
	for _, l := range labels {
		for k, v := range l {
			if w, ok := all[k]; ok && w != v {
				never = true
			}
			all[k] = v
		}
	}
	if never {
		return nil
	}
	var key strings.Builder
	for _, k := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&key, "%q=%q,", k, all[k])
	}
	list, ok := r.fit[key.String()]
	if !ok {
		for _, h := range r.hosts {
			if lattice.Matches(h.Labels, all) {
				list = append(list, h)
			}
		}
		r.fit[key.String()] = list
	}
	return list
}

// Unfit says why a host that has the labels gets nothing of a thing; "" is that it may. A host that runs the thing
// already may keep it where it would get nothing new.
func (a *planner) unfit(h *Host, t *Thing, p *Present) string {
	runs := p != nil && p.State != Failed
	if h.Liveness == Draining {
		return "it ends its work"
	}
	if f, ok := a.memory.failed[place{host: h.ID, of: t.Object}]; ok && !runs && f.of == t.version() &&
		a.now.Before(f.before) {
		a.again(f.before)
		return fmt.Sprintf("%s; it failed there %s, next try in %s", f.err, count(f.times, "time"),
			f.before.Sub(a.now).Round(100e6))
	}
	if runs {
		return ""
	}
	if h.Liveness == Suspect {
		return "its beats are late"
	}
	if until, held := a.held(h); held {
		a.again(until)
		return fmt.Sprintf("it was lost %s lately, and gets nothing new for another %s", count(h.Losses, "time"),
			until.Sub(a.now).Round(100e6))
	}
	if t.Memory > 0 && h.Free > 0 && h.Free < t.Memory {
		return fmt.Sprintf("it has %s of memory free, and %s are needed", lattice.Size(int64(h.Free)),
			lattice.Size(int64(t.Memory)))
	}
	return ""
}

func count(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}

// site is a host that may take a share of a thing.
type site struct {
	*Host
	has   uint32 // instances that it has
	bad   bool   // it was lost, or the thing has failed there, lately
	score int    // load, less what makes it a good place
}

// aboutCode is how many things more a host may run than another one and be chosen all the same, for having the code.
const aboutCode = 4

// target is where a thing is to be.
type target struct {
	want    map[lattice.HostID]uint32 // instances; hosts without any are not in it
	groups  []group                   // as in Placement.Spread; one of all hosts without it
	problem string                    // what could not be placed, and why; "": nothing
}

// group is a group of hosts that has a share of its own. What is too much in one makes up for no lack in another.
type group struct {
	where  map[string]string
	needed uint64 // instances, as far as they were placed
}

// target places a thing.
func (a *planner) target(t *Thing, present map[lattice.HostID]*Present) target {
	want := map[lattice.HostID]uint32{}
	shares := t.Place.Spread
	if len(shares) == 0 {
		shares = []Share{{}}
	}
	quota := quotas(t.Place.Count, shares)
	var problems []string
	groups := make([]group, len(shares))
	for i, s := range shares {
		groups[i].where = s.Where
		n := quota[i]
		if t.Place.Each || t.Place.Count == Unlimited {
			n = t.Place.Count
		}
		if n == 0 {
			continue
		}
		hosts := a.eligible(t.Place.Where, s.Where)
		sites, unfit := a.sites(t, hosts, present)
		if len(sites) == 0 {
			problems = append(problems, a.nowhere(t.Place.Where, s.Where, hosts, unfit))
			continue
		}
		if t.Place.Each && len(unfit) > 0 {
			problems = append(problems, unfit[0])
		}
		for h, n := range a.divide(t, n, sites) {
			want[h] = add(want[h], n)
			groups[i].needed += uint64(n)
		}
	}
	return target{want, groups, strings.Join(problems, "; ")}
}

// add adds numbers of instances; Unlimited and more is Unlimited.
func add(a, b uint32) uint32 {
	if a > Unlimited-b {
		return Unlimited
	}
	return a + b
}

// sites are those of the hosts that may take a share, and in words why the others may not.
func (a *planner) sites(t *Thing, hosts []*Host, present map[lattice.HostID]*Present) (sites []site, unfit []string) {
	for _, h := range hosts {
		p := present[h.ID]
		if why := a.unfit(h, t, p); why != "" {
			unfit = append(unfit, h.Name+": "+why)
			continue
		}
		s := site{Host: h, score: a.load[h.ID]}
		_, s.bad = a.held(h)
		if f, ok := a.memory.failed[place{host: h.ID, of: t.Object}]; ok && f.of == t.version() {
			s.bad = true
		}
		if p != nil && p.State != Failed {
			s.has = p.Max
		}
		if _, ok := h.Code[t.Digest]; ok {
			s.score -= aboutCode
		}
		sites = append(sites, s)
	}
	return sites, unfit
}

// nowhere says why no host takes a share.
func (a *planner) nowhere(where, share map[string]string, hosts []*Host, unfit []string) string {
	if len(hosts) > 0 {
		const named = 3
		text := strings.Join(unfit[:min(len(unfit), named)], ", ")
		if more := len(unfit) - named; more > 0 {
			text += fmt.Sprintf(", and %d more hosts", more)
		}
		return "no host can take it now: " + text
	}
	labels := maps.Clone(where)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, share)
	if len(labels) == 0 {
		return "there is no host"
	}
	var text []string
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		text = append(text, k+"="+labels[k])
	}
	return "no host has the label" + plural(len(text)) + " " + strings.Join(text, ", ")
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// divide places n instances on sites, of which there is at least one.
func (a *planner) divide(t *Thing, n uint32, sites []site) map[lattice.HostID]uint32 {
	out := make(map[lattice.HostID]uint32, len(sites))
	if t.Place.Each || n == Unlimited {
		for _, s := range sites {
			out[s.ID] = n
		}
		return out
	}
	m := uint32(len(sites))
	each, rest := n/m, n%m
	if !t.IsActor() { // one on a host
		each = min(each, 1)
		if each == 1 {
			rest = 0
		}
	}
	best := func(x, y site) int { // those that would have to give one up come first, then the least loaded
		has := func(s site) int { return boolean(s.has > each) }
		return cmp.Or(cmp.Compare(has(y), has(x)), cmp.Compare(boolean(x.bad), boolean(y.bad)),
			sinceIf(x, y, each), cmp.Compare(x.score, y.score), cmp.Compare(x.ID, y.ID))
	}
	for i := range choose(sites, int(rest), best) {
		out[sites[i].ID] = 1
		if each == 0 && sites[i].has == 0 {
			a.load[sites[i].ID]++
		}
	}
	if each > 0 {
		for _, s := range sites {
			out[s.ID] += each
		}
	}
	return out
}

// sinceIf prefers, of two hosts that both have one too many, the one that has been there for longer.
func sinceIf(x, y site, each uint32) int {
	if x.has > each && y.has > each {
		return x.Since.Compare(y.Since)
	}
	return 0
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// choose puts the n best sites first.
func choose(sites []site, n int, compare func(x, y site) int) []site {
	const few = 4 // to look for one after another
	if n > few {
		slices.SortFunc(sites, compare)
		return sites[:n]
	}
	for i := range n {
		best := i
		for j := i + 1; j < len(sites); j++ {
			if compare(sites[j], sites[best]) < 0 {
				best = j
			}
		}
		sites[i], sites[best] = sites[best], sites[i]
	}
	return sites[:n]
}
