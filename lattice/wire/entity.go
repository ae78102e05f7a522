package wire

import (
	"strings"

	"github.com/weftlattice/weft/lattice"
)

// Entity is one end of an invocation. An actor has an empty LinkName and ContractID.
type Entity struct {
	PublicKey  string
	LinkName   lattice.LinkName
	ContractID lattice.ContractID
}

// ActorEntity is the entity of an actor.
func ActorEntity(id lattice.ActorID) Entity { return Entity{PublicKey: string(id)} }

// ProviderEntity is the entity of a provider under one contract and link name.
func ProviderEntity(id lattice.ProviderID, contract lattice.ContractID, link lattice.LinkName) Entity {
	return Entity{PublicKey: string(id), LinkName: link, ContractID: contract}
}

// Actor is the key of an entity that is an actor; IsActor tells.
func (e Entity) Actor() lattice.ActorID { return lattice.ActorID(e.PublicKey) }

// Provider is the key of an entity that is a provider.
func (e Entity) Provider() lattice.ProviderID { return lattice.ProviderID(e.PublicKey) }

// IsActor reports whether the entity's key is a module key.
func (e Entity) IsActor() bool {
	return e.PublicKey != "" && (e.PublicKey[0] == 'M' || e.PublicKey[0] == 'm')
}

var (
	contractPath = strings.NewReplacer(":", "/", " ", "_")
	linkPath     = strings.NewReplacer(" ", "_")
)

// URL is the entity as origin_url and target_url of signed claims spell it.
func (e Entity) URL() string {
	var buf [urlBytes]byte
	return string(e.appendURL(buf[:0]))
}

const (
	scheme   = "wasmbus://"
	urlBytes = 256 // holds the URL of an entity with names of usual length
)

func (e Entity) appendURL(b []byte) []byte {
	b = append(b, scheme...)
	if !e.IsActor() {
		b = append(appendLower(b, string(e.ContractID), contractPath), '/')
		b = append(appendLower(b, string(e.LinkName), linkPath), '/')
	}
	return append(b, e.PublicKey...)
}

// appendLower appends a name with what the replacer replaces, in lower case.
func appendLower(b []byte, name string, r *strings.Replacer) []byte {
	start := len(b)
	for i := range len(name) {
		c := name[i]
		switch {
		case c >= 0x80: // strings knows the cases of the others
			return append(b[:start], strings.ToLower(r.Replace(name))...)
		case c == ' ':
			c = '_'
		case c == ':' && r == contractPath:
			c = '/'
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return b
}

func (e Entity) encode(enc encoder) {
	enc.Map(3)
	enc.str("public_key", e.PublicKey)
	enc.str("link_name", string(e.LinkName))
	enc.str("contract_id", string(e.ContractID))
}

func decodeEntity(d *decoder, e *Entity) {
	d.each(func(d *decoder, key []byte) bool {
		switch string(key) {
		case "public_key":
			e.PublicKey = d.str()
		case "link_name":
			e.LinkName = lattice.LinkName(d.str())
		case "contract_id":
			e.ContractID = lattice.ContractID(d.str())
		default:
			return false
		}
		return true
	})
}
