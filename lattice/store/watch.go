package store

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weftlattice/weft/internal/backoff"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/wire"
)

// Handler is told what the bucket holds and how it changes. Its methods are called one at a time, by Watch. replay is
// true for what was stored before the watch had caught up for the first time: effects towards providers are due, events
// are not.
type Handler interface {
	// LinkPut: a definition was stored. old is the one that it replaces, or nil; it may say the same.
	LinkPut(l wire.LinkDefinition, old *wire.LinkDefinition, replay bool)
	// LinkDeleted: a definition that LinkPut told of is gone.
	LinkDeleted(l wire.LinkDefinition)
	// ClaimsPut: claims were stored.
	ClaimsPut(c control.Claims, replay bool)
	// ClaimsDeleted: claims that ClaimsPut told of are gone.
	ClaimsDeleted(c control.Claims)
	// RefPut: a reference was stored.
	RefPut(r Ref, replay bool)
	// RefDeleted: a reference that RefPut told of is gone.
	RefDeleted(r Ref)
	// CaughtUp: all that was stored when the watch began has been told. It is called once.
	CaughtUp()
}

// Watch tells h what is stored and then every change, until ctx ends; it then returns nil. It survives disconnections
// and restarts of the NATS server: afterwards it reads everything again and tells what has changed meanwhile, each
// change once, also deletions.
//
// When the server comes back without its data, what the watch remembers is written into a new bucket, unless another
// host was quicker; nothing is told, since nothing has changed. A bucket that is deleted while the server goes on
// running was deleted on purpose: its entries are told as deleted.
func (s *Store) Watch(ctx context.Context, h Handler) error {
	connected := s.nc.StatusChanged(nats.CONNECTED)
	defer s.nc.RemoveStatusListener(connected)
	w := &watch{store: s, handler: h, known: make(map[string]known), connected: connected}
	pauses := backoff.Series{Policy: backoff.Policy{First: 50 * time.Millisecond, Max: time.Second}}
	for {
		err := w.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			pauses.Reset()
			continue
		}
		s.log.Warn("lattice state: watch interrupted", lattice.LogErr, s.fail("watch lattice state", err))
		select {
		case <-ctx.Done():
			return nil
		case <-connected:
			w.reconnected = true
		case <-time.After(pauses.Next()):
		}
	}
}

// known is an entry that the handler has been told of.
type known struct {
	revision uint64
	raw      []byte
	value    value
	adopt    bool // another host restores it: its return with a new revision is no change
}

// watch is the state of one Watch; its goroutine owns it.
type watch struct {
	store       *Store
	handler     Handler
	connected   <-chan nats.Status
	known       map[string]known
	created     time.Time // of the bucket that known describes; zero at first
	reconnected bool      // since the last time it had caught up
	caughtUp    bool
}

// session reads the whole bucket and follows it. It returns nil when it is time to begin again.
func (w *watch) session(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for len(w.connected) > 0 { // this session comes after them
		<-w.connected
		w.reconnected = true
	}
	var kv jetstream.KeyValue
	var info *jetstream.StreamInfo
	err := w.store.attempt(ctx, func(ctx context.Context) (err error) {
		ctx, cancel := bound(ctx)
		defer cancel()
		if kv, err = w.store.bucket(ctx); err == nil {
			info, err = streamInfo(ctx, kv)
		}
		return err
	})
	if err != nil {
		return err
	}
	updates, err := kv.WatchAll(ctx)
	if err != nil {
		return err
	}
	defer endWatcher(updates, cancel)

	lost := !w.created.IsZero() && !info.Created.Equal(w.created)
	seen := make(map[string]bool)
	replaying, last, behind := true, info.State.LastSeq, uint64(0)
	check := time.NewTicker(w.store.check)
	defer check.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.connected:
			w.reconnected = true
			return nil
		case <-check.C:
			again := w.changedUnderneath(ctx, kv, info, last, &behind)
			if again || replaying { // a replay takes milliseconds
				return nil
			}
		case e, ok := <-updates.Updates():
			switch {
			case !ok:
				return errors.New("the watch has ended")
			case e != nil:
				last = max(last, e.Revision())
				seen[e.Key()] = true
				w.apply(e, replaying)
			default:
				if err := w.replayed(ctx, kv, seen, lost && w.reconnected); err != nil {
					return err
				}
				w.created, w.reconnected, replaying = info.Created, false, false
				w.store.made.Store(&info.Created)
				if !w.caughtUp {
					w.caughtUp = true
					w.handler.CaughtUp()
				}
			}
		}
	}
}

// changedUnderneath reports whether the bucket is another one than that of the session, or has gone on without telling.
// What is merely under way gets the time until the next look.
func (w *watch) changedUnderneath(ctx context.Context, kv jetstream.KeyValue, was *jetstream.StreamInfo, last uint64,
	behind *uint64) bool {
	ctx, cancel := bound(ctx)
	defer cancel()
	now, err := streamInfo(ctx, kv)
	if err != nil {
		return errors.Is(err, jetstream.ErrBucketNotFound) || errors.Is(err, jetstream.ErrStreamNotFound)
	}
	if !now.Created.Equal(was.Created) || (*behind > 0 && last < *behind) {
		return true
	}
	*behind = now.State.LastSeq
	return false
}

// apply tells the handler of an entry, unless it knows it. In a replay that is one with the same value; when following,
// storing the same value again is told, since somebody may wait for it.
func (w *watch) apply(e jetstream.KeyValueEntry, replaying bool) {
	old, had := w.known[e.Key()]
	if e.Operation() != jetstream.KeyValuePut {
		w.forget(e.Key())
		return
	}
	if had && bytes.Equal(old.raw, e.Value()) && (replaying || old.adopt || old.revision == e.Revision()) {
		old.revision, old.adopt = e.Revision(), false
		w.known[e.Key()] = old
		return
	}
	v, ok := w.store.read(e)
	if !ok {
		return
	}
	w.known[e.Key()] = known{revision: e.Revision(), raw: e.Value(), value: v}
	switch {
	case v.link != nil:
		w.handler.LinkPut(*v.link, old.value.link, !w.caughtUp)
	case v.claims != nil:
		w.handler.ClaimsPut(*v.claims, !w.caughtUp)
	default:
		w.handler.RefPut(*v.ref, !w.caughtUp)
	}
}

func (w *watch) forget(key string) {
	old, had := w.known[key]
	if !had {
		return
	}
	delete(w.known, key)
	switch {
	case old.value.link != nil:
		w.handler.LinkDeleted(*old.value.link)
	case old.value.claims != nil:
		w.handler.ClaimsDeleted(*old.value.claims)
	default:
		w.handler.RefDeleted(*old.value.ref)
	}
}

// replayed deals with what is known and was not in the bucket: it is restored when the server has lost it, and is
// otherwise gone.
func (w *watch) replayed(ctx context.Context, kv jetstream.KeyValue, seen map[string]bool, restore bool) error {
	ctx, cancel := bound(ctx)
	defer cancel()
	restored := 0
	for key, k := range w.known {
		switch {
		case seen[key]:
		case restore:
			revision, err := kv.Update(ctx, key, k.raw, 0) // only where nothing was stored, nor deleted, since
			switch {
			case errors.Is(err, jetstream.ErrKeyExists): // its present state comes with the updates
				k.adopt = true
			case err != nil:
				return err
			default:
				k.revision = revision
				restored++
			}
			w.known[key] = k
		default:
			w.forget(key)
		}
	}
	if restored > 0 {
		w.store.log.Warn("lattice state: the NATS server has lost it; restored from memory", "entries", restored)
	}
	return nil
}
