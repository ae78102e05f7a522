package host

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/policy"
	"github.com/weftlattice/weft/lattice/wire"
)

// inventory is all that runs here, in a stable order.
func (h *Host) inventory() control.HostInventory {
	up := time.Since(h.node.Started)
	inv := control.HostInventory{HostID: h.node.ID, Issuer: h.keys.Load().Cluster.Public(), FriendlyName: h.node.Name, Labels: h.node.Labels(),
		Version: Version, UptimeHuman: humanDuration(up), UptimeSeconds: uint64(up.Seconds()), CarriesNATS: h.cfg.CarriesNATS,
		JSDomain: h.domain.Load()}
	if h.node.Draining() {
		inv.State = control.StateDraining
	}
	for _, a := range h.allActors() {
		if d, ok := a.describe(); ok {
			inv.Actors = append(inv.Actors, d)
		}
	}
	for _, p := range h.allProviders() {
		inv.Providers = append(inv.Providers, p.describe())
	}
	slices.SortFunc(inv.Actors, func(a, b control.Actor) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(inv.Providers, func(a, b control.Provider) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.LinkName, b.LinkName))
	})
	return inv
}

func (h *Host) allActors() []*actor {
	h.mu.RLock()
	defer h.mu.RUnlock()
	out := make([]*actor, 0, len(h.actors))
	for _, a := range h.actors {
		out = append(out, a)
	}
	return out
}

func (h *Host) provider(k providerKey) *provider {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.providers[k]
}

// providerRuns reports whether a reference runs here under a link name.
func (h *Host) providerRuns(ref string, link lattice.LinkName) bool {
	for _, p := range h.allProviders() {
		if p.link == link && (p.ref == ref || p.builtin && strings.TrimPrefix(p.ref, "builtin://") == strings.TrimPrefix(ref, "builtin://")) {
			return true
		}
	}
	return false
}

func (h *Host) runsUnderOtherLink(id lattice.ProviderID) bool {
	for _, p := range h.allProviders() {
		if p.id == id {
			return true
		}
	}
	return false
}

// runsForeign reports whether this host runs the link's provider, and it may not be built on weft's SDK.
func (h *Host) runsForeign(l wire.LinkDefinition) bool {
	p := h.provider(providerKey{l.ProviderID, l.LinkName})
	return p != nil && !p.builtin
}

// asks is this host as it is told to those that decide what may be started and called.
func (h *Host) asks() policy.Host {
	return policy.Host{ID: string(h.node.ID), Cluster: h.keys.Load().Cluster.Public(), Lattice: string(h.cfg.Lattice), Labels: h.node.Labels(), Issuers: h.peer.Verifier.Issuers()}
}

// Served are the actors that are served here.
func (h *Host) Served() (ids []lattice.ActorID) {
	for _, a := range h.allActors() {
		if a.sub.Load() != nil {
			ids = append(ids, a.id)
		}
	}
	return ids
}

// Load is how busy they are.
func (h *Host) Load() (calls, capacity uint32) {
	for _, a := range h.allActors() {
		if sub := a.sub.Load(); sub != nil {
			calls += uint32(sub.Active())
			capacity += uint32(a.instances())
		}
	}
	return calls, capacity
}

// TakeDirect are the providers that take calls which are meant for them alone.
func (h *Host) TakeDirect() (all []wire.Entity) {
	for _, p := range h.allProviders() {
		if p.direct.Load() && p.serves() {
			all = append(all, wire.ProviderEntity(p.id, p.contract, p.link))
		}
	}
	return all
}
