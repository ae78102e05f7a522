package store

import (
	"context"
	"encoding/json"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/subject"
)

// Ref tells whose image reference a reference of a registry is. Hosts write it when they start something from there, so
// that an actor can be called by its reference.
type Ref struct {
	URL       string `json:"oci_url"` // without a scheme
	PublicKey string `json:"public_key"`
}

// PutRef stores a reference. It writes only when that differs from what is stored.
func (s *Store) PutRef(ctx context.Context, r Ref) error {
	b, err := json.Marshal(r)
	if err != nil || r.URL == "" || len(r.URL) > 1024 || !lattice.IsEntity(r.PublicKey) {
		return &lattice.Error{Code: lattice.ErrInvalid, Op: "put reference", Entity: lattice.Printable(r.URL), Err: err}
	}
	return s.write(ctx, "put reference", func(ctx context.Context, kv jetstream.KeyValue) error {
		key := subject.KVRefKey(r.URL)
		if e, err := kv.Get(ctx, key); err == nil {
			if have, err := decodeRef(key, e.Value()); err == nil && have == r {
				return nil
			}
		}
		_, err := kv.Put(ctx, key, b)
		return err
	})
}

// decodeRef reads an entry, which must be under its own key.
func decodeRef(key string, b []byte) (r Ref, err error) {
	if err := json.Unmarshal(b, &r); err != nil {
		return r, &lattice.Error{Code: lattice.ErrInvalid, Op: "read reference", Err: err}
	}
	if url, ok := subject.ParseKVRefKey(key); !ok || url != r.URL {
		return r, &lattice.Error{Code: lattice.ErrInvalid, Op: "read reference",
			Detail: "it is under the key of another one"}
	}
	if !lattice.IsEntity(r.PublicKey) {
		return r, &lattice.Error{Code: lattice.ErrInvalid, Op: "read reference",
			Detail: "public_key is not the key of an actor or provider"}
	}
	return r, nil
}
