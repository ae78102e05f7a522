package operate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weftlattice/weft/lattice"
)

// GroupScale is the part of an actor that runs under one set of annotations, over the hosts that a command was sent to.
type GroupScale struct {
	Annotations map[string]string `json:"annotations"`
	Max         uint32            `json:"max_instances"`
}

// ScaleGroup says which instances a scale means, by their annotations. The zero value leaves it to what runs.
type ScaleGroup struct {
	Annotations map[string]string // all that the group has, or enough to tell it from others
	Unannotated bool              // those without annotations
}

// hasGroup reports whether instances with exactly these annotations are there.
func hasGroup(on ActorOn, set map[string]string) bool {
	return slices.ContainsFunc(annotationSets(on.Actor), func(s map[string]string) bool { return maps.Equal(s, set) })
}

// groups lists the sets of annotations that an actor runs under, over all hosts.
func groups(running []ActorOn) []map[string]string {
	var sets []map[string]string
	for _, on := range running {
		for _, set := range annotationSets(on.Actor) {
			if !slices.ContainsFunc(sets, func(s map[string]string) bool { return maps.Equal(s, set) }) {
				sets = append(sets, set)
			}
		}
	}
	return sets
}

// meant chooses the groups that a scale to max is for: the one that is named, the only one, or for a stop all. When
// there are several and the caller names none, the error asks for one: managers keep count of their own groups, and
// would start again what is taken from them.
func meant(running []ActorOn, want ScaleGroup, max uint32) ([]map[string]string, error) {
	all := groups(running)
	fail := func(code lattice.Code, detail string) error {
		return &lattice.Error{Code: code, Op: "scale", Entity: running[0].Actor.Name,
			Detail: detail + ": " + describeGroups(running, all)}
	}
	switch {
	case want.Unannotated:
		return []map[string]string{nil}, nil
	case len(want.Annotations) == 0 && (max == 0 || len(all) == 1):
		return all, nil
	case len(want.Annotations) == 0:
		return nil, fail(lattice.ErrInvalid,
			"it runs in several groups; say which with --annotation key=value or --unannotated, "+
				"or stop all with --max 0")
	case slices.ContainsFunc(all, func(s map[string]string) bool { return maps.Equal(s, want.Annotations) }):
		return []map[string]string{want.Annotations}, nil
	}
	var fits []map[string]string
	for _, set := range all {
		if lattice.Matches(set, want.Annotations) {
			fits = append(fits, set)
		}
	}
	switch {
	case len(fits) == 1:
		return fits, nil
	case len(fits) > 1:
		return nil, fail(lattice.ErrInvalid, "several groups have these annotations; give more of them")
	case max == 0:
		return nil, fail(lattice.ErrNotFound, "no group has these annotations")
	}
	return []map[string]string{want.Annotations}, nil // a new one
}

// describeGroups says what runs in each group: "app=shop (7), without annotations (2)".
func describeGroups(running []ActorOn, all []map[string]string) string {
	var out []string
	for _, set := range all {
		var t tally
		for _, on := range running {
			t.add(on)
		}
		out = append(out, fmt.Sprintf("%s (%s)", GroupName(set),
			Count(t.of(func(p part) bool { return maps.Equal(p.annotations, set) }))))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// GroupName is a set of annotations as people read it.
func GroupName(annotations map[string]string) string {
	if len(annotations) == 0 {
		return "without annotations"
	}
	var out []string
	for _, k := range slices.Sorted(maps.Keys(annotations)) {
		out = append(out, k+"="+annotations[k])
	}
	return strings.Join(out, ",")
}

// tally counts what an actor may run on some hosts, by group.
type tally struct{ parts []part }

type part struct {
	host        lattice.HostID
	annotations map[string]string
	max         uint32
}

// add takes over what runs on a host.
func (t *tally) add(on ActorOn) {
	for _, i := range on.Actor.Instances {
		t.parts = append(t.parts, part{on.Host.HostID, i.Annotations, i.MaxInstances})
	}
}

// set notes what a group on a host has been brought to.
func (t *tally) set(host lattice.HostID, annotations map[string]string, max uint32) {
	t.parts = slices.DeleteFunc(t.parts, func(p part) bool {
		return p.host == host &&
			maps.Equal(p.annotations, annotations)
	})
	t.parts = append(t.parts, part{host, annotations, max})
}

// of is the sum over the parts that fit; Unlimited is not exceeded.
func (t *tally) of(fits func(part) bool) uint32 {
	var sum uint64
	for _, p := range t.parts {
		if fits(p) {
			sum += uint64(p.max)
		}
	}
	return uint32(min(sum, Unlimited))
}

// result tells what runs now on the hosts that a scale has reached, all groups counted.
func (t *tally) result(s *ActorScale) {
	reached := map[lattice.HostID]bool{}
	var hosts []HostScale
	for _, h := range s.Hosts {
		if !reached[h.ID] {
			reached[h.ID] = true
			h.Max = t.of(func(p part) bool { return p.host == h.ID })
			hosts = append(hosts, h)
		}
	}
	s.Hosts, s.Groups = hosts, nil
	for _, p := range t.parts {
		if reached[p.host] && !slices.ContainsFunc(s.Groups,
			func(g GroupScale) bool { return maps.Equal(g.Annotations, p.annotations) }) {
			max := t.of(func(o part) bool { return reached[o.host] && maps.Equal(o.annotations, p.annotations) })
			s.Groups = append(s.Groups, GroupScale{p.annotations, max})
		}
	}
	slices.SortFunc(s.Groups, func(a, b GroupScale) int {
		return cmp.Compare(GroupName(a.Annotations),
			GroupName(b.Annotations))
	})
	if len(s.Groups) == 1 && len(s.Groups[0].Annotations) == 0 {
		s.Groups = nil // no instance has annotations
	}
}
