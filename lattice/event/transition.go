package event

import (
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
)

// ActorEntry is what the events about one actor on one host, under one set of annotations, say about it.
type ActorEntry struct {
	HostID      lattice.HostID
	ActorID     lattice.ActorID // empty when it is not known, as when fetching failed
	ImageRef    string          // the reference exactly as it was given in the command
	Digest      string          // what ImageRef means; empty when it is not known
	InstanceID  string
	Annotations map[string]string
	Claims      ActorClaims
}

// ActorTransition returns the events of a change of scale from before to after, in the order to publish them. Old
// observers count by the plural events and new ones by actor_scaled, so both are there; an unchanged scale is told,
// too, since a client may wait for it.
func ActorTransition(a ActorEntry, before, after uint32) []Data {
	var events []Data
	switch {
	case after > before:
		events = append(events,
			ActorStarted{PublicKey: a.ActorID, ImageRef: a.ImageRef, APIVersion: "n/a", InstanceID: a.InstanceID,
				Annotations: a.Annotations, Claims: a.Claims, HostID: a.HostID, Digest: a.Digest},
			a.started(after-before))
	case after == 0 && before > 0:
		events = append(events,
			ActorStopped{PublicKey: a.ActorID, InstanceID: a.InstanceID, Annotations: a.Annotations, HostID: a.HostID},
			a.stopped(before, 0))
	case after < before:
		events = append(events, a.stopped(before-after, after))
	}
	return append(events, a.scaled(after))
}

// ActorFailure returns the events of a command that failed; wanted is the scale that it asked for.
func ActorFailure(a ActorEntry, wanted uint32, err error) []Data {
	text, code := err.Error(), lattice.CodeOf(err).Name()
	return []Data{
		ActorStartFailed{ActorRef: a.ImageRef, ImageRef: a.ImageRef, PublicKey: a.ActorID, Error: text, Code: code,
			Annotations: a.Annotations, HostID: a.HostID},
		ActorsStartFailed{PublicKey: a.ActorID, ImageRef: a.ImageRef, ActorRef: a.ImageRef, Annotations: a.Annotations,
			HostID: a.HostID, Error: text, Code: code},
		ActorScaleFailed{PublicKey: a.ActorID, Annotations: a.Annotations, HostID: a.HostID, ImageRef: a.ImageRef,
			ActorRef: a.ImageRef, MaxInstances: wanted, Error: text, Code: code},
	}
}

// ActorUpdate returns the events of a live update: after is the entry as it is now, oldRef the reference that it
// replaced, max the scale, which stays.
func ActorUpdate(after ActorEntry, oldRef string, max uint32) []Data {
	old := after
	old.ImageRef = oldRef
	return []Data{
		after.started(max),
		old.stopped(max, max),
		after.scaled(max),
		ActorUpdated{PublicKey: after.ActorID, Revision: after.Claims.Revision, InstanceID: after.InstanceID,
			ImageRef: after.ImageRef, Digest: after.Digest},
	}
}

// ActorUpdateFailure returns the event of a live update that failed: the entry is the one that goes on serving, newRef
// what it was to become.
func ActorUpdateFailure(a ActorEntry, newRef string, err error) []Data {
	return []Data{ActorUpdateFailed{PublicKey: a.ActorID, Revision: a.Claims.Revision, InstanceID: a.InstanceID,
		Reason: err.Error(), ImageRef: newRef}}
}

func (a ActorEntry) started(count uint32) Data {
	return ActorsStarted{PublicKey: a.ActorID, ImageRef: a.ImageRef, Annotations: a.Annotations, HostID: a.HostID,
		Claims: a.Claims, Count: count, Digest: a.Digest}
}

func (a ActorEntry) stopped(count, remaining uint32) Data {
	return ActorsStopped{PublicKey: a.ActorID, ImageRef: a.ImageRef, Annotations: a.Annotations, HostID: a.HostID,
		Count: count, Remaining: remaining}
}

func (a ActorEntry) scaled(max uint32) Data {
	return ActorScaled{PublicKey: a.ActorID, Claims: a.Claims, Annotations: a.Annotations, HostID: a.HostID,
		ImageRef: a.ImageRef, MaxInstances: max, Digest: a.Digest}
}

// HealthTransition returns the event of a health check. A provider that was never checked was not healthy before.
func HealthTransition(p ProviderHealth, before, after bool) Data {
	switch {
	case after && !before:
		return HealthCheckPassed{p}
	case before && !after:
		return HealthCheckFailed{p}
	}
	return HealthCheckStatus{p}
}

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
	ContractID  string             `json:"contract_id"`
	Annotations Annotations        `json:"annotations"`
}

// EventName is that of HostHeartbeat.
func (HeartbeatCounts) EventName() string { return NameHostHeartbeat }

// CountsOf makes the old form of a heartbeat.
func CountsOf(inv control.HostInventory) HeartbeatCounts {
	h := HeartbeatCounts{Actors: make(map[lattice.ActorID]uint64), Providers: []HeartbeatProvider{}, Labels: inv.Labels,
		FriendlyName: inv.FriendlyName, Version: inv.Version, UptimeSeconds: inv.UptimeSeconds,
		UptimeHuman: inv.UptimeHuman}
	for _, a := range inv.Actors {
		for _, i := range a.Instances {
			h.Actors[a.ID] += uint64(i.MaxInstances)
		}
	}
	for _, p := range inv.Providers {
		h.Providers = append(h.Providers, HeartbeatProvider{p.ID, p.LinkName, p.ContractID, p.Annotations})
	}
	return h
}
