// Package image tells what the images of files mean: a provider that is built in, a file, an artefact of the lattice's
// store, or a reference of a registry. It looks at the text alone.
package image

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/weftlattice/weft/internal/deploy/strictyaml"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/artifact"
	"github.com/weftlattice/weft/lattice/linkvalue"
)

// BuiltinScheme begins the reference of a built-in provider: "builtin://httpserver".
const BuiltinScheme = "builtin://"

// standIns are the images that a built-in provider stands for, by the last part of their name.
var standIns = map[string]string{"httpserver": "httpserver", "httpclient": "httpclient", "kvredis": "keyvalue-redis"}

// contracts are those of the built-in providers, by name.
var contracts = func() map[string]lattice.ContractID {
	all := map[string]lattice.ContractID{}
	for _, t := range linkvalue.Builtins() {
		all[t.Provider] = t.Contract
	}
	return all
}()

// Builtins lists the names of the built-in providers, sorted.
func Builtins() []string { return slices.Sorted(maps.Keys(contracts)) }

// Contract returns the contract of a built-in provider; false: there is none of that name.
func Contract(builtin string) (lattice.ContractID, bool) {
	contract, ok := contracts[builtin]
	return contract, ok
}

// Builtin returns the built-in provider that an image names, with or without BuiltinScheme, or that stands for it; "":
// none does.
func Builtin(image string) string {
	bare := strings.TrimPrefix(image, BuiltinScheme)
	if _, ok := contracts[bare]; ok {
		return bare
	}
	for _, prefix := range []string{"wasmcloud.azurecr.io/", "ghcr.io/wasmcloud/"} {
		if rest, ok := strings.CutPrefix(strings.TrimPrefix(image, "oci://"), prefix); ok {
			rest, _, _ = strings.Cut(rest, "@")
			rest, _, _ = strings.Cut(rest, ":")
			return standIns[rest]
		}
	}
	return ""
}

// Kind is what an image is by its form.
type Kind int

// The kinds of images.
const (
	Other    Kind = iota // none of the others
	File                 // a path, or file:///absolute/path
	Stored               // lattice://..., in the lattice's store
	Registry             // a reference of a registry, with or without oci://
	Bare                 // a name without a registry, and perhaps a tag: it is looked up in folders
)

// KindOf tells what an image that is not built in is. Errors say what is wrong with one that means to be a reference.
func KindOf(image string) (Kind, error) {
	switch {
	case artifact.IsReference(image):
		if _, err := artifact.ParseReference(image); err != nil {
			return Other, errors.New(strictyaml.DetailOf(err))
		}
		return Stored, nil
	case strings.HasPrefix(image, "file://"):
		if !strings.HasPrefix(image, "file:///") {
			return Other, errors.New("want file:///absolute/path")
		}
		return File, nil
	case strings.Contains(image, "://") && !strings.HasPrefix(image, "oci://"):
		return Other, fmt.Errorf("%q is no reference that weft knows", lattice.Printable(image))
	case IsPath(image):
		return File, nil
	case isRegistry(strings.TrimPrefix(image, "oci://")):
		return Registry, nil
	case isBare(image):
		return Bare, nil
	}
	return Other, nil
}

// IsPath reports whether an image means a file by its form.
func IsPath(image string) bool {
	if strings.HasPrefix(image, "/") || strings.HasPrefix(image, "./") || strings.HasPrefix(image, "../") {
		return true
	}
	for _, ext := range []string{".wasm", ".par", ".par.gz"} {
		if strings.HasSuffix(image, ext) && !strings.Contains(image, "://") {
			return true
		}
	}
	return false
}

// isRegistry reports whether an image begins with the address of a registry, by the rule that container tools share.
func isRegistry(image string) bool {
	host, rest, ok := strings.Cut(image, "/")
	return ok && rest != "" && (strings.ContainsAny(host, ".:") || host == "localhost") && path.Clean(host) == host &&
		host != ".."
}

// isBare reports whether an image is a name without a registry: parts with '/' between them, none of them "..", and
// perhaps a tag.
func isBare(image string) bool {
	name, tag, tagged := strings.Cut(image, ":")
	if tagged && !isPart(tag) {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if !isPart(part) {
			return false
		}
	}
	return len(image) <= 256
}

func isPart(s string) bool {
	if s == "" || s[0] == '.' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			return false
		}
	}
	return true
}
