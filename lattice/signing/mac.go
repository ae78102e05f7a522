package signing

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"filippo.io/edwards25519"

	"github.com/weftlattice/weft/lattice"
)

// macPrefix begins the token that a weft node sends in place of the claims of an invocation. Nodes that know only
// claims refuse it as malformed; it must be sent only to who is known to read it.
const macPrefix = "weft1."

// maxMACToken bounds a token: prefix, two public keys, milliseconds, 32 bytes in base64.
const maxMACToken = 256

// Sealed is what a MAC binds together. Receiver is the host that the call is meant for, so that no other one takes it;
// empty where any process that serves the target may. Msg is the complete payload.
type Sealed struct {
	ID                   string
	HostID, Receiver     lattice.HostID
	OriginURL, TargetURL string
	Operation            string
	Msg                  []byte
}

// Agreement authenticates calls between nodes that hold cluster keys, by a MAC in place of a signature, at a fiftieth
// of its cost. Two nodes agree upon the key without exchanging anything: X25519 between the cluster key of the one and
// that of the other (both as Montgomery points), then HKDF-SHA256. Who holds neither cluster key can make no MAC; who
// holds one of them can make what the other end would take from itself or from the holder, which is what a signature by
// that key grants, too. docs/security.md has the threat model. It is safe for concurrent use.
type Agreement struct {
	verifier *Verifier // who is trusted, now

	mu   sync.RWMutex
	own  []KeyPair        // the first one seals, all of them open; guarded by mu
	keys map[pair]*macKey // guarded by mu

	last atomic.Pointer[recent] // the key that was asked for last
}

// recent is a key between two cluster keys that both are in a set that the verifier trusted.
type recent struct {
	trusted *map[lattice.ClusterID]ed25519.PublicKey
	*macKey
}

// pair names the key between two cluster keys by their public forms.
type pair struct{ own, peer lattice.ClusterID }

// NewAgreement returns an agreement of the holder of a cluster key with those that the verifier trusts, whenever it is
// asked. A key of another kind than cluster is ErrInvalid.
func NewAgreement(own KeyPair, trusted *Verifier) (*Agreement, error) {
	a := &Agreement{verifier: trusted}
	return a, a.SetOwn(own)
}

// SetOwn replaces the cluster keys of this node: the first one seals from now on, and what was sealed for any of them
// can be opened. A key of another kind than cluster is ErrInvalid, and changes nothing.
func (a *Agreement) SetOwn(own ...KeyPair) error {
	for _, k := range own {
		if k.Kind() != KindCluster {
			return wrongKind("agree upon a key", k, KindCluster)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.own, a.keys = own, map[pair]*macKey{}
	a.last.Store(nil)
	return nil
}

// Follow makes a cluster key the one that seals. What is sealed for the one before can still be opened, as long as the
// verifier trusts that, too: others may not have heard yet. A key of another kind than cluster is ErrInvalid.
func (a *Agreement) Follow(k KeyPair) error {
	a.mu.RLock()
	before := a.own[0]
	a.mu.RUnlock()
	if before.ClusterID() == k.ClusterID() {
		return nil
	}
	return a.SetOwn(k, before)
}

// Issuer is the public form of the cluster key that seals.
func (a *Agreement) Issuer() lattice.ClusterID {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.own[0].ClusterID()
}

// Seal returns the token for a call to a node whose cluster key is peer. A peer that is not trusted is
// ErrUnknownIssuer.
func (a *Agreement) Seal(peer lattice.ClusterID, s Sealed, now time.Time) (string, error) {
	own := a.Issuer()
	key, err := a.key(pair{own: own, peer: peer})
	if err != nil {
		return "", err
	}
	ms := now.UnixMilli()
	sum := key.sum(ms, &s, false)
	var buf [maxMACToken]byte
	b := buf[:0]
	b = append(append(append(append(append(b, macPrefix...), own...), '.'), peer...), '.')
	b = append(strconv.AppendInt(b, ms, 10), '.')
	return string(base64.RawURLEncoding.AppendEncode(b, sum[:])), nil
}

// StreamKey is a key for what two nodes send each other beside a call, whose id label is unique: bodies in pieces. Both
// get the same one from a token of the call: see Seal and Open, whose errors it has. token is what Seal returned, or
// Open took; sealed says that it is the former.
func (a *Agreement) StreamKey(token, label string, sealed bool) (key [sha256.Size]byte, err error) {
	if len(token) > maxMACToken {
		return key, malformed("MAC is too long")
	}
	rest, ok := strings.CutPrefix(token, macPrefix)
	own, rest, ok2 := strings.Cut(rest, ".")
	peer, _, ok3 := strings.Cut(rest, ".")
	if !ok || !ok2 || !ok3 {
		return key, malformed("MAC has other parts than prefix, two keys, time and sum")
	}
	if !sealed {
		own, peer = peer, own
	}
	k, err := a.key(pair{own: lattice.ClusterID(own), peer: lattice.ClusterID(peer)})
	if err != nil {
		return key, err
	}
	return k.derive(label), nil
}

// derive makes a key of a label. What it hashes begins otherwise than what sum does, which begins with a time.
func (k *macKey) derive(label string) [sha256.Size]byte {
	m := k.pool.Get().(*mac)
	defer k.pool.Put(m)
	m.buf = append(append(m.buf[:0], "weft stream key 1 "...), label...)
	m.hash.Reset()
	m.hash.Write(m.buf)
	m.hash.Sum(m.out[:0])
	return m.out
}

// IsMAC reports whether the claims of an invocation are a token of Seal.
func IsMAC(token string) bool { return strings.HasPrefix(token, macPrefix) }

// Open checks a token against what the receiver computed itself. The checks come in this order, each with its own code:
// ErrTokenMalformed, ErrUnknownIssuer for a sender that is not trusted and for a token that was sealed for another
// cluster key than this node's, ErrTokenSignature for everything that the MAC binds. How old a token may be is up to
// the receiver.
func (a *Agreement) Open(token string, s Sealed) (Verified, error) {
	if len(token) > maxMACToken {
		return Verified{}, malformed("MAC is too long")
	}
	rest, ok := strings.CutPrefix(token, macPrefix)
	peer, rest, ok2 := strings.Cut(rest, ".")
	own, rest, ok3 := strings.Cut(rest, ".")
	at, text, ok4 := strings.Cut(rest, ".")
	if !ok || !ok2 || !ok3 || !ok4 || s.ID == "" {
		return Verified{}, malformed("MAC has other parts than prefix, two keys, time and sum, or the call has no id")
	}
	ms, err := strconv.ParseInt(at, 10, 64)
	if err != nil || ms < 0 || ms > 1<<50 {
		return Verified{}, malformed("MAC has no time in milliseconds")
	}
	var sum [sha256.Size]byte
	if base64.RawURLEncoding.DecodedLen(len(text)) != len(sum) {
		return Verified{}, malformed("MAC has no sum of 32 bytes")
	}
	if _, err := base64.RawURLEncoding.Decode(sum[:], []byte(text)); err != nil {
		return Verified{}, malformed("MAC has no sum of 32 bytes")
	}
	key, err := a.key(pair{own: lattice.ClusterID(own), peer: lattice.ClusterID(peer)})
	if err != nil {
		return Verified{}, err
	}
	if want := key.sum(ms, &s, true); !hmac.Equal(want[:], sum[:]) {
		return Verified{}, &lattice.Error{Code: lattice.ErrTokenSignature, Detail: "the MAC does not fit the call"}
	}
	return Verified{ID: s.ID, IssuedAt: time.UnixMilli(ms)}, nil
}

// key returns the key between one of ours and a peer, both trusted: whoever has got hold of one of them could make MACs
// of the other. Trust is asked for each time: it can be withdrawn.
func (a *Agreement) key(of pair) (*macKey, error) {
	set := a.verifier.issuers.Load()
	if l := a.last.Load(); l != nil && l.trusted == set && l.pair == of {
		return l.macKey, nil
	}
	trusted := a.verifier.trusted()
	for _, k := range [...]lattice.ClusterID{of.peer, of.own} {
		if _, ok := trusted[k]; !ok {
			return nil, unknownIssuer(string(k))
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if k := a.keys[of]; k != nil {
		a.last.Store(&recent{set, k})
		return k, nil
	}
	for _, mine := range a.own {
		if mine.ClusterID() == of.own {
			k, err := agree(mine, of.peer)
			if err != nil {
				return nil, err
			}
			k.pair = pair{of.own, lattice.ClusterID(strings.Clone(string(of.peer)))} // not part of a message
			// as many as own keys times trusted ones
			a.keys[k.pair] = k
			a.last.Store(&recent{set, k})
			return k, nil
		}
	}
	return nil, &lattice.Error{Code: lattice.ErrUnknownIssuer, Detail: "sealed for cluster key " +
		lattice.Printable(of.own) + ", which is not this node's"}
}

// agree computes the key between our cluster key and another's public one.
func agree(own KeyPair, peer lattice.ClusterID) (*macKey, error) {
	_, raw, err := decodePublic(peer)
	if err != nil {
		return nil, err
	}
	point, err := new(edwards25519.Point).SetBytes(raw)
	if err != nil {
		return nil, keyError("agree upon a key", string(peer)+" is no point of the curve")
	}
	// RFC 8032, 5.1.5: its first half is the scalar, clamped by X25519 itself
	digest := sha512.Sum512(own.k.private.Seed())
	private, err := ecdh.X25519().NewPrivateKey(digest[:32])
	if err != nil {
		return nil, err
	}
	public, err := ecdh.X25519().NewPublicKey(point.BytesMontgomery())
	if err != nil {
		return nil, err
	}
	shared, err := private.ECDH(public)
	if err != nil { // a point of low order
		return nil, keyError("agree upon a key", string(peer)+" is no key to agree with")
	}
	low, high := own.Public(), string(peer)
	if low > high {
		low, high = high, low
	}
	secret, err := hkdf.Key(sha256.New, shared, nil, "weft call mac 1 "+low+" "+high, sha256.Size)
	if err != nil {
		return nil, err
	}
	return &macKey{pool: sync.Pool{New: func() any { return &mac{hash: hmac.New(sha256.New, secret)} }}}, nil
}

// macKey makes MACs under one key. Hashes are kept, since setting one up costs more than using it.
type macKey struct {
	pair
	pool sync.Pool
}

type mac struct {
	hash hash.Hash
	buf  []byte
	out  [sha256.Size]byte
}

// sum is the MAC over everything that a token binds, each part with its length before it, so that no two calls are the
// same bytes. received says that the peer sealed the token.
func (k *macKey) sum(ms int64, s *Sealed, received bool) [sha256.Size]byte {
	sender, receiver := k.own, k.peer
	if received {
		sender, receiver = receiver, sender
	}
	m := k.pool.Get().(*mac)
	defer k.pool.Put(m)
	b := binary.BigEndian.AppendUint64(m.buf[:0], uint64(ms))
	for _, part := range [...]string{string(sender), string(receiver), s.ID, string(s.HostID), string(s.Receiver),
		s.OriginURL,
		s.TargetURL, s.Operation} {
		b = append(binary.BigEndian.AppendUint64(b, uint64(len(part))), part...)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(len(s.Msg)))
	m.buf = b
	m.hash.Reset()
	m.hash.Write(b)
	m.hash.Write(s.Msg)
	m.hash.Sum(m.out[:0])
	return m.out
}
