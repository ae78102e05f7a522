package artifact

import (
	"strings"

	"github.com/weftlattice/weft/lattice"
)

// Scheme begins every reference to an artifact in the lattice's store.
const Scheme = "lattice://"

const (
	maxNameBytes = 128
	digestPrefix = "sha256:"
	digestHex    = 64
)

// Reference names an artifact in the lattice's store: "lattice://NAME@sha256:HEX" or "lattice://NAME:TAG". Where there
// is a digest, it alone decides which bytes are meant, and the rest is for people; else the tag does, see Resolve. At
// least one of them is set.
type Reference struct {
	Name   string // 1 to 128 letters, digits, '.', '_', '-'; it begins with a letter or digit
	Tag    string // of the same form
	Digest string // "sha256:" and 64 lower-case hexadecimal digits
}

// IsReference reports whether s means to be a reference to the lattice's store.
func IsReference(s string) bool { return strings.HasPrefix(s, Scheme) }

// ParseReference reads a reference. Anything but the exact form is ErrInvalid.
func ParseReference(s string) (Reference, error) {
	invalid := func(detail string) (Reference, error) {
		return Reference{}, &lattice.Error{Code: lattice.ErrInvalid, Op: "parse reference",
			Entity: lattice.Printable(s), Detail: detail}
	}
	rest, ok := strings.CutPrefix(s, Scheme)
	if !ok {
		return invalid("it does not begin with " + Scheme)
	}
	rest, digest, pinned := strings.Cut(rest, "@")
	name, tag, tagged := strings.Cut(rest, ":")
	switch {
	case !pinned && !tagged:
		return invalid("the tag or the digest is missing: want " + Scheme + "NAME:TAG or " + Scheme + "NAME@sha256:HEX")
	case pinned && !IsDigest(digest):
		return invalid("the digest is not sha256: and 64 lower-case hexadecimal digits")
	case !isName(name):
		return invalid("the name " + nameForm)
	case tagged && !isName(tag):
		return invalid("the tag " + nameForm)
	}
	return Reference{name, tag, digest}, nil
}

const nameForm = "is not 1 to 128 letters, digits, '.', '_' or '-'"

// String returns the reference as text.
func (r Reference) String() string {
	s := Scheme + r.Name
	if r.Tag != "" {
		s += ":" + r.Tag
	}
	if r.Digest != "" {
		s += "@" + r.Digest
	}
	return s
}

// object is the name in the store: the digits of the digest.
func (r Reference) object() string { return strings.TrimPrefix(r.Digest, digestPrefix) }

// IsDigest reports whether s has the form of Reference.Digest.
func IsDigest(s string) bool {
	hex, ok := strings.CutPrefix(s, digestPrefix)
	if !ok || len(hex) != digestHex {
		return false
	}
	for i := range len(hex) {
		if c := hex[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// CleanName makes a valid name of any text, such as the name in an actor's claims or a file's name: "Echo Actor.wasm"
// becomes "Echo-Actor.wasm". What holds nothing usable becomes "artifact".
func CleanName(s string) string {
	var b strings.Builder
	for i := 0; i < len(s) && b.Len() < maxNameBytes; i++ {
		switch c := s[i]; {
		case isAlnum(c), (c == '.' || c == '_' || c == '-') && b.Len() > 0:
			b.WriteByte(c)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	if name := strings.TrimRight(b.String(), "-"); name != "" {
		return name
	}
	return "artifact"
}

func isName(s string) bool {
	if s == "" || len(s) > maxNameBytes || !isAlnum(s[0]) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
