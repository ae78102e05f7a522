package operate

import (
	"testing"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
)

// Hosts with cluster keys of their own are a problem where one of them does not trust the key of another; those that
// trust each other's, and those that do not tell, are none.
func TestHostsThatDoNotTrustEachOthersKeysAreAProblem(t *testing.T) {
	type trusts = map[lattice.HostID][]lattice.ClusterID
	hosts := []control.HostInventory{{HostID: "1", FriendlyName: "a", Issuer: "CX"},
		{HostID: "2", FriendlyName: "b", Issuer: "CY"}, {HostID: "3", FriendlyName: "c", Issuer: "CX"}}
	const split = "the hosts sign with different cluster keys, and some refuse the calls of others " +
		"(with CX: a, c; with CY: b); start those that have the wrong key again with --join TOKEN or " +
		"--cluster-seed-file FILE"
	for name, c := range map[string]struct {
		hosts  []control.HostInventory
		trusts trusts
		want   string
	}{
		"one key": {hosts[:1], trusts{"1": {"CX"}}, ""},
		"keys of their own": {hosts, trusts{"1": {"CX"}, "2": {"CY"}, "3": {"CX"}},
			split},
		"each trusts the other's":        {hosts, trusts{"1": {"CX", "CY"}, "2": {"CX", "CY"}, "3": {"CY"}}, ""},
		"one does not trust the other's": {hosts, trusts{"1": {"CX", "CY"}, "2": {"CX", "CY"}, "3": {"CX"}}, split},
		"they do not tell":               {hosts, nil, ""},
	} {
		v := &View{Hosts: c.hosts, trusts: func() trusts { return c.trusts }}
		if got := v.SplitTrust(); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}
