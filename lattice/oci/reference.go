package oci

import (
	"strings"

	"oras.land/oras-go/v2/registry"

	"github.com/weftlattice/weft/lattice"
)

// Latest is the tag that hosts refuse unless they are told otherwise: it says nothing about which version is meant.
const Latest = "latest"

// Reference names an artifact in a registry: "registry[:port]/repository[:tag][@digest]", all in lower case. At least
// one of Tag and Digest is set; the digest is that of the manifest, and decides when both are given.
type Reference struct {
	Registry   string // host and port
	Repository string
	Tag        string
	Digest     string // "sha256:" and 64 hexadecimal digits
}

// ParseReference reads a reference, with or without "oci://" in front ("http://" and "https://" mean the same, as with
// other hosts of the dialect). Upper case becomes lower case. A reference without a registry is ErrInvalid; one without
// tag and digest has the tag "latest".
func ParseReference(s string) (Reference, error) {
	invalid := func(detail string) (Reference, error) {
		return Reference{}, &lattice.Error{Code: lattice.ErrInvalid, Op: "parse OCI reference",
			Entity: lattice.Printable(s), Detail: detail}
	}
	rest := strings.ToLower(s)
	for _, scheme := range []string{"oci://", "https://", "http://"} {
		rest = strings.TrimPrefix(rest, scheme)
	}
	const want = "want registry[:port]/repository:tag, as in ghcr.io/acme/echo:1.0"
	var r Reference
	var ok bool
	if r.Registry, rest, ok = strings.Cut(rest, "/"); !ok || strings.HasPrefix(r.Registry, ".") ||
		!strings.ContainsAny(r.Registry, ".:") && r.Registry != "localhost" {
		return invalid(want)
	}
	rest, r.Digest, ok = strings.Cut(rest, "@")
	if ok && r.Digest == "" {
		return invalid("the digest is empty")
	}
	r.Repository, r.Tag, ok = strings.Cut(rest, ":")
	if ok && r.Tag == "" {
		return invalid("the tag is empty")
	}
	if r.Tag == "" && r.Digest == "" {
		r.Tag = Latest
	}
	check := registry.Reference{Registry: r.Registry, Repository: r.Repository}
	if check.ValidateRegistry() != nil || check.ValidateRepository() != nil {
		return invalid(want)
	}
	if check.Reference = r.Tag; r.Tag != "" && check.ValidateReferenceAsTag() != nil {
		return invalid("the tag is no tag: 1 to 128 letters, digits, '.', '_', '-'")
	}
	if check.Reference = r.Digest; r.Digest != "" && check.ValidateReferenceAsDigest() != nil {
		return invalid("the digest is not sha256: and 64 hexadecimal digits")
	}
	return r, nil
}

// String returns the reference as text, without a scheme.
func (r Reference) String() string {
	s := r.Registry + "/" + r.Repository
	if r.Tag != "" {
		s += ":" + r.Tag
	}
	if r.Digest != "" {
		s += "@" + r.Digest
	}
	return s
}

// At returns the same repository's artifact with the given digest.
func (r Reference) At(digest string) Reference {
	r.Tag, r.Digest = "", digest
	return r
}

// target is what the registry is asked for.
func (r Reference) target() string {
	if r.Digest != "" {
		return r.Digest
	}
	return r.Tag
}
