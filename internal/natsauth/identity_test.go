package natsauth

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

func key(t testing.TB, kind byte) signing.KeyPair {
	t.Helper()
	k, err := signing.New(kind)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func mustIssue(t testing.TB, authority signing.KeyPair, want Identity) (Credentials, Identity) {
	t.Helper()
	c, id, err := Issue(authority, want)
	if err != nil {
		t.Fatal(err)
	}
	return c, id
}

func TestReadReturnsWhatWasIssued(t *testing.T) {
	authority := key(t, 'A')
	want := Identity{Name: "anna's laptop", Roles: []Role{Host, Operator}, Lattice: "Edge_1", Control: "my.ctl",
		SharedInbox: true,
		Publish:     []string{"policy.ask"}, Subscribe: []string{"policy.changes.*"},
		Expires: time.Unix(time.Now().Unix()+60, 0)}
	c, want := mustIssue(t, authority, want)
	got, err := Read(c.JWT)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, %v; want %+v", got, err, want)
	}
}

func TestIssueRefuses(t *testing.T) {
	authority := key(t, 'A')
	for name, id := range map[string]Identity{
		"no role":      {Lattice: "l"},
		"unknown role": {Lattice: "l", Roles: []Role{"king"}},
		"provider":     {Lattice: "l", Roles: []Role{Provider}},
		"no lattice":   {Roles: []Role{Host}},
		"lattice":      {Roles: []Role{Host}, Lattice: "a.b"},
		"subject":      {Roles: []Role{Host}, Lattice: "l", Publish: []string{"a..b"}},
		"past":         {Roles: []Role{Host}, Lattice: "l", Expires: time.Now().Add(-time.Second)},
		"long": {Roles: []Role{Host}, Lattice: "l", Publish: []string{strings.Repeat("a", 500),
			strings.Repeat("b", 500), strings.Repeat("c", 500), strings.Repeat("d", 500), strings.Repeat("e", 500),
			strings.Repeat("f", 500), strings.Repeat("g", 500)}},
		"wild lattice":  {Roles: []Role{Host}, Lattice: ">"},
		"control words": {Roles: []Role{Operator}, Lattice: "l", Control: "a b"},
	} {
		if _, _, err := Issue(authority, id); !errors.Is(err, lattice.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, _, err := Issue(key(t, 'U'), Identity{Roles: []Role{Host}, Lattice: "l"}); !errors.Is(err,
		lattice.ErrInvalid) {
		t.Errorf("user key as authority: %v", err)
	}
}

func TestVerify(t *testing.T) {
	authority, other := key(t, 'A'), key(t, 'A')
	nonce := []byte("nonce")
	v := NewVerifier(authority.Public(), "", nil)
	sign := func(c Credentials) []byte {
		k, err := signing.FromSeed(c.Seed)
		if err != nil {
			t.Fatal(err)
		}
		return k.Sign(nonce)
	}
	host := Identity{Roles: []Role{Host}, Lattice: "l", Expires: time.Now().Add(time.Hour).Truncate(time.Second)}
	good, goodID := mustIssue(t, authority, host)
	foreign, _ := mustIssue(t, other, host)
	operator, _ := mustIssue(t, authority, Identity{Roles: []Role{Operator}, Lattice: "l"})
	issuer, ok := NewHostIssuer(good)
	if !ok {
		t.Fatal("the host cannot issue")
	}
	const provider, link = "VC3IJSRK3KIJUD5PQIEU2UNWT4PQCRYTAXFC4PDLTCMDX7L77YRUGCXW", "default"
	prov, err := issuer.Provider(provider, link, Needs{})
	if err != nil {
		t.Fatal(err)
	}
	id, err := v.Verify(prov.JWT, nonce, sign(prov))
	if err != nil || id.Via != goodID.ID || id.Provider != provider || !id.Expires.Equal(host.Expires) {
		t.Fatalf("provider: %+v, %v", id, err)
	}
	// forged makes a JWT that a host's or provider's key has signed, of whatever it likes.
	forged := func(c Credentials, via string, want Identity) Credentials {
		k, err := signing.FromSeed(c.Seed)
		if err != nil {
			t.Fatal(err)
		}
		user := key(t, 'U')
		want.ID, want.Issued, want.Lattice = user.Public(), time.Now(), "l"
		jwt, err := encode(want, k, via)
		if err != nil {
			t.Fatal(err)
		}
		return Credentials{jwt, user.Seed()}
	}
	expired := forged(Credentials{Seed: authority.Seed()}, "",
		Identity{Roles: []Role{Host}, Expires: time.Now().Add(-time.Second)})
	flipped := good
	sig := strings.LastIndexByte(good.JWT, '.') + 1
	flipped.JWT = good.JWT[:sig] + good.JWT[sig+1:] + "A"
	for _, tc := range []struct {
		name  string
		c     Credentials
		nonce []byte
		want  error
	}{
		{"good", good, nonce, nil},
		{"none", Credentials{Seed: good.Seed}, nonce, lattice.ErrDenied},
		{"other authority", foreign, nonce, lattice.ErrUnknownIssuer},
		{"expired", expired, nonce, lattice.ErrTokenExpired},
		{"altered", flipped, nonce, lattice.ErrTokenSignature},
		{"another's seed", Credentials{good.JWT, operator.Seed}, nonce, lattice.ErrTokenSignature},
		{"signature of another nonce", good, []byte("other"), lattice.ErrTokenSignature},
		{"no nonce", good, nil, lattice.ErrTokenSignature},
		{"garbage", Credentials{"a.b.c", good.Seed}, nonce, lattice.ErrTokenMalformed},
		{"host makes itself an operator", forged(good, good.JWT, Identity{Roles: []Role{Operator}}), nonce,
			lattice.ErrTokenMalformed},
		{"host makes a provider that is a host too", forged(good, good.JWT, Identity{Roles: []Role{Provider, Host},
			Provider: provider, Link: link}), nonce, lattice.ErrTokenMalformed},
		{"host makes a provider with more subjects",
			forged(good, good.JWT, Identity{Roles: []Role{Provider}, Provider: provider, Link: link,
				Publish: []string{">"}}), nonce, lattice.ErrTokenMalformed},
		{"operator issues", forged(operator, operator.JWT, Identity{Roles: []Role{Provider}, Provider: provider,
			Link: link}), nonce, lattice.ErrTokenMalformed},
		{"provider issues", forged(prov, prov.JWT, Identity{Roles: []Role{Provider}, Provider: provider, Link: link}),
			nonce, lattice.ErrTokenMalformed},
		{"provider under another's host", forged(prov, good.JWT, Identity{Roles: []Role{Provider}, Provider: provider,
			Link: link}), nonce, lattice.ErrTokenMalformed},
		{"host issues without its JWT", forged(good, "", Identity{Roles: []Role{Provider}, Provider: provider,
			Link: link}), nonce, lattice.ErrUnknownIssuer},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := v.Verify(tc.c.JWT, tc.nonce, sign(tc.c))
			if !errors.Is(err, tc.want) || (err == nil) != (tc.want == nil) {
				t.Fatalf("got %v, want %v", err, tc.want)
			}
		})
	}
}

func TestOtherCredentialsIssueNothing(t *testing.T) {
	authority := key(t, 'A')
	operator, _ := mustIssue(t, authority, Identity{Roles: []Role{Operator}, Lattice: "l"})
	host, _ := mustIssue(t, authority, Identity{Roles: []Role{Host}, Lattice: "l"})
	for name, c := range map[string]Credentials{"none": {}, "operator": operator,
		"foreign": {"e30.e30.e30", host.Seed}, "mixed": {host.JWT, operator.Seed}} {
		if _, ok := NewHostIssuer(c); ok {
			t.Errorf("%s: became an issuer", name)
		}
	}
}

func FuzzRead(f *testing.F) {
	authority := key(f, 'A')
	host, _ := mustIssue(f, authority, Identity{Roles: []Role{Host}, Lattice: "l"})
	issuer, _ := NewHostIssuer(host)
	prov, err := issuer.Provider("VC3IJSRK3KIJUD5PQIEU2UNWT4PQCRYTAXFC4PDLTCMDX7L77YRUGCXW", "default", Needs{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(host.JWT)
	f.Add(prov.JWT)
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, jwt string) {
		id, err := Read(jwt)
		if err == nil && (id.ID == "" || len(id.Roles) == 0 || id.Lattice == "") {
			t.Fatalf("accepted %q as %+v", jwt, id)
		}
	})
}
