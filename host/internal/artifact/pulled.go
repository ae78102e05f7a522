package artifact

import (
	"context"
	"time"

	"github.com/weftlattice/weft/lattice"
	store "github.com/weftlattice/weft/lattice/artifact"
	"github.com/weftlattice/weft/lattice/oci"
)

// lookupTimeout bounds the question what a tag means now when the answer of last time is still known.
const lookupTimeout = 15 * time.Second

// pulled fetches from a registry, unless it has been fetched before.
func (r *Resolver) pulled(ctx context.Context, text string) (Artifact, error) {
	ref, err := oci.ParseReference(text)
	if err != nil {
		return Artifact{}, fail(lattice.ErrInvalid, text, detailOf(err)+
			"; or push the file into the lattice, or give an absolute path or "+store.Scheme+"NAME:TAG", nil)
	}
	if r.cfg.OCI != nil {
		if err := r.cfg.OCI.Check(ref); err != nil {
			return Artifact{}, fail(lattice.CodeOf(err), text, detailOf(err), nil)
		}
	}
	if ref.Digest == "" {
		if ref.Digest, err = r.manifestOf(ctx, ref); err != nil {
			return Artifact{}, err
		}
	}
	pinned := ref.At(ref.Digest)
	if m, ok := r.tags.get(pinned.String()); ok {
		if data, ok := r.blobs.get(m.Digest); ok {
			if int64(len(data)) > r.cfg.MaxBytes {
				return Artifact{}, r.tooLarge(text)
			}
			r.cfg.Logger.Info("artifact resolved", lattice.LogRef, text, "manifest", ref.Digest, "digest", m.Digest,
				"cached", true)
			return Artifact{Ref: text, Digest: m.Digest, Source: ref.Digest, Bytes: data}, nil
		}
	}
	if r.cfg.OCI == nil {
		return Artifact{}, fail(lattice.ErrUnavailable, text, "it is not cached, and this host uses no registry", nil)
	}
	a, err := r.cfg.OCI.Pull(ctx, pinned)
	if err != nil {
		return Artifact{}, err
	}
	if int64(len(a.Bytes)) > r.cfg.MaxBytes {
		return Artifact{}, r.tooLarge(text)
	}
	r.blobs.put(a.Digest, a.Bytes)
	r.tags.put(pinned.String(), remembered{Digest: a.Digest})
	r.cfg.Logger.Info("artifact resolved", lattice.LogRef, text, "manifest", ref.Digest, "digest", a.Digest, "cached",
		false)
	return Artifact{Ref: text, Digest: a.Digest, Source: ref.Digest, Bytes: a.Bytes}, nil
}

// manifestOf returns the digest that a tag means in its registry, or meant last when the registry is away.
func (r *Resolver) manifestOf(ctx context.Context, ref oci.Reference) (string, error) {
	last, known := r.tags.get(ref.String())
	err := fail(lattice.ErrUnavailable, ref.String(), "this host uses no registry", nil)
	if r.cfg.OCI != nil {
		within, cancel := quick(ctx, known)
		defer cancel()
		var digest string
		if digest, err = r.cfg.OCI.Resolve(within, ref); err == nil {
			r.tags.put(ref.String(), remembered{Digest: digest})
			return digest, nil
		}
	}
	if known && isAway(ctx, err) {
		r.cfg.Logger.Warn("the registry is away; using what the tag meant last", lattice.LogRef, ref.String(),
			"manifest", last.Digest, lattice.LogErr, err)
		return last.Digest, nil
	}
	return "", err
}

// quick bounds ctx when there is something to fall back on.
func quick(ctx context.Context, known bool) (context.Context, context.CancelFunc) {
	if !known {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, lookupTimeout)
}

// isAway reports whether err means that no server could answer. What somebody refused stays refused.
func isAway(ctx context.Context, err error) bool {
	code := lattice.CodeOf(err)
	return ctx.Err() == nil && (code == lattice.ErrUnavailable || code == lattice.ErrTimeout)
}
