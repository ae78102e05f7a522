package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/msgpack"
)

// LinkDefinition grants an actor the use of a provider under a contract and a link name, with the values that
// configure it. It travels as msgpack to providers and as JSON to hosts and in the bucket.
//
// An actor may serve a link, too: then ProviderID is the actor's key, and ContractID the interface without its version,
// as acme:edge/filter. Other software sees a provider that it does not know.
type LinkDefinition struct {
	ActorID    lattice.ActorID    `json:"actor_id"`
	ProviderID lattice.ProviderID `json:"provider_id"`
	LinkName   lattice.LinkName   `json:"link_name"`
	ContractID lattice.ContractID `json:"contract_id"`
	Values     map[string]string  `json:"values"`
}

// Actor returns the actor that serves the link; false: a provider does.
func (l LinkDefinition) Actor() (lattice.ActorID, bool) {
	return lattice.ActorID(l.ProviderID), lattice.IsKey(string(l.ProviderID), 'M')
}

// ID identifies the link: the provider is not part of it, so that an actor has one link per contract and name.
func (l LinkDefinition) ID() string { return LinkID(l.ActorID, l.ContractID, l.LinkName) }

// LinkID is the upper-case hex SHA-256 of the three names, without separators.
func LinkID(actor lattice.ActorID, contract lattice.ContractID, link lattice.LinkName) string {
	sum := sha256.Sum256([]byte(string(actor) + string(contract) + string(link)))
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// Equal reports whether two definitions say the same.
func (l LinkDefinition) Equal(o LinkDefinition) bool {
	if l.ActorID != o.ActorID || l.ProviderID != o.ProviderID || l.LinkName != o.LinkName ||
		l.ContractID != o.ContractID || len(l.Values) != len(o.Values) {
		return false
	}
	for k, v := range l.Values {
		if have, ok := o.Values[k]; !ok || have != v {
			return false
		}
	}
	return true
}

// RouteValue is the link value that says which way calls over the link take. Values whose names begin with
// ReservedValues are weft's own: providers do not see them.
const (
	RouteValue     = ReservedValues + "route"
	ReservedValues = "weft."
	// configValues are what names of values begin with that are configuration of the actor: see ActorConfig.
	configValues = ReservedValues + "config."
)

// ActorConfig returns the values that are for the actor, by the names that it finds them under; nil: there are none.
// All others are for the provider, and may be secrets.
func (l LinkDefinition) ActorConfig() map[string]string {
	var all map[string]string
	for name, value := range l.Values {
		if name, ok := strings.CutPrefix(name, configValues); ok && name != "" {
			if all == nil {
				all = map[string]string{}
			}
			all[name] = value
		}
	}
	return all
}

// Route is which way the calls of a link take when both ends may be on one host.
type Route string

// The routes of a link.
const (
	// PreferLocal stays on the host where an instance is free to serve the call, and goes over NATS otherwise. The
	// default.
	PreferLocal Route = "prefer-local"
	// LocalOnly never leaves the host: a call that nobody there can serve fails.
	LocalOnly Route = "local-only"
	// AnyHost always goes over NATS, so that all hosts share the calls.
	AnyHost Route = "any"
)

// Route reads RouteValue. Anything but a route is lattice.ErrInvalid, and PreferLocal; so is another value under
// ReservedValues.
func (l LinkDefinition) Route() (Route, error) {
	odd := "" // the first in order
	for name := range l.Values {
		own := name == RouteValue || strings.HasPrefix(name, configValues) && name != configValues
		if strings.HasPrefix(name, ReservedValues) && !own && (odd == "" || name < odd) {
			odd = name
		}
	}
	if odd != "" {
		return PreferLocal, &lattice.Error{Code: lattice.ErrInvalid, Op: "read link value",
			Entity: lattice.Printable(odd),
			Detail: "weft knows no such value; there is " + RouteValue + ", and " + configValues + "NAME"}
	}
	switch r := Route(l.Values[RouteValue]); r {
	case "":
		return PreferLocal, nil
	case PreferLocal, LocalOnly, AnyHost:
		return r, nil
	default:
		return PreferLocal, &lattice.Error{Code: lattice.ErrInvalid, Op: "read link value", Entity: RouteValue,
			Detail: fmt.Sprintf("%q; want %s, %s or %s", lattice.Printable(string(r)), PreferLocal, LocalOnly, AnyHost)}
	}
}

// Encode returns the definition as msgpack. Values is always present.
func (l LinkDefinition) Encode() []byte {
	return encode(256, func(w *msgpack.Writer) {
		e := encoder{w}
		e.Map(5)
		e.str("actor_id", string(l.ActorID))
		e.str("provider_id", string(l.ProviderID))
		e.str("link_name", string(l.LinkName))
		e.str("contract_id", string(l.ContractID))
		e.strMap("values", l.Values)
	})
}

// DecodeLinkDefinition reads a definition; unknown keys (as "id") are ignored.
func DecodeLinkDefinition(b []byte) (LinkDefinition, error) {
	var l LinkDefinition
	err := decode("link definition", b, func(d *decoder, key []byte) bool {
		switch string(key) {
		case "actor_id":
			l.ActorID = lattice.ActorID(d.str())
		case "provider_id":
			l.ProviderID = lattice.ProviderID(d.str())
		case "link_name":
			l.LinkName = lattice.LinkName(d.str())
		case "contract_id":
			l.ContractID = lattice.ContractID(d.str())
		case "values":
			l.Values = d.strMap()
		default:
			return false
		}
		return true
	})
	return l, err
}

// The states of a link in a provider.
const (
	LinkActive = "active"
	LinkFailed = "failed"
	LinkAway   = "away" // active, but what the provider needs for it is away
)

// Headers that answers of weft have, of more than one kind. Other software ignores them.
const (
	HeaderHost  = "Weft-Host"  // the host that answers, or that started the process that does
	HeaderError = "Weft-Error" // lattice.Code.Name of what failed or was refused
)

// LinkState is what a provider process says of one of its links (JSON). A list of them answers subject.LinkStates.
type LinkState struct {
	ActorID    lattice.ActorID    `json:"actor_id"`
	LinkName   lattice.LinkName   `json:"link_name"`
	ContractID lattice.ContractID `json:"contract_id"`
	ProviderID lattice.ProviderID `json:"provider_id"`
	State      string             `json:"state"` // LinkActive, LinkFailed or LinkAway
	Error      string             `json:"error,omitempty"`
	Code       string             `json:"code,omitempty"` // lattice.Code.Name of Error
	HostID     lattice.HostID     `json:"host_id"`        // the host that started the process
	// RetryMS is in how many milliseconds a failed link is tried again; 0 for never.
	RetryMS int64 `json:"retry_ms,omitempty"`
	// Refused tells of stored values that an active link has not taken; it goes on as it was. In the answer to a check
	// of values that would fail it says that there is an active link, which those values would have changed.
	Refused *LinkRefusal `json:"refused,omitempty"`
	// Since is since when it is LinkAway, by the clock of the process.
	Since time.Time `json:"since,omitzero"`
	// Checked says that the provider refuses values that it does not know.
	Checked bool `json:"checked,omitempty"`
}

// LinkRefusal says why a provider has not taken new values of a link that works.
type LinkRefusal struct {
	Error   string `json:"error"`
	Code    string `json:"code"`               // lattice.Code.Name of Error
	RetryMS int64  `json:"retry_ms,omitempty"` // in how many milliseconds they are tried again; 0 for never
}

// Health is a provider's answer to a health request.
type Health struct {
	Healthy bool
	Message string
}

// Encode returns the answer as msgpack; an empty message is left out.
func (h Health) Encode() []byte {
	return encode(64, func(w *msgpack.Writer) {
		e := encoder{w}
		n := 1
		if h.Message != "" {
			n = 2
		}
		e.Map(n)
		e.Str("healthy")
		e.Bool(h.Healthy)
		if n == 2 {
			e.str("message", h.Message)
		}
	})
}

// DecodeHealth reads a health answer.
func DecodeHealth(b []byte) (Health, error) {
	var h Health
	err := decode("health", b, func(d *decoder, key []byte) bool {
		switch string(key) {
		case "healthy":
			h.Healthy = d.Bool()
		case "message":
			h.Message = d.str()
		default:
			return false
		}
		return true
	})
	return h, err
}
