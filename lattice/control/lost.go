package control

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weftlattice/weft/lattice"
)

// LostHost is a host whose beats have ended though it has not said that it ends (weft), as others remember it.
type LostHost struct {
	HostID        lattice.HostID    `json:"host_id"`
	FriendlyName  string            `json:"friendly_name"` // empty where it is not known
	Labels        map[string]string `json:"labels"`
	Version       string            `json:"version,omitempty"`
	LastHeard     time.Time         `json:"last_heard"`     // by the clock of the host that tells
	UptimeSeconds uint64            `json:"uptime_seconds"` // then
	// What ran there when the host said so last: at the latest Config.Heartbeat of it before LastHeard.
	Actors    []LostActor    `json:"actors"`
	Providers []LostProvider `json:"providers"`
	// actors and providers that are not named, since they are too many
	Omitted int  `json:"omitted,omitempty"`
	Unknown bool `json:"unknown,omitempty"` // what ran there is not known
}

// LostActor is an actor that ran on a lost host.
type LostActor struct {
	ID           lattice.ActorID `json:"id"`
	Name         string          `json:"name"`
	MaxInstances uint32          `json:"max_instances"` // over all annotations
}

// LostProvider is a provider that ran on a lost host.
type LostProvider struct {
	ID         lattice.ProviderID `json:"id"`
	Name       string             `json:"name"`
	ContractID string             `json:"contract_id"`
	LinkName   lattice.LinkName   `json:"link_name"`
}

// MarshalJSON never writes null for a list or a map.
func (l LostHost) MarshalJSON() ([]byte, error) {
	type plain LostHost
	p := plain(l)
	if p.Actors == nil {
		p.Actors = []LostActor{}
	}
	if p.Providers == nil {
		p.Providers = []LostProvider{}
	}
	p.Labels = nonNil(p.Labels)
	return json.Marshal(p)
}

// Remember is what is kept of an inventory for the time after its host is lost: at most limit bytes as JSON, with what
// is beyond left out and counted.
func Remember(inv HostInventory, limit int) LostHost {
	l := LostHost{HostID: inv.HostID, FriendlyName: inv.FriendlyName, Labels: inv.Labels, Version: inv.Version}
	for _, a := range inv.Actors {
		var most uint64
		for _, i := range a.Instances {
			most += uint64(i.MaxInstances)
		}
		l.Actors = append(l.Actors, LostActor{a.ID, a.Name, uint32(min(most, 1<<32-1))})
	}
	for _, p := range inv.Providers {
		l.Providers = append(l.Providers, LostProvider{p.ID, p.Name, p.ContractID, p.LinkName})
	}
	for {
		b, err := json.Marshal(l)
		switch n := len(l.Actors) + len(l.Providers); {
		case err == nil && len(b) <= limit:
			return l
		case n == 0: // it is the host's own words
			return LostHost{HostID: inv.HostID, FriendlyName: lattice.Printable(inv.FriendlyName), Omitted: l.Omitted}
		default:
			// What was cut from a slice would be kept in memory by what is left of it.
			l.Actors, l.Providers = slices.Clone(l.Actors[:len(l.Actors)/2]),
				slices.Clone(l.Providers[:len(l.Providers)/2])
			l.Omitted += n - len(l.Actors) - len(l.Providers)
		}
	}
}

type lostReply struct {
	Hosts []LostHost `json:"hosts"`
}

// Lost asks a host which others it misses. Only weft's hosts know it; others are lattice.ErrNoResponders.
func (c *Client) Lost(ctx context.Context, host lattice.HostID) ([]LostHost, error) {
	var reply lostReply
	err := c.query(ctx, "get lost hosts from "+string(host), c.control.Lost(host), nil, &reply)
	return reply.Hosts, err
}

// LostHosts asks hosts which others they miss, and joins what they say: each lost host once, as the one tells that
// heard it last or knows what ran there, by name. A host that answers is not lost to the client, whatever others say.
// What does not answer is passed over.
func (c *Client) LostHosts(ctx context.Context, alive []lattice.HostID) []LostHost {
	replies := make([][]LostHost, len(alive))
	var wg sync.WaitGroup
	for i, h := range alive {
		wg.Go(func() { replies[i], _ = c.Lost(ctx, h) })
	}
	wg.Wait()
	return joinLost(alive, replies)
}

func joinLost(alive []lattice.HostID, replies [][]LostHost) []LostHost {
	best := map[lattice.HostID]LostHost{}
	for _, l := range slices.Concat(replies...) {
		old, ok := best[l.HostID]
		if !ok || old.Unknown && !l.Unknown || old.Unknown == l.Unknown && l.LastHeard.After(old.LastHeard) {
			best[l.HostID] = l
		}
	}
	for _, h := range alive {
		delete(best, h)
	}
	all := []LostHost{}
	for _, l := range best {
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b LostHost) int {
		return cmp.Or(strings.Compare(a.FriendlyName, b.FriendlyName), cmp.Compare(a.HostID, b.HostID))
	})
	return all
}

// trimLost encodes the answer in at most limit bytes by leaving out the hosts that were lost first, which stand last.
func trimLost(all []LostHost, limit int) ([]byte, error) {
	for {
		b, err := json.Marshal(lostReply{append([]LostHost{}, all...)})
		if err != nil || len(b) <= limit || len(all) == 0 {
			return b, err
		}
		all = all[:len(all)/2]
	}
}
