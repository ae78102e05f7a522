package host

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/weftlattice/weft/host/internal/actors"
	"github.com/weftlattice/weft/host/internal/identity"
	"github.com/weftlattice/weft/host/internal/providers"
	"github.com/weftlattice/weft/host/internal/state"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
)

// inventory tells what a host is and what runs on it. It is safe for concurrent use.
type inventory struct {
	cfg       *Config
	self      *identity.Self
	domain    *state.Domain
	made      func() *time.Time // the bucket of the lattice's state
	keys      func() *Keys
	issuers   func() []lattice.ClusterID // the cluster keys that are trusted
	actors    *actors.Actors
	providers *providers.Providers
}

// all is all that runs here, in a stable order.
func (i *inventory) all() control.HostInventory {
	up := i.self.Uptime()
	inv := control.HostInventory{HostID: i.self.ID, Issuer: i.keys().Cluster.ClusterID(), FriendlyName: i.self.Name,
		Labels:  i.self.Labels(),
		Version: Version, UptimeHuman: humanDuration(up), UptimeSeconds: uint64(up.Seconds()),
		CarriesNATS: i.cfg.CarriesNATS,
		JSDomain:    i.domain.Known(), StateMade: i.made(),
		Actors: i.actors.Inventory(), Providers: i.providers.Inventory()}
	if i.self.Draining() {
		inv.State = control.StateDraining
	}
	slices.SortFunc(inv.Actors, func(a, b control.Actor) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(inv.Providers, func(a, b control.Provider) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.LinkName, b.LinkName))
	})
	return inv
}

// host is the host as a ping shows it.
func (i *inventory) host() control.Host {
	up := i.self.Uptime()
	addr := natsconn.SafeURL(i.cfg.NATS.URL)
	state := ""
	if i.self.Draining() {
		state = control.StateDraining
	}
	return control.Host{ID: i.self.ID, Issuer: i.keys().Cluster.ClusterID(), Labels: i.self.Labels(),
		FriendlyName:  i.self.Name,
		UptimeSeconds: uint64(up.Seconds()), UptimeHuman: humanDuration(up), Version: Version,
		ClusterIssuers: i.issuers(), JSDomain: i.cfg.JSDomain, CtlHost: addr, RPCHost: addr, ProvRPCHost: addr,
		LatticePrefix: i.cfg.Lattice, Lattice: i.cfg.Lattice, State: state}
}

// humanDuration says how long something took in words: "2 hours, 3 minutes".
func humanDuration(d time.Duration) string {
	s := int64(d.Seconds())
	unit := func(n int64, name string) string {
		if n == 1 {
			return "1 " + name
		}
		return fmt.Sprintf("%d %ss", n, name)
	}
	switch {
	case s < 60:
		return unit(s, "second")
	case s < 3600:
		return unit(s/60, "minute")
	case s < 86400:
		return unit(s/3600, "hour") + ", " + unit(s%3600/60, "minute")
	}
	return unit(s/86400, "day") + ", " + unit(s%86400/3600, "hour")
}
