package control

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/weftlattice/weft/lattice"
)

// Claims is what the lattice knows about an actor or a provider: the readable part of its signed claims.
type Claims struct {
	Subject   string            // public key, "M..." or "V..."
	Issuer    lattice.AccountID // account that signed it
	Name      string
	Revision  int32
	Version   string
	CallAlias string               // actors: the name by which other actors call it; may be empty
	Caps      []lattice.ContractID // actors: contracts it may call
	Tags      []string             // actors

	// Interfaces are the functions that a component exports for others and imports from others, a line for each:
	// "export acme:edge/filter@0.1.0#apply: func(text: string) -> string". Those who run the actor write it; it is not
	// signed. Empty: it is no component, has none, or runs on hosts that do not tell.
	Interfaces string

	ContractID   lattice.ContractID // providers
	ConfigSchema string             // providers: JSON schema; may be empty
}

// IsProvider reports whether the claims are a provider's. Nothing but the key's kind tells.
func (c Claims) IsProvider() bool { return strings.HasPrefix(c.Subject, "V") }

// Flat returns the claims as text only, lists joined by commas, under the short names of their keys. It is the form
// of the bucket, which hosts and clients of every era read.
func (c Claims) Flat() map[string]string {
	m := map[string]string{"contract_id": string(c.ContractID), "iss": string(c.Issuer), "name": c.Name,
		"rev": strconv.Itoa(int(c.Revision)), "sub": c.Subject, "version": c.Version}
	if c.IsProvider() {
		if c.ConfigSchema != "" {
			m["config_schema"] = c.ConfigSchema
		}
		return m
	}
	if c.Interfaces != "" {
		m["interfaces"] = c.Interfaces
	}
	m["call_alias"], m["caps"], m["tags"] = c.CallAlias, strings.Join(lattice.Texts(c.Caps), ","),
		strings.Join(c.Tags, ",")
	return m
}

// MarshalJSON writes the form of the claims list: flat text under the short and the long names of the keys.
func (c Claims) MarshalJSON() ([]byte, error) {
	m := c.Flat()
	m["issuer"], m["revision"], m["subject"] = m["iss"], m["rev"], m["sub"]
	if c.IsProvider() {
		m["config_schema"] = c.ConfigSchema
	} else {
		m["capabilities"] = m["caps"]
		delete(m, "contract_id")
	}
	return json.Marshal(m)
}

// UnmarshalJSON is DecodeClaims.
func (c *Claims) UnmarshalJSON(b []byte) error {
	got, err := DecodeClaims(b)
	*c = got
	return err
}

// DecodeClaims reads every form that hosts have written: short or long names, text or lists. A subject that is neither
// an actor's nor a provider's key is lattice.ErrInvalid.
func DecodeClaims(b []byte) (Claims, error) {
	o := readObject(b)
	c := Claims{Subject: o.need("sub", "subject"), Issuer: lattice.AccountID(o.str("iss", "issuer")),
		Name:     o.str("name"),
		Revision: o.int32("rev", "revision"), Version: o.str("version")}
	if len(o.errs) == 0 && !lattice.IsEntity(c.Subject) {
		o.errs = append(o.errs, errors.New("sub "+lattice.Printable(c.Subject)+
			": want the key of an actor or a provider"))
	}
	if c.IsProvider() {
		c.ContractID, c.ConfigSchema = lattice.ContractID(o.str("contract_id")), o.schema("config_schema")
	} else {
		c.CallAlias, c.Tags = o.str("call_alias"), list[string](o, "tags")
		c.Caps = list[lattice.ContractID](o, "caps", "capabilities")
		c.Interfaces = o.str("interfaces")
	}
	if err := o.err("claims"); err != nil {
		return Claims{}, err
	}
	return c, nil
}

// schema reads a JSON schema that is given as text or as itself.
func (o *object) schema(name string) string {
	raw, _, ok := o.get(name)
	if !ok {
		return ""
	}
	if s, err := scalarText(raw); err == nil {
		return s
	}
	return string(raw)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
