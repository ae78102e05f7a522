package operate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/artifact"
	"github.com/weftlattice/weft/lattice/oci"
)

// Depot is the lattice's own store of actors and providers: artifacts under their digests, and tags that name versions
// of them. It is safe for concurrent use.
type Depot struct {
	lattice *Lattice
	js      jetstream.JetStream
}

// Depot opens the store.
func (l *Lattice) Depot() (*Depot, error) {
	js, err := l.jetStream()
	if err != nil {
		return nil, err
	}
	return &Depot{l, js}, nil
}

// tagText reads NAME:TAG or NAME@DIGEST, with or without lattice:// in front.
func tagText(text string) (artifact.Reference, error) {
	return artifact.ParseReference(artifact.Scheme + strings.TrimPrefix(text, artifact.Scheme))
}

// List returns what is stored.
func (d *Depot) List(ctx context.Context) ([]artifact.Info, error) {
	return artifact.List(ctx, d.js, d.lattice.Name())
}

// Get reads an artifact.
func (d *Depot) Get(ctx context.Context, ref artifact.Reference) ([]byte, error) {
	return artifact.Get(ctx, d.js, d.lattice.Name(), ref, 0)
}

// Put stores an artifact under the name and the tag of a reference, and returns the reference with the digest. Without
// a tag it is stored under its digest only. lattice.ErrConflict: the reference has another digest.
func (d *Depot) Put(ctx context.Context, ref artifact.Reference, data []byte) (artifact.Reference, error) {
	text, err := d.lattice.Push(ctx, ref.Name, data)
	if err != nil {
		return ref, err
	}
	stored, err := artifact.ParseReference(text)
	if err != nil {
		return ref, err
	}
	if ref.Digest != "" && ref.Digest != stored.Digest {
		return ref, &lattice.Error{Code: lattice.ErrConflict, Op: "push", Entity: ref.String(),
			Detail: "the file has another digest, " + stored.Digest}
	}
	if ref.Tag == "" {
		return stored, nil
	}
	stored.Tag = ref.Tag
	// A tag that moves is allowed, and told; that it cannot be told keeps nobody from pushing.
	if was, err := artifact.Resolve(ctx, d.js, d.lattice.Name(), ref); err == nil && was.Digest != stored.Digest {
		d.lattice.step(fmt.Sprintf("the tag %s moves, and meant %s until now; what runs stays as it is", ref,
			was.Digest), "")
	}
	return stored, artifact.Tag(ctx, d.js, d.lattice.Name(), stored)
}

// ReadTags reads what "make tag mean what of means" names: of is NAME:TAG or NAME@DIGEST, tag a tag of the same name,
// or NAME:TAG.
func ReadTags(of, tag string) (from, to artifact.Reference, err error) {
	if from, err = tagText(of); err != nil {
		return from, to, err
	}
	if tag = strings.TrimPrefix(tag, artifact.Scheme); !strings.Contains(tag, ":") {
		tag = from.Name + ":" + tag
	}
	to, err = tagText(tag)
	return from, to, err
}

// ReadTag reads NAME:TAG.
func ReadTag(text string) (artifact.Reference, error) {
	ref, err := tagText(text)
	if err == nil && ref.Tag == "" {
		err = usage.Errorf("%s has no tag", text)
	}
	return ref, err
}

// Tag makes the tag of a reference mean what another one means now, and returns it with its digest.
func (d *Depot) Tag(ctx context.Context, from, to artifact.Reference) (artifact.Reference, error) {
	from, err := artifact.Resolve(ctx, d.js, d.lattice.Name(), from)
	if err != nil {
		return to, err
	}
	to.Digest = from.Digest
	return to, artifact.Tag(ctx, d.js, d.lattice.Name(), to)
}

// Untag removes a tag.
func (d *Depot) Untag(ctx context.Context, ref artifact.Reference) error {
	return artifact.Untag(ctx, d.js, d.lattice.Name(), ref)
}

// Collect removes the artifacts that no tag means, that nothing in the lattice was started from and that were pushed
// longer ago than age; dry, it only looks. It returns these, and all that there were.
func (d *Depot) Collect(ctx context.Context, age time.Duration, dry bool) (removed, all []artifact.Info, err error) {
	if all, err = d.List(ctx); err != nil {
		return nil, nil, err
	}
	v, err := d.lattice.View(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, i := range artifact.Unused(all, v.refs(), time.Now().Add(-age)) {
		if !dry {
			err := artifact.Delete(ctx, d.js, d.lattice.Name(), i.Reference)
			if errors.Is(err, lattice.ErrNotFound) {
				continue // somebody else was faster
			}
			if err != nil {
				return nil, nil, err
			}
		}
		removed = append(removed, i)
	}
	return removed, all, nil
}

// Export writes what tags mean, NAME:TAG each, or all tags when none is given, as an OCI image layout: a directory, or
// a file whose name ends in .tar. describe adds what is said of each. It returns what it has written, with digests.
// With an error nothing is left.
func (d *Depot) Export(ctx context.Context, path string, tags []string,
	describe func(oci.Artifact) (oci.Artifact, error)) ([]artifact.Reference, error) {
	refs, err := d.tagged(ctx, tags)
	if err != nil {
		return nil, err
	}
	layout, err := oci.CreateLayout(ctx, path)
	if err != nil {
		return nil, err
	}
	defer layout.Abandon()
	for i, ref := range refs {
		data, err := d.Get(ctx, ref)
		if err != nil {
			return nil, err
		}
		what, err := describe(oci.Artifact{Bytes: data, Name: ref.Name, Version: ref.Tag})
		if err != nil {
			return nil, err
		}
		if err := layout.Add(ctx, ref.Name+":"+ref.Tag, what); err != nil {
			return nil, err
		}
		refs[i].Digest = artifact.Digest(data)
	}
	return refs, layout.Close()
}

// tagged returns what the given tags mean now, or all tags.
func (d *Depot) tagged(ctx context.Context, texts []string) ([]artifact.Reference, error) {
	if len(texts) == 0 {
		all, err := d.List(ctx)
		if err != nil {
			return nil, err
		}
		for _, i := range all {
			texts = append(texts, i.Tags...)
		}
		if len(texts) == 0 {
			return nil, &lattice.Error{Code: lattice.ErrNotFound, Op: "export", Entity: string(d.lattice.Name()),
				Detail: "nothing has a tag; set one with: weft artifact tag"}
		}
	}
	var refs []artifact.Reference
	for _, text := range texts {
		ref, err := tagText(text)
		if err != nil {
			return nil, err
		}
		if ref.Tag == "" {
			return nil, usage.Errorf("%s has no tag, and would have no name in the layout", text)
		}
		if ref, err = artifact.Resolve(ctx, d.js, d.lattice.Name(), ref); err != nil {
			return nil, err
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// Import stores what an OCI image layout holds, under the tags that it has there, and returns these, with digests.
// passedOver is told of what is no actor and no provider archive.
func (d *Depot) Import(ctx context.Context, path string, passedOver func(error)) ([]artifact.Reference, error) {
	var refs []artifact.Reference
	err := oci.ReadLayout(ctx, path, 0, func(name string, got oci.Artifact, err error) error {
		if lattice.CodeOf(err) == lattice.ErrBadModule {
			passedOver(err)
			return nil
		}
		if err != nil {
			return err
		}
		ref, err := d.Put(ctx, importedRef(name, got.Name), got.Bytes)
		if err == nil {
			refs = append(refs, ref)
		}
		return err
	})
	return refs, err
}

// importedRef makes a name and a tag of what an artifact is called in a layout: "echo:1.0", as weft writes it,
// "ghcr.io/acme/echo:1.0", or only "1.0".
func importedRef(name, title string) artifact.Reference {
	last := name[strings.LastIndex(name, "/")+1:]
	base, tag, ok := strings.Cut(last, ":")
	if !ok {
		base, tag = title, last
	}
	return artifact.Reference{Name: artifact.CleanName(base), Tag: artifact.CleanName(tag)}
}
