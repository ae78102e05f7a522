package signing

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/lattice"
)

var emptyModule = []byte("\x00asm\x01\x00\x00\x00")

const emptyHash = "93A44BBB96C751218E4C00D479E4C14358122A389ACCA16205B1E4D0DC5F9476"

// section builds a section; pad adds bytes to its length that a minimal encoding does not need.
func section(id byte, payload string, pad int) string {
	n := appendULEB(nil, uint32(len(payload)))
	for range pad {
		n[len(n)-1] |= 0x80
		n = append(n, 0)
	}
	return string(id) + string(n) + payload
}

func custom(name, payload string, pad int) string {
	return section(0, string(appendULEB(nil, uint32(len(name))))+name+payload, pad)
}

const coreHeader, componentHeader = "\x00asm\x01\x00\x00\x00", "\x00asm\x0d\x00\x01\x00"

func TestModuleGolden(t *testing.T) {
	if h, err := moduleHash(emptyModule); err != nil || h != emptyHash {
		t.Fatalf("hash %s %v", h, err)
	}
	signed, err := SignModule(emptyModule, goldenKey(t, 'A'), goldenKey(t, 'M'), ActorClaims{
		Name: "Empty", Caps: []lattice.ContractID{"wasmcloud:httpserver"}, Revision: 1, Version: "0.1.0",
		Validity: Validity{TokenID: goldenJTI, IssuedAt: goldenNow.Unix()},
	})
	if err != nil {
		t.Fatal(err)
	}
	const sig = "nkIez0GRNgSnCUGJQ_UP9ElJ0iAbl0avyuohfk49T5o-PDvsfctRkG0upcNHXWAvMVGRy3NYo_ZThyfy41DdCg"
	if !bytes.HasSuffix(signed, []byte("."+sig)) {
		t.Fatalf("signature differs: %s", signed)
	}
	c, err := ReadModule(signed, goldenNow)
	if err != nil {
		t.Fatal(err)
	}
	want := &ActorClaims{
		Subject: lattice.ActorID(goldenKey(t, 'M').Public()), Issuer: lattice.AccountID(goldenKey(t, 'A').Public()),
		Name: "Empty", Hash: emptyHash, Tags: []string{}, Caps: []lattice.ContractID{"wasmcloud:httpserver"},
		Revision: 1,
		Version:  "0.1.0",
		Validity: Validity{TokenID: goldenJTI, IssuedAt: goldenNow.Unix()}, TokenRevision: 3,
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

func TestModuleHashRule(t *testing.T) {
	body := section(1, "type", 0) + custom("name", "n", 0) + section(10, strings.Repeat("x", 300), 0)
	padded := section(1, "type", 3) + custom("name", "n", 2) + section(10, strings.Repeat("x", 300), 1)
	inner := func(pad int, extra string) string {
		nested := componentHeader + section(1, coreHeader+section(1, "t", pad)+extra, pad) + extra
		return componentHeader + section(4, nested, pad) + section(7, "x", pad) + section(1, coreHeader, pad)
	}
	hash := func(s string) string {
		t.Helper()
		h, err := moduleHash([]byte(s))
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	tokens := custom("jwt", "a", 0) + custom("wasmcloud_jwt", "b", 2)
	core, component := hash(coreHeader+body), hash(inner(0, ""))
	for name, got := range map[string]string{
		"padded": hash(coreHeader + padded), "tokens at the end": hash(coreHeader + body + tokens),
		"tokens in front": hash(coreHeader + tokens + body),
	} {
		if got != core {
			t.Errorf("%s: %s, want %s", name, got, core)
		}
	}
	for name, got := range map[string]string{
		"padded": hash(inner(2, "")), "tokens inside": hash(inner(0, tokens)), "both": hash(inner(1, tokens)),
		"tokens outside": hash(inner(0, "") + tokens),
	} {
		if got != component {
			t.Errorf("component, %s: %s, want %s", name, got, component)
		}
	}
	for name, got := range map[string]string{
		"other section":   hash(coreHeader + body + section(1, "", 0)),
		"custom section":  hash(coreHeader + body + custom("x", "", 0)),
		"id":              hash(coreHeader + strings.Replace(body, "\x0a", "\x0b", 1)),
		"section in core": hash(coreHeader + body + section(1, coreHeader, 0)),
	} {
		if got == core {
			t.Errorf("%s does not change the hash", name)
		}
	}
}

func TestModuleRefusesBadBytes(t *testing.T) {
	deep := componentHeader
	for range maxWasmNesting + 1 {
		deep = componentHeader + section(4, deep, 0)
	}
	for name, s := range map[string]string{
		"empty": "", "short": coreHeader[:7], "magic": "\x00wsm\x01\x00\x00\x00", "version": "\x00asm\x02\x00\x00\x00",
		"no length": coreHeader + "\x01", "length cut": coreHeader + "\x01\x80",
		"past the end":    coreHeader + "\x01\x05abc",
		"length too long": coreHeader + "\x01\x80\x80\x80\x80\x80\x00", "length above 32 bit": coreHeader +
			"\x01\xff\xff\xff\xff\x1f",
		"huge length": coreHeader + "\x01\xff\xff\xff\xff\x0f", "custom without name": coreHeader + "\x00\x00",
		"name past the end": coreHeader + "\x00\x02\x05a", "bad nested": componentHeader + section(1, "abc", 0),
		"deep": deep, "many sections": componentHeader + strings.Repeat(section(1, coreHeader+custom("", "", 0), 0),
			maxWasmSections/2+1),
	} {
		if _, err := moduleHash([]byte(s)); lattice.CodeOf(err) != lattice.ErrBadModule {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := ReadModule([]byte(s), goldenNow); lattice.CodeOf(err) != lattice.ErrBadModule {
			t.Errorf("read %s: %v", name, err)
		}
		if _, err := SignModule([]byte(s), goldenKey(t, 'A'), goldenKey(t, 'M'),
			ActorClaims{}); lattice.CodeOf(err) != lattice.ErrBadModule {
			t.Errorf("sign %s: %v", name, err)
		}
	}
}

func TestModuleRefusals(t *testing.T) {
	account, module := goldenKey(t, 'A'), goldenKey(t, 'M')
	const now = 1700000000
	base := fmt.Sprintf(`"iss":%q,"sub":%q,"wascap":{"hash":%q}`, account.Public(), module.Public(), emptyHash)
	rev3 := `,"wascap_revision":3`
	keys := func(iss, sub string) string {
		return fmt.Sprintf(`{"iss":%q,"sub":%q,"wascap":{"hash":%q}}`, iss, sub, emptyHash)
	}
	with := func(format string, args ...any) string {
		return coreHeader + custom(tokenSection, signClaims(account, format, args...), 0)
	}
	good := with(`{%s%s}`, base, rev3)
	wrongHash := strings.Replace(base, emptyHash[:4], "0000", 1)
	for _, tt := range []struct {
		name   string
		module string
		want   lattice.Code
	}{
		{"good", good, 0},
		{"unsigned", coreHeader, lattice.ErrUnsigned},
		{"unsigned with other custom sections", coreHeader + custom("name", "x", 0) + custom("JWT", "x", 0),
			lattice.ErrUnsigned},
		{"empty token", coreHeader + custom(tokenSection, "", 0), lattice.ErrUnsigned},
		{"token of a nested module only", componentHeader + section(1, good, 0), lattice.ErrUnsigned},
		{"two tokens", good + good[len(coreHeader):], lattice.ErrTokenMalformed},
		{"no token", coreHeader + custom(tokenSection, "hello", 0), lattice.ErrTokenMalformed},
		{"long token", coreHeader + custom(tokenSection, strings.Repeat("a", maxTokenBytes+1), 0),
			lattice.ErrTokenMalformed},
		{"no JSON", with(`hello`), lattice.ErrTokenMalformed},
		{"wrong types", with(`{"iss":1}`), lattice.ErrTokenMalformed},
		{"no wascap", with(`{"iss":%q,"sub":%q}`, account.Public(), module.Public()), lattice.ErrTokenMalformed},
		{"no hash", with(`{"iss":%q,"sub":%q,"wascap":{}}`, account.Public(), module.Public()),
			lattice.ErrTokenMalformed},
		{"issuer of another kind", with("%s", keys(goldenKey(t, 'C').Public(), module.Public())),
			lattice.ErrTokenMalformed},
		{"issuer with wrong checksum", with("%s", keys(account.Public()[:54]+"AA", module.Public())),
			lattice.ErrTokenMalformed},
		{"subject of another kind", with("%s", keys(account.Public(), goldenKey(t, 'V').Public())),
			lattice.ErrTokenMalformed},
		{"no subject", with("%s", keys(account.Public(), "")), lattice.ErrTokenMalformed},
		{"expired", with(`{"exp":%d,%s}`, now-1, base), lattice.ErrTokenExpired},
		{"not yet", with(`{"nbf":%d,%s}`, now+1, base), lattice.ErrTokenNotYetValid},
		{"last second", with(`{"exp":%d,"nbf":%d,%s}`, now, now, base), 0},
		{"signed by another", coreHeader + custom(tokenSection, signClaims(mustSeed(t, clusterSeed), `{%s}`, base), 0),
			lattice.ErrTokenSignature},
		{"changed module", good + section(1, "x", 0), lattice.ErrHashMismatch},
		{"changed module, revision 4", with(`{%s,"wascap_revision":4}`, wrongHash), lattice.ErrHashMismatch},
		{"newer section wins", good + custom(legacyTokenSection, "hello", 0), 0},
		{"newer section wins, order", coreHeader + custom(legacyTokenSection, "hello", 0) + good[len(coreHeader):], 0},
		{"older section", coreHeader + custom(legacyTokenSection, signClaims(account, `{%s}`, base), 0), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := ReadModule([]byte(tt.module), time.Unix(now, 0))
			if lattice.CodeOf(err) != tt.want || (c == nil) != (err != nil) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if c != nil && c.HashMismatch {
				t.Error("reports a mismatch")
			}
		})
	}
	for _, rev := range []string{"", `,"wascap_revision":2`, `,"wascap_revision":null`} {
		c, err := ReadModule([]byte(with(`{%s%s}`, wrongHash, rev)), goldenNow)
		if err != nil || !c.HashMismatch {
			t.Errorf("revision %q: %+v %v", rev, c, err)
		}
	}
	if c, err := InspectModule([]byte(with(`{"exp":1,%s%s}`, wrongHash, rev3))); err != nil || !c.HashMismatch ||
		c.Expires != 1 {
		t.Errorf("inspect: %+v %v", c, err)
	}
}

func TestSignModuleReplaces(t *testing.T) {
	a, m := goldenKey(t, 'A'), goldenKey(t, 'M')
	body := section(1, "type", 2) + custom("name", "n", 1)
	in := coreHeader + custom("jwt", "old", 0) + body + custom("wasmcloud_jwt", "old", 3)
	claims := ActorClaims{Name: "Ü \"x\"", Tags: []string{"a", "b\\"}, CallAlias: " My-Alias.v1 é", Version: "1",
		Provider: true,
		Subject:  "MIGNORED", Hash: "ignored", TokenRevision: 9,
		Validity: Validity{Expires: goldenNow.Unix() + 10, NotBefore: goldenNow.Unix()}}
	once, err := SignModule([]byte(in), a, m, claims)
	if err != nil {
		t.Fatal(err)
	}
	twice, err := SignModule(once, a, m, claims)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(twice, []byte(coreHeader+body)) || bytes.Count(twice, []byte("jwt")) != 1 {
		t.Errorf("old tokens or changed sections: %q", twice)
	}
	c, err := ReadModule(twice, goldenNow)
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != claims.Name || !reflect.DeepEqual(c.Tags, claims.Tags) || c.CallAlias != "my_alias_v1" ||
		c.Version != "1" || !c.Provider ||
		c.Expires != claims.Expires || c.NotBefore != claims.NotBefore || len(c.TokenID) != 22 || c.IssuedAt == 0 ||
		string(c.Subject) != m.Public() || c.TokenRevision != 3 || c.Revision != 0 ||
		c.EffectiveRevision() != int32(c.IssuedAt) {
		t.Errorf("got %+v", c)
	}
	nested, err := SignModule([]byte(componentHeader+section(1, string(once), 0)), a, m, ActorClaims{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ReadModule(nested, goldenNow); err != nil {
		t.Errorf("component around a signed module: %v", err)
	}
	for name, call := range map[string]func() ([]byte, error){
		"account": func() ([]byte, error) { return SignModule(emptyModule, m, m, ActorClaims{}) },
		"no key":  func() ([]byte, error) { return SignModule(emptyModule, KeyPair{}, m, ActorClaims{}) },
		"module":  func() ([]byte, error) { return SignModule(emptyModule, a, a, ActorClaims{}) },
		"time": func() ([]byte, error) {
			return SignModule(emptyModule, a, m, ActorClaims{Validity: Validity{Expires: -1}})
		},
	} {
		if _, err := call(); lattice.CodeOf(err) != lattice.ErrInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := SignModule(emptyModule, a, m,
		ActorClaims{Name: strings.Repeat("x", maxTokenBytes)}); lattice.CodeOf(err) != lattice.ErrTooLarge {
		t.Errorf("huge claims: %v", err)
	}
}

func TestNormalizeAlias(t *testing.T) {
	for in, want := range map[string]string{"": "", " Über Call ": "ber_call", "a-b.c d": "a_b_c_d",
		"wasmcloud/ponger": "wasmcloud/ponger",
		"x\x00y":           "xy", "é é": ""} {
		if got := normalizeAlias(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
		if got := normalizeAlias(want); got != want {
			t.Errorf("%q is not stable: %q", want, got)
		}
	}
}

func TestValidity(t *testing.T) {
	if nbf, exp := (Validity{}).HumanTimes(); nbf != "immediately" || exp != "never" {
		t.Error(nbf, exp)
	}
	if nbf, exp := (Validity{NotBefore: 1, Expires: 1<<63 - 1}).HumanTimes(); nbf != "1970-01-01T00:00:01Z" ||
		exp != "9999-12-31T23:59:59Z" {
		t.Error(nbf, exp)
	}
	if got := (&ActorClaims{Revision: -3}).EffectiveRevision(); got != -3 {
		t.Error(got)
	}
	if got := (&ActorClaims{Validity: Validity{IssuedAt: 1<<32 + 1<<31}}).EffectiveRevision(); got != -1<<31 {
		t.Error(got)
	}
}

func FuzzModule(f *testing.F) {
	a, m := goldenKey(f, 'A'), goldenKey(f, 'M')
	signed, _ := SignModule([]byte(coreHeader+section(1, "t", 1)), a, m, ActorClaims{Name: "x"})
	f.Add(emptyModule)
	f.Add(signed)
	f.Add([]byte(componentHeader + section(4, componentHeader+section(1, string(signed), 0), 0)))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := moduleHash(data)
		if _, rerr := ReadModule(data, goldenNow); rerr == nil && err != nil {
			t.Fatal("reads what has no hash")
		}
		if err != nil {
			return
		}
		out, err := SignModule(data, a, m, ActorClaims{})
		if err != nil {
			t.Fatal(err)
		}
		c, err := ReadModule(out, goldenNow)
		if err != nil || c.Hash != h {
			t.Fatalf("signed, then refused: %v", err)
		}
	})
}

func TestWithoutToken(t *testing.T) {
	bare := []byte("\x00asm\x01\x00\x00\x00\x00\x03\x01xy") // a module with a custom section
	account, module := Derive('A', "a"), Derive('M', "m")
	signed, err := SignModule(bare, account, module, ActorClaims{Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := WithoutToken(signed); err != nil || !bytes.Equal(got, bare) {
		t.Errorf("got %q, %v; want %q", got, err, bare)
	}
	if _, err := WithoutToken([]byte("text")); lattice.CodeOf(err) != lattice.ErrBadModule {
		t.Errorf("no module: %v", err)
	}
}
