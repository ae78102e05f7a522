package signing

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/weftlattice/weft/lattice"
)

// The vectors of the protocol: raw seed 00 01 .. 1f.
var goldenKeys = []struct {
	kind         byte
	seed, public string
}{
	{'N', "SNAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H2D5U",
		"NAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RSWB"},
	{'C', "SCAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4HYO7Q",
		"CAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3R53J"},
	{'A', "SAAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4HYMHI",
		"AAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3QPZV"},
	{'M', "SMAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H2CRY",
		"MAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLXP"},
	{'V', "SVAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H76SU",
		"VAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RSLE"},
}

func goldenKey(t testing.TB, kind byte) KeyPair {
	t.Helper()
	for _, g := range goldenKeys {
		if g.kind == kind {
			return mustSeed(t, g.seed)
		}
	}
	t.Fatalf("no golden key of kind %c", kind)
	return KeyPair{}
}

func mustSeed(t testing.TB, seed string) KeyPair {
	t.Helper()
	k, err := FromSeed(seed)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeyGolden(t *testing.T) {
	const wantKey = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
	for _, g := range goldenKeys {
		k := mustSeed(t, g.seed)
		if k.Public() != g.public || k.Seed() != g.seed || k.Kind() != g.kind || k.IsZero() {
			t.Errorf("%c: got %s %s %c", g.kind, k.Public(), k.Seed(), k.Kind())
		}
		kind, raw, err := decodePublic(g.public)
		if err != nil || kind != g.kind || hex.EncodeToString(raw) != wantKey {
			t.Errorf("decode %c: %c %x %v", g.kind, kind, raw, err)
		}
		if !lattice.IsKey(g.public, g.kind) {
			t.Errorf("%c: package lattice does not know the key", g.kind)
		}
	}
}

func TestNewKeysOfAllKinds(t *testing.T) {
	for _, kind := range []byte("NCOAUMV") {
		a, err := New(kind)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := New(kind)
		if a.Public() == b.Public() {
			t.Errorf("%c: two new keys are equal", kind)
		}
		if got := a.Seed()[:2]; got != "S"+string(kind) {
			t.Errorf("%c: seed begins with %s", kind, got)
		}
		if err := CheckPublic(a.Public(), kind); err != nil || a.Public()[0] != kind {
			t.Errorf("%c: %s: %v", kind, a.Public(), err)
		}
		back := mustSeed(t, a.Seed())
		if err := Verify(a.Public(), []byte("x"), back.Sign([]byte("x"))); err != nil {
			t.Errorf("%c: %v", kind, err)
		}
		if err := Verify(a.Public(), []byte("y"),
			back.Sign([]byte("x"))); lattice.CodeOf(err) != lattice.ErrTokenSignature {
			t.Errorf("%c: other data: %v", kind, err)
		}
	}
	for _, kind := range []byte{0, 'X', 'S', 'n'} {
		if _, err := New(kind); lattice.CodeOf(err) != lattice.ErrInvalid {
			t.Errorf("kind %q: %v", rune(kind), err)
		}
	}
}

func TestDerive(t *testing.T) {
	a := Derive('C', "edge-cluster-seed")
	// Changing this vector gives every builtin provider and every named cluster a new identity.
	if want := "CCI2WYEAZSEQ445NIFI63PGEDETCFOZWKCHTOUTDGDGYDETQ2JCJO6RY"; a.Public() != want {
		t.Errorf("got %s, want %s", a.Public(), want)
	}
	for name, other := range map[string]KeyPair{"kind": Derive('N', "edge-cluster-seed"),
		"phrase": Derive('C', "edge-cluster-seec")} {
		if other.Seed()[2:] == a.Seed()[2:] {
			t.Errorf("another %s gives the same secret", name)
		}
	}
	if !Derive('x', "p").IsZero() {
		t.Error("an unknown kind gives a key")
	}
}

func TestZeroKeyPair(t *testing.T) {
	var k KeyPair
	if !k.IsZero() || k.Kind() != 0 || k.Public() != "" || k.Seed() != "" || k.Sign([]byte("x")) != nil ||
		k.String() != "KeyPair()" {
		t.Errorf("zero value is something: %v", k)
	}
}

func TestKeyPairRedacts(t *testing.T) {
	k := goldenKey(t, 'A')
	secret := k.Seed()
	wrapped := struct{ k KeyPair }{k} // fmt cannot call methods through an unexported field
	raw, _ := hex.DecodeString("000102030405060708090a0b0c0d0e0f")
	var out []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
		for _, v := range []any{k, &k, []KeyPair{k}, map[string]KeyPair{"a": k}, wrapped, &wrapped} {
			out = append(out, fmt.Sprintf(verb, v))
		}
	}
	js, err := json.Marshal(map[string]any{"key": k, "w": wrapped})
	if err != nil || !strings.Contains(string(js), k.Public()) {
		t.Errorf("json: %s %v", js, err)
	}
	out = append(out, string(js))
	for _, h := range []func(*bytes.Buffer) slog.Handler{
		func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var b bytes.Buffer
		slog.New(h(&b)).Info("m", "key", k, "ptr", &k, "w", wrapped)
		if !strings.Contains(b.String(), k.Public()) {
			t.Errorf("log lacks the public key: %s", b.String())
		}
		out = append(out, b.String())
	}
	forbidden := []string{secret, secret[4:20], hex.EncodeToString(raw), "0 1 2 3 4 5 6 7", "0x0, 0x1, 0x2, 0x3",
		string(raw)}
	for _, s := range out {
		for _, f := range forbidden {
			if strings.Contains(s, f) {
				t.Errorf("the secret shows: %q", s)
			}
		}
	}
}

func TestKeyRefusals(t *testing.T) {
	good, seed := goldenKeys[2].public, goldenKeys[2].seed
	unknown := encodePublic(1<<3, make([]byte, 32))
	xkey := encodePublic(23<<3, make([]byte, 32))
	for name, s := range map[string]string{
		"empty": "", "short": good[:55], "long": good + "A", "lower case": strings.ToLower(good),
		"checksum": good[:54] + "AA", "altered": good[:10] + "7" + good[11:], "line break": good[:55] + "\n",
		"not base32": good[:55] + "1", "seed": seed, "unknown prefix": unknown, "x key": xkey,
		"unicode": strings.Repeat("é", 28),
	} {
		if err := CheckPublic(s, 'A'); lattice.CodeOf(err) != lattice.ErrInvalid {
			t.Errorf("public, %s: %v", name, err)
		}
		if err := Verify(s, nil, nil); lattice.CodeOf(err) != lattice.ErrInvalid {
			t.Errorf("verify, %s: %v", name, err)
		}
	}
	if err := CheckPublic(good, 'M'); lattice.CodeOf(err) != lattice.ErrInvalid {
		t.Errorf("other kind: %v", err)
	}
	for name, s := range map[string]string{
		"empty": "", "short": seed[:57], "long": seed + "A", "lower case": strings.ToLower(seed),
		"checksum": seed[:55] + "AAA", "stray bits": seed[:57] + "J", "line break": seed[:57] + "\n",
		"not base32": seed[:57] + "1", "public": good, "other prefix": "T" + seed[1:],
		"unknown kind": encodeSeed(1<<3, make([]byte, 32)), "low bits": lowBits(),
	} {
		_, err := FromSeed(s)
		if lattice.CodeOf(err) != lattice.ErrInvalid {
			t.Errorf("seed, %s: %v", name, err)
		} else if len(s) > 8 && strings.Contains(err.Error(), s[4:]) {
			t.Errorf("seed, %s: the error quotes the seed: %v", name, err)
		}
	}
}

// lowBits is a seed whose second byte has bits set below the prefix.
func lowBits() string {
	raw := append([]byte{seedPrefix, 1}, make([]byte, 32)...)
	return nkeyEncoding.EncodeToString(appendCRC(raw))
}

func TestKinds(t *testing.T) {
	for in, want := range map[string]byte{"account": 'A', "A": 'A', "a": 'A', "Module": 'M', "actor": 'M',
		"service":  'V',
		"provider": 'V', "server": 'N', "host": 'N', "cluster": 'C', "operator": 'O', "user": 'U'} {
		if got, err := ParseKind(in); err != nil || got != want {
			t.Errorf("%s: %c %v", in, got, err)
		}
	}
	for _, in := range []string{"", " ", "x", "keys", "AC"} {
		if _, err := ParseKind(in); lattice.CodeOf(err) != lattice.ErrInvalid {
			t.Errorf("%q: %v", in, err)
		}
	}
	if KindName('V') != "provider" || KindName('X') != "" {
		t.Error("KindName")
	}
}

func FuzzKey(f *testing.F) {
	for _, g := range goldenKeys {
		f.Add(g.public)
		f.Add(g.seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if kind, raw, err := decodePublic(s); err == nil {
			prefix, _ := prefixOf(kind)
			if encodePublic(prefix, raw) != s {
				t.Errorf("public key %q has another spelling", s)
			}
		}
		if k, err := FromSeed(s); err == nil && k.Seed() != s {
			t.Errorf("seed has another spelling: %q", k.Seed())
		}
	})
}
