package operate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// SplitStore says that the hosts of a view do not all keep the lattice's state in the same JetStream domain, which ones
// do so where, and the way out; "" where they do, as far as they tell.
func (v *View) SplitStore() string {
	names := map[string][]string{} // of hosts, by domain
	for _, h := range v.Hosts {
		if h.JSDomain != nil {
			names[*h.JSDomain] = append(names[*h.JSDomain], v.HostName(h.HostID))
		}
	}
	if len(names) < 2 {
		return ""
	}
	var where []string
	for _, domain := range slices.Sorted(maps.Keys(names)) {
		place := fmt.Sprintf("in domain %q: ", domain)
		if domain == "" {
			place = "in no domain: "
		}
		slices.Sort(names[domain])
		where = append(where, place+strings.Join(names[domain], ", "))
	}
	return "the hosts keep the lattice's state in different JetStream domains, and each sees only the links and claims of its own (" +
		strings.Join(where, "; ") + "); start all of them with the same --js-domain"
}
