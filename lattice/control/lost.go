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
	ContractID lattice.ContractID `json:"contract_id"`
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

// joinLost joins what several hosts say: of each lost host the account that knows most, and the latest of these. A host
// that answers itself is not lost, whatever others say.
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
