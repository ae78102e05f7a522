package oci

import (
	"bytes"
	"fmt"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// What the tools of the dialect write, and so what weft writes, too.
const (
	TypeActor    = "application/vnd.module.wasm.content.layer.v1+wasm"
	TypeProvider = "application/vnd.wasmcloud.provider.archive.layer.v1+par"

	configActor    = "application/vnd.wasmcloud.actor.archive.config"
	configProvider = "application/vnd.wasmcloud.provider.archive.config"
)

// The type of layers that old tools wrote for both.
const typeTar = "application/vnd.oci.image.layer.v1.tar"

// typesOf returns the media types of the configuration and the layer for data.
func typesOf(data []byte) (config, layer string, err error) {
	switch {
	case bytes.HasPrefix(data, []byte("\x00asm")):
		return configActor, TypeActor, nil
	case signing.IsArchive(data):
		return configProvider, TypeProvider, nil
	}
	return "", "", &lattice.Error{Code: lattice.ErrInvalid, Op: "pack artifact",
		Detail: "it is neither a WebAssembly module nor a provider archive"}
}

// preferred reports whether a layer surely is a module or an archive: the dialect's types, and those of the CNCF's
// "Wasm OCI artifact" ("application/wasm").
func preferred(mediaType string) bool {
	switch {
	case mediaType == TypeActor, mediaType == TypeProvider, mediaType == "application/wasm":
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
