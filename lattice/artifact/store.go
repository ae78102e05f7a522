package artifact

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/subject"
)

// MaxBytes is how large an artifact may be unless the caller says otherwise: 256 MiB.
const MaxBytes = 256 << 20

// defaultTimeout bounds an operation whose context has no deadline.
const defaultTimeout = time.Minute

// stallTimeout bounds the wait for the next piece of an artifact.
const stallTimeout = 5 * time.Second

// The kinds of artifacts.
const (
	KindActor    = "actor"    // a WebAssembly module
	KindProvider = "provider" // a provider archive, or anything else
)

const (
	metaName = "weft-name"
	metaKind = "weft-kind"
)

// Info describes a stored artifact.
type Info struct {
	Reference
	Kind      string // KindActor or KindProvider
	SizeBytes uint64
	Pushed    time.Time
	Tags      []string // "NAME:TAG" of each tag that means it now, in order
}

// Digest returns the digest of data as references spell it.
func Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return digestPrefix + hex.EncodeToString(sum[:])
}

// Push stores data and returns its reference, "lattice://NAME@sha256:HEX". What is there already is not sent again; the
// name in List stays that of the first push. Errors: ErrInvalid (name, no data), ErrTooLarge (more than MaxBytes),
// ErrUnavailable (no JetStream, or it did not answer), ErrCanceled.
func Push(ctx context.Context, js jetstream.JetStream, l lattice.Name, name string, data []byte) (string, error) {
	ref := Reference{Name: name, Digest: Digest(data)}
	const op = "push artifact"
	switch {
	case !isName(name):
		return "", &lattice.Error{Code: lattice.ErrInvalid, Op: op, Entity: lattice.Printable(name),
			Detail: "the name " + nameForm}
	case len(data) == 0:
		return "", &lattice.Error{Code: lattice.ErrInvalid, Op: op, Entity: name, Detail: "it is empty"}
	case len(data) > MaxBytes:
		return "", tooLarge(op, ref, uint64(len(data)), MaxBytes)
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	bucket, err := createBucket(ctx, js, l)
	if err != nil {
		return "", storeError(op, ref, err)
	}
	info, err := bucket.GetInfo(ctx, ref.object())
	switch {
	case err == nil && info.Size == uint64(len(data)):
		return ref.String(), nil
	case err != nil && !errors.Is(err, jetstream.ErrObjectNotFound):
		return "", storeError(op, ref, err)
	}
	kind := KindProvider
	if bytes.HasPrefix(data, []byte("\x00asm")) {
		kind = KindActor
	}
	meta := jetstream.ObjectMeta{Name: ref.object(), Metadata: map[string]string{metaName: name, metaKind: kind}}
	_, err = bucket.Put(ctx, meta, bytes.NewReader(data))
	// a stream that cannot write never answers; now it may say why
	if lattice.CodeOf(err) == lattice.ErrTimeout && ctx.Err() == nil {
		_, err = bucket.Put(ctx, meta, bytes.NewReader(data))
	}
	if err != nil {
		return "", storeError(op, ref, err)
	}
	return ref.String(), nil
}

// Get returns the bytes of a reference, verified. One without a digest is resolved first. maxBytes limits them; 0 means
// MaxBytes. Errors: ErrNotFound, ErrTooLarge, ErrInvalid (the stored bytes are not those of the digest),
// ErrUnavailable, ErrCanceled.
func Get(ctx context.Context, js jetstream.JetStream, l lattice.Name, ref Reference, maxBytes int64) ([]byte, error) {
	if maxBytes <= 0 {
		maxBytes = MaxBytes
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	if ref.Digest == "" {
		var err error
		if ref, err = Resolve(ctx, js, l, ref); err != nil {
			return nil, err
		}
	}
	data, err := get(ctx, js, l, ref, maxBytes)
	if err != nil && ctx.Err() == nil && errors.Is(err, lattice.ErrInvalid) {
		// Two first pushes at the same time replace each other's chunks while they are read.
		data, err = get(ctx, js, l, ref, maxBytes)
	}
	return data, err
}

func get(ctx context.Context, js jetstream.JetStream, l lattice.Name, ref Reference, maxBytes int64) ([]byte, error) {
	const op = "get artifact"
	bucket, err := js.ObjectStore(ctx, subject.ArtifactBucket(l))
	if err != nil {
		return nil, storeError(op, ref, err)
	}
	object, err := bucket.Get(patient{ctx}, ref.object())
	if err != nil {
		return nil, storeError(op, ref, err)
	}
	defer object.Close()
	info, err := object.Info()
	if err != nil {
		return nil, storeError(op, ref, err)
	}
	if info.Size > uint64(maxBytes) {
		return nil, tooLarge(op, ref, info.Size, maxBytes)
	}
	var buf bytes.Buffer
	buf.Grow(int(info.Size))
	_, err = io.Copy(&buf, io.LimitReader(object, maxBytes+1))
	switch {
	case ctx.Err() != nil:
		return nil, storeError(op, ref, ctx.Err())
	case err != nil && !errors.Is(err, jetstream.ErrDigestMismatch):
		return nil, storeError(op, ref, err)
	case int64(buf.Len()) > maxBytes:
		return nil, tooLarge(op, ref, uint64(buf.Len()), maxBytes)
	case err != nil || Digest(buf.Bytes()) != ref.Digest:
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: op, Entity: ref.String(),
			Detail: "the stored bytes are not those of the digest; push it again"}
	}
	return buf.Bytes(), nil
}

// List returns what is stored, by name and then by age, the newest first. A lattice without a store has nothing.
func List(ctx context.Context, js jetstream.JetStream, l lattice.Name) ([]Info, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	bucket, err := js.ObjectStore(ctx, subject.ArtifactBucket(l))
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, storeError("list artifacts", Reference{}, err)
	}
	objects, err := bucket.List(ctx)
	if err != nil && !errors.Is(err, jetstream.ErrNoObjectsFound) {
		return nil, storeError("list artifacts", Reference{}, err)
	}
	infos := make([]Info, 0, len(objects))
	tags := map[string][]string{} // by digest
	for _, o := range objects {
		if t, ok := tagOf(o); ok {
			tags[t.Digest] = append(tags[t.Digest], t.Name+":"+t.Tag)
			continue
		}
		ref := Reference{Name: CleanName(o.Metadata[metaName]), Digest: digestPrefix + o.Name}
		if o.Deleted || !IsDigest(ref.Digest) {
			continue // not ours
		}
		infos = append(infos, Info{Reference: ref, Kind: o.Metadata[metaKind], SizeBytes: o.Size, Pushed: o.ModTime})
	}
	for i, info := range infos {
		infos[i].Tags = tags[info.Digest]
		slices.Sort(infos[i].Tags)
	}
	slices.SortFunc(infos, func(a, b Info) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return b.Pushed.Compare(a.Pushed)
	})
	return infos, nil
}

// Delete removes an artifact by its digest. Tags that mean it stay, see Untag. Hosts that have it cached go on using
// it. One that is not there is ErrNotFound.
func Delete(ctx context.Context, js jetstream.JetStream, l lattice.Name, ref Reference) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	bucket, err := js.ObjectStore(ctx, subject.ArtifactBucket(l))
	if err == nil {
		err = bucket.Delete(ctx, ref.object())
	}
	if err != nil {
		return storeError("delete artifact", ref, err)
	}
	return nil
}

// createBucket binds the lattice's bucket and creates it when it is missing.
func createBucket(ctx context.Context, js jetstream.JetStream, l lattice.Name) (jetstream.ObjectStore, error) {
	name := subject.ArtifactBucket(l)
	bucket, err := js.ObjectStore(ctx, name)
	if !errors.Is(err, jetstream.ErrBucketNotFound) {
		return bucket, err
	}
	bucket, err = js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: name,
		Description: fmt.Sprintf("modules and provider archives of lattice %s", l)})
	if errors.Is(err, jetstream.ErrBucketExists) { // somebody else was faster
		return js.ObjectStore(ctx, name)
	}
	return bucket, err
}

// patient is a context for reading an object: the reader waits until its deadline for each piece, holding a lock that
// Close wants too. A deadline that moves on lets a transfer that stalls fail early, and one that is slow succeed.
type patient struct{ context.Context }

func (p patient) Deadline() (time.Time, bool) {
	stall := time.Now().Add(stallTimeout)
	if d, ok := p.Context.Deadline(); ok && d.Before(stall) {
		return d, true
	}
	return stall, true
}

func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, defaultTimeout)
}

func tooLarge(op string, ref Reference, have uint64, limit int64) error {
	return &lattice.Error{Code: lattice.ErrTooLarge, Op: op, Entity: ref.String(),
		Detail: fmt.Sprintf("it has %d bytes, the limit is %d", have, limit)}
}

// storeError gives an error of the object store its code.
func storeError(op string, ref Reference, err error) error {
	e := &lattice.Error{Code: lattice.ErrUnavailable, Op: op, Err: err}
	if ref.Name != "" {
		e.Entity = ref.String()
	}
	detail, full := natsconn.NoRoom(err)
	switch {
	case full:
		e.Detail = detail
	case errors.Is(err, jetstream.ErrObjectNotFound), errors.Is(err, jetstream.ErrBucketNotFound):
		e.Code, e.Err = lattice.ErrNotFound, nil
		e.Detail = "the lattice's store does not have it; what it has: weft artifact list"
	case errors.Is(err, context.Canceled):
		e.Code, e.Err = lattice.ErrCanceled, nil
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount),
		errors.Is(err, nats.ErrNoResponders):
		e.Detail = "the NATS server does not offer JetStream"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		e.Err, e.Detail = nil, "the lattice's store did not answer in time"
	}
	return e
}
