package lattice

import (
	"fmt"
	"strings"
)

// KeyLength is the length of every public nkey in its text form: base32 of prefix, 32 key bytes and checksum.
const KeyLength = 56

// The identities of a lattice. Each is a public nkey in its text form; the type says what kind of key it is. Values
// that a Parse function made or Check passed are safe as a token of a NATS subject; fields of decoded messages have not
// been checked. The checksum is not verified here, since guests need these types too; package signing does that where a
// key is used as a key.
type (
	// HostID is the public key of a host ("N...").
	HostID string
	// ActorID is the public key of an actor module ("M...").
	ActorID string
	// ProviderID is the public key of a capability provider ("V...").
	ProviderID string
	// ClusterID is the public key of a cluster signer ("C..."), the issuer of invocations.
	ClusterID string
	// AccountID is the public key of an account ("A..."), the issuer of modules and providers.
	AccountID string
)

// Name is the name of a lattice: one NATS token, 1 to 64 characters of A-Z a-z 0-9 '-' '_'.
type Name string

// DefaultName is the lattice that hosts join when none is named.
const DefaultName Name = "default"

// LinkName tells apart several links of one actor to the same contract. It is one NATS token, as Name is.
type LinkName string

// DefaultLink is the link name used when none is given.
const DefaultLink LinkName = "default"

// ContractID names what a provider serves, the claims of an actor grant, and a link is for: "wasmcloud:keyvalue". Where
// an actor serves a link it is an interface of the component model without its version: "acme:edge/filter".
type ContractID string

// ParseHostID reads a host's public key. A malformed key is ErrInvalid.
func ParseHostID(s string) (HostID, error) { return HostID(s), HostID(s).Check() }

// ParseActorID reads an actor's public key. A malformed key is ErrInvalid.
func ParseActorID(s string) (ActorID, error) { return ActorID(s), ActorID(s).Check() }

// ParseProviderID reads a provider's public key. A malformed key is ErrInvalid.
func ParseProviderID(s string) (ProviderID, error) { return ProviderID(s), ProviderID(s).Check() }

// ParseClusterID reads a cluster signer's public key. A malformed key is ErrInvalid.
func ParseClusterID(s string) (ClusterID, error) { return ClusterID(s), checkKey(s, 'C', "cluster id") }

// ParseAccountID reads an account's public key. A malformed key is ErrInvalid.
func ParseAccountID(s string) (AccountID, error) { return AccountID(s), checkKey(s, 'A', "account id") }

// ParseName reads a lattice name. Dots, spaces, wildcards and the empty string are ErrInvalid.
func ParseName(s string) (Name, error) { return Name(s), Name(s).Check() }

// ParseLinkName reads a link name; the empty string means DefaultLink.
func ParseLinkName(s string) (LinkName, error) {
	n := LinkName(s).OrDefault()
	return n, n.Check()
}

// Check reports a key of another form, as ErrInvalid.
func (id HostID) Check() error { return checkKey(string(id), 'N', "host id") }

// Check reports a key of another form, as ErrInvalid.
func (id ActorID) Check() error { return checkKey(string(id), 'M', "actor id") }

// Check reports a key of another form, as ErrInvalid.
func (id ProviderID) Check() error { return checkKey(string(id), 'V', "provider id") }

// Check reports what is no lattice name, as ErrInvalid.
func (n Name) Check() error { return checkToken(string(n), "lattice name") }

// OrDefault is the name, or DefaultLink for the empty one.
func (n LinkName) OrDefault() LinkName {
	if n == "" {
		return DefaultLink
	}
	return n
}

// Check reports what is no link name, as ErrInvalid. The empty name is none.
func (n LinkName) Check() error { return checkToken(string(n), "link name") }

// Check reports what cannot name a contract, as ErrInvalid: the empty text, more than 256 bytes, and all but printable
// ASCII without spaces.
func (c ContractID) Check() error {
	ok := c != "" && len(c) <= 256
	for i := 0; ok && i < len(c); i++ {
		ok = c[i] > ' ' && c[i] <= '~'
	}
	if ok {
		return nil
	}
	return &Error{Code: ErrInvalid, Op: "parse contract id", Entity: Printable(c),
		Detail: "want a name like wasmcloud:keyvalue"}
}

// IsBuiltin reports whether the host itself serves the contract, as wasmcloud:builtin:logging. It needs no link.
func (c ContractID) IsBuiltin() bool { return strings.HasPrefix(string(c), "wasmcloud:builtin:") }

// IsInterface reports whether the contract is an interface of the component model without a version.
func (c ContractID) IsInterface() bool {
	namespace, rest, ok := strings.Cut(string(c), ":")
	name, face, two := strings.Cut(rest, "/")
	return ok && two && isLabel(namespace) && isLabel(name) && isLabel(face)
}

// isLabel reports whether s is of letters, digits and hyphens, and begins with a letter.
func isLabel(s string) bool {
	for i, c := range []byte(s) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (i == 0 || c != '-' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != ""
}

// Texts are ids as plain text, for what joins or prints text.
func Texts[S ~string](ids []S) []string {
	all := make([]string, len(ids))
	for i, id := range ids {
		all[i] = string(id)
	}
	return all
}

// IsKey reports whether s has the form of a public nkey whose kind is the given letter.
func IsKey(s string, kind byte) bool {
	if len(s) != KeyLength || s[0] != kind {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'A' || c > 'Z') && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}

// IsEntity reports whether s has the form of the key of what can be called: an actor's or a provider's.
func IsEntity(s string) bool { return IsKey(s, 'M') || IsKey(s, 'V') }

func checkKey(s string, kind byte, what string) error {
	if IsKey(s, kind) {
		return nil
	}
	return &Error{Code: ErrInvalid, Op: "parse " + what, Entity: Printable(s),
		Detail: fmt.Sprintf("want %d base32 characters that begin with %c", KeyLength, kind)}
}

func checkToken(s, what string) error {
	ok := s != "" && len(s) <= 64
	for i := 0; ok && i < len(s); i++ {
		c := s[i]
		ok = c == '-' || c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
	}
	if ok {
		return nil
	}
	return &Error{Code: ErrInvalid, Op: "parse " + what, Entity: Printable(s),
		Detail: "want 1 to 64 letters, digits, '-' or '_'"}
}

// Printable shortens foreign text to at most 80 bytes of printable ASCII, for error messages and logs.
func Printable[S ~string](text S) string {
	s := string(text)
	cut := len(s) > 80
	if cut {
		s = s[:77]
	}
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return '?'
		}
		return r
	}, s)
	if cut {
		s += "..."
	}
	return s
}
