package operate

import (
	"maps"
	"testing"

	"github.com/weftlattice/weft/lattice"
)

func TestSpread(t *testing.T) {
	for _, tc := range []struct {
		name  string
		n     uint32
		sites []Site
		want  map[lattice.HostID]uint32
	}{
		{"no host", 3, nil, map[lattice.HostID]uint32{}},
		{"even", 9, []Site{{Host: "A"}, {Host: "B"}, {Host: "C"}}, map[lattice.HostID]uint32{"A": 3, "B": 3, "C": 3}},
		{"one host takes all", 5, []Site{{Host: "A", Load: 100}}, map[lattice.HostID]uint32{"A": 5}},
		{"rest to the least loaded", 5, []Site{{Host: "A", Load: 9}, {Host: "B", Load: 2}, {Host: "C", Load: 5}},
			map[lattice.HostID]uint32{"A": 1, "B": 2, "C": 2}},
		{"rest to those that run it", 4, []Site{{Host: "A"}, {Host: "B", Load: 50, Running: 1}, {Host: "C"}},
			map[lattice.HostID]uint32{"A": 1, "B": 2, "C": 1}},
		{"fewer than hosts", 1, []Site{{Host: "B"}, {Host: "A"}}, map[lattice.HostID]uint32{"A": 1}},
		{"surplus is stopped", 1, []Site{{Host: "A", Running: 3}, {Host: "B", Running: 3, Load: 1}},
			map[lattice.HostID]uint32{"A": 1, "B": 0}},
		{"again, with the rest where it was", 7,
			[]Site{{Host: "A", Running: 3, Load: 3}, {Host: "B", Running: 4, Load: 4}},
			map[lattice.HostID]uint32{"A": 3, "B": 4}},
		{"none", 0, []Site{{Host: "A", Running: 3}, {Host: "B"}}, map[lattice.HostID]uint32{"A": 0}},
		{"unlimited", Unlimited, []Site{{Host: "A"}, {Host: "B"}}, map[lattice.HostID]uint32{"A": Unlimited,
			"B": Unlimited}},
		{"large", Unlimited - 1, []Site{{Host: "A"}, {Host: "B"}}, map[lattice.HostID]uint32{"A": 1<<31 - 1,
			"B": 1<<31 - 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := map[lattice.HostID]uint32{}
			for _, p := range Spread(tc.n, tc.sites) {
				got[p.Host] = p.Max
			}
			if !maps.Equal(got, tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestBest(t *testing.T) {
	for _, tc := range []struct {
		name  string
		sites []Site
		want  lattice.HostID
	}{
		{"no host", nil, ""},
		{"least loaded", []Site{{Host: "A", Load: 2}, {Host: "B", Load: 1}}, "B"},
		{"where it runs", []Site{{Host: "A"}, {Host: "B", Load: 7, Running: 1}}, "B"},
		{"equal: by id", []Site{{Host: "B"}, {Host: "A"}}, "A"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, ok := Best(tc.sites)
			if got.Host != tc.want || ok != (tc.want != "") {
				t.Errorf("got %q, %v; want %q", got.Host, ok, tc.want)
			}
		})
	}
}
