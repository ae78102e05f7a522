package company

import (
	"encoding/json"
	"slices"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
)

// remember is what is kept of an inventory for the time after its host is lost: at most limit bytes as JSON, with what
// is beyond left out and counted.
func remember(inv control.HostInventory, limit int) control.LostHost {
	l := control.LostHost{HostID: inv.HostID, FriendlyName: inv.FriendlyName, Labels: inv.Labels, Version: inv.Version}
	for _, a := range inv.Actors {
		var most uint64
		for _, i := range a.Instances {
			most += uint64(i.MaxInstances)
		}
		l.Actors = append(l.Actors, control.LostActor{ID: a.ID, Name: a.Name, MaxInstances: uint32(min(most, 1<<32-1))})
	}
	for _, p := range inv.Providers {
		l.Providers = append(l.Providers, control.LostProvider{ID: p.ID, Name: p.Name, ContractID: p.ContractID,
			LinkName: p.LinkName})
	}
	for {
		b, err := json.Marshal(l)
		switch n := len(l.Actors) + len(l.Providers); {
		case err == nil && len(b) <= limit:
			return l
		case n == 0: // it is the host's own words
			return control.LostHost{HostID: inv.HostID, FriendlyName: lattice.Printable(inv.FriendlyName),
				Omitted: l.Omitted}
		default:
			// What was cut from a slice would be kept in memory by what is left of it.
			l.Actors, l.Providers = slices.Clone(l.Actors[:len(l.Actors)/2]),
				slices.Clone(l.Providers[:len(l.Providers)/2])
			l.Omitted += n - len(l.Actors) - len(l.Providers)
		}
	}
}
