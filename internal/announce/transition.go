package announce

import (
	"cmp"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/wire"
)

// Actor is what the events about one actor on one host, under one set of annotations, say about it.
type Actor struct {
	HostID      lattice.HostID
	ActorID     lattice.ActorID // empty when it is not known, as when fetching failed
	ImageRef    string          // the reference exactly as it was given in the command
	Digest      string          // what ImageRef means; empty when it is not known
	InstanceID  string
	Annotations map[string]string
	Claims      event.ActorClaims
}

// Scaled returns the events of a change of scale from before to after, in the order to publish them. Old
// observers count by the plural events and new ones by actor_scaled, so both are there; an unchanged scale is told,
// too, since a client may wait for it.
func Scaled(a Actor, before, after uint32) []event.Data {
	var events []event.Data
	switch {
	case after > before:
		events = append(events,
			event.ActorStarted{PublicKey: a.ActorID, ImageRef: a.ImageRef, APIVersion: "n/a", InstanceID: a.InstanceID,
				Annotations: a.Annotations, Claims: a.Claims, HostID: a.HostID, Digest: a.Digest},
			a.started(after-before))
	case after == 0 && before > 0:
		events = append(events,
			event.ActorStopped{PublicKey: a.ActorID, InstanceID: a.InstanceID, Annotations: a.Annotations,
				HostID: a.HostID},
			a.stopped(before, 0))
	case after < before:
		events = append(events, a.stopped(before-after, after))
	}
	return append(events, a.scaled(after))
}

// Failed returns the events of a command that failed; wanted is the scale that it asked for.
func Failed(a Actor, wanted uint32, err error) []event.Data {
	text, code := err.Error(), lattice.CodeOf(err).Name()
	return []event.Data{
		event.ActorStartFailed{ActorRef: a.ImageRef, ImageRef: a.ImageRef, PublicKey: a.ActorID, Error: text,
			Code: code, Annotations: a.Annotations, HostID: a.HostID},
		event.ActorsStartFailed{PublicKey: a.ActorID, ImageRef: a.ImageRef, ActorRef: a.ImageRef,
			Annotations: a.Annotations, HostID: a.HostID, Error: text, Code: code},
		event.ActorScaleFailed{PublicKey: a.ActorID, Annotations: a.Annotations, HostID: a.HostID,
			ImageRef: a.ImageRef, ActorRef: a.ImageRef, MaxInstances: wanted, Error: text, Code: code},
	}
}

// Updated returns the events of a live update: after is the entry as it is now, oldRef the reference that it
// replaced, max the scale, which stays.
func Updated(after Actor, oldRef string, max uint32) []event.Data {
	old := after
	old.ImageRef = oldRef
	return []event.Data{
		after.started(max),
		old.stopped(max, max),
		after.scaled(max),
		event.ActorUpdated{PublicKey: after.ActorID, Revision: after.Claims.Revision, InstanceID: after.InstanceID,
			ImageRef: after.ImageRef, Digest: after.Digest},
	}
}

// UpdateFailed returns the event of a live update that failed: the entry is the one that goes on serving, newRef
// what it was to become.
func UpdateFailed(a Actor, newRef string, err error) []event.Data {
	return []event.Data{event.ActorUpdateFailed{PublicKey: a.ActorID, Revision: a.Claims.Revision,
		InstanceID: a.InstanceID, Reason: err.Error(), ImageRef: newRef}}
}

func (a Actor) started(count uint32) event.Data {
	return event.ActorsStarted{PublicKey: a.ActorID, ImageRef: a.ImageRef, Annotations: a.Annotations, HostID: a.HostID,
		Claims: a.Claims, Count: count, Digest: a.Digest}
}

func (a Actor) stopped(count, remaining uint32) event.Data {
	return event.ActorsStopped{PublicKey: a.ActorID, ImageRef: a.ImageRef, Annotations: a.Annotations, HostID: a.HostID,
		Count: count, Remaining: remaining}
}

func (a Actor) scaled(max uint32) event.Data {
	return event.ActorScaled{PublicKey: a.ActorID, Claims: a.Claims, Annotations: a.Annotations, HostID: a.HostID,
		ImageRef: a.ImageRef, MaxInstances: max, Digest: a.Digest}
}

// Health returns the event of a health check. A provider that was never checked was not healthy before.
func Health(p event.ProviderHealth, before, after bool) event.Data {
	switch {
	case after && !before:
		return event.HealthCheckPassed{ProviderHealth: p}
	case before && !after:
		return event.HealthCheckFailed{ProviderHealth: p}
	}
	return event.HealthCheckStatus{ProviderHealth: p}
}

// Counts makes the old form of a heartbeat.
func Counts(inv control.HostInventory) event.HeartbeatCounts {
	h := event.HeartbeatCounts{Actors: make(map[lattice.ActorID]uint64), Providers: []event.HeartbeatProvider{},
		Labels: inv.Labels, FriendlyName: inv.FriendlyName, Version: inv.Version, UptimeSeconds: inv.UptimeSeconds,
		UptimeHuman: inv.UptimeHuman}
	for _, a := range inv.Actors {
		for _, i := range a.Instances {
			h.Actors[a.ID] += uint64(i.MaxInstances)
		}
	}
	for _, p := range inv.Providers {
		h.Providers = append(h.Providers, event.HeartbeatProvider{PublicKey: p.ID, LinkName: p.LinkName,
			ContractID: p.ContractID, Annotations: p.Annotations})
	}
	return h
}

// Claims makes the claims for an actor's events. notBefore and expires are for people; empty is "immediately" and
// "never".
func Claims(c control.Claims, notBefore, expires string) event.ActorClaims {
	return event.ActorClaims{CallAlias: c.CallAlias, Caps: c.Caps, Issuer: c.Issuer, Tags: c.Tags, Name: c.Name,
		Version: c.Version, Revision: c.Revision, NotBeforeHuman: cmp.Or(notBefore, "immediately"),
		ExpiresHuman: cmp.Or(expires, "never")}
}

// ProviderClaims makes the claims for a provider's events, as Claims does.
func ProviderClaims(c control.Claims, notBefore, expires string) event.ProviderClaims {
	return event.ProviderClaims{Issuer: c.Issuer, Name: c.Name, Version: c.Version,
		NotBeforeHuman: cmp.Or(notBefore, "immediately"), ExpiresHuman: cmp.Or(expires, "never")}
}

// LinkSet makes the event of a link that was put.
func LinkSet(l wire.LinkDefinition) event.LinkSet {
	return event.LinkSet{ID: l.ID(), LinkDefinition: withValues(l)}
}

// LinkDeleted makes the event of a link that is gone, of its definition as it was.
func LinkDeleted(l wire.LinkDefinition) event.LinkDeleted {
	return event.LinkDeleted{ID: l.ID(), LinkDefinition: withValues(l)}
}

func withValues(l wire.LinkDefinition) wire.LinkDefinition {
	if l.Values == nil {
		l.Values = map[string]string{}
	}
	return l
}
