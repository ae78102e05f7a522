package artifact

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/subject"
)

// A tag is an empty object beside the artifacts; what it means is in its metadata.
const (
	tagPrefix  = "tag/"
	metaDigest = "weft-digest"
)

// tagObject is the name of a tag in the store.
func (r Reference) tagObject() string { return tagPrefix + r.Name + ":" + r.Tag }

// tagOf reads a tag from the object that holds it.
func tagOf(o *jetstream.ObjectInfo) (Reference, bool) {
	rest, ok := strings.CutPrefix(o.Name, tagPrefix)
	if !ok || o.Deleted {
		return Reference{}, false
	}
	name, tag, _ := strings.Cut(rest, ":")
	r := Reference{Name: name, Tag: tag, Digest: o.Metadata[metaDigest]}
	return r, isName(name) && isName(tag) && IsDigest(r.Digest)
}

// Tag makes ref.Name and ref.Tag mean ref.Digest from now on, whatever they meant before. Hosts that run the artifact
// go on with what they have. Errors: ErrInvalid (one of the three is missing), ErrNotFound (no such artifact),
// ErrUnavailable, ErrCanceled.
func Tag(ctx context.Context, js jetstream.JetStream, l lattice.Name, ref Reference) error {
	const op = "tag artifact"
	if !isName(ref.Name) || !isName(ref.Tag) || !IsDigest(ref.Digest) {
		return &lattice.Error{Code: lattice.ErrInvalid, Op: op, Entity: ref.String(),
			Detail: "it takes a name, a tag and a digest"}
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	bucket, err := js.ObjectStore(ctx, subject.ArtifactBucket(l))
	if err == nil {
		if _, err = bucket.GetInfo(ctx, ref.object()); err == nil {
			meta := jetstream.ObjectMeta{Name: ref.tagObject(), Metadata: map[string]string{metaDigest: ref.Digest}}
			_, err = bucket.Put(ctx, meta, strings.NewReader(""))
		}
	}
	if err != nil {
		return storeError(op, ref, err)
	}
	return nil
}

// Untag removes a tag; the artifact stays. A tag that is not there is ErrNotFound.
func Untag(ctx context.Context, js jetstream.JetStream, l lattice.Name, ref Reference) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	bucket, err := js.ObjectStore(ctx, subject.ArtifactBucket(l))
	if err == nil {
		if _, err = bucket.GetInfo(ctx, ref.tagObject()); err == nil { // deleting twice would be no error
			err = bucket.Delete(ctx, ref.tagObject())
		}
	}
	if err != nil {
		return storeError("untag artifact", ref, err)
	}
	return nil
}

// Resolve fills in the digest that ref's tag means now. A reference with a digest comes back as it is. Errors:
// ErrNotFound, ErrUnavailable, ErrCanceled.
func Resolve(ctx context.Context, js jetstream.JetStream, l lattice.Name, ref Reference) (Reference, error) {
	if ref.Digest != "" {
		return ref, nil
	}
	const op = "resolve tag"
	ctx, cancel := bounded(ctx)
	defer cancel()
	bucket, err := js.ObjectStore(ctx, subject.ArtifactBucket(l))
	if err != nil {
		return Reference{}, storeError(op, ref, err)
	}
	info, err := bucket.GetInfo(ctx, ref.tagObject())
	if err != nil {
		return Reference{}, storeError(op, ref, err)
	}
	found, ok := tagOf(info)
	if !ok {
		return Reference{}, &lattice.Error{Code: lattice.ErrInvalid, Op: op, Entity: ref.String(),
			Detail: "the tag is damaged; set it again"}
	}
	return found, nil
}

// Unused returns those of all that nobody needs: without a tag, not among the references that run, and pushed before a
// certain time, since what has just been pushed is about to be started. Of an artifact that runs by a tag it is not
// known which digest the tag meant when it was started, so all of that name are kept.
func Unused(all []Info, running []string, before time.Time) []Info {
	digests, names := map[string]bool{}, map[string]bool{}
	for _, text := range running {
		if ref, err := ParseReference(text); err == nil {
			if ref.Digest != "" {
				digests[ref.Digest] = true
			} else {
				names[ref.Name] = true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(i Info) bool {
		return len(i.Tags) > 0 || digests[i.Digest] || names[i.Name] || !i.Pushed.Before(before)
	})
}
