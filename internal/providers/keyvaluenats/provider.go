// Package keyvaluenats gives actors wasmcloud:keyvalue on JetStream, so that a lattice needs no other server for it.
//
// Everything of one bucket (link value "bucket") is one JetStream key-value bucket; all processes of the provider, on
// any host, share it. A value is one message, so that a string, list or set holds at most what the NATS server takes in
// one (max_payload); beyond it callers get lattice.ErrTooLarge. Changes are made by comparing and setting the revision,
// so they are atomic among any number of processes.
//
// Expiry is stored with the value, to the millisecond, and checked by every read against the clock of the reading host;
// JetStream removes the expired message a moment later.
package keyvaluenats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/internal/providers/keyvalue"
	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/keyvalue"
	"github.com/weftlattice/weft/lattice/linkvalue"
	"github.com/weftlattice/weft/provider"
)

// Info describes the provider.
var Info = provider.Info{
	Name: "keyvalue-nats", Contract: contract.ID, Version: "0.1.0",
	Description: "wasmcloud:keyvalue on NATS JetStream", Operations: keyvalue.Operations,
	Values: linkvalue.KeyvalueNATS,
}

// defaultBucket is the bucket of links that name none.
func defaultBucket(l lattice.Name) string { return "WEFT_KEYVALUE_" + string(l) }

// natsProvider is the provider: a store for each link, in buckets that links share.
type natsProvider struct {
	js       jetstream.JetStream
	log      *slog.Logger
	lattice  lattice.Name
	defaults provider.Values
	service  *keyvalue.Service

	mu      sync.RWMutex
	buckets map[string]*bucket         // by name, kept once opened. guarded by mu
	stores  map[lattice.ActorID]*store // guarded by mu
}

// New makes the provider of a process.
func New(env provider.Env) (provider.Provider, error) {
	js, err := natsconn.JetStream(env.NATS)
	if err != nil {
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	defaults, err := linkvalue.KeyvalueNATS.Defaults(env.ConfigJSON)
	if err != nil {
		return nil, err
	}
	service, err := keyvalue.NewService(env.Metrics)
	if err != nil {
		return nil, err
	}
	return &natsProvider{js: js, log: env.Logger, lattice: env.Lattice, defaults: defaults, service: service,
		buckets: map[string]*bucket{}, stores: map[lattice.ActorID]*store{}}, nil
}

// PutLink opens the bucket of the link.
func (p *natsProvider) PutLink(ctx context.Context, link provider.Link) error {
	cfg, prefix, err := readSettings(link.Values, p.defaults, p.lattice)
	if err != nil {
		return err
	}
	p.mu.RLock()
	b := p.buckets[cfg.Bucket]
	p.mu.RUnlock()
	if b == nil {
		if b, err = openBucket(ctx, p.js, cfg); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.buckets[cfg.Bucket] = b
	p.stores[link.Actor] = &store{bucket: b, prefix: prefix}
	return nil
}

// ReviseLink puts the new values in the place of the old ones, once their bucket is open.
func (p *natsProvider) ReviseLink(ctx context.Context, _, after provider.Link) error {
	return p.PutLink(ctx, after)
}

// CheckLink looks at the values, and at the bucket if there is one.
func (p *natsProvider) CheckLink(ctx context.Context, _ *provider.Link, after provider.Link) error {
	cfg, _, err := readSettings(after.Values, p.defaults, p.lattice)
	if err != nil {
		return err
	}
	switch _, err := p.js.KeyValue(ctx, cfg.Bucket); {
	case errors.Is(err, jetstream.ErrBucketNotFound):
		return nil // it is made when the link is put
	case err != nil:
		return bucketError("find bucket", cfg.Bucket, err)
	}
	_, err = openBucket(ctx, p.js, cfg)
	return err
}

// DelLink forgets a link; the bucket and what it holds stay.
func (p *natsProvider) DelLink(_ context.Context, link provider.Link) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.stores, link.Actor)
	return nil
}

// Handle serves an operation of the contract.
func (p *natsProvider) Handle(ctx context.Context, call provider.Call) ([]byte, error) {
	p.mu.RLock()
	s := p.stores[call.Actor]
	p.mu.RUnlock()
	if s == nil {
		return nil, lattice.ErrUnlinked
	}
	return p.service.Handle(ctx, s, call)
}

// Health asks after the buckets in use.
func (p *natsProvider) Health(ctx context.Context) error {
	p.mu.RLock()
	names := make([]string, 0, len(p.buckets))
	for name := range p.buckets {
		names = append(names, name)
	}
	p.mu.RUnlock()
	for _, name := range names {
		if _, err := p.js.KeyValue(ctx, name); err != nil {
			return bucketError("find bucket", name, err)
		}
	}
	return nil
}
