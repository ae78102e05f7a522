package event

import "github.com/weftlattice/weft/lattice"

// HeartbeatCounts is the heartbeat that observers of the first generations understand, with counts instead of the
// inventory. A host sends one form or the other, by configuration.
type HeartbeatCounts struct {
	Actors        map[lattice.ActorID]uint64 `json:"actors"`
	Providers     []HeartbeatProvider        `json:"providers"`
	Labels        Annotations                `json:"labels"`
	FriendlyName  string                     `json:"friendly_name"`
	Version       string                     `json:"version"`
	UptimeSeconds uint64                     `json:"uptime_seconds"`
	UptimeHuman   string                     `json:"uptime_human"`
}

// HeartbeatProvider is a provider in HeartbeatCounts.
type HeartbeatProvider struct {
	PublicKey   lattice.ProviderID `json:"public_key"`
	LinkName    lattice.LinkName   `json:"link_name"`
	ContractID  lattice.ContractID `json:"contract_id"`
	Annotations Annotations        `json:"annotations"`
}

// EventName is that of HostHeartbeat.
func (HeartbeatCounts) EventName() string { return NameHostHeartbeat }
