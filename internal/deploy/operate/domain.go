package operate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// SplitStore says that the hosts of a view do not all keep the lattice's state in the same jetStream, which ones do so
// where, and the way out; "" where they do, as far as they tell. JetStreams differ by their domains or, where these are
// the same, by when the lattice's bucket was made.
func (v *View) SplitStore() string {
	domains, buckets := map[string][]string{}, map[string][]string{} // names of hosts, by place
	for _, h := range v.Hosts {
		name := v.HostName(h.HostID)
		switch {
		case h.JSDomain == nil:
		case *h.JSDomain == "":
			domains["in no domain"] = append(domains["in no domain"], name)
		default:
			place := fmt.Sprintf("in domain %q", *h.JSDomain)
			domains[place] = append(domains[place], name)
		}
		if h.StateMade != nil {
			place := "in the one made at " + h.StateMade.UTC().Format(time.RFC3339Nano)
			buckets[place] = append(buckets[place], name)
		}
	}
	switch {
	case len(domains) > 1:
		return "the hosts keep the lattice's state in different JetStream domains, " +
			"and each sees only the links and claims of its own (" +
			places(domains) + "); start all of them with the same --js-domain"
	case len(buckets) > 1:
		return "the hosts keep the lattice's state in buckets of different JetStreams, " +
			"and each sees only the links and claims of its own (" +
			places(buckets) + "); give each NATS server's JetStream a domain, and start all hosts with the same " +
			"--js-domain"
	}
	return ""
}

// places says which hosts are where.
func places(hosts map[string][]string) string {
	var where []string
	for _, place := range slices.Sorted(maps.Keys(hosts)) {
		slices.Sort(hosts[place])
		where = append(where, place+": "+strings.Join(hosts[place], ", "))
	}
	return strings.Join(where, "; ")
}
