package keyvaluenats

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash/maphash"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weftlattice/weft/internal/backoff"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/linkvalue"
	"github.com/weftlattice/weft/provider"
)

// Headers of a stored message. A short string without expiry has none, so that other tools can write one too.
const (
	headerKind    = "Weft-Kind"
	headerExpires = "Weft-Expires" // milliseconds since 1970
	headerKey     = "Weft-Key"     // in base64, where the subject has its hash
)

// maxListed is how long a key may be in bytes that is stored under its hash and listed all the same.
const maxListed = 16 << 10

// markerTTL is how long JetStream keeps the mark that a key was removed.
const markerTTL = time.Minute

// stripes is how many keys of a process can change at the same time.
const stripes = 64

// bucket is one JetStream bucket, opened. It is safe for concurrent use.
type bucket struct {
	js  jetstream.JetStream
	cfg jetstream.KeyValueConfig

	mu      sync.RWMutex
	kv      jetstream.KeyValue // guarded by mu
	stream  jetstream.Stream   // guarded by mu
	subject string             // of a key, without the key. guarded by mu
	writeTo string             // where a key is written, without the key. guarded by mu

	seed maphash.Seed
	// a token each: callers of one process take turns instead of failing each other's compare
	turns [stripes]chan struct{}
}

// readSettings reads the values of a link over the process's defaults: its bucket, and what stands before every key.
func readSettings(link, defaults provider.Values, l lattice.Name) (cfg jetstream.KeyValueConfig, prefix string,
	err error) {
	v, err := linkvalue.KeyvalueNATS.Read(link, defaults)
	if err != nil {
		return cfg, "", err
	}
	cfg = jetstream.KeyValueConfig{Bucket: cmp.Or(v.Text("bucket"), defaultBucket(l)), LimitMarkerTTL: markerTTL,
		Description: "wasmcloud:keyvalue of weft", History: 1, Replicas: int(v.Number("replicas"))}
	if v.Text("storage") == "memory" {
		cfg.Storage = jetstream.MemoryStorage
	}
	return cfg, v.Text("prefix"), nil
}

// openBucket makes a bucket if it is missing. Writers of one key take turns within this process, so that they do not
// run into each other's revisions; between processes the revisions decide.
func openBucket(ctx context.Context, js jetstream.JetStream, cfg jetstream.KeyValueConfig) (*bucket, error) {
	b := &bucket{js: js, cfg: cfg, seed: maphash.MakeSeed()}
	for i := range b.turns {
		b.turns[i] = make(chan struct{}, 1)
	}
	return b, b.open(ctx)
}

// open finds the bucket or makes it.
func (b *bucket) open(ctx context.Context) error {
	kv, err := b.js.KeyValue(ctx, b.cfg.Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = b.js.CreateKeyValue(ctx, b.cfg)
		if errors.Is(err, jetstream.ErrBucketExists) { // another process was faster
			kv, err = b.js.KeyValue(ctx, b.cfg.Bucket)
		}
	}
	if err != nil {
		return bucketError("open bucket", b.cfg.Bucket, err)
	}
	status, err := kv.Status(ctx)
	if err != nil {
		return bucketError("open bucket", b.cfg.Bucket, err)
	}
	s, ok := status.(*jetstream.KeyValueBucketStatus)
	if !ok || status.LimitMarkerTTL() == 0 || len(s.StreamInfo().Config.Subjects) != 1 {
		return &lattice.Error{Code: lattice.ErrInvalid, Op: "open bucket", Entity: b.cfg.Bucket,
			Detail: "it was made without expiry of single keys (marker TTL), or is a mirror; " +
				"name another bucket in the link value \"bucket\""}
	}
	info := s.StreamInfo()
	stream, err := b.js.Stream(ctx, info.Config.Name)
	if err != nil {
		return bucketError("open bucket", b.cfg.Bucket, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kv, b.stream, b.subject = kv, stream, strings.TrimSuffix(info.Config.Subjects[0], ">")
	b.writeTo = b.subject
	if domain := b.js.Options().Domain; domain != "" { // leaf nodes let keys of another domain through only so
		b.writeTo = "$JS." + domain + ".API." + b.subject
	}
	return nil
}

// entry is what a key holds.
type entry struct {
	kind    string // "" is a string
	data    []byte
	expires time.Time // zero is never
}

// load reads a key. The entry is nil when the key is absent, deleted or expired; the revision is that of the last
// message in any case, 0 when there is none, and is to be given to save or remove.
func (b *bucket) load(ctx context.Context, key string) (*entry, uint64, error) {
	b.mu.RLock()
	stream, subj := b.stream, b.subject+encodeKey(key)
	b.mu.RUnlock()
	msg, err := stream.GetLastMsgForSubject(ctx, subj)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, b.heal(ctx, "read from bucket", err)
	}
	e, err := b.entry(msg)
	return e, msg.Sequence, err
}

// entry is what a message holds; nil when it says that the key was removed, or has expired.
func (b *bucket) entry(msg *jetstream.RawStreamMsg) (e *entry, err error) {
	if msg.Header.Get("KV-Operation") != "" || msg.Header.Get(jetstream.MarkerReasonHeader) != "" {
		return nil, nil
	}
	e = &entry{kind: msg.Header.Get(headerKind)}
	if e.data, err = inflate(msg.Header.Get(headerEncoding), msg.Data); err != nil {
		return nil, err
	}
	if text := msg.Header.Get(headerExpires); text != "" {
		ms, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, &lattice.Error{Code: lattice.ErrConflict, Op: "read from bucket", Entity: b.cfg.Bucket,
				Detail: "an expiry is no number"}
		}
		if e.expires = time.UnixMilli(ms); !time.Now().Before(e.expires) {
			return nil, nil
		}
	}
	return e, nil
}

// next reads the first message from a sequence on, and finds its key; the sequence is 0 when there is none.
func (b *bucket) next(ctx context.Context, from uint64) (key string, e *entry, at uint64, err error) {
	b.mu.RLock()
	stream, subj := b.stream, b.subject
	b.mu.RUnlock()
	msg, err := stream.GetMsg(ctx, from, jetstream.WithGetMsgSubject(subj+">"))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return "", nil, 0, nil
	}
	if err != nil {
		return "", nil, 0, b.heal(ctx, "read from bucket", err)
	}
	if e, err = b.entry(msg); e == nil || err != nil {
		return "", nil, msg.Sequence, err
	}
	token := strings.TrimPrefix(msg.Subject, subj)
	if hashed(token) {
		b, err := base64.StdEncoding.DecodeString(msg.Header.Get(headerKey))
		key = string(b)
		if err != nil {
			e = nil
		}
	} else {
		key = decodeKey(token)
	}
	if e == nil || encodeKey(key) != token { // too long to be listed, or another tool's
		return "", nil, msg.Sequence, nil
	}
	return key, e, msg.Sequence, nil
}

// anyRevision makes save ignore what the key holds.
const anyRevision = ^uint64(0)

// save writes a key if its last message is still that of the revision; errRaced says that it is not.
func (b *bucket) save(ctx context.Context, key string, e *entry, revision uint64) error {
	token := encodeKey(key)
	b.mu.RLock()
	msg := &nats.Msg{Subject: b.writeTo + token, Data: e.data, Header: nats.Header{}}
	b.mu.RUnlock()
	if hashed(token) && len(key) <= maxListed {
		msg.Header.Set(headerKey, base64.StdEncoding.EncodeToString([]byte(key)))
	}
	var opts []jetstream.PublishOpt
	if revision != anyRevision {
		opts = append(opts, jetstream.WithExpectLastSequencePerSubject(revision))
	}
	if small := deflate(e.data); small != nil {
		msg.Data = small
		msg.Header.Set(headerEncoding, encodingDeflate)
	}
	if e.kind != "" {
		msg.Header.Set(headerKind, e.kind)
	}
	if !e.expires.IsZero() {
		msg.Header.Set(headerExpires, strconv.FormatInt(e.expires.UnixMilli(), 10))
		// JetStream removes it for good when no reader can see it any more; it counts in whole seconds.
		opts = append(opts, jetstream.WithMsgTTL(max(0, time.Until(e.expires)).Truncate(time.Second)+2*time.Second))
	}
	_, err := b.js.PublishMsg(ctx, msg, opts...)
	if raced(err) {
		return errRaced
	}
	if err != nil {
		return b.heal(ctx, "write to bucket", err)
	}
	return nil
}

// remove deletes a key under the same condition.
func (b *bucket) remove(ctx context.Context, key string, revision uint64) error {
	b.mu.RLock()
	kv := b.kv
	b.mu.RUnlock()
	err := kv.Purge(ctx, encodeKey(key), jetstream.LastRevision(revision), jetstream.PurgeTTL(markerTTL))
	if raced(err) || errors.Is(err, jetstream.ErrKeyExists) {
		return errRaced
	}
	if err != nil {
		return b.heal(ctx, "delete from bucket", err)
	}
	return nil
}

var errRaced = errors.New("another caller was faster")

// raced reports whether a comparison failed, in a plain or in a replicated stream.
func raced(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// update changes a key: f gets what it holds, nil when nothing, and returns what it shall hold, nil for nothing. It may
// be called several times. Returning its argument changes nothing.
func (b *bucket) update(ctx context.Context, key string, f func(*entry) (*entry, error)) error {
	turn := b.turns[maphash.String(b.seed, key)%stripes]
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	pauses := backoff.Series{Policy: backoff.Policy{First: time.Millisecond, Max: 32 * time.Millisecond}}
	for {
		now, revision, err := b.load(ctx, key)
		if err != nil {
			return err
		}
		next, err := f(now)
		if err != nil || next == now {
			return err
		}
		if next == nil {
			err = b.remove(ctx, key, revision)
		} else {
			err = b.save(ctx, key, next, revision)
		}
		if !errors.Is(err, errRaced) {
			return err
		}
		if err := backoff.Sleep(ctx, rand.N(pauses.Next())); err != nil {
			return err
		}
	}
}

// heal turns an error of JetStream into one of the lattice. When the bucket itself is gone it is made again, for the
// next caller.
func (b *bucket) heal(ctx context.Context, op string, err error) error {
	if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrNoStreamResponse) ||
		errors.Is(err, nats.ErrNoResponders) {
		_ = b.open(ctx) // its error would say less than err
	}
	return bucketError(op, b.cfg.Bucket, err)
}

// bucketError says what is wrong in the lattice's codes, and what a person can do.
func bucketError(op, name string, err error) error {
	e := &lattice.Error{Code: lattice.ErrUnavailable, Op: op, Entity: name, Err: err}
	detail, full := natsconn.NoRoom(err)
	switch {
	case full:
		e.Detail = detail
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		e.Code = lattice.ErrTimeout
	case errors.Is(err, context.Canceled):
		e.Code = lattice.ErrCanceled
	case natsconn.IsAway(err):
		e.Detail, e.Err = "NATS is away", nil
	case errors.Is(err, nats.ErrMaxPayload):
		e.Code, e.Detail = lattice.ErrTooLarge, "a string, list or set must fit into one NATS message"
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		e.Detail = "JetStream is off; start nats-server with -js"
	case errors.Is(err, jetstream.ErrLimitMarkerTTLNotSupported):
		e.Code, e.Detail = lattice.ErrInvalid, "nats-server 2.11 or later is needed"
	}
	return e
}

// encodeKey makes any key one token that JetStream accepts, and different keys different tokens. Keys that would become
// too long for a subject are stored under their hash.
func encodeKey(key string) string {
	if key == "" {
		return "=0"
	}
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(key) + 8)
	for i := range len(key) {
		c := key[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '/' {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('=')
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	if b.Len() > 512 {
		sum := sha256.Sum256([]byte(key))
		return "=h" + hex.EncodeToString(sum[:])
	}
	return b.String()
}

// hashed reports whether a token is the hash of a key.
func hashed(token string) bool { return strings.HasPrefix(token, "=h") }

// decodeKey is the inverse of encodeKey, for what that has made of a key without its hash. It makes something of
// anything.
func decodeKey(token string) string {
	if token == "=0" {
		return ""
	}
	var b strings.Builder
	for i := 0; i < len(token); i++ {
		if token[i] == '=' && i+2 < len(token) {
			if n, err := hex.DecodeString(token[i+1 : i+3]); err == nil {
				b.Write(n)
				i += 2
				continue
			}
		}
		b.WriteByte(token[i])
	}
	return b.String()
}
