package store

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// defaultTimeout bounds each operation whose ctx has no deadline.
const defaultTimeout = 5 * time.Second

// attemptTimeout bounds one attempt of a write. A stream that cannot write never answers; a server of weft mends that
// at once, and then refuses with a reason or takes it.
const attemptTimeout = 2 * time.Second

// Config holds what is optional.
type Config struct {
	Logger *slog.Logger // nil discards
}

// Store reads and writes the bucket of one lattice. It is safe for concurrent use and needs no closing; the connection
// stays the caller's.
//
// Errors of its methods are lattice.ErrInvalid for what may not be stored, lattice.ErrUnavailable when JetStream is
// away or refuses, and the code of ctx when that ended.
type Store struct {
	nc      *nats.Conn
	js      jetstream.JetStream
	lattice lattice.Name
	log     *slog.Logger
	check   time.Duration // how often a watch looks whether its bucket is still the same

	mu   sync.Mutex
	full error // why the last write was refused, when it was for want of room. guarded by mu

	made atomic.Pointer[time.Time] // when the bucket was made that Watch follows; nil: it has not read one
}

// Made is when the bucket was made that Watch follows; nil until Watch has read it. It is the same for all who use the
// bucket, and another for each JetStream that has one of that name.
func (s *Store) Made() *time.Time { return s.made.Load() }

// Open opens the bucket, and creates it when there is none. An existing one is taken as it is configured.
func Open(ctx context.Context, nc *nats.Conn, l lattice.Name, cfg Config) (*Store, error) {
	if err := l.Check(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	js, err := natsconn.JetStream(nc)
	if err != nil {
		return nil, err
	}
	s := &Store{nc: nc, js: js, lattice: l, log: cfg.Logger.With("part", "store"), check: 5 * time.Second}
	ctx, cancel := bound(ctx)
	defer cancel()
	err = s.attempt(ctx, func(ctx context.Context) error {
		_, err := s.bucket(ctx)
		return err
	})
	if err != nil {
		return nil, s.fail("open lattice state", err)
	}
	return s, nil
}

func bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, defaultTimeout)
}

// attempt runs do, which must be idempotent, while the connection is there. A request that was under way when the
// connection broke is lost, and its answer would be awaited in vain: do is then ended by its ctx and run again.
func (s *Store) attempt(ctx context.Context, do func(context.Context) error) error {
	for {
		broken := s.nc.StatusChanged() // before looking, so that no change is missed
		err := s.connected(ctx, broken)
		if err == nil {
			err = s.unlessBroken(ctx, broken, do)
		}
		s.nc.RemoveStatusListener(broken)
		if !errors.Is(err, errBroken) {
			return err
		}
	}
}

var errBroken = errors.New("the connection to NATS broke")

func (s *Store) connected(ctx context.Context, status <-chan nats.Status) error {
	for !s.nc.IsConnected() {
		if s.nc.IsClosed() {
			return nats.ErrConnectionClosed
		}
		select {
		case <-status:
		case <-ctx.Done():
			return &lattice.Error{Code: lattice.CodeOf(ctx.Err()), Op: "wait for NATS",
				Detail: "the connection is down"}
		}
	}
	for len(status) > 0 { // how it came to be connected
		<-status
	}
	return nil
}

func (s *Store) unlessBroken(ctx context.Context, broken <-chan nats.Status, do func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	var watcher sync.WaitGroup
	watcher.Go(func() {
		select {
		case <-broken:
			cancel(errBroken)
		case <-done:
		}
	})
	err := do(ctx)
	close(done)
	watcher.Wait()
	if err != nil && errors.Is(context.Cause(ctx), errBroken) {
		err = errBroken
	}
	cancel(nil)
	return err
}

// bucket opens the bucket, or makes it.
func (s *Store) bucket(ctx context.Context) (jetstream.KeyValue, error) {
	name := subject.KVLattice(s.lattice)
	kv, err := s.js.KeyValue(ctx, name)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = s.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: name, History: 1,
			Storage:  jetstream.FileStorage,
			Replicas: 1, Description: "links and claims of lattice " + string(s.lattice)})
		if errors.Is(err, jetstream.ErrBucketExists) { // another host was quicker
			kv, err = s.js.KeyValue(ctx, name)
		}
	}
	return kv, err
}

func streamInfo(ctx context.Context, kv jetstream.KeyValue) (*jetstream.StreamInfo, error) {
	status, err := kv.Status(ctx)
	if err != nil {
		return nil, err
	}
	b, ok := status.(*jetstream.KeyValueBucketStatus)
	if !ok {
		return nil, errors.New("the bucket is not kept in JetStream")
	}
	return b.StreamInfo(), nil
}

// fail gives an error of JetStream its code and a way out. nil stays nil.
func (s *Store) fail(op string, err error) error {
	var own *lattice.Error
	if err == nil || errors.As(err, &own) {
		return err
	}
	e := &lattice.Error{Code: lattice.CodeOf(err), Op: op, Entity: string(s.lattice), Err: err}
	detail, full := natsconn.NoRoom(err)
	switch {
	case full:
		e.Code, e.Detail = lattice.ErrUnavailable, detail
	case e.Code == lattice.ErrCanceled:
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount),
		errors.Is(err, nats.ErrNoResponders):
		e.Code, e.Detail = lattice.ErrUnavailable,
			"the NATS server has no JetStream; start it with JetStream enabled (nats-server -js)"
	case e.Code == lattice.ErrTimeout:
		e.Detail = "JetStream does not answer; it may be overloaded, or its disk full"
	default:
		e.Code = lattice.ErrUnavailable
	}
	return e
}

// write runs do on the bucket, which may have to be made anew.
func (s *Store) write(ctx context.Context, op string, do func(context.Context, jetstream.KeyValue) error) error {
	ctx, cancel := bound(ctx)
	defer cancel()
	var err error
	for again := true; again; {
		err = s.attempt(ctx, func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
			defer cancel()
			kv, err := s.bucket(ctx)
			if err != nil {
				return err
			}
			return do(ctx, kv)
		})
		again = err != nil && ctx.Err() == nil && lattice.CodeOf(err) == lattice.ErrTimeout
	}
	err = s.fail(op, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full = nil
	if _, full := natsconn.NoRoom(err); full {
		s.full = err
	}
	return err
}

// Full returns why JetStream has no room for the state of the lattice, if the last write here was refused for that and
// it has none still. It asks JetStream only then, for ctx at most.
func (s *Store) Full(ctx context.Context) error {
	s.mu.Lock()
	was := s.full
	s.mu.Unlock()
	if was == nil || natsconn.CheckRoom(ctx, s.js) != nil {
		return was
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full == was { //nolint:errorlint // that very one
		s.full = nil
	}
	return nil
}

// PutLink stores a link definition; the last one of an actor, contract and link name wins. Its link name may not be
// empty. When PutLink returns nil the definition is stored.
func (s *Store) PutLink(ctx context.Context, l wire.LinkDefinition) error {
	if err := control.CheckLink(l); err != nil {
		return err
	}
	if l.Values == nil {
		l.Values = map[string]string{}
	}
	b, err := json.Marshal(l)
	if err != nil {
		return &lattice.Error{Code: lattice.ErrInvalid, Op: "put link", Err: err}
	}
	return s.write(ctx, "put link", func(ctx context.Context, kv jetstream.KeyValue) error {
		_, err := kv.Put(ctx, subject.KVLinkKey(l.ID()), b)
		return err
	})
}

// DelLink deletes a link definition. One that is not there is no error.
func (s *Store) DelLink(ctx context.Context, actor lattice.ActorID, contract lattice.ContractID,
	link lattice.LinkName) error {
	id := wire.LinkID(actor, contract, link)
	return s.write(ctx, "delete link", func(ctx context.Context, kv jetstream.KeyValue) error {
		return kv.Delete(ctx, subject.KVLinkKey(id))
	})
}

// PutClaims stores what the lattice knows about an actor or provider. It writes only when that differs from what is
// stored, so that every host may do it at every start.
func (s *Store) PutClaims(ctx context.Context, c control.Claims) error {
	if !lattice.IsEntity(c.Subject) {
		return &lattice.Error{Code: lattice.ErrInvalid, Op: "put claims", Entity: lattice.Printable(c.Subject),
			Detail: "the subject is not the key of an actor or provider"}
	}
	b, err := json.Marshal(c.Flat())
	if err != nil {
		return &lattice.Error{Code: lattice.ErrInvalid, Op: "put claims", Err: err}
	}
	return s.write(ctx, "put claims", func(ctx context.Context, kv jetstream.KeyValue) error {
		key := subject.KVClaimsKey(c.Subject)
		if e, err := kv.Get(ctx, key); err == nil {
			if have, err := control.DecodeClaims(e.Value()); err == nil && reflect.DeepEqual(have.Flat(), c.Flat()) {
				return nil
			}
		}
		_, err := kv.Put(ctx, key, b)
		return err
	})
}

// DelClaims deletes the claims of an actor or provider. Those that are not there are no error.
func (s *Store) DelClaims(ctx context.Context, publicKey string) error {
	if !lattice.IsEntity(publicKey) {
		return &lattice.Error{Code: lattice.ErrInvalid, Op: "delete claims", Entity: lattice.Printable(publicKey)}
	}
	return s.write(ctx, "delete claims", func(ctx context.Context, kv jetstream.KeyValue) error {
		return kv.Delete(ctx, subject.KVClaimsKey(publicKey))
	})
}

// Links reads all link definitions, oldest first.
func (s *Store) Links(ctx context.Context) ([]wire.LinkDefinition, error) {
	values, err := s.values(ctx, "read links")
	var links []wire.LinkDefinition
	for _, v := range values {
		if v.link != nil {
			links = append(links, *v.link)
		}
	}
	return links, err
}

// Claims reads all claims, oldest first.
func (s *Store) Claims(ctx context.Context) ([]control.Claims, error) {
	values, err := s.values(ctx, "read claims")
	var claims []control.Claims
	for _, v := range values {
		if v.claims != nil {
			claims = append(claims, *v.claims)
		}
	}
	return claims, err
}

func (s *Store) values(ctx context.Context, op string) (values []value, err error) {
	ctx, cancel := bound(ctx)
	defer cancel()
	err = s.attempt(ctx, func(ctx context.Context) error {
		values, err = s.readAll(ctx)
		return err
	})
	return values, s.fail(op, err)
}

func (s *Store) readAll(ctx context.Context) ([]value, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	kv, err := s.bucket(ctx)
	if err != nil {
		return nil, err
	}
	w, err := kv.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return nil, err
	}
	defer endWatcher(w, cancel)
	var values []value
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case e, ok := <-w.Updates():
			if !ok {
				return nil, errors.New("the watch has ended")
			}
			if e == nil {
				return values, nil
			}
			if v, ok := s.read(e); ok {
				values = append(values, v)
			}
		}
	}
}

// endWatcher ends a watcher by the ctx that it was made with, and lets go of what it still wants to hand over. It does
// not call Stop, which waits for an answer of the server even while that is away.
func endWatcher(w jetstream.KeyWatcher, cancel context.CancelFunc) {
	cancel()
	end := time.After(defaultTimeout)
	for {
		select {
		case _, ok := <-w.Updates():
			if !ok {
				return
			}
		case <-end:
			return
		}
	}
}

// value is an entry of the bucket: one of the three is set.
type value struct {
	link   *wire.LinkDefinition
	claims *control.Claims
	ref    *Ref
}

// read decodes an entry and reports false for one that is not ours or not right.
func (s *Store) read(e jetstream.KeyValueEntry) (value, bool) {
	linkID, publicKey, ok := subject.ParseKVKey(e.Key())
	_, isRef := subject.ParseKVRefKey(e.Key())
	if !ok && !isRef {
		return value{}, false
	}
	var v value
	var err error
	switch {
	case isRef:
		var r Ref
		r, err = decodeRef(e.Key(), e.Value())
		v.ref = &r
	case linkID != "":
		var l wire.LinkDefinition
		if l, err = control.DecodeLink(e.Value()); err == nil && l.ID() != linkID {
			err = &lattice.Error{Code: lattice.ErrHashMismatch, Op: "read link", Detail: "linkdef hash mismatch"}
		}
		v.link = &l
	default:
		var c control.Claims
		if c, err = control.DecodeClaims(e.Value()); err == nil && c.Subject != publicKey {
			err = &lattice.Error{Code: lattice.ErrInvalid, Op: "read claims", Detail: "subject mismatch"}
		}
		v.claims = &c
	}
	if err != nil {
		s.log.Warn("lattice state: entry left out", "key", lattice.Printable(e.Key()), "revision", e.Revision(),
			lattice.LogErr, err)
		return value{}, false
	}
	return v, true
}
