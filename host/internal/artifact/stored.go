package artifact

import (
	"context"

	"github.com/weftlattice/weft/lattice"
	store "github.com/weftlattice/weft/lattice/artifact"
)

// stored fetches from the lattice's store.
func (r *Resolver) stored(ctx context.Context, text string) (Artifact, error) {
	ref, err := store.ParseReference(text)
	if err != nil {
		return Artifact{}, err
	}
	if ref.Digest == "" {
		if ref.Digest, err = r.storedDigest(ctx, ref); err != nil {
			return Artifact{}, err
		}
	}
	data, ok := r.blobs.get(ref.Digest)
	if ok {
		if int64(len(data)) > r.cfg.MaxBytes {
			return Artifact{}, r.tooLarge(text)
		}
		return Artifact{Ref: text, Digest: ref.Digest, Bytes: data}, nil
	}
	if r.cfg.JetStream == nil {
		return Artifact{}, fail(lattice.ErrUnavailable, text,
			"it is not cached, and there is no connection to the lattice's store", nil)
	}
	data, err = store.Get(ctx, r.cfg.JetStream, r.cfg.Lattice, ref, r.cfg.MaxBytes)
	if err != nil {
		return Artifact{}, err
	}
	r.blobs.put(ref.Digest, data)
	return Artifact{Ref: text, Digest: ref.Digest, Bytes: data}, nil
}

// storedDigest returns what a tag means in the store, or meant last when the store is away.
func (r *Resolver) storedDigest(ctx context.Context, ref store.Reference) (string, error) {
	key := store.Scheme + string(r.cfg.Lattice) + "/" + ref.Name + ":" + ref.Tag
	last, known := r.tags.get(key)
	err := fail(lattice.ErrUnavailable, ref.String(), "there is no connection to the lattice's store", nil)
	if r.cfg.JetStream != nil {
		within, cancel := quick(ctx, known)
		defer cancel()
		var now store.Reference
		if now, err = store.Resolve(within, r.cfg.JetStream, r.cfg.Lattice, ref); err == nil {
			r.tags.put(key, remembered{Digest: now.Digest})
			return now.Digest, nil
		}
	}
	if known && isAway(ctx, err) {
		r.cfg.Logger.Warn("the lattice's store is away; using what the tag meant last", lattice.LogRef, ref.String(),
			"digest", last.Digest, lattice.LogErr, err)
		return last.Digest, nil
	}
	return "", err
}
