package signing

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/lattice"
)

const goldenMAC = "ELKPhhB_zSVZqipOdvp5u9QXl52SwEiY9OlqzEvtuBk"

func sealedCall() Sealed {
	return Sealed{ID: goldenID, HostID: "NAHOST", Receiver: "NBHOST", OriginURL: goldenOrigin, TargetURL: goldenTarget,
		Operation: "KeyValue.Get", Msg: []byte("\xa3key")}
}

// ends are two nodes with cluster keys of their own that trust each other.
func ends(t testing.TB) (a, b *Agreement, ka, kb KeyPair) {
	t.Helper()
	ka, _ = New(KindCluster)
	kb, _ = New(KindCluster)
	trusted := NewVerifier(ka.ClusterID(), kb.ClusterID())
	a, err := NewAgreement(ka, trusted)
	if err != nil {
		t.Fatal(err)
	}
	b, err = NewAgreement(kb, trusted)
	if err != nil {
		t.Fatal(err)
	}
	return a, b, ka, kb
}

// TestMACGolden holds the token in place: nodes of different releases must agree. The sum was computed apart from this
// package, with Python's hmac and an X25519 written out in integers.
func TestMACGolden(t *testing.T) {
	k := mustSeed(t, clusterSeed)
	a, err := NewAgreement(k, NewVerifier(clusterKey))
	if err != nil {
		t.Fatal(err)
	}
	got, err := a.Seal(clusterKey, sealedCall(), goldenNow)
	if err != nil {
		t.Fatal(err)
	}
	want := macPrefix + clusterKey + "." + clusterKey + ".1700000000000." + goldenMAC
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Both ends of a call get one key for its stream, and nobody else does: no other call, no other pair of nodes, and no
// node whose peer is trusted no more.
func TestBothEndsOfAStreamHaveOneKey(t *testing.T) {
	a, b, ka, kb := ends(t)
	token, err := a.Seal(kb.ClusterID(), sealedCall(), goldenNow)
	if err != nil {
		t.Fatal(err)
	}
	key := func(n *Agreement, token, label string, sealed bool) [32]byte {
		t.Helper()
		k, err := n.StreamKey(token, label, sealed)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	caller := key(a, token, goldenID, true)
	if caller != key(b, token, goldenID, false) || caller == ([32]byte{}) {
		t.Error("the ends of a call have different keys")
	}
	if caller == key(a, token, goldenID+"x", true) {
		t.Error("two calls have one key")
	}
	c, d, _, kd := ends(t)
	other, err := c.Seal(kd.ClusterID(), sealedCall(), goldenNow)
	if err != nil {
		t.Fatal(err)
	}
	if caller == key(d, other, goldenID, false) {
		t.Error("two pairs of nodes have one key")
	}
	if _, err := d.StreamKey(token, goldenID, false); err == nil {
		t.Error("a node has the key of a call that it has no part in")
	}
	alone, err := NewAgreement(kb, NewVerifier(kb.ClusterID()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := alone.StreamKey(token, goldenID, false); !errors.Is(err, lattice.ErrUnknownIssuer) {
		t.Errorf("of a key that is trusted no more, %s: %v", ka.Public(), err)
	}
	for _, bad := range []string{"", "weft1.", "weft1.C", token[len(macPrefix):], token + strings.Repeat("x", 1<<16)} {
		if _, err := b.StreamKey(bad, goldenID, false); !errors.Is(err, lattice.ErrTokenMalformed) {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
}

func TestMACBindsEverything(t *testing.T) {
	a, b, _, kb := ends(t)
	token, err := a.Seal(kb.ClusterID(), sealedCall(), goldenNow)
	if err != nil {
		t.Fatal(err)
	}
	v, err := b.Open(token, sealedCall())
	if err != nil || v.ID != goldenID || !v.IssuedAt.Equal(goldenNow) {
		t.Fatalf("%+v, %v", v, err)
	}
	for name, change := range map[string]func(*Sealed){
		"id": func(s *Sealed) { s.ID = "other" }, "host": func(s *Sealed) { s.HostID = "N" },
		"receiver": func(s *Sealed) { s.Receiver = "" },
		"origin":   func(s *Sealed) { s.OriginURL += "x" }, "target": func(s *Sealed) { s.TargetURL = "" },
		"operation": func(s *Sealed) { s.Operation = "KeyValue.Set" }, "payload": func(s *Sealed) { s.Msg = nil },
		"parts moved": func(s *Sealed) { s.HostID, s.Receiver = s.HostID+"NB", "HOST" },
	} {
		s := sealedCall()
		change(&s)
		if _, err := b.Open(token, s); !errors.Is(err, lattice.ErrTokenSignature) {
			t.Errorf("%s changed: %v", name, err)
		}
	}
	later := strings.Replace(token, ".1700000000000.", ".1700000000001.", 1)
	if _, err := b.Open(later, sealedCall()); !errors.Is(err, lattice.ErrTokenSignature) {
		t.Errorf("time changed: %v", err)
	}
	if _, err := a.Open(token, sealedCall()); !errors.Is(err, lattice.ErrUnknownIssuer) {
		t.Errorf("sent back to the sender: %v", err)
	}
}

func TestMACTrust(t *testing.T) {
	a, b, ka, kb := ends(t)
	stranger, _ := New(KindCluster)
	other, err := NewAgreement(stranger, NewVerifier(stranger.ClusterID(), ka.ClusterID(), kb.ClusterID()))
	if err != nil {
		t.Fatal(err)
	}
	token, err := other.Seal(kb.ClusterID(), sealedCall(), goldenNow)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Open(token, sealedCall()); !errors.Is(err, lattice.ErrUnknownIssuer) {
		t.Errorf("from a stranger: %v", err)
	}
	forged := strings.Replace(token, stranger.Public(), ka.Public(), 1)
	if _, err := b.Open(forged, sealedCall()); !errors.Is(err, lattice.ErrTokenSignature) {
		t.Errorf("from a stranger under another's name: %v", err)
	}
	if _, err := a.Seal(stranger.ClusterID(), sealedCall(), goldenNow); !errors.Is(err, lattice.ErrUnknownIssuer) {
		t.Errorf("to a stranger: %v", err)
	}

	token, err = a.Seal(kb.ClusterID(), sealedCall(), goldenNow)
	if err != nil {
		t.Fatal(err)
	}
	a.verifier.Remove(ka.ClusterID())
	if _, err := b.Open(token, sealedCall()); !errors.Is(err, lattice.ErrUnknownIssuer) {
		t.Errorf("after trust was withdrawn: %v", err)
	}
	if err := b.SetOwn(goldenKey(t, 'A')); !errors.Is(err, lattice.ErrInvalid) {
		t.Errorf("an account key: %v", err)
	}
}

// TestMACRotation: what was sealed for the key before is read until that key is given up.
func TestMACRotation(t *testing.T) {
	a, b, _, kb := ends(t)
	next, _ := New(KindCluster)
	_ = a.verifier.Add(next.ClusterID())
	token, err := a.Seal(kb.ClusterID(), sealedCall(), goldenNow)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.SetOwn(next, kb); err != nil {
		t.Fatal(err)
	}
	if b.Issuer() != next.ClusterID() {
		t.Errorf("seals with %s", b.Issuer())
	}
	if _, err := b.Open(token, sealedCall()); err != nil {
		t.Errorf("sealed for the key before: %v", err)
	}
	_ = b.SetOwn(next)
	if _, err := b.Open(token, sealedCall()); !errors.Is(err, lattice.ErrUnknownIssuer) {
		t.Errorf("sealed for a key given up: %v", err)
	}
}

func FuzzMAC(f *testing.F) {
	a, b, _, kb := ends(f)
	token, err := a.Seal(kb.ClusterID(), sealedCall(), goldenNow)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"", macPrefix, macPrefix + "...", token, token[:len(token)-1], token + "A",
		strings.ToUpper(token)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := b.Open(s, sealedCall()); err == nil && !sameToken(s, token) {
			t.Errorf("opened %q", s)
		}
	})
}

// sameToken compares tokens as they are meant: the time as a number, the last character without the bits beyond the
// sum.
func sameToken(s, token string) bool {
	x, y := strings.Split(s, "."), strings.Split(token, ".")
	if len(x) != 5 || x[1] != y[1] || x[2] != y[2] || strings.TrimLeft(strings.TrimPrefix(x[3], "+"), "0") != y[3] {
		return false
	}
	p, err := base64.RawURLEncoding.DecodeString(x[4])
	q, _ := base64.RawURLEncoding.DecodeString(y[4])
	return err == nil && string(p) == string(q)
}

// BenchmarkAuthenticate compares what a call costs both ends: claims signed and verified, and a MAC.
func BenchmarkAuthenticate(b *testing.B) {
	x, y, kx, ky := ends(b)
	s := sealedCall()
	s.Msg = make([]byte, 200)
	b.Run("ed25519", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			inv := Invocation{ID: s.ID, OriginURL: s.OriginURL, TargetURL: s.TargetURL, Hash: goldenHash}
			token, _ := SignInvocation(kx, inv, time.Now())
			if _, err := y.verifier.VerifyInvocation(token, inv, time.Now()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("mac", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			token, _ := x.Seal(ky.ClusterID(), s, time.Now())
			if _, err := y.Open(token, s); err != nil {
				b.Fatal(err)
			}
		}
	})
}
