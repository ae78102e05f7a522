package natsauth

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/weftlattice/weft/internal/grant"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/subject"
)

// Role is what a user is in a lattice.
type Role string

// The roles. Providers are made by hosts only.
const (
	Host     Role = "host"
	Operator Role = "operator"
	Provider Role = "provider"
)

// ParseRole reads a role that can be given to a user. Anything else is ErrInvalid.
func ParseRole(s string) (Role, error) {
	switch r := Role(s); r {
	case Host, Operator:
		return r, nil
	}
	return "", &lattice.Error{Code: lattice.ErrInvalid, Op: "read role", Entity: lattice.Printable(s),
		Detail: "want host or operator"}
}

// Identity says which user of NATS a client is.
type Identity struct {
	ID      string // the user's public key ("U...")
	Name    string // for people
	Roles   []Role // what it may do is the sum of them
	Lattice lattice.Name
	Control string // prefix of the control subjects; empty is subject.DefaultControlPrefix

	Provider    lattice.ProviderID // of role Provider
	Link        lattice.LinkName
	Storage     bool // may make and use key-value buckets
	SharedInbox bool // may receive answers as clients of other software do
	Publish     []string
	Subscribe   []string // subjects besides those of the roles
	Issued      time.Time
	Expires     time.Time // zero: never
	Via         string    // the host's user that issued it; empty: the authority
}

// Grant is what the identity may do.
func (i Identity) Grant() grant.Grant {
	g := grant.Inbox(i.Inbox(), i.SharedInbox).Join(grant.Grant{Publish: i.Publish, Subscribe: i.Subscribe})
	c := subject.Control{Prefix: i.Control, Lattice: i.Lattice}
	for _, r := range i.Roles {
		switch r {
		case Host:
			g = g.Join(grant.Host(c))
		case Operator:
			g = g.Join(grant.Operator(c))
		case Provider:
			g = g.Join(grant.Provider(i.Lattice, i.Provider, i.Link, i.Storage))
		}
	}
	return g
}

// Inbox is the begin of the subjects on which the identity receives answers.
func (i Identity) Inbox() string {
	switch {
	case i.Has(Host):
		return grant.HostInbox(i.Lattice)
	case i.Has(Operator):
		return grant.OperatorInbox(i.Lattice)
	}
	return grant.ProviderInbox(i.Lattice, i.Provider, i.Link)
}

// Has reports whether the identity has a role.
func (i Identity) Has(r Role) bool { return slices.Contains(i.Roles, r) }

const (
	jwtHeader   = `{"typ":"JWT","alg":"ed25519-nkey"}`
	maxJWTBytes = 8 << 10
	maxSubjects = 32 // of Publish and Subscribe each
)

var jwtEncoding = base64.RawURLEncoding.Strict()

// claims is the JSON of a user's JWT.
type claims struct {
	ID       string    `json:"jti"`
	IssuedAt int64     `json:"iat"`
	Issuer   string    `json:"iss"`
	Name     string    `json:"name,omitempty"`
	Subject  string    `json:"sub"`
	Expires  int64     `json:"exp,omitempty"`
	NATS     natsClaim `json:"nats"`
}

type natsClaim struct {
	Type    string     `json:"type"`
	Version int        `json:"version"`
	Weft    *weftClaim `json:"weft"`
}

// weftClaim says what the user is in a lattice.
type weftClaim struct {
	Version     int                `json:"v"`
	Roles       []Role             `json:"roles"`
	Lattice     lattice.Name       `json:"lattice"`
	Control     string             `json:"ctl,omitempty"`
	Provider    lattice.ProviderID `json:"provider,omitempty"`
	Link        lattice.LinkName   `json:"link,omitempty"`
	Storage     bool               `json:"storage,omitempty"`
	SharedInbox bool               `json:"inbox,omitempty"`
	Publish     []string           `json:"pub,omitempty"`
	Subscribe   []string           `json:"sub,omitempty"`
	Via         string             `json:"via,omitempty"` // JWT of the host's user that signed this one
}

const claimVersion = 1

// encode signs the JWT of an identity.
func encode(i Identity, issuer signing.KeyPair, via string) (string, error) {
	c := claims{IssuedAt: i.Issued.Unix(), Issuer: issuer.Public(), Name: i.Name, Subject: i.ID,
		NATS: natsClaim{Type: "user", Version: 2, Weft: &weftClaim{Version: claimVersion, Roles: i.Roles,
			Lattice: i.Lattice, Control: i.Control,
			Provider: i.Provider, Link: i.Link, Storage: i.Storage, SharedInbox: i.SharedInbox,
			Publish: i.Publish, Subscribe: i.Subscribe, Via: via}}}
	if !i.Expires.IsZero() {
		c.Expires = i.Expires.Unix()
	}
	body, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(body)
	c.ID = base64.RawURLEncoding.EncodeToString(sum[:15])
	if body, err = json.Marshal(c); err != nil {
		return "", err
	}
	signed := jwtEncoding.EncodeToString([]byte(jwtHeader)) + "." + jwtEncoding.EncodeToString(body)
	jwt := signed + "." + jwtEncoding.EncodeToString(issuer.Sign([]byte(signed)))
	if len(jwt) > maxJWTBytes/2 { // a provider's holds its host's
		return "", invalid("a user's JWT becomes too long; give it fewer subjects")
	}
	return jwt, nil
}

// Read tells which user a JWT names. It checks the form and the signature, but not whether the issuer is to be
// believed, nor the time; that is for Verifier. What is no JWT of this package is ErrTokenMalformed.
func Read(jwt string) (Identity, error) {
	i, _, err := read(jwt, true)
	return i, err
}

func read(jwt string, mayHaveVia bool) (i Identity, issuer string, err error) {
	if len(jwt) > maxJWTBytes {
		return i, "", malformed("it is too long")
	}
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return i, "", malformed("want three parts")
	}
	header, err := jwtEncoding.DecodeString(parts[0])
	if err != nil || string(header) != jwtHeader {
		return i, "", malformed("its header is not that of a NATS user")
	}
	body, err := jwtEncoding.DecodeString(parts[1])
	if err != nil {
		return i, "", malformed("its claims are not base64url")
	}
	sig, err := jwtEncoding.DecodeString(parts[2])
	if err != nil {
		return i, "", malformed("its signature is not base64url")
	}
	c, err := readClaims(body)
	if err != nil {
		return i, "", err
	}
	if err := signing.Verify(c.Issuer, []byte(parts[0]+"."+parts[1]), sig); err != nil {
		return i, "", &lattice.Error{Code: lattice.ErrTokenSignature, Op: "read NATS user"}
	}
	w := c.NATS.Weft
	i = Identity{ID: c.Subject, Name: c.Name, Roles: w.Roles, Lattice: w.Lattice, Control: w.Control,
		Provider: w.Provider, Link: w.Link,
		Storage: w.Storage, SharedInbox: w.SharedInbox, Publish: w.Publish, Subscribe: w.Subscribe,
		Issued: time.Unix(c.IssuedAt, 0)}
	if c.Expires != 0 {
		i.Expires = time.Unix(c.Expires, 0)
	}
	if w.Via == "" {
		return i, c.Issuer, nil
	}
	if !mayHaveVia {
		return i, "", malformed("it was issued by one that may not issue")
	}
	return viaHost(i, c.Issuer, w.Via)
}

// viaHost checks that a user was issued within what its host may give.
func viaHost(i Identity, issuer, via string) (Identity, string, error) {
	host, authority, err := read(via, false)
	if err != nil {
		return i, "", err
	}
	if host.ID != issuer || !host.Has(Host) || host.Lattice != i.Lattice || !slices.Equal(i.Roles, []Role{Provider}) ||
		len(i.Publish)+len(i.Subscribe) > 0 {
		return i, "", malformed("its host may not issue it")
	}
	i.Via = host.ID
	if !host.Expires.IsZero() && (i.Expires.IsZero() || host.Expires.Before(i.Expires)) {
		i.Expires = host.Expires
	}
	return i, authority, nil
}

func readClaims(body []byte) (c claims, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields() // what is not understood might be a restriction
	if err := d.Decode(&c); err != nil || c.NATS.Weft == nil {
		return c, malformed("its claims are not those of a lattice's user")
	}
	if _, err := d.Token(); err != io.EOF {
		return c, malformed("its claims are not those of a lattice's user")
	}
	w := c.NATS.Weft
	bad := ""
	switch {
	case w.Version != claimVersion:
		bad = fmt.Sprintf("its version is %d, this weft reads %d", w.Version, claimVersion)
	case signing.CheckPublic(c.Subject, 'U') != nil:
		bad = "its subject is no user key"
	case len(w.Roles) == 0 || len(w.Roles) > 2:
		bad = "it has no role, or too many"
	case len(w.Publish) > maxSubjects || len(w.Subscribe) > maxSubjects:
		bad = "it names too many subjects"
	}
	if err := w.Lattice.Check(); bad == "" && err != nil {
		bad = "its lattice has no proper name"
	}
	for _, r := range w.Roles {
		switch r {
		case Host, Operator:
		case Provider:
			if (w.Provider.Check() != nil || w.Link.Check() != nil) && bad == "" {
				bad = "it does not name a provider"
			}
		default:
			bad = "it has an unknown role"
		}
	}
	for _, s := range slices.Concat(w.Publish, w.Subscribe) {
		if !grant.ValidSubject(s) && bad == "" {
			bad = "it names no proper subject"
		}
	}
	if w.Control != "" && !grant.ValidSubject(w.Control) && bad == "" {
		bad = "its control prefix is no proper subject"
	}
	if bad != "" {
		return c, malformed(bad)
	}
	return c, nil
}

func malformed(detail string) error {
	return &lattice.Error{Code: lattice.ErrTokenMalformed, Op: "read NATS user", Detail: detail}
}

func invalid(detail string) error {
	return &lattice.Error{Code: lattice.ErrInvalid, Op: "issue NATS user", Detail: detail}
}
