package signing

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weftlattice/weft/lattice"
)

// maxRing bounds the lines of a key file: a rotation needs two.
const maxRing = 16

// Ring is what a key file holds: usually one seed. While a cluster key is rotated it holds more: the first seed signs,
// and whatever else is there, seeds and public keys, is trusted. In the file each has a line; empty lines and those
// that begin with '#' say nothing. The zero value is no key.
type Ring struct {
	Keys    []KeyPair           // of one kind
	Trusted []lattice.ClusterID // further public keys; only a ring of cluster keys has some
}

// RingOf is a ring of one key.
func RingOf(k KeyPair) Ring { return Ring{Keys: []KeyPair{k}} }

// Signer is the key that signs.
func (r Ring) Signer() KeyPair {
	if len(r.Keys) == 0 {
		return KeyPair{}
	}
	return r.Keys[0]
}

// Issuers are the public keys of all clusters that the ring trusts, that of the signer first.
func (r Ring) Issuers() []lattice.ClusterID {
	var all []lattice.ClusterID
	for _, k := range r.Keys {
		all = append(all, k.ClusterID())
	}
	return append(all, r.Trusted...)
}

// publics are the public keys of the ring, of whatever kind.
func (r Ring) publics() []string {
	var all []string
	for _, k := range r.Keys {
		all = append(all, k.Public())
	}
	return append(all, lattice.Texts(r.Trusted)...)
}

// Find returns the key with that public form, if the ring holds its seed.
func (r Ring) Find(public lattice.ClusterID) (KeyPair, bool) {
	i := slices.IndexFunc(r.Keys, func(k KeyPair) bool { return k.ClusterID() == public })
	if i < 0 {
		return KeyPair{}, false
	}
	return r.Keys[i], true
}

// parseRing reads the text of a key file that is not sealed. Errors are ErrInvalid and never quote a seed.
func parseRing(text string) (Ring, error) {
	var r Ring
	n := 0
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if n++; n > maxRing {
			return Ring{}, keyError("read key", fmt.Sprintf("more than %d keys", maxRing))
		}
		kind := r.Signer().Kind()
		if kind == KindCluster && CheckPublic(line, kind) == nil {
			r.Trusted = append(r.Trusted, lattice.ClusterID(line))
			continue
		}
		k, err := FromSeed(line)
		if err != nil {
			return Ring{}, err
		}
		if kind != 0 && k.Kind() != kind {
			return Ring{}, keyError("read key", fmt.Sprintf("keys of two kinds, %s and %s", KindName(kind),
				KindName(k.Kind())))
		}
		r.Keys = append(r.Keys, k)
	}
	if n == 0 {
		return Ring{}, keyError("read key", "no key is there; want a seed (S..., 58 characters)")
	}
	if all := r.publics(); len(slices.Compact(slices.Sorted(slices.Values(all)))) != len(all) {
		return Ring{}, keyError("read key", "one key is there twice")
	}
	return r, nil
}

// OpenRing reads the text of a key file, sealed or not. A sealed one asks for its passphrase; why names the file.
// Errors: ErrInvalid for what is no key file, ErrDenied for a wrong passphrase, and what ask returns.
func OpenRing(text, why string, ask Passphrase) (Ring, error) {
	if !isSealed(text) {
		return parseRing(text)
	}
	s, err := parseSealed(text)
	if err != nil {
		return Ring{}, err
	}
	if ask == nil {
		return Ring{}, &lattice.Error{Code: lattice.ErrDenied, Op: "open sealed key", Entity: why,
			Detail: "it needs a passphrase"}
	}
	passphrase, err := ask(why, false)
	if err != nil {
		return Ring{}, err
	}
	plain, err := s.open(passphrase)
	if err != nil {
		return Ring{}, err
	}
	r, err := parseRing(plain)
	if err == nil && r.Signer().Public() != s.public {
		err = keyError("read sealed key", "it names another key than it holds")
	}
	if err != nil {
		return Ring{}, err
	}
	return r, nil
}

// Text is the plain text of a key file. It holds secrets.
func (r Ring) Text() string {
	var b strings.Builder
	for _, k := range r.Keys {
		b.WriteString(k.Seed() + "\n")
	}
	for _, t := range r.Trusted {
		b.WriteString(string(t) + "\n")
	}
	return b.String()
}

// Seal is the text of a key file that the passphrase opens. An empty passphrase is ErrInvalid.
func (r Ring) Seal(passphrase []byte) (string, error) {
	return seal(r.Text(), r.Signer().Public(), passphrase)
}

// String shows public keys only.
func (r Ring) String() string { return "Ring" + fmt.Sprint(r.publics()) }

// GoString is String.
func (r Ring) GoString() string { return r.String() }
