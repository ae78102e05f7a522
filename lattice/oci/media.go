package oci

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// What the tools of the dialect write, and so what weft writes, too.
const (
	TypeActor    = "application/vnd.module.wasm.content.layer.v1+wasm"
	TypeProvider = "application/vnd.wasmcloud.provider.archive.layer.v1+par"

	// of a component, as the CNCF's "Wasm OCI artifact" says, which tools write since 2024
	typeComponent   = "application/wasm"
	configComponent = "application/vnd.wasm.config.v0+json"

	configActor    = "application/vnd.wasmcloud.actor.archive.config"
	configProvider = "application/vnd.wasmcloud.provider.archive.config"
)

// The type of layers that old tools wrote for both.
const typeTar = "application/vnd.oci.image.layer.v1.tar"

// typesOf returns the media types of the configuration and the layer of an artifact, and its configuration.
func typesOf(a Artifact) (config, layer string, text []byte, err error) {
	none := []byte("{}")
	switch {
	case bytes.HasPrefix(a.Bytes, []byte("\x00asm\x0d\x00\x01\x00")):
		text, err := json.Marshal(componentOf(a))
		return configComponent, typeComponent, text, err
	case bytes.HasPrefix(a.Bytes, []byte("\x00asm")):
		return configActor, TypeActor, none, nil
	case signing.IsArchive(a.Bytes):
		return configProvider, TypeProvider, none, nil
	}
	return "", "", nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "pack artifact",
		Detail: "it is neither a WebAssembly module nor a provider archive"}
}

// componentConfig is the configuration of a component.
type componentConfig struct {
	Created      time.Time `json:"created"`
	Architecture string    `json:"architecture"` // wasm
	OS           string    `json:"os"`           // wasip2
	LayerDigests []string  `json:"layerDigests"`
	Component    struct {
		Exports []string `json:"exports"`
		Imports []string `json:"imports"`
		Target  *string  `json:"target"` // the world it was built for, which a component does not say
	} `json:"component"`
}

// componentOf writes a component's configuration. It is of the time at which the component was signed: the same
// artifact gives the same bytes.
func componentOf(a Artifact) componentConfig {
	sum := sha256.Sum256(a.Bytes)
	c := componentConfig{Created: time.Unix(0, 0).UTC(), Architecture: "wasm", OS: "wasip2",
		LayerDigests: []string{"sha256:" + hex.EncodeToString(sum[:])}}
	if claims, err := signing.InspectModule(a.Bytes); err == nil {
		c.Created = time.Unix(claims.IssuedAt, 0).UTC()
	}
	c.Component.Imports, c.Component.Exports = append([]string{}, a.Imports...), append([]string{}, a.Exports...)
	return c
}

// preferred reports whether a layer surely is a module or an archive: the dialect's types, and those of the CNCF's
// "Wasm OCI artifact" ("application/wasm").
func preferred(mediaType string) bool {
	switch {
	case mediaType == TypeActor, mediaType == TypeProvider, mediaType == typeComponent:
		return true
	}
	return strings.HasPrefix(mediaType, "application/vnd.wasm.content.layer.") ||
		strings.HasPrefix(mediaType, "application/vnd.bytecodealliance.wasm.") ||
		strings.HasPrefix(mediaType, "application/vnd.wasm.") &&
			!strings.HasPrefix(mediaType, "application/vnd.wasm.config.")
}

// pickLayer chooses the layer that holds the module or archive: the first of a type made for it, else the first of the
// old general type.
func pickLayer(ref string, layers []ocispec.Descriptor) (ocispec.Descriptor, error) {
	for _, wanted := range []func(string) bool{preferred, func(t string) bool { return t == typeTar }} {
		for _, l := range layers {
			if wanted(l.MediaType) {
				return l, nil
			}
		}
	}
	var have []string
	for _, l := range layers {
		have = append(have, fmt.Sprintf("%s (%d bytes)", lattice.Printable(l.MediaType), l.Size))
	}
	if have == nil {
		have = []string{"no layers at all"}
	}
	return ocispec.Descriptor{}, &lattice.Error{Code: lattice.ErrBadModule, Op: "fetch", Entity: ref,
		Detail: "it is no WebAssembly module and no provider archive; it has " + strings.Join(have, ", ")}
}

// pickManifest chooses from an index: what is meant for WebAssembly, else the only one.
func pickManifest(ref string, index []ocispec.Descriptor) (ocispec.Descriptor, error) {
	for _, m := range index {
		if p := m.Platform; p != nil && (p.Architecture == "wasm" || strings.HasPrefix(p.OS, "wasi")) {
			return m, nil
		}
	}
	if len(index) == 1 {
		return index[0], nil
	}
	return ocispec.Descriptor{}, &lattice.Error{Code: lattice.ErrBadModule, Op: "fetch", Entity: ref,
		Detail: fmt.Sprintf("it is an index of %d images, none of them for WebAssembly", len(index))}
}
