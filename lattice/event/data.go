package event

import (
	"encoding/json"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// The names of events.
const (
	NameHostStarted   = "host_started"
	NameHostStopped   = subject.EventHostStopped
	NameHostHeartbeat = subject.EventHostHeartbeat
	NameHostDraining  = "host_draining" // weft
	NameHostLost      = subject.EventHostLost
	NameHostFound     = "host_found" // weft

	NameActorStarted      = "actor_started"
	NameActorStartFailed  = "actor_start_failed"
	NameActorStopped      = "actor_stopped"
	NameActorsStarted     = "actors_started"
	NameActorsStartFailed = "actors_start_failed"
	NameActorsStopped     = "actors_stopped"
	NameActorScaled       = "actor_scaled"
	NameActorScaleFailed  = "actor_scale_failed"
	NameActorUpdated      = "actor_updated"
	NameActorUpdateFailed = "actor_update_failed"

	NameProviderStarted     = "provider_started"
	NameProviderStartFailed = "provider_start_failed"
	NameProviderStopped     = "provider_stopped"
	NameProviderRestarting  = "provider_restarting" // weft
	NameHealthCheckPassed   = "health_check_passed"
	NameHealthCheckFailed   = "health_check_failed"
	NameHealthCheckStatus   = "health_check_status"

	NameLinkSet       = "linkdef_set"
	NameLinkDeleted   = "linkdef_deleted"
	NameRefmapSet     = "refmap_set"
	NameConfigSet     = "config_set"
	NameConfigDeleted = "config_deleted"
)

// Names returns the names of all events, hosts before actors, providers and links.
func Names() []string {
	return []string{
		NameHostStarted, NameHostStopped, NameHostHeartbeat, NameHostDraining, NameHostLost, NameHostFound,
		NameActorStarted, NameActorStartFailed, NameActorStopped, NameActorsStarted, NameActorsStartFailed,
		NameActorsStopped, NameActorScaled, NameActorScaleFailed, NameActorUpdated, NameActorUpdateFailed,
		NameProviderStarted, NameProviderStartFailed, NameProviderStopped, NameProviderRestarting,
		NameHealthCheckPassed, NameHealthCheckFailed, NameHealthCheckStatus, NameLinkSet, NameLinkDeleted,
		NameRefmapSet, NameConfigSet, NameConfigDeleted,
	}
}

// Annotations is never null on the wire.
type Annotations map[string]string

// MarshalJSON writes {} for nil.
func (a Annotations) MarshalJSON() ([]byte, error) {
	if a == nil {
		return []byte("{}"), nil
	}
	return json.Marshal(map[string]string(a))
}

// Words is a list that is never null on the wire.
type Words[S ~string] []S

// MarshalJSON writes [] for nil.
func (w Words[S]) MarshalJSON() ([]byte, error) {
	if w == nil {
		return []byte("[]"), nil
	}
	return json.Marshal([]S(w))
}

// ActorClaims are the claims in an actor's events.
type ActorClaims struct {
	CallAlias      string                    `json:"call_alias"`
	Caps           Words[lattice.ContractID] `json:"caps"`
	Issuer         lattice.AccountID         `json:"issuer"`
	Tags           Words[string]             `json:"tags"`
	Name           string                    `json:"name"`
	Version        string                    `json:"version"`
	Revision       int32                     `json:"revision"`
	NotBeforeHuman string                    `json:"not_before_human"` // "immediately", or a time
	ExpiresHuman   string                    `json:"expires_human"`    // "never", or a time
}

// ProviderClaims are the claims in a provider's events. Tags is always null: observers take it for text.
type ProviderClaims struct {
	Issuer         lattice.AccountID `json:"issuer"`
	Tags           json.RawMessage   `json:"tags"`
	Name           string            `json:"name"`
	Version        string            `json:"version"`
	NotBeforeHuman string            `json:"not_before_human"`
	ExpiresHuman   string            `json:"expires_human"`
}

// The data of host events.
type (
	// HostStarted says that a host serves.
	HostStarted struct {
		Labels        Annotations `json:"labels"`
		FriendlyName  string      `json:"friendly_name"`
		UptimeSeconds uint64      `json:"uptime_seconds"`
		Version       string      `json:"version"`
	}
	// HostStopped says that a host ends.
	HostStopped struct {
		Labels Annotations `json:"labels"`
		Reason string      `json:"reason,omitempty"` // weft
	}
	// HostDraining says that a host takes no new work (weft).
	HostDraining struct {
		Labels Annotations `json:"labels"`
	}
	// HostLost says that the beats of a host have ended though it has not said that it ends, and what ran there (weft).
	// Another host publishes it, as far as possible only one.
	HostLost struct{ control.LostHost }
	// HostFound says that beats of a host that was lost come again, without a new start (weft): it had hung, or was cut
	// off. The host that has published the loss publishes it.
	HostFound struct {
		HostID       lattice.HostID `json:"host_id"`
		FriendlyName string         `json:"friendly_name"`
		Labels       Annotations    `json:"labels"`
	}
	// HostHeartbeat is the whole inventory. Decoding also takes the form of older hosts, with counts of actors.
	HostHeartbeat struct{ control.HostInventory }
)

// The data of actor events.
type (
	ActorStarted struct {
		PublicKey   lattice.ActorID `json:"public_key"`
		ImageRef    string          `json:"image_ref"`
		APIVersion  string          `json:"api_version"` // "n/a"
		InstanceID  string          `json:"instance_id"`
		Annotations Annotations     `json:"annotations"`
		Claims      ActorClaims     `json:"claims"`
		HostID      lattice.HostID  `json:"host_id"`
		Digest      string          `json:"digest,omitempty"` // weft: what image_ref means
	}
	ActorStartFailed struct {
		ActorRef    string          `json:"actor_ref"`
		ImageRef    string          `json:"image_ref"`
		PublicKey   lattice.ActorID `json:"public_key"`
		Error       string          `json:"error"`
		Annotations Annotations     `json:"annotations"`
		HostID      lattice.HostID  `json:"host_id"`
		Code        string          `json:"code,omitempty"` // weft: lattice.Code.Name of the error
	}
	ActorStopped struct {
		PublicKey   lattice.ActorID `json:"public_key"`
		InstanceID  string          `json:"instance_id"`
		Annotations Annotations     `json:"annotations"`
		HostID      lattice.HostID  `json:"host_id"`
	}
	// ActorsStarted tells how many instances are new.
	ActorsStarted struct {
		PublicKey   lattice.ActorID `json:"public_key"`
		ImageRef    string          `json:"image_ref"`
		Annotations Annotations     `json:"annotations"`
		HostID      lattice.HostID  `json:"host_id"`
		Claims      ActorClaims     `json:"claims"`
		Count       uint32          `json:"count"`
		Digest      string          `json:"digest,omitempty"` // weft: what image_ref means
	}
	ActorsStartFailed struct {
		PublicKey   lattice.ActorID `json:"public_key"`
		ImageRef    string          `json:"image_ref"`
		ActorRef    string          `json:"actor_ref"`
		Annotations Annotations     `json:"annotations"`
		HostID      lattice.HostID  `json:"host_id"`
		Error       string          `json:"error"`
		Code        string          `json:"code,omitempty"` // weft: lattice.Code.Name of the error
	}
	// ActorsStopped tells how many instances are gone and how many remain.
	ActorsStopped struct {
		PublicKey   lattice.ActorID `json:"public_key"`
		ImageRef    string          `json:"image_ref"`
		Annotations Annotations     `json:"annotations"`
		HostID      lattice.HostID  `json:"host_id"`
		Count       uint32          `json:"count"`
		Remaining   uint32          `json:"remaining"`
	}
	// ActorScaled tells the scale that is now in effect.
	ActorScaled struct {
		PublicKey    lattice.ActorID `json:"public_key"`
		Claims       ActorClaims     `json:"claims"`
		Annotations  Annotations     `json:"annotations"`
		HostID       lattice.HostID  `json:"host_id"`
		ImageRef     string          `json:"image_ref"`
		MaxInstances uint32          `json:"max_instances"`
		Digest       string          `json:"digest,omitempty"` // weft: what image_ref means
	}
	ActorScaleFailed struct {
		PublicKey    lattice.ActorID `json:"public_key"`
		Annotations  Annotations     `json:"annotations"`
		HostID       lattice.HostID  `json:"host_id"`
		ImageRef     string          `json:"image_ref"`
		ActorRef     string          `json:"actor_ref"`
		MaxInstances uint32          `json:"max_instances"`
		Error        string          `json:"error"`
		Code         string          `json:"code,omitempty"` // weft: lattice.Code.Name of the error
	}
	ActorUpdated struct {
		PublicKey  lattice.ActorID `json:"public_key"`
		Revision   int32           `json:"revision"`
		InstanceID string          `json:"instance_id"`
		ImageRef   string          `json:"image_ref,omitempty"` // weft
		Digest     string          `json:"digest,omitempty"`    // weft: what image_ref means
	}
	ActorUpdateFailed struct {
		PublicKey  lattice.ActorID `json:"public_key"`
		Revision   int32           `json:"revision"`
		InstanceID string          `json:"instance_id"`
		Reason     string          `json:"reason"`
		ImageRef   string          `json:"image_ref,omitempty"` // weft
	}
)

// The data of provider events.
type (
	ProviderStarted struct {
		HostID      lattice.HostID     `json:"host_id"`
		PublicKey   lattice.ProviderID `json:"public_key"`
		ImageRef    string             `json:"image_ref"`
		LinkName    lattice.LinkName   `json:"link_name"`
		ContractID  lattice.ContractID `json:"contract_id"`
		InstanceID  string             `json:"instance_id"`
		Annotations Annotations        `json:"annotations"`
		Claims      ProviderClaims     `json:"claims"`
		Digest      string             `json:"digest,omitempty"` // weft: what image_ref means
	}
	ProviderStartFailed struct {
		ProviderRef string           `json:"provider_ref"`
		LinkName    lattice.LinkName `json:"link_name"`
		Error       string           `json:"error"`
		HostID      lattice.HostID   `json:"host_id"`
		Code        string           `json:"code,omitempty"` // weft: lattice.Code.Name of the error
	}
	ProviderStopped struct {
		HostID      lattice.HostID     `json:"host_id"`
		PublicKey   lattice.ProviderID `json:"public_key"`
		LinkName    lattice.LinkName   `json:"link_name"`
		ContractID  lattice.ContractID `json:"contract_id"`
		InstanceID  string             `json:"instance_id"`
		Annotations Annotations        `json:"annotations"`
		Reason      string             `json:"reason"`
	}
	// ProviderRestarting says that a provider died and when it is tried again (weft).
	ProviderRestarting struct {
		HostID     lattice.HostID     `json:"host_id"`
		PublicKey  lattice.ProviderID `json:"public_key"`
		LinkName   lattice.LinkName   `json:"link_name"`
		ContractID lattice.ContractID `json:"contract_id"`
		Reason     string             `json:"reason"` // how it ended
		Restarts   uint64             `json:"restarts"`
		DelayMs    uint64             `json:"delay_ms"`
	}
	// ProviderHealth is the data of the three health events.
	ProviderHealth struct {
		PublicKey  lattice.ProviderID `json:"public_key"`
		ContractID lattice.ContractID `json:"contract_id"`
		LinkName   lattice.LinkName   `json:"link_name"`
		HostID     lattice.HostID     `json:"host_id,omitempty"` // weft
		Message    string             `json:"message,omitempty"` // weft: what the provider says about itself
	}
	HealthCheckPassed struct{ ProviderHealth } // it was not healthy before
	HealthCheckFailed struct{ ProviderHealth } // it was healthy before
	HealthCheckStatus struct{ ProviderHealth } // as before
)

// The data of events about the lattice's state. Every host publishes those about links.
type (
	LinkSet struct {
		ID string `json:"id"`
		wire.LinkDefinition
	}
	LinkDeleted struct {
		ID string `json:"id"`
		wire.LinkDefinition
	}
	RefmapSet struct {
		OCIURL    string `json:"oci_url"`
		PublicKey string `json:"public_key"`
	}
	ConfigSet struct {
		EntityID string `json:"entity_id"`
		Key      string `json:"key"`
	}
	ConfigDeleted struct {
		EntityID string `json:"entity_id"`
		Key      string `json:"key"`
	}
)

func (HostStarted) EventName() string         { return NameHostStarted }
func (HostStopped) EventName() string         { return NameHostStopped }
func (HostDraining) EventName() string        { return NameHostDraining }
func (HostLost) EventName() string            { return NameHostLost }
func (HostFound) EventName() string           { return NameHostFound }
func (HostHeartbeat) EventName() string       { return NameHostHeartbeat }
func (ActorStarted) EventName() string        { return NameActorStarted }
func (ActorStartFailed) EventName() string    { return NameActorStartFailed }
func (ActorStopped) EventName() string        { return NameActorStopped }
func (ActorsStarted) EventName() string       { return NameActorsStarted }
func (ActorsStartFailed) EventName() string   { return NameActorsStartFailed }
func (ActorsStopped) EventName() string       { return NameActorsStopped }
func (ActorScaled) EventName() string         { return NameActorScaled }
func (ActorScaleFailed) EventName() string    { return NameActorScaleFailed }
func (ActorUpdated) EventName() string        { return NameActorUpdated }
func (ActorUpdateFailed) EventName() string   { return NameActorUpdateFailed }
func (ProviderStarted) EventName() string     { return NameProviderStarted }
func (ProviderStartFailed) EventName() string { return NameProviderStartFailed }
func (ProviderStopped) EventName() string     { return NameProviderStopped }
func (ProviderRestarting) EventName() string  { return NameProviderRestarting }
func (HealthCheckPassed) EventName() string   { return NameHealthCheckPassed }
func (HealthCheckFailed) EventName() string   { return NameHealthCheckFailed }
func (HealthCheckStatus) EventName() string   { return NameHealthCheckStatus }
func (LinkSet) EventName() string             { return NameLinkSet }
func (LinkDeleted) EventName() string         { return NameLinkDeleted }
func (RefmapSet) EventName() string           { return NameRefmapSet }
func (ConfigSet) EventName() string           { return NameConfigSet }
func (ConfigDeleted) EventName() string       { return NameConfigDeleted }

var _ = register[HostStarted]() && register[HostStopped]() && register[HostDraining]() && register[HostLost]() &&
	register[HostFound]() && register[HostHeartbeat]() &&
	register[ActorStarted]() && register[ActorStartFailed]() && register[ActorStopped]() && register[ActorsStarted]() &&
	register[ActorsStartFailed]() && register[ActorsStopped]() && register[ActorScaled]() &&
	register[ActorScaleFailed]() &&
	register[ActorUpdated]() && register[ActorUpdateFailed]() && register[ProviderStarted]() &&
	register[ProviderStartFailed]() &&
	register[ProviderStopped]() && register[ProviderRestarting]() && register[HealthCheckPassed]() &&
	register[HealthCheckFailed]() && register[HealthCheckStatus]() && register[LinkSet]() && register[LinkDeleted]() &&
	register[RefmapSet]() && register[ConfigSet]() && register[ConfigDeleted]()
