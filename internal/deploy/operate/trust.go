package operate

import (
	"context"
	"slices"

	"github.com/weftlattice/weft/lattice"
)

// SplitTrust says that hosts of a view sign with cluster keys that others of them do not trust, which hosts have which
// key, and the way out; "" where each trusts all the others, as far as they tell.
func (v *View) SplitTrust() string {
	keys := map[string][]string{} // names of hosts, by the key that they sign with
	for _, h := range v.Hosts {
		if h.Issuer != "" {
			place := "with " + lattice.Printable(string(h.Issuer))
			keys[place] = append(keys[place], v.HostName(h.HostID))
		}
	}
	if len(keys) < 2 || v.trusts == nil || !v.refuses(v.trusts()) {
		return ""
	}
	return "the hosts sign with different cluster keys, and some refuse the calls of others (" + places(keys) +
		"); start those that have the wrong key again with --join TOKEN or --cluster-seed-file FILE"
}

// refuses reports whether a host signs with a key that another one does not trust. What a host trusts comes by its id;
// those that do not tell, as of other software, are taken to trust all.
func (v *View) refuses(trusts map[lattice.HostID][]lattice.ClusterID) bool {
	for _, a := range v.Hosts {
		trusted := trusts[a.HostID]
		for _, b := range v.Hosts {
			if len(trusted) > 0 && b.Issuer != "" && b.Issuer != a.Issuer && !slices.Contains(trusted, b.Issuer) {
				return true
			}
		}
	}
	return false
}

// trusted asks all hosts which cluster keys they trust.
func (l *Lattice) trusted(ctx context.Context) map[lattice.HostID][]lattice.ClusterID {
	ctx, cancel := context.WithTimeout(ctx, askAll)
	defer cancel()
	hosts, _ := l.ctl.PingHosts(ctx) // who does not answer is taken to trust all
	all := map[lattice.HostID][]lattice.ClusterID{}
	for _, h := range hosts {
		all[h.ID] = h.ClusterIssuers
	}
	return all
}
