package control

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/weftlattice/weft/lattice"
)

// Host is a host's answer to a ping.
type Host struct {
	ID             lattice.HostID               `json:"id"`
	Issuer         lattice.ClusterID            `json:"issuer"` // the host's cluster key
	Labels         map[string]string            `json:"labels"`
	FriendlyName   string                       `json:"friendly_name"`
	UptimeSeconds  uint64                       `json:"uptime_seconds"`
	UptimeHuman    string                       `json:"uptime_human"`
	Version        string                       `json:"version"` // a semantic version
	ClusterIssuers CommaList[lattice.ClusterID] `json:"cluster_issuers"`
	JSDomain       string                       `json:"js_domain,omitempty"`
	CtlHost        string                       `json:"ctl_host"`
	RPCHost        string                       `json:"rpc_host"`
	ProvRPCHost    string                       `json:"prov_rpc_host"`
	LatticePrefix  lattice.Name                 `json:"lattice_prefix"`
	Lattice        lattice.Name                 `json:"lattice"`
	State          string                       `json:"state,omitempty"` // weft: "" or StateDraining
}

// States that weft adds to inventories. Other hosts leave them empty.
const (
	StateStarting   = "starting"
	StateRunning    = "running"
	StateRestarting = "restarting"
	StateFailed     = "failed"
	StateStopping   = "stopping"
	StateDraining   = "draining"
)

// DecodeHost reads a host's answer to a ping.
func DecodeHost(b []byte) (Host, error) {
	o := readObject(b)
	h := Host{
		Issuer: lattice.ClusterID(o.str("issuer")), Labels: o.strMap("labels"), FriendlyName: o.str("friendly_name"),
		UptimeHuman: o.str("uptime_human"), Version: o.str("version"),
		ClusterIssuers: list[lattice.ClusterID](o, "cluster_issuers"),
		JSDomain:       o.str("js_domain"), CtlHost: o.str("ctl_host"), RPCHost: o.str("rpc_host"),
		ProvRPCHost: o.str("prov_rpc_host"), State: o.str("state"),
		Lattice: lattice.Name(o.str("lattice", "lattice_prefix")),
	}
	h.LatticePrefix = h.Lattice
	h.UptimeSeconds, _ = o.uint(math.MaxUint64, "uptime_seconds")
	id, err := lattice.ParseHostID(o.need("id", "host_id"))
	o.check("id", err)
	h.ID = id
	return h, o.err("host")
}

// HostInventory is all that runs on a host.
type HostInventory struct {
	HostID        lattice.HostID    `json:"host_id"`
	Issuer        lattice.ClusterID `json:"issuer"`
	FriendlyName  string            `json:"friendly_name"`
	Labels        map[string]string `json:"labels"`
	Actors        []Actor           `json:"actors"`
	Providers     []Provider        `json:"providers"`
	Version       string            `json:"version"`
	UptimeHuman   string            `json:"uptime_human"`
	UptimeSeconds uint64            `json:"uptime_seconds"`
	State         string            `json:"state,omitempty"` // weft: "" or StateDraining
	// weft: the lattice's NATS server runs in the host's process
	CarriesNATS bool `json:"carries_nats,omitempty"`
	// weft: domain of the JetStream that keeps the lattice's state, "" where that has none; nil: not known
	JSDomain *string `json:"js_domain,omitempty"`
	// weft: when the bucket with the lattice's state was made, which tells it from those of other JetStreams; nil: not
	// known
	StateMade *time.Time `json:"state_made,omitempty"`
}

// Actor is an actor on a host.
type Actor struct {
	ID        lattice.ActorID `json:"id"`
	ImageRef  string          `json:"image_ref"`
	Name      string          `json:"name"`
	Instances []ActorInstance `json:"instances"`
	State     string          `json:"state,omitempty"`  // weft: one of the State constants
	Error     string          `json:"error,omitempty"`  // weft: why State is StateFailed
	Limits    *ActorLimits    `json:"limits,omitempty"` // weft
	// weft: what ImageRef meant when the actor was started; ImageRef@Digest is the same for ever
	Digest string `json:"digest,omitempty"`
	// weft: SharedInstances or FreshInstances, what becomes of its instances after a call, and why, for people; empty
	// when that is not known
	InstanceMode   string `json:"instance_mode,omitempty"`
	InstanceReason string `json:"instance_reason,omitempty"`
}

// ActorLimits are the limits that a host puts on an actor, and how long its instances live (weft).
type ActorLimits struct {
	MemoryBytes uint64 `json:"memory_bytes"`
	ExecutionMs uint64 `json:"execution_ms"`
	// Fuel is the work of one call, in units of about a simple instruction; at most MaxFuel. 0: the host's default,
	// which may be no limit.
	Fuel uint64 `json:"fuel,omitempty"`
	// Instances is SharedInstances or FreshInstances; empty is what users of the kind expect: fresh for components,
	// shared for modules.
	Instances string `json:"instances,omitempty"`
	// An instance that has served so many calls, or is larger than so many bytes after a call, is brought back to how
	// it began. 0: the host's default, and never.
	RecycleCalls       uint64 `json:"recycle_calls,omitempty"`
	RecycleMemoryBytes uint64 `json:"recycle_memory_bytes,omitempty"`
}

// MaxFuel bounds ActorLimits.Fuel. It lasts for weeks.
const MaxFuel = 1 << 53

// What becomes of an actor's instance after a call.
const (
	SharedInstances = "shared" // it serves the next call as it is
	FreshInstances  = "fresh"  // it is brought back to how it began: nothing survives between calls
)

// ActorInstance is an actor's scale under one set of annotations.
type ActorInstance struct {
	Annotations  map[string]string `json:"annotations"`
	InstanceID   string            `json:"instance_id"`
	Revision     int32             `json:"revision"`
	ImageRef     string            `json:"image_ref,omitempty"`
	MaxInstances uint32            `json:"max_instances"`     // hosts before 0.82 say max_concurrent; both are sent
	Running      int               `json:"running,omitempty"` // weft: instances that exist now
}

// Provider is a provider on a host.
type Provider struct {
	ID          lattice.ProviderID `json:"id"`
	ImageRef    string             `json:"image_ref,omitempty"`
	ContractID  lattice.ContractID `json:"contract_id"`
	LinkName    lattice.LinkName   `json:"link_name"`
	Name        string             `json:"name,omitempty"`
	Annotations map[string]string  `json:"annotations"`
	Revision    int32              `json:"revision"`
	InstanceID  string             `json:"instance_id,omitempty"`
	State       string             `json:"state,omitempty"`    // weft: one of the State constants
	Error       string             `json:"error,omitempty"`    // weft: why it is not running
	Restarts    uint64             `json:"restarts,omitempty"` // weft: since the provider was started by command
	PID         int                `json:"pid,omitempty"`      // weft; none when Inline
	Inline      bool               `json:"inline,omitempty"`   // weft: it runs in the host's process
	Digest      string             `json:"digest,omitempty"`   // weft: as in Actor
}

// MarshalJSON never writes null for a list or a map, which old clients refuse.
func (h HostInventory) MarshalJSON() ([]byte, error) {
	type plain HostInventory
	p := plain(h)
	if p.Actors == nil {
		p.Actors = []Actor{}
	}
	if p.Providers == nil {
		p.Providers = []Provider{}
	}
	p.Labels = nonNil(p.Labels)
	return json.Marshal(p)
}

// MarshalJSON never writes null for the list of instances.
func (a Actor) MarshalJSON() ([]byte, error) {
	type plain Actor
	p := plain(a)
	if p.Instances == nil {
		p.Instances = []ActorInstance{}
	}
	return json.Marshal(p)
}

// MarshalJSON adds max_concurrent, which holds at most 65535.
func (i ActorInstance) MarshalJSON() ([]byte, error) {
	type plain ActorInstance
	p := plain(i)
	p.Annotations = nonNil(p.Annotations)
	return json.Marshal(struct {
		plain
		MaxConcurrent uint16 `json:"max_concurrent"`
	}{p, uint16(min(i.MaxInstances, math.MaxUint16))})
}

// MarshalJSON never writes null for the annotations.
func (p Provider) MarshalJSON() ([]byte, error) {
	type plain Provider
	q := plain(p)
	q.Annotations = nonNil(q.Annotations)
	return json.Marshal(q)
}

// MarshalJSON never writes null for the labels.
func (h Host) MarshalJSON() ([]byte, error) {
	type plain Host
	p := plain(h)
	p.Labels = nonNil(p.Labels)
	return json.Marshal(p)
}

func nonNil(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// DecodeInventory reads an inventory of any era, also a heartbeat's body, where actors may be a map of counts.
func DecodeInventory(b []byte) (HostInventory, error) {
	o := readObject(b)
	h := HostInventory{
		Issuer: lattice.ClusterID(o.str("issuer")), FriendlyName: o.str("friendly_name"), Labels: o.strMap("labels"),
		Version: o.str("version"), UptimeHuman: o.str("uptime_human"), State: o.str("state"),
		HostID: lattice.HostID(o.str("host_id")), CarriesNATS: o.str("carries_nats") == "true",
	}
	h.UptimeSeconds, _ = o.uint(math.MaxUint64, "uptime_seconds")
	if raw, _, ok := o.get("js_domain"); ok && !isNull(raw) {
		domain := o.str("js_domain")
		h.JSDomain = &domain
	}
	if made, err := time.Parse(time.RFC3339, o.str("state_made")); err == nil {
		h.StateMade = &made
	}
	if raw, _, ok := o.get("actors"); ok && !isNull(raw) {
		if strings.HasPrefix(strings.TrimSpace(string(raw)), "{") {
			h.Actors = o.actorCounts(raw)
		} else {
			each(o, "actors", raw, func(a *object) { h.Actors = append(h.Actors, readActor(a)) })
		}
	}
	if raw, _, ok := o.get("providers"); ok && !isNull(raw) {
		each(o, "providers", raw, func(p *object) { h.Providers = append(h.Providers, readProvider(p)) })
	}
	return h, o.err("inventory")
}

// UnmarshalJSON is DecodeInventory.
func (h *HostInventory) UnmarshalJSON(b []byte) error {
	got, err := DecodeInventory(b)
	*h = got
	return err
}

// each calls read for every object of a list and takes over its problems.
func each(o *object, name string, raw json.RawMessage, read func(*object)) {
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		o.bad("%s: want a list", name)
		return
	}
	for _, item := range list {
		sub := readObject(item)
		read(sub)
		o.errs = append(o.errs, sub.errs...)
	}
}

// actorCounts reads actors as an object of counts by key, as heartbeats may have them.
func (o *object) actorCounts(raw json.RawMessage) []Actor {
	var actors []Actor
	counts := readObject(raw)
	for _, id := range sortedKeys(counts.fields) {
		n, _ := counts.uint(Unbounded, id)
		aid, err := lattice.ParseActorID(id)
		counts.check("actors", err)
		actors = append(actors, Actor{ID: aid, Instances: []ActorInstance{{MaxInstances: uint32(n)}}})
	}
	o.errs = append(o.errs, counts.errs...)
	return actors
}

// readActor reads an actor of any host's inventory. Fields of weft's own are empty where others describe it.
func readActor(o *object) Actor {
	a := Actor{ID: o.actorID("id", "public_key"), ImageRef: o.str("image_ref"), Name: o.str("name"),
		State: o.str("state"), Error: o.str("error"), Digest: o.str("digest"),
		InstanceMode: o.str("instance_mode"), InstanceReason: o.str("instance_reason")}
	if raw, _, ok := o.get("instances"); ok && !isNull(raw) {
		each(o, "instances", raw, func(i *object) { a.Instances = append(a.Instances, readInstance(i)) })
	}
	a.Limits = o.limits("limits")
	return a
}

// limits reads the limits of an actor, nil when there are none.
func (o *object) limits(name string) *ActorLimits {
	raw, _, ok := o.get(name)
	if !ok || isNull(raw) {
		return nil
	}
	l := &ActorLimits{}
	sub := readObject(raw)
	l.MemoryBytes, _ = sub.uint(math.MaxUint64, "memory_bytes")
	l.ExecutionMs, _ = sub.uint(math.MaxUint64, "execution_ms")
	l.Fuel, _ = sub.uint(MaxFuel, "fuel")
	l.RecycleCalls, _ = sub.uint(math.MaxUint64, "recycle_calls")
	l.RecycleMemoryBytes, _ = sub.uint(math.MaxUint64, "recycle_memory_bytes")
	if l.Instances = sub.str("instances"); !slices.Contains([]string{"", SharedInstances, FreshInstances},
		l.Instances) {
		sub.bad("instances: want %s or %s, got %q", SharedInstances, FreshInstances, lattice.Printable(l.Instances))
	}
	o.errs = append(o.errs, sub.errs...)
	return l
}

// readInstance reads how an actor is scaled. The names of the number, and what it means when it is missing, differ by
// version.
func readInstance(o *object) ActorInstance {
	i := ActorInstance{Annotations: o.strMap("annotations"), InstanceID: o.str("instance_id"),
		ImageRef: o.str("image_ref"), Revision: o.int32("revision")}
	switch n, p := o.uint(Unbounded, "max_instances", "max_concurrent"); p {
	case present:
		i.MaxInstances = uint32(n)
	case null:
		i.MaxInstances = Unbounded
	default:
		i.MaxInstances = 1 // the oldest hosts list each instance
	}
	n, _ := o.uint(math.MaxInt32, "running")
	i.Running = int(n)
	return i
}

func readProvider(o *object) Provider {
	p := Provider{ID: o.providerID("id", "public_key"), ImageRef: o.str("image_ref"),
		ContractID: lattice.ContractID(o.str("contract_id")), LinkName: o.linkName("link_name"), Name: o.str("name"),
		Annotations: o.strMap("annotations"),
		Revision:    o.int32("revision"), InstanceID: o.str("instance_id"), State: o.str("state"),
		Error:  o.str("error"),
		Digest: o.str("digest")}
	p.Restarts, _ = o.uint(math.MaxUint64, "restarts")
	pid, _ := o.uint(math.MaxInt32, "pid")
	p.PID = int(pid)
	p.Inline = o.str("inline") == "true"
	return p
}

// int32 reads a whole number that may be negative; what is none is 0, since only old revisions are meant by it.
func (o *object) int32(names ...string) int32 {
	var n json.Number
	raw, _, ok := o.get(names...)
	if !ok {
		return 0
	}
	text, err := scalarText(raw)
	if err != nil {
		return 0
	}
	n = json.Number(text)
	f, err := n.Float64()
	if err != nil || f < math.MinInt32 || f > math.MaxInt32 {
		return 0
	}
	return int32(f)
}
