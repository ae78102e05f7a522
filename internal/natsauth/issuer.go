package natsauth

import (
	"fmt"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// Credentials are what a user connects with.
type Credentials struct {
	JWT  string
	Seed string // secret
}

// String hides the seed.
func (c Credentials) String() string { return "natsauth.Credentials" }

// GoString is String.
func (c Credentials) GoString() string { return c.String() }

// File is the credentials file that NATS tools read, with JWT and seed.
func (c Credentials) File() string {
	return fmt.Sprintf("-----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------\n\n"+
		"-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n", c.JWT, c.Seed)
}

// Issue makes a user with a new key. authority is the account key that the server trusts; ID and Issued of want are
// filled in. Errors: ErrInvalid for roles, names or subjects that are none, or a time that has passed.
func Issue(authority signing.KeyPair, want Identity) (Credentials, Identity, error) {
	if authority.IsZero() || authority.Kind() != signing.KindAccount {
		return Credentials{}, want, invalid("the authority must be an account key")
	}
	if want.Has(Provider) {
		return Credentials{}, want, invalid("providers get their credentials from their host")
	}
	return issue(authority, "", want)
}

func issue(issuer signing.KeyPair, via string, want Identity) (Credentials, Identity, error) {
	user, err := signing.New('U')
	if err != nil {
		return Credentials{}, want, err
	}
	want.ID, want.Issued = user.Public(), time.Now().Truncate(time.Second)
	if !want.Expires.IsZero() && !want.Expires.After(want.Issued) {
		return Credentials{}, want, invalid("it would have expired already")
	}
	jwt, err := encode(want, issuer, via)
	if err != nil {
		return Credentials{}, want, err
	}
	if _, err := Read(jwt); err != nil { // what cannot be read back must not be handed out
		return Credentials{}, want, &lattice.Error{Code: lattice.ErrInvalid, Op: "issue NATS user", Err: err}
	}
	return Credentials{jwt, user.Seed()}, want, nil
}

// HostIssuer issues the credentials of a host's providers.
type HostIssuer struct {
	host Identity
	jwt  string
	key  signing.KeyPair
}

// NewHostIssuer makes one out of the host's own credentials. ok is false when they are not those of a host that this
// package has issued: other NATS servers know their users in other ways.
func NewHostIssuer(own Credentials) (h *HostIssuer, ok bool) {
	id, err := Read(own.JWT)
	if err != nil || !id.Has(Host) || id.Via != "" {
		return nil, false
	}
	key, err := signing.FromSeed(own.Seed)
	if err != nil || key.Public() != id.ID {
		return nil, false
	}
	return &HostIssuer{host: id, jwt: own.JWT, key: key}, true
}

// Needs is what a provider needs besides what all do.
type Needs struct {
	Storage     bool // key-value buckets of JetStream; for trusted code only, see grant.Provider
	SharedInbox bool // it receives answers where all NATS clients do unless told otherwise
}

// Provider makes the credentials of one run of a provider: good for that provider under that link name only, and as
// long as the host's.
func (h *HostIssuer) Provider(id lattice.ProviderID, link lattice.LinkName, n Needs) (Credentials, error) {
	c, _, err := issue(h.key, h.jwt, Identity{Roles: []Role{Provider}, Lattice: h.host.Lattice, Provider: id,
		Link:    link,
		Storage: n.Storage, SharedInbox: n.SharedInbox})
	return c, err
}
