package join

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/natsauth"
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

func example(t testing.TB) Token {
	t.Helper()
	c, _, err := natsauth.Issue(key(t, 'A'), natsauth.Identity{Roles: []natsauth.Role{natsauth.Host}, Lattice: "edge",
		Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	return Token{Lattice: "edge", Servers: []string{"tls://192.0.2.1:4222", "tls://[2001:db8::1]:4222"}, CA: "PEM",
		ServerName: natsauth.ServerName,
		JWT:        c.JWT, Seed: c.Seed, ClusterSeed: key(t, 'C').Seed(),
		Issuers: []lattice.ClusterID{key(t, 'C').ClusterID()}}
}

func encode(t testing.TB, token Token) string {
	t.Helper()
	text, err := token.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestDecodeReturnsWhatWasEncoded(t *testing.T) {
	want := example(t)
	text := encode(t, want)
	if strings.ContainsAny(text, " \n\t=+/") {
		t.Fatalf("not one word: %s", text)
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, read := range map[string]func() (Token, error){
		"line":    func() (Token, error) { return Decode(text) },
		"wrapped": func() (Token, error) { return Decode(" " + text[:70] + "\r\n  " + text[70:] + "\n") },
		"read":    func() (Token, error) { return Read(text) },
		"file":    func() (Token, error) { return Read(file) },
		"at file": func() (Token, error) { return Read("@" + file) },
	} {
		if got, err := read(); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	if s := fmt.Sprintf("%v %+v %#v", want, want, want); strings.Contains(s, want.Seed) ||
		strings.Contains(s, want.ClusterSeed) {
		t.Errorf("secrets are shown: %s", s)
	}
}

func TestDecodeSaysWhatIsWrong(t *testing.T) {
	token := example(t)
	text := encode(t, token)
	body := func(s string) string {
		return prefix + base64.RawURLEncoding.EncodeToString(append(checksum([]byte(s)), s...))
	}
	for want, in := range map[string]string{
		"empty":                  " \n",
		"begins with weft1_":     "eyJhbGciOi",
		"begins with weft1_\x00": "weft",
		"version 2":              "weft2_" + text[len(prefix):],
		"cut off":                text[:len(text)-7],
		"cut off\x00":            text[:len(text)/2] + "A" + text[len(text)/2+1:],
		"cut off\x01":            prefix,
		"too long":               prefix + strings.Repeat("A", maxBytes),
		"does not understand":    body(`{"lattice":"edge","future":1}`),
		"more after":             body(`{"lattice":"edge"}{}`),
		"names no server":        body(`{"lattice":"edge"}`),
	} {
		want, _, _ = strings.Cut(want, "\x00")
		want, _, _ = strings.Cut(want, "\x01")
		_, err := Read(in)
		if in == " \n" {
			_, err = Decode(in)
		}
		if !errors.Is(err, lattice.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
		if err != nil && (strings.Contains(err.Error(), token.Seed) ||
			strings.Contains(err.Error(), token.ClusterSeed)) {
			t.Errorf("a secret is shown: %v", err)
		}
	}
	for name, change := range map[string]func(*Token){
		"other lattice": func(x *Token) { x.Lattice = "other" },
		"other prefix":  func(x *Token) { x.Control = "my.ctl" },
		"other seed":    func(x *Token) { x.Seed = key(t, 'U').Seed() },
		"no user":       func(x *Token) { x.JWT = "" },
		"server":        func(x *Token) { x.Servers = []string{"http://x"} },
		"password":      func(x *Token) { x.Servers = []string{"nats://u:p@x"} },
		"cluster":       func(x *Token) { x.ClusterSeed = x.Seed },
		"issuer":        func(x *Token) { x.Issuers = []lattice.ClusterID{"C"} },
	} {
		x := example(t)
		change(&x)
		if _, err := x.Encode(); !errors.Is(err, lattice.ErrInvalid) {
			t.Errorf("%s: encoded, %v", name, err)
		}
	}
	if _, err := Read("./missing.token"); !errors.Is(err, lattice.ErrInvalid) || !strings.Contains(err.Error(),
		"missing.token") {
		t.Errorf("missing file: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encode(f, example(f)))
	f.Add("weft1_AAAA")
	f.Add("weft9_")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := Decode(text)
		if err != nil {
			if !errors.Is(err, lattice.ErrInvalid) {
				t.Fatalf("got %v", err)
			}
			return
		}
		again, err := Decode(encode(t, token))
		if err != nil || !reflect.DeepEqual(token, again) {
			t.Fatalf("%v: %+v became %+v", err, token, again)
		}
	})
}
