package control

import (
	"encoding/json"
	"log/slog"
	"maps"
	"math"
	"slices"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// Unbounded is the number of instances that stands for "as many as there are calls".
const Unbounded = math.MaxUint32

// Ack answers a command: accepted, or why not. Both keys are always there.
type Ack struct {
	Accepted bool   `json:"accepted"`
	Error    string `json:"error"`
}

// Reloaded is what a host answers once it has read its keys and credentials again and taken them over (weft).
type Reloaded struct {
	Accepted       bool                `json:"accepted"`
	Issuer         lattice.ClusterID   `json:"issuer"`          // the cluster key that it signs with
	ClusterIssuers []lattice.ClusterID `json:"cluster_issuers"` // all that it and its providers trust
	Changed        []string            `json:"changed,omitempty"`
}

// StartActorRequest is the command of old clients that adds instances to those that run.
type StartActorRequest struct {
	ActorRef    string            `json:"actor_ref"`
	HostID      lattice.HostID    `json:"host_id"`
	Count       uint32            `json:"count"` // 0 or missing is read as 1
	Annotations map[string]string `json:"annotations,omitempty"`
}

// ScaleActorRequest sets how many calls an actor may serve at once on a host. It is declarative: twice is as good as
// once.
type ScaleActorRequest struct {
	ActorID      lattice.ActorID   `json:"actor_id,omitempty"` // only old clients send it; hosts go by the reference
	ActorRef     string            `json:"actor_ref"`
	HostID       lattice.HostID    `json:"host_id"`
	MaxInstances uint32            `json:"count"` // 0 stops; Unbounded, null or max_concurrent: null is no limit
	Annotations  map[string]string `json:"annotations,omitempty"`

	// What weft adds; other hosts ignore it. Both count when the actor starts and are kept while it runs.
	Limits *ActorLimits      `json:"limits,omitempty"` // nil and zero fields: the host's defaults
	Config map[string]string `json:"config,omitempty"` // the environment of the guest
	// what ActorRef means, whatever its tag means now; "": look it up
	Digest string `json:"digest,omitempty"`
}

// StopActorRequest stops an actor on a host, where the annotations of its instances contain the given ones.
type StopActorRequest struct {
	ActorID     lattice.ActorID   `json:"actor_ref"`
	HostID      lattice.HostID    `json:"host_id"`
	Count       uint32            `json:"count"` // 0 is all; newer hosts ignore it
	Annotations map[string]string `json:"annotations,omitempty"`
}

// UpdateActorRequest replaces a running actor by another revision of it. The reply comes when the swap is done.
type UpdateActorRequest struct {
	ActorID     lattice.ActorID   `json:"actor_id"` // may be empty: then the new module's key says
	NewActorRef string            `json:"new_actor_ref"`
	HostID      lattice.HostID    `json:"host_id"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// StartProviderRequest starts a provider on a host.
type StartProviderRequest struct {
	ProviderRef   string            `json:"provider_ref"`
	LinkName      lattice.LinkName  `json:"link_name"`
	HostID        lattice.HostID    `json:"host_id"`
	Configuration string            `json:"configuration,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
	// weft: what ProviderRef means, whatever its tag means now; "": look it up
	Digest string `json:"digest,omitempty"`
	// weft: the provider that takes the place of itself, as it runs under LinkName; "": one that runs is not touched.
	// Without Configuration and Annotations those of the one that runs stay.
	Replaces lattice.ProviderID `json:"replaces,omitempty"`
}

// StopProviderRequest stops a provider on a host.
type StopProviderRequest struct {
	ProviderID  lattice.ProviderID `json:"provider_ref"`
	LinkName    lattice.LinkName   `json:"link_name"`
	ContractID  lattice.ContractID `json:"contract_id"`
	HostID      lattice.HostID     `json:"host_id"`
	Annotations map[string]string  `json:"annotations,omitempty"`
}

// StopHostRequest ends a host, or drains it when sent as the drain command: it takes no new work, finishes and ends
// what it has, and stays, empty, until it is stopped.
type StopHostRequest struct {
	HostID    lattice.HostID `json:"host_id"`
	TimeoutMs uint64         `json:"timeout,omitempty"` // how long to wait for work in flight; 0 is the host's default
}

// RemoveLinkRequest deletes the link of an actor for a contract and a link name.
type RemoveLinkRequest struct {
	ActorID    lattice.ActorID    `json:"actor_id"`
	ContractID lattice.ContractID `json:"contract_id"`
	LinkName   lattice.LinkName   `json:"link_name"`
}

// LabelRequest sets or deletes a label of a host.
type LabelRequest struct {
	Key   string `json:"key"`
	Value string `json:"value"` // not used when deleting
}

// ActorAuctionRequest asks which hosts could run an actor.
type ActorAuctionRequest struct {
	ActorRef    string            `json:"actor_ref"`
	Constraints map[string]string `json:"constraints"` // every one must equal a label of the host
}

// ActorAuctionAck is a bid.
type ActorAuctionAck struct {
	ActorRef    string            `json:"actor_ref"`
	HostID      lattice.HostID    `json:"host_id"`
	Constraints map[string]string `json:"constraints"`
}

// MarshalJSON never writes null for a map.
func (a ActorAuctionAck) MarshalJSON() ([]byte, error) {
	type plain ActorAuctionAck
	p := plain(a)
	p.Constraints = nonNil(p.Constraints)
	return json.Marshal(p)
}

// ProviderAuctionRequest asks which hosts could run a provider under a link name.
type ProviderAuctionRequest struct {
	ProviderRef string            `json:"provider_ref"`
	LinkName    lattice.LinkName  `json:"link_name"`
	Constraints map[string]string `json:"constraints"`
}

// ProviderAuctionAck is a bid.
type ProviderAuctionAck struct {
	ProviderRef string            `json:"provider_ref"`
	LinkName    lattice.LinkName  `json:"link_name"`
	HostID      lattice.HostID    `json:"host_id"`
	Constraints map[string]string `json:"constraints"`
}

// MarshalJSON never writes null for a map.
func (a ProviderAuctionAck) MarshalJSON() ([]byte, error) {
	type plain ProviderAuctionAck
	p := plain(a)
	p.Constraints = nonNil(p.Constraints)
	return json.Marshal(p)
}

// RegistryCredential is how to log in to a registry. Printing it shows no secret.
type RegistryCredential struct {
	RegistryType string `json:"registryType"` // "oci"
	Username     string `json:"username,omitempty"`
	Password     string `json:"password,omitempty"`
	Token        string `json:"token,omitempty"`
}

// String hides the secrets.
func (c RegistryCredential) String() string { return "RegistryCredential{" + c.RegistryType + "}" }

// GoString is String.
func (c RegistryCredential) GoString() string { return c.String() }

// LogValue is String.
func (c RegistryCredential) LogValue() slog.Value { return slog.StringValue(c.String()) }

// RegistryCredentials maps "registry.host[:port]" to its credential.
type RegistryCredentials map[string]RegistryCredential

// LogsRequest asks for the buffered log lines of an actor on a host.
type LogsRequest struct {
	ActorID lattice.ActorID `json:"-"`     // from the subject
	Lines   int             `json:"lines"` // the last so many; 0 is all that the host has
}

// UnmarshalJSON reads what clients of all times send. HostID stays empty: the subject names the host.
func (r *StartActorRequest) UnmarshalJSON(b []byte) error {
	o := readObject(b)
	r.ActorRef = o.need("actor_ref")
	n, _ := o.uint(Unbounded, "count")
	r.Count = max(uint32(n), 1)
	r.Annotations = o.strMap("annotations")
	return o.err("start actor command")
}

// UnmarshalJSON refuses a missing count: to some clients it meant "no limit" and to others "stop".
// HostID stays empty: the subject names the host.
func (r *ScaleActorRequest) UnmarshalJSON(b []byte) error {
	o := readObject(b)
	r.ActorRef = o.need("actor_ref")
	r.ActorID = lattice.ActorID(o.str("actor_id"))
	switch n, p := o.uint(Unbounded, "count", "max_instances", "max_concurrent"); p {
	case present:
		r.MaxInstances = uint32(n)
	case null:
		r.MaxInstances = Unbounded
	default:
		if len(o.errs) == 0 {
			o.bad("count is missing; give the number of instances, 0 to stop, or null for no limit")
		}
	}
	r.Annotations = o.strMap("annotations")
	r.Limits = o.limits("limits")
	r.Config = o.strMap("config")
	r.Digest = o.str("digest")
	return o.err("scale actor command")
}

// UnmarshalJSON reads what clients of all times send. HostID stays empty: the subject names the host.
func (r *StopActorRequest) UnmarshalJSON(b []byte) error {
	o := readObject(b)
	r.ActorID = o.actorID("actor_ref", "actor_id")
	n, _ := o.uint(Unbounded, "count")
	r.Count = uint32(n)
	r.Annotations = o.strMap("annotations")
	return o.err("stop actor command")
}

// UnmarshalJSON reads what clients of all times send. HostID stays empty: the subject names the host.
func (r *UpdateActorRequest) UnmarshalJSON(b []byte) error {
	o := readObject(b)
	r.NewActorRef = o.need("new_actor_ref")
	if o.str("actor_id", "actor_ref") != "" {
		r.ActorID = o.actorID("actor_id", "actor_ref")
	}
	r.Annotations = o.strMap("annotations")
	return o.err("update actor command")
}

// UnmarshalJSON reads what clients of all times send. HostID stays empty: the subject names the host.
func (r *StartProviderRequest) UnmarshalJSON(b []byte) error {
	o := readObject(b)
	r.ProviderRef = o.need("provider_ref")
	r.LinkName = o.linkName("link_name")
	r.Configuration = o.str("configuration")
	r.Annotations = o.strMap("annotations")
	r.Digest = o.str("digest")
	if id := o.str("replaces"); id != "" {
		r.Replaces = o.providerID("replaces")
	}
	return o.err("start provider command")
}

// UnmarshalJSON reads what clients of all times send. HostID stays empty: the subject names the host.
func (r *StopProviderRequest) UnmarshalJSON(b []byte) error {
	o := readObject(b)
	r.ProviderID = o.providerID("provider_ref", "provider_id")
	r.LinkName = o.linkName("link_name")
	r.ContractID = lattice.ContractID(o.str("contract_id"))
	r.Annotations = o.strMap("annotations")
	return o.err("stop provider command")
}

// UnmarshalJSON reads what clients of all times send. HostID stays empty: the subject names the host.
func (r *StopHostRequest) UnmarshalJSON(b []byte) error {
	o := readObject(b)
	r.TimeoutMs, _ = o.uint(1<<40, "timeout")
	return o.err("stop host command")
}

// DecodeLink reads a link definition in JSON, from the control interface or the bucket, and checks it with CheckLink.
// A missing link name is lattice.DefaultLink. Values that are numbers or booleans become text.
func DecodeLink(b []byte) (wire.LinkDefinition, error) {
	o := readObject(b)
	l := wire.LinkDefinition{
		ActorID: lattice.ActorID(o.need("actor_id")), ProviderID: lattice.ProviderID(o.need("provider_id")),
		ContractID: lattice.ContractID(o.need("contract_id")),
		LinkName:   o.linkName("link_name"), Values: o.strMap("values"),
	}
	if l.Values == nil {
		l.Values = map[string]string{}
	}
	if err := o.err("link definition"); err != nil {
		return wire.LinkDefinition{}, err
	}
	return l, CheckLink(l)
}

// CheckLink reports what makes a link definition unfit for subjects and keys, as lattice.ErrInvalid.
func CheckLink(l wire.LinkDefinition) error {
	o := &object{}
	o.check("actor_id", l.ActorID.Check())
	if _, ok := l.Actor(); !ok {
		o.check("provider_id", l.ProviderID.Check())
	} else if !l.ContractID.IsInterface() {
		o.bad("contract_id %q: an actor serves an interface, as acme:edge/filter", lattice.Printable(l.ContractID))
	}
	if l.LinkName == "" {
		o.bad("link_name is missing")
	} else {
		o.check("link_name", l.LinkName.Check())
	}
	o.check("contract_id", l.ContractID.Check())
	return o.err("link definition")
}

// UnmarshalJSON reads what clients of all times send; it is tolerant as the package says.
func (r *RemoveLinkRequest) UnmarshalJSON(b []byte) error {
	o := readObject(b)
	r.ActorID = o.actorID("actor_id")
	r.ContractID = lattice.ContractID(o.need("contract_id"))
	r.LinkName = o.linkName("link_name")
	return o.err("delete link request")
}

// UnmarshalJSON reads what clients of all times send; it is tolerant as the package says.
func (r *LabelRequest) UnmarshalJSON(b []byte) error {
	o := readObject(b)
	r.Key = o.need("key")
	r.Value = o.str("value")
	return o.err("label request")
}

// UnmarshalJSON reads what clients of all times send; it is tolerant as the package says.
func (r *ActorAuctionRequest) UnmarshalJSON(b []byte) error {
	o := readObject(b)
	r.ActorRef = o.need("actor_ref")
	r.Constraints = o.strMap("constraints")
	return o.err("actor auction")
}

// UnmarshalJSON reads what clients of all times send; it is tolerant as the package says.
func (r *ProviderAuctionRequest) UnmarshalJSON(b []byte) error {
	o := readObject(b)
	r.ProviderRef = o.need("provider_ref")
	r.LinkName = o.linkName("link_name")
	r.Constraints = o.strMap("constraints")
	return o.err("provider auction")
}

// UnmarshalJSON reads both spellings of the type. Its errors quote no value, since that might be a secret.
func (r *RegistryCredentials) UnmarshalJSON(b []byte) error {
	o := readObject(b)
	*r = make(RegistryCredentials, len(o.fields))
	for _, host := range slices.Sorted(maps.Keys(o.fields)) {
		c := readObject(o.fields[host])
		(*r)[host] = RegistryCredential{RegistryType: c.str("registryType", "registry_type"),
			Username: c.str("username"),
			Password: c.str("password"), Token: c.str("token")}
		if len(c.errs) > 0 { // its text might hold a secret
			o.bad("%s: malformed credential", lattice.Printable(host))
		}
	}
	return o.err("registry credentials")
}

// UnmarshalJSON reads what clients of all times send; it is tolerant as the package says.
func (r *LogsRequest) UnmarshalJSON(b []byte) error {
	o := readObject(b)
	n, _ := o.uint(1<<20, "lines")
	r.Lines = int(n)
	return o.err("logs request")
}
