package signing

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weftlattice/weft/lattice"
)

const (
	goldenID     = "5ed5eabc-38fa-4c61-9a1c-5b1c6b7c1a10"
	goldenOrigin = "wasmbus://MDNX3CB6VBXG55GOJ6UYON7AMK6SLYPB6GLPRZGTEE6625EFLJDQKWWR"
	goldenTarget = "wasmbus://wasmcloud/keyvalue/default/" +
		"VC3IJSRK3KIJUD5PQIEU2UNWT4PQCRYTAXFC4PDLTCMDX7L77YRUGCXW/KeyValue.Get"
	goldenHash  = "BBA5A5413A01F3C3692947E455EE8E1D4F964767233CF4882731725B00F91E40"
	goldenJTI   = "AAAAAAAAAAAAAAAAAAAAAA"
	clusterSeed = "SCAIYCZTW775GJYX3MVWLURALVC3PULW43PTEKGH72JBMA3A7LOLGLQ2JA"
	clusterKey  = "CAQQHYABXBPDBZIGDZIT7E73HW66RPCFC3GGLQKSDDTVWUVOYZBYHUND"
)

var (
	goldenNow = time.Unix(1700000000, 0)
	golden    = Invocation{ID: goldenID, OriginURL: goldenOrigin, TargetURL: goldenTarget, Hash: goldenHash}
	anonymous = Invocation{OriginURL: goldenOrigin, TargetURL: goldenTarget, Hash: goldenHash}
)

func goldenInvocation(t testing.TB) string {
	k := mustSeed(t, clusterSeed)
	return signToken(k, appendInvocationClaims(nil, goldenJTI, goldenNow.Unix(), k.Public(), &golden))
}

func TestInvocationGolden(t *testing.T) {
	if got := mustSeed(t, clusterSeed).Public(); got != clusterKey {
		t.Fatalf("cluster key %s", got)
	}
	got := goldenInvocation(t)
	const sig = "omCfdMxzY9wIKk4EkWGvzu7yF_PN6RLt84hUr_mZt5-JlVAbFdRbzDP4Q7n9iv_UfmQWLspUHGSDOley0flQCQ"
	if !strings.HasSuffix(got, "."+sig) {
		t.Fatalf("signature differs: %s", got)
	}
	if _, err := NewVerifier(clusterKey).VerifyInvocation(got, golden, goldenNow); err != nil {
		t.Fatal(err)
	}
}

func TestSignInvocation(t *testing.T) {
	k, _ := New(KindCluster)
	hostile := "wasmbus://\"\\\n\r\t\b\f\x01\x7f\xff<é>\u2028"
	inv := Invocation{ID: "id", OriginURL: hostile, TargetURL: goldenTarget, Hash: goldenHash}
	a, err := SignInvocation(k, inv, goldenNow)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := SignInvocation(k, inv, goldenNow)
	if a == b {
		t.Error("two tokens have the same id")
	}
	want := strings.ToValidUTF8(hostile, "\ufffd")
	inv.OriginURL = want
	if _, err := NewVerifier(k.ClusterID()).VerifyInvocation(a, inv, goldenNow); err != nil {
		t.Error(err)
	}
	for _, bad := range []KeyPair{{}, goldenKey(t, 'A')} {
		if _, err := SignInvocation(bad, Invocation{ID: "id"}, goldenNow); lattice.CodeOf(err) != lattice.ErrInvalid {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

// signClaims signs any text as claims.
func signClaims(k KeyPair, format string, args ...any) string {
	return signToken(k, fmt.Appendf(nil, format, args...))
}

func TestInvocationRefusals(t *testing.T) {
	k := mustSeed(t, clusterSeed)
	foreign, account := goldenKey(t, 'C'), goldenKey(t, 'A')
	good := goldenInvocation(t)
	part := strings.Split(good, ".")
	wascap := fmt.Sprintf(`"wascap":{"target_url":%q,"origin_url":%q,"hash":%q}`, goldenTarget, goldenOrigin,
		goldenHash)
	base := fmt.Sprintf(`"iss":%q,"sub":%q,%s`, clusterKey, goldenID, wascap)
	other := signClaims(k, `{"jti":"B",%s}`, base)
	header := func(h string) string { return tokenEncoding.EncodeToString([]byte(h)) + "." + part[1] + "." + part[2] }
	self := func(format string, args ...any) string { return signClaims(k, format, args...) }
	verify := func(token string) error {
		_, err := NewVerifier(clusterKey).VerifyInvocation(token, golden, goldenNow)
		return err
	}
	const bad, now = lattice.ErrTokenMalformed, 1700000000
	for _, tt := range []struct {
		name  string
		token string
		want  lattice.Code
	}{
		{"empty", "", bad},
		{"dots", "..", bad},
		{"one segment", "abc", bad},
		{"two segments", part[0] + "." + part[1], bad},
		{"four segments", good + ".", bad},
		{"padding", part[0] + "." + part[1] + "." + part[2] + "==", bad},
		{"line break", good[:80] + "\n" + good[80:], bad},
		{"stray signature bits", good[:len(good)-1] + "R", bad},
		{"standard base64", strings.ReplaceAll(strings.ReplaceAll(good, "_", "/"), "-", "+"), bad},
		{"short signature", good[:len(good)-2], bad},
		{"no signature", part[0] + "." + part[1] + ".", bad},
		{"alg none", header(`{"typ":"jwt","alg":"none"}`), bad},
		{"alg EdDSA", header(`{"typ":"jwt","alg":"EdDSA"}`), bad},
		{"alg lower case", header(`{"typ":"jwt","alg":"ed25519"}`), bad},
		{"typ", header(`{"typ":"JWT","alg":"Ed25519"}`), bad},
		{"header no JSON", header(`x`), bad},
		{"header no base64", "!." + part[1] + "." + part[2], bad},
		{"claims no base64", part[0] + ".!." + part[2], bad},
		{"claims no JSON", self(`hello`), bad},
		{"claims array", self(`[]`), bad},
		{"claims cut", self(`{"iss":`), bad},
		{"claims and more", self(`{%s} {}`, base), bad},
		{"claims trailing comma", self(`{%s,}`, base), bad},
		{"deep nesting", self(`{"x":%s%s,%s}`, strings.Repeat("[", 100), strings.Repeat("]", 100), base), bad},
		{"no wascap", self(`{"iss":%q,"sub":%q}`, clusterKey, goldenID), bad},
		{"wascap null", self(`{"iss":%q,"sub":%q,"wascap":null}`, clusterKey, goldenID), bad},
		{"no hash", self(`{"iss":%q,"sub":%q,"wascap":{}}`, clusterKey, goldenID), bad},
		{"no issuer", self(`{"sub":%q,%s}`, goldenID, wascap), bad},
		{"issuer null", self(`{"iss":null,"sub":%q,%s}`, goldenID, wascap), bad},
		{"issuer no key", self(`{"iss":"me","sub":%q,%s}`, goldenID, wascap), bad},
		{"issuer a number", self(`{"iss":1,"sub":%q,%s}`, goldenID, wascap), bad},
		{"no subject", self(`{"iss":%q,%s}`, clusterKey, wascap), bad},
		{"exp fraction", self(`{"exp":1.5,%s}`, base), bad},
		{"exp negative", self(`{"exp":-1,%s}`, base), bad},
		{"exp text", self(`{"exp":"1",%s}`, base), bad},
		{"exp huge", self(`{"exp":99999999999999999999999,%s}`, base), bad},
		{"iat fraction", self(`{"iat":1.5,%s}`, base), bad},
		{"iat text", self(`{"iat":"1",%s}`, base), bad},
		{"exp leading zero", self(`{"exp":01,%s}`, base), bad},
		{"too long", self(`{%s,"x":%q}`, base, strings.Repeat("x", maxInvocationToken)), bad},
		{"expired", self(`{"exp":%d,%s}`, now-1, base), lattice.ErrTokenExpired},
		{"exp zero", self(`{"exp":0,%s}`, base), lattice.ErrTokenExpired},
		{"not yet", self(`{"nbf":%d,%s}`, now+1, base), lattice.ErrTokenNotYetValid},
		{"other claims", part[0] + "." + strings.Split(other, ".")[1] + "." + part[2], lattice.ErrTokenSignature},
		{"other signature", part[0] + "." + part[1] + "." + strings.Split(other, ".")[2], lattice.ErrTokenSignature},
		{"signed by another key", signClaims(foreign, `{%s}`, base), lattice.ErrTokenSignature},
		{"foreign cluster", signClaims(foreign, `{"iss":%q,"sub":%q,%s}`, foreign.Public(), goldenID, wascap),
			lattice.ErrUnknownIssuer},
		{"account as issuer", signClaims(account, `{"iss":%q,"sub":%q,%s}`, account.Public(), goldenID, wascap),
			lattice.ErrUnknownIssuer},
		{"expired before signature", signClaims(foreign, `{"exp":1,"nbf":9999999999,%s}`, base),
			lattice.ErrTokenExpired},
		{"signature before issuer", signClaims(k, `{"iss":%q,"sub":%q,%s}`, foreign.Public(), goldenID, wascap),
			lattice.ErrTokenSignature},
		{"valid to the last second", self(`{"exp":%d,"nbf":%d,%s}`, now, now, base), 0},
		{"nulls and unknown claims", self(` { "exp" : null, "nbf":null, "a":[1,-2.5e3,{"b":[]},"\u00e9\"",true,false,`+
			`null,{}], %s } `, base), 0},
		{"escaped text", self(`{%s}`, strings.ReplaceAll(base, "/", `\/`)), 0},
		{"other key order in the header", resign(k, `{"alg":"Ed25519","typ":"jwt","x":1}`, "{"+base+"}"), 0},
		{"good", good, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := verify(tt.token); lattice.CodeOf(err) != tt.want {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// resign signs claims under another header.
func resign(k KeyPair, header, claims string) string {
	s := tokenEncoding.EncodeToString([]byte(header)) + "." + tokenEncoding.EncodeToString([]byte(claims))
	return s + "." + tokenEncoding.EncodeToString(k.Sign([]byte(s)))
}

func TestInvocationMustMatch(t *testing.T) {
	v, good := NewVerifier(clusterKey), goldenInvocation(t)
	for _, tt := range []struct{ name, id, origin, target, hash, detail string }{
		{"id", "other", goldenOrigin, goldenTarget, goldenHash, "id (other / " + goldenID + ")"},
		{"origin", goldenID, "wasmbus://X", goldenTarget, goldenHash, "origin (wasmbus://X / " + goldenOrigin + ")"},
		{"target", goldenID, goldenOrigin, "wasmbus://X", goldenHash, "target (wasmbus://X / "},
		{"hash", goldenID, goldenOrigin, goldenTarget, "AB", "(AB / " + goldenHash + ")"},
		{"hash case", goldenID, goldenOrigin, goldenTarget, strings.ToLower(goldenHash), "("},
	} {
		_, err := v.VerifyInvocation(good,
			Invocation{ID: tt.id, OriginURL: tt.origin, TargetURL: tt.target, Hash: tt.hash}, goldenNow)
		var e *lattice.Error
		if lattice.CodeOf(err) != lattice.ErrHashMismatch {
			t.Errorf("%s: %v", tt.name, err)
		} else if e = err.(*lattice.Error); !strings.HasPrefix(e.Detail, tt.detail) {
			t.Errorf("%s: detail %q", tt.name, e.Detail)
		}
	}
	if _, err := v.VerifyInvocation(good, anonymous, goldenNow); err != nil {
		t.Errorf("no id to compare: %v", err)
	}
}

// What was signed is told, whatever the message around it says.
func TestVerifiedInvocation(t *testing.T) {
	k, v := mustSeed(t, clusterSeed), NewVerifier(clusterKey)
	base := fmt.Sprintf(`"iss":%q,"sub":%q,"wascap":{"target_url":%q,"origin_url":%q,"hash":%q}`, clusterKey, goldenID,
		goldenTarget, goldenOrigin, goldenHash)
	for _, tt := range []struct {
		name, token, id string
		want            time.Time
	}{
		{"golden", goldenInvocation(t), goldenID, goldenNow},
		{"no id beside the claims", goldenInvocation(t), "", goldenNow},
		{"no iat", signClaims(k, `{%s}`, base), goldenID, time.Time{}},
		{"iat null", signClaims(k, `{"iat":null,%s}`, base), goldenID, time.Time{}},
		{"iat zero", signClaims(k, `{"iat":0,%s}`, base), goldenID, time.Unix(0, 0)},
	} {
		got, err := v.VerifyInvocation(tt.token,
			Invocation{ID: tt.id, OriginURL: goldenOrigin, TargetURL: goldenTarget, Hash: goldenHash}, goldenNow)
		if err != nil || got.ID != goldenID || !got.IssuedAt.Equal(tt.want) {
			t.Errorf("%s: %+v, %v; want %s", tt.name, got, err, tt.want)
		}
	}
}

func TestVerifierIssuers(t *testing.T) {
	good := goldenInvocation(t)
	check := func(v *Verifier) error {
		_, err := v.VerifyInvocation(good, anonymous, goldenNow)
		return err
	}
	var zero Verifier
	for _, v := range []*Verifier{&zero, NewVerifier(),
		NewVerifier("", "nonsense", lattice.ClusterID(goldenKeys[2].public))} {
		if len(v.Issuers()) != 0 {
			t.Errorf("trusts %v", v.Issuers())
		}
		if err := check(v); lattice.CodeOf(err) != lattice.ErrUnknownIssuer {
			t.Errorf("no issuers: %v", err)
		}
		if err := v.Add(lattice.ClusterID(goldenKeys[2].public)); lattice.CodeOf(err) != lattice.ErrInvalid {
			t.Errorf("an account as issuer: %v", err)
		}
		if err := v.Add(clusterKey); err != nil {
			t.Error(err)
		}
		if err := check(v); err != nil {
			t.Errorf("added: %v", err)
		}
		if !v.Remove(clusterKey) || v.Remove(clusterKey) {
			t.Error("Remove does not say what it did")
		}
		if err := check(v); lattice.CodeOf(err) != lattice.ErrUnknownIssuer {
			t.Errorf("removed: %v", err)
		}
	}
}

// Who is refused for the key, by a signature or by a MAC, reads which key that is, why, and the way out.
func TestAKeyThatIsNotTrustedIsNamedWithTheWayOut(t *testing.T) {
	v := NewVerifier()
	_, signed := v.VerifyInvocation(goldenInvocation(t), anonymous, goldenNow)
	a, _, _, kb := ends(t)
	a.verifier.Remove(kb.ClusterID())
	_, sealed := a.Seal(kb.ClusterID(), sealedCall(), goldenNow)
	for key, err := range map[string]error{string(clusterKey): signed, kb.Public(): sealed} {
		want := "Issuer of this invocation is not among the list of valid issuers: " + key + "; one end of the call " +
			"has this cluster key, and the other does not trust it; all hosts of a lattice need the same: start the " +
			"one that has the wrong key again with --join TOKEN or --cluster-seed-file FILE"
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestVerifierConcurrent(t *testing.T) {
	v, good, other := NewVerifier(clusterKey), goldenInvocation(t), goldenKey(t, 'C').Public()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				if _, err := v.VerifyInvocation(good, golden, goldenNow); err != nil {
					t.Error(err)
				}
				_ = v.Add(lattice.ClusterID(other))
				v.Remove(lattice.ClusterID(other))
				if !strings.Contains(strings.Join(lattice.Texts(v.Issuers()), " "), clusterKey) {
					t.Error("lost an issuer")
				}
			}
		})
	}
	wg.Wait()
}

func FuzzInvocationToken(f *testing.F) {
	f.Add(goldenInvocation(f))
	f.Add(resign(mustSeed(f, clusterSeed), `{"alg":"Ed25519","typ":"jwt"}`, `{}`))
	f.Add("a.b.c")
	v := NewVerifier(clusterKey)
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := v.VerifyInvocation(s, golden, goldenNow); err == nil &&
			s != goldenInvocation(t) {
			t.Errorf("a forged token passes: %q", s)
		}
	})
}

// FuzzInvocationClaims holds the scanner against encoding/json.
func FuzzInvocationClaims(f *testing.F) {
	k := mustSeed(f, clusterSeed)
	f.Add(appendInvocationClaims(nil, "j", 1, k.Public(),
		&Invocation{ID: "id", OriginURL: "o", TargetURL: "t", Hash: "h"}))
	f.Add([]byte(`{"iss":"a\u0041","sub":"\ud800","wascap":{"hash":"x\"","target_url":null},"exp":12,"x":[{},-1.5e-3,` +
		`true,null]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseInvocationClaims(data)
		if err != nil {
			return
		}
		var m map[string]json.RawMessage
		if err := json.Unmarshal(data, &m); err != nil {
			t.Fatalf("not JSON, yet accepted: %q", data)
		}
		for key, got := range map[string][]byte{"iss": c.iss, "sub": c.sub} {
			var want string
			// Package json puts U+FFFD for each byte that is no UTF-8, as the conversion to runes does.
			if err := json.Unmarshal(m[key], &want); err != nil || want != string([]rune(string(got))) {
				t.Errorf("%s is %q, json says %q, %v", key, got, want, err)
			}
		}
		var exp *uint64
		if raw, ok := m["exp"]; ok {
			if err := json.Unmarshal(raw, &exp); err != nil {
				t.Fatal(err)
			}
		}
		if got := c.exp.ptr(); (got == nil) != (exp == nil) || got != nil && *got != *exp {
			t.Errorf("exp differs: %s", m["exp"])
		}
	})
}

func FuzzAppendString(f *testing.F) {
	f.Add("a\"\\\n\x00\x7f\xffé\u2028<")
	f.Fuzz(func(t *testing.T, s string) {
		var back string
		if err := json.Unmarshal(appendString(nil, s), &back); err != nil || back != string([]rune(s)) {
			t.Errorf("%q became %q: %v", s, back, err)
		}
	})
}

func BenchmarkSignInvocation(b *testing.B) {
	k := mustSeed(b, clusterSeed)
	b.ReportAllocs()
	for b.Loop() {
		if s, err := SignInvocation(k, golden, goldenNow); err != nil ||
			s == "" {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyInvocation(b *testing.B) {
	v, s := NewVerifier(clusterKey), goldenInvocation(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.VerifyInvocation(s, golden, goldenNow); err != nil {
			b.Fatal(err)
		}
	}
}
