package signing

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"

	"github.com/weftlattice/weft/lattice"
)

// KeyPair is a key that can sign. The zero value is no key: it signs nothing and has no names. It is immutable, cheap
// to copy and safe for concurrent use. However it is printed, logged or marshalled, only its public key shows; Seed is
// the one way to the secret.
type KeyPair struct {
	k *keyMaterial
}

type keyMaterial struct {
	kind   byte
	prefix byte
	public string
	// private is a pointer inside of what KeyPair points to: package fmt follows one pointer, not two, when it prints a
	// struct with an unexported KeyPair in it, whose methods it cannot call.
	private *ed25519.PrivateKey
}

// New makes a random key of the given kind. An unknown kind is ErrInvalid.
func New(kind byte) (KeyPair, error) {
	var seed [ed25519.SeedSize]byte
	rand.Read(seed[:]) // never fails
	return fromRaw(kind, seed[:])
}

// FromSeed reads a seed ("SA...", "SC...", 58 characters). Anything else is ErrInvalid; the error never quotes the
// seed.
func FromSeed(seed string) (KeyPair, error) {
	kind, raw, err := decodeSeed(seed)
	if err != nil {
		return KeyPair{}, err
	}
	return fromRaw(kind, raw)
}

// Derive makes the key that belongs to a phrase: the same phrase always gives the same key, on every machine. It is as
// weak as the phrase: whoever guesses the phrase has the key. It is meant for well-known ids and for configurations
// that name a cluster by a word; use New for keys that must be secret. An unknown kind gives the zero KeyPair.
func Derive(kind byte, phrase string) KeyPair {
	seed := sha256.Sum256([]byte("weft derived key 1\x00" + string(kind) + "\x00" + phrase))
	k, _ := fromRaw(kind, seed[:])
	return k
}

func fromRaw(kind byte, seed []byte) (KeyPair, error) {
	prefix, ok := prefixOf(kind)
	if !ok {
		return KeyPair{}, keyError("make key", fmt.Sprintf("%q is no kind of key", rune(kind)))
	}
	private := ed25519.NewKeyFromSeed(seed)
	public := private.Public().(ed25519.PublicKey)
	return KeyPair{&keyMaterial{kind, prefix, encodePublic(prefix, public), &private}}, nil
}

// IsZero reports whether k is no key at all.
func (k KeyPair) IsZero() bool { return k.k == nil }

// Kind returns the kind letter, 0 for the zero value.
func (k KeyPair) Kind() byte {
	if k.k == nil {
		return 0
	}
	return k.k.kind
}

// Public returns the public key as 56 characters, "" for the zero value.
func (k KeyPair) Public() string {
	if k.k == nil {
		return ""
	}
	return k.k.public
}

// HostID returns the public key of a host's key, "" for a key of another kind. So do the others that return an id.
func (k KeyPair) HostID() lattice.HostID { return idOf[lattice.HostID](k, KindHost) }

// ActorID returns the public key of a module's key, "" for a key of another kind.
func (k KeyPair) ActorID() lattice.ActorID { return idOf[lattice.ActorID](k, KindModule) }

// ProviderID returns the public key of a provider's key, "" for a key of another kind.
func (k KeyPair) ProviderID() lattice.ProviderID { return idOf[lattice.ProviderID](k, KindProvider) }

// ClusterID returns the public key of a cluster's key, "" for a key of another kind.
func (k KeyPair) ClusterID() lattice.ClusterID { return idOf[lattice.ClusterID](k, KindCluster) }

// AccountID returns the public key of an account's key, "" for a key of another kind.
func (k KeyPair) AccountID() lattice.AccountID { return idOf[lattice.AccountID](k, KindAccount) }

func idOf[ID ~string](k KeyPair, kind byte) ID {
	if k.Kind() != kind {
		return ""
	}
	return ID(k.k.public)
}

// Seed returns the secret as 58 characters, "" for the zero value. It belongs in a file of mode 0600 or on the standard
// input of a child, nowhere else.
func (k KeyPair) Seed() string {
	if k.k == nil {
		return ""
	}
	return encodeSeed(k.k.prefix, k.k.private.Seed())
}

// Sign returns the 64-byte Ed25519 signature of data, nil for the zero value.
func (k KeyPair) Sign(data []byte) []byte {
	if k.k == nil {
		return nil
	}
	return ed25519.Sign(*k.k.private, data)
}

// Verify checks a signature made by the key whose public form is given, of any kind. It returns ErrInvalid for what is
// no public key, ErrTokenSignature for a signature that does not fit.
func Verify(public string, data, sig []byte) error {
	_, key, err := decodePublic(public)
	if err != nil {
		return err
	}
	if !ed25519.Verify(key, data, sig) {
		return lattice.ErrTokenSignature
	}
	return nil
}

// String returns "KeyPair(public key)".
func (k KeyPair) String() string { return "KeyPair(" + k.Public() + ")" }

// GoString is String.
func (k KeyPair) GoString() string { return k.String() }

// Format prints String for every verb.
func (k KeyPair) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// LogValue logs the public key.
func (k KeyPair) LogValue() slog.Value { return slog.StringValue(k.Public()) }

// MarshalText gives the public key, for JSON and YAML alike. There is no way back: a seed is read with FromSeed.
func (k KeyPair) MarshalText() ([]byte, error) { return []byte(k.Public()), nil }
