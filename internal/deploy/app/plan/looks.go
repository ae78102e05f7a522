package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weftlattice/weft/lattice"
)

// Look is what a thing is to have on one host, and why.
type Look struct {
	Host lattice.HostID
	Name string
	Max  uint32 // its share; 0: none
	Why  string // why it has none; "" where it has one
}

// Looks says for each host, in the order of the round, which share of a thing it is given or why none. It decides as
// App does, of which it changes nothing.
func (r *Round) Looks(want App, have Have, m *Memory, t *Thing) []Look {
	a := r.planner(want, have, m)
	load := maps.Clone(r.load)
	defer func() { r.load = load }()
	present := a.present(t.Object)
	to := a.target(t, present)
	looks := make([]Look, 0, len(r.all))
	for i := range r.all {
		h := &r.all[i]
		k := Look{Host: h.ID, Name: h.Name, Max: to.want[h.ID]}
		if k.Max == 0 {
			k.Why = a.why(t, to, h, present[h.ID])
		}
		looks = append(looks, k)
	}
	return looks
}

// why says why a host has no share.
func (a *planner) why(t *Thing, to target, h *Host, p *Present) string {
	if h.Liveness == Lost {
		return "it is lost"
	}
	if lacks := lacking(h.Labels, t.Place.Where); lacks != "" {
		return lacks
	}
	in := slices.ContainsFunc(to.groups, func(g group) bool { return lattice.Matches(h.Labels, g.where) })
	if !in {
		var lacks []string
		for _, g := range to.groups {
			lacks = append(lacks, lacking(h.Labels, g.where))
		}
		return strings.Join(lacks, ", and ")
	}
	if why := a.unfit(h, t, p); why != "" {
		return why
	}
	return "others were chosen for all"
}

// lacking says which label a host lacks; "": none.
func lacking(labels, where map[string]string) string {
	for _, k := range slices.Sorted(maps.Keys(where)) {
		switch v, ok := labels[k]; {
		case !ok:
			return fmt.Sprintf("it has no label %s=%s", k, where[k])
		case v != where[k]:
			return fmt.Sprintf("its label %s is %s, not %s", k, v, where[k])
		}
	}
	return ""
}
