package operate

import (
	"strings"
	"testing"

	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
)

// runGroups makes the inventory show an actor in several groups.
func (h *fakeHost) runGroups(id lattice.ActorID, name, ref string, instances ...control.ActorInstance) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inv.Actors = []control.Actor{{ID: id, Name: name, ImageRef: ref, Instances: instances}}
}

// TestScaleWithoutAnnotationWhereGroupsExist: "scaled: 0" while 7 run is not to be; one group is named, or all stop,
// and what is told is what runs.
func TestScaleWithoutAnnotationWhereGroupsExist(t *testing.T) {
	long.Test(t, "waits for hosts that say nothing")
	r := newRig(t)
	id := idOf(t, r, "ref-groups")
	shop, mall := map[string]string{"app": "shop", "by": "wadm"}, map[string]string{"app": "mall", "by": "wadm"}
	one, two := r.host(t, "one", nil), r.host(t, "two", nil)
	begin := func() {
		one.runGroups(id, "echo", "ref-groups", control.ActorInstance{MaxInstances: 2},
			control.ActorInstance{MaxInstances: 5, Annotations: shop})
		two.runGroups(id, "echo", "ref-groups", control.ActorInstance{MaxInstances: 3, Annotations: mall})
		for _, h := range []*fakeHost{one, two} {
			h.mu.Lock()
			h.scaled = nil
			h.mu.Unlock()
		}
	}
	scale := func(max uint32, group ScaleGroup, host string) (*ActorScale, error) {
		begin()
		return r.ScaleActor(t.Context(), "echo", max, Where{Host: host}, group)
	}
	asks := func(name string, code lattice.Code, words string, max uint32, group ScaleGroup, host string) {
		t.Helper()
		got, err := scale(max, group, host)
		if lattice.CodeOf(err) != code || !strings.Contains(err.Error(), words) ||
			len(one.requests())+len(two.requests()) > 0 {
			t.Errorf("%s: %+v, %v, %v", name, got, err, one.requests())
		}
	}
	asks("none of several", lattice.ErrInvalid,
		"--annotation key=value or --unannotated, or stop all with --max 0: app=mall,by=wadm (3), "+
			"app=shop,by=wadm (5), without annotations (2)", 4, ScaleGroup{}, "")
	asks("two that fit", lattice.ErrInvalid, "give more of them", 4,
		ScaleGroup{Annotations: map[string]string{"by": "wadm"}}, "")
	asks("none to stop", lattice.ErrNotFound, "no group has these annotations: ", 0,
		ScaleGroup{Annotations: map[string]string{"app": "x"}}, "")
	asks("two on one host", lattice.ErrInvalid, "several groups", 4, ScaleGroup{}, "one")

	got, err := scale(0, ScaleGroup{}, "")
	if err != nil || got.Max != 0 || len(got.Hosts) != 2 || len(one.requests()) != 2 || len(two.requests()) != 1 {
		t.Errorf("all stop: %+v, %v, %v, %v", got, err, one.requests(), two.requests())
	}
	got, err = scale(9, ScaleGroup{Annotations: map[string]string{"app": "shop"}}, "") // enough to know it by
	if err != nil || got.Max != 11 || len(got.Hosts) != 1 || got.Hosts[0].Max != 11 || len(two.requests()) != 0 ||
		len(got.Groups) != 2 || got.Groups[0].Max != 9 || got.Groups[1].Max != 2 {
		t.Errorf("one group: %+v, %v", got, err)
	}
	if req := one.requests(); len(req) != 1 || req[0].MaxInstances != 9 || len(req[0].Annotations) != 2 {
		t.Errorf("asked %+v", req)
	}
	got, err = scale(1, ScaleGroup{Unannotated: true}, "")
	if err != nil || got.Max != 6 || len(one.requests()) != 1 || len(one.requests()[0].Annotations) != 0 {
		t.Errorf("the unannotated: %+v, %v", got, err)
	}
	got, err = scale(4, ScaleGroup{}, "two") // the only group there
	if err != nil || got.Max != 4 || len(two.requests()) != 1 || two.requests()[0].Annotations["app"] != "mall" {
		t.Errorf("one host: %+v, %v", got, err)
	}
}
