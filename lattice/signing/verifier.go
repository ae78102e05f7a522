package signing

import (
	"crypto/ed25519"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/weftlattice/weft/lattice"
)

// Verifier checks the claims of invocations against the cluster keys that a lattice trusts. The set can change while
// invocations are verified. The zero value trusts nobody. It is safe for concurrent use; reading takes no lock.
type Verifier struct {
	mu      sync.Mutex // serialises writers
	issuers atomic.Pointer[map[lattice.ClusterID]ed25519.PublicKey]
}

// NewVerifier returns a verifier that trusts the given cluster keys. Strings that are no cluster key are left out, so
// that they are never trusted; check foreign input with CheckPublic first. Without any issuer it refuses everything.
func NewVerifier(issuers ...lattice.ClusterID) *Verifier {
	v := &Verifier{}
	for _, s := range issuers {
		_ = v.Add(s)
	}
	return v
}

// Add trusts one more cluster key; adding it again changes nothing. What is no cluster key is ErrInvalid.
func (v *Verifier) Add(issuer lattice.ClusterID) error {
	if err := CheckPublic(issuer, KindCluster); err != nil {
		return err
	}
	_, key, err := decodePublic(issuer)
	if err != nil {
		return err
	}
	v.update(func(m map[lattice.ClusterID]ed25519.PublicKey) { m[issuer] = key })
	return nil
}

// Remove no longer trusts a cluster key and reports whether it was trusted. Calls already verified go on.
func (v *Verifier) Remove(issuer lattice.ClusterID) (removed bool) {
	v.update(func(m map[lattice.ClusterID]ed25519.PublicKey) {
		_, removed = m[issuer]
		delete(m, issuer)
	})
	return removed
}

// Set trusts exactly the given cluster keys, in one step: an invocation is verified against the old set or the new one.
// When one is no cluster key, nothing changes and the error is ErrInvalid. Calls already verified go on.
func (v *Verifier) Set(issuers ...lattice.ClusterID) error {
	next := make(map[lattice.ClusterID]ed25519.PublicKey, len(issuers))
	for _, s := range issuers {
		if err := CheckPublic(s, KindCluster); err != nil {
			return err
		}
		_, key, err := decodePublic(s)
		if err != nil {
			return err
		}
		next[s] = key
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.issuers.Store(&next)
	return nil
}

// Issuers returns the trusted cluster keys in order.
func (v *Verifier) Issuers() []lattice.ClusterID { return slices.Sorted(maps.Keys(v.trusted())) }

func (v *Verifier) update(change func(map[lattice.ClusterID]ed25519.PublicKey)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	next := map[lattice.ClusterID]ed25519.PublicKey{}
	maps.Copy(next, v.trusted())
	change(next)
	v.issuers.Store(&next)
}

// trusted returns the set in force, which nobody changes any more.
func (v *Verifier) trusted() map[lattice.ClusterID]ed25519.PublicKey {
	if m := v.issuers.Load(); m != nil {
		return *m
	}
	return nil
}

func (v *Verifier) lookup(issuer []byte) (ed25519.PublicKey, bool) {
	key, ok := v.trusted()[lattice.ClusterID(issuer)]
	return key, ok
}
