package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/subject"
)

// Payloads above wire.MaxInlineBytes travel beside the message: the sender puts them into the lattice's object store
// under the invocation's id (a response under id-r), the message says only how long they are, and the receiver fetches
// and deletes them.

// DefaultMaxBytes bounds a payload that travels through the object store.
const DefaultMaxBytes = 128 << 20

const (
	// chunkAllowance is the time that a call gets on top when its payload takes that way.
	chunkAllowance = 13 * time.Second
	// chunkLife is when the store drops what nobody fetched, as after a crash between putting and fetching.
	chunkLife = 5 * time.Minute
)

// chunks is the object store of a lattice, opened when it is first needed. It is safe for concurrent use.
type chunks struct {
	nc      *nats.Conn
	lattice lattice.Name

	mu    sync.Mutex
	store jetstream.ObjectStore // guarded by mu
}

func responseName(id string) string { return id + "-r" }

func (c *chunks) open(ctx context.Context) (jetstream.ObjectStore, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.store != nil {
		return c.store, nil
	}
	js, err := jetstream.New(c.nc)
	if err != nil {
		return nil, err
	}
	bucket := subject.ChunkBucket(c.lattice)
	store, err := js.ObjectStore(ctx, bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		store, err = js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: bucket, TTL: chunkLife,
			Description: "payloads on their way, too large for a message"})
		if errors.Is(err, jetstream.ErrBucketExists) { // somebody else was quicker
			store, err = js.ObjectStore(ctx, bucket)
		}
	}
	if err != nil {
		return nil, err
	}
	c.store = store
	return store, nil
}

// forget makes the next use open the store again, since it may have been deleted.
func (c *chunks) forget() {
	c.mu.Lock()
	c.store = nil
	c.mu.Unlock()
}

func (c *chunks) put(ctx context.Context, name string, payload []byte) error {
	for attempt := 0; ; attempt++ {
		store, err := c.open(ctx)
		if err == nil {
			if _, err = store.PutBytes(ctx, name, payload); err == nil {
				return nil
			}
			c.forget()
		}
		if attempt > 0 || ctx.Err() != nil {
			c.drop(name)
			return chunkError("store a payload", err)
		}
	}
}

// take fetches a payload whose length the sender has told, and deletes it.
func (c *chunks) take(ctx context.Context, name string, length uint64) ([]byte, error) {
	store, err := c.open(ctx)
	if err != nil {
		return nil, chunkError("fetch a payload", err)
	}
	defer c.drop(name)
	object, err := store.Get(ctx, name)
	if err != nil {
		c.forget()
		return nil, chunkError("fetch a payload", err)
	}
	defer object.Close()
	info, err := object.Info()
	if err != nil {
		return nil, chunkError("fetch a payload", err)
	}
	if info.Size != length {
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "fetch a payload", Detail: fmt.Sprintf("it has %d bytes, the sender said %d", info.Size, length)}
	}
	payload := make([]byte, length)
	if _, err := io.ReadFull(object, payload); err != nil {
		return nil, chunkError("fetch a payload", err)
	}
	return payload, nil
}

// drop deletes a payload, even when the call it belongs to is over. What it can not delete the store drops in time.
func (c *chunks) drop(name string) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if store, err := c.open(ctx); err == nil {
		_ = store.Delete(ctx, name)
	}
}

func chunkError(op string, err error) error {
	code := lattice.ErrUnavailable
	if c := lattice.CodeOf(err); c == lattice.ErrTimeout || c == lattice.ErrCanceled {
		code = c
	}
	return &lattice.Error{Code: code, Op: op, Detail: "the lattice's object store (JetStream) carries payloads above 900 KiB", Err: err}
}
