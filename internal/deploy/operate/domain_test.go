package operate

import (
	"testing"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
)

// Two JetStreams without a domain are told by when their buckets were made; hosts that do not tell it, as those of
// other software, are no problem.
func TestHostsWithJetStreamsOfTheirOwnAreAProblem(t *testing.T) {
	host := func(id, name string, domain *string, made *time.Time) control.HostInventory {
		return control.HostInventory{HostID: lattice.HostID(id), FriendlyName: name, JSDomain: domain, StateMade: made}
	}
	none, hub := "", "hub"
	early := time.Date(2026, 11, 30, 7, 0, 0, 5, time.UTC)
	late := early.Add(time.Hour)
	const split = "the hosts keep the lattice's state in buckets of different JetStreams, and each sees only the " +
		"links and claims of its own (in the one made at 2026-11-30T07:00:00.000000005Z: a, c; " +
		"in the one made at 2026-11-30T08:00:00.000000005Z: b); give each NATS server's JetStream a domain, " +
		"and start all hosts with the same --js-domain"
	for name, c := range map[string]struct {
		hosts []control.HostInventory
		want  string
	}{
		"one bucket": {[]control.HostInventory{host("1", "a", &none, &early), host("2", "b", &none, &early)}, ""},
		"two buckets": {[]control.HostInventory{host("1", "a", &none, &early), host("2", "b", &none, &late),
			host("3", "c", nil, &early)}, split},
		"two buckets in domains of one name": {[]control.HostInventory{host("1", "a", &hub, &early),
			host("3", "c", &hub, &early), host("2", "b", &hub, &late)}, split},
		"two domains": {[]control.HostInventory{host("1", "a", &none, &early), host("2", "b", &hub, &late)},
			"the hosts keep the lattice's state in different JetStream domains, " +
				"and each sees only the links and claims of " +
				`its own (in domain "hub": b; in no domain: a); start all of them with the same --js-domain`},
		"one does not tell": {[]control.HostInventory{host("1", "a", &none, &early), host("2", "b", nil, nil)}, ""},
	} {
		if got := (&View{Hosts: c.hosts}).SplitStore(); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}
