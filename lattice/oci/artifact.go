package oci

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content"

	"github.com/weftlattice/weft/lattice"
)

const (
	maxManifestBytes = 4 << 20
	typeDockerList   = "application/vnd.docker.distribution.manifest.list.v2+json"
)

// Artifact is a module or a provider archive that a manifest describes.
type Artifact struct {
	Manifest string // digest of the manifest: what "@sha256:..." in a reference means
	Digest   string // "sha256:..." of Bytes
	Bytes    []byte
	Name     string // the title in the manifest; may be empty
	Version  string // the version in the manifest; may be empty

	// Imports and Exports are the interfaces of a component, which its configuration tells of. Push writes them; Pull
	// leaves them empty, since the component itself says it.
	Imports, Exports []string
}

// Resolve asks the registry which manifest a reference means now. See Pull for the errors.
func (c *Client) Resolve(ctx context.Context, ref Reference) (digest string, err error) {
	if err := c.Check(ref); err != nil {
		return "", err
	}
	repo, err := c.repository(ref)
	if err != nil {
		return "", err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	desc, err := repo.Resolve(ctx, ref.target())
	if err != nil {
		return "", fail("resolve", ref, err)
	}
	return desc.Digest.String(), nil
}

// Pull fetches a module or an archive, verified against the digests of its manifest.
//
// Errors: ErrDenied (the tag latest, a login is wanted or refused), ErrNotFound, ErrTooLarge, ErrBadModule (it holds
// something else), ErrHashMismatch (the registry sent other bytes), ErrUnavailable (not reachable, no TLS, an untrusted
// certificate), ErrTimeout, ErrCanceled.
func (c *Client) Pull(ctx context.Context, ref Reference) (Artifact, error) {
	if err := c.Check(ref); err != nil {
		return Artifact{}, err
	}
	repo, err := c.repository(ref)
	if err != nil {
		return Artifact{}, err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	a, err := read(ctx, repo, ref.target(), ref.String(), c.cfg.MaxBytes)
	if err != nil {
		return Artifact{}, fail("fetch", ref, err)
	}
	return a, nil
}

// Push stores a module or an archive under the reference's tag and returns the digest of its manifest. The same
// artifact gives the same manifest. Errors as with Pull, and ErrInvalid for anything else than a module or an archive,
// and for a reference with a digest.
func (c *Client) Push(ctx context.Context, ref Reference, a Artifact) (digest string, err error) {
	if ref.Digest != "" {
		return "", &lattice.Error{Code: lattice.ErrInvalid, Op: "push", Entity: ref.String(),
			Detail: "a digest cannot be chosen; give a tag"}
	}
	repo, err := c.repository(ref)
	if err != nil {
		return "", err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	desc, err := write(ctx, repo, a, ref.Tag)
	if err != nil {
		return "", fail("push", ref, err)
	}
	return desc.Digest.String(), nil
}

// read fetches what a tag or digest of a store means.
func read(ctx context.Context, from oras.ReadOnlyTarget, target, name string, maxBytes int64) (Artifact, error) {
	desc, text, err := oras.FetchBytes(ctx, from, target, oras.FetchBytesOptions{MaxBytes: maxManifestBytes})
	if err != nil {
		return Artifact{}, err
	}
	top := desc.Digest.String()
	if desc.MediaType == ocispec.MediaTypeImageIndex || desc.MediaType == typeDockerList {
		var index ocispec.Index
		if err := json.Unmarshal(text, &index); err != nil {
			return Artifact{}, malformed(name, err)
		}
		if desc, err = pickManifest(name, index.Manifests); err != nil {
			return Artifact{}, err
		}
		if text, err = fetch(ctx, from, desc, name, maxManifestBytes); err != nil {
			return Artifact{}, err
		}
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return Artifact{}, malformed(name, err)
	}
	layer, err := pickLayer(name, m.Layers)
	if err != nil {
		return Artifact{}, err
	}
	data, err := fetch(ctx, from, layer, name, maxBytes)
	if err != nil {
		return Artifact{}, err
	}
	sum := sha256.Sum256(data)
	return Artifact{Manifest: top, Digest: "sha256:" + hex.EncodeToString(sum[:]), Bytes: data,
		Name: m.Annotations[ocispec.AnnotationTitle], Version: m.Annotations[ocispec.AnnotationVersion]}, nil
}

// fetch reads a blob of a limited size and verifies it.
func fetch(ctx context.Context, from content.Fetcher, desc ocispec.Descriptor, name string, limit int64) ([]byte,
	error) {
	if desc.Size > limit {
		return nil, &lattice.Error{Code: lattice.ErrTooLarge, Op: "fetch", Entity: name,
			Detail: fmt.Sprintf("it has %d bytes, the limit is %d", desc.Size, limit)}
	}
	if err := desc.Digest.Validate(); err != nil || desc.Size < 0 {
		return nil, malformed(name, err)
	}
	return content.FetchAll(ctx, from, desc)
}

// write puts an artifact into a store under a tag.
func write(ctx context.Context, to oras.Target, a Artifact, tag string) (ocispec.Descriptor, error) {
	configType, layerType, configText, err := typesOf(a)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	put := func(mediaType string, data []byte) (ocispec.Descriptor, error) {
		desc := content.NewDescriptorFromBytes(mediaType, data)
		there, err := to.Exists(ctx, desc)
		if err == nil && !there {
			err = to.Push(ctx, desc, bytes.NewReader(data))
		}
		return desc, err
	}
	config, err := put(configType, configText)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	layer, err := put(layerType, a.Bytes)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: config, Layers: []ocispec.Descriptor{layer}}
	if a.Name != "" {
		m.Annotations = map[string]string{ocispec.AnnotationTitle: a.Name}
		if a.Version != "" {
			m.Annotations[ocispec.AnnotationVersion] = a.Version
		}
	}
	text, err := json.Marshal(m)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	desc, err := put(ocispec.MediaTypeImageManifest, text)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	return desc, to.Tag(ctx, desc, tag)
}

func malformed(name string, err error) error {
	return &lattice.Error{Code: lattice.ErrInvalid, Op: "fetch", Entity: name, Detail: "its manifest is malformed",
		Err: err}
}
