package oci

import (
	"errors"
	"strings"
	"testing"

	"github.com/weftlattice/weft/lattice"
)

var zeros = "sha256:" + strings.Repeat("0", 64)

func TestParseReference(t *testing.T) {
	for in, want := range map[string]string{
		"ghcr.io/acme/echo:1.0":               "ghcr.io/acme/echo:1.0",
		"oci://GHCR.io/Acme/Echo:V1":          "ghcr.io/acme/echo:v1",
		"https://ghcr.io/echo:1":              "ghcr.io/echo:1",
		"http://localhost/echo:1":             "localhost/echo:1",
		"localhost:5000/a/b/c:1_2-3":          "localhost:5000/a/b/c:1_2-3",
		"127.0.0.1:5000/echo":                 "127.0.0.1:5000/echo:latest",
		"ghcr.io/echo@" + zeros:               "ghcr.io/echo@" + zeros,
		"ghcr.io/echo:1@" + zeros:             "ghcr.io/echo:1@" + zeros,
		"wasmcloud.azurecr.io/httpserver:0.1": "wasmcloud.azurecr.io/httpserver:0.1",
	} {
		if r, err := ParseReference(in); err != nil || r.String() != want {
			t.Errorf("%s: %s, %v", in, r, err)
		}
	}
	for _, in := range []string{"", "echo", "echo:1", "acme/echo:1", "ghcr.io/", "ghcr.io/echo:", "ghcr.io/echo@",
		"ghcr.io/echo@sha256:12",
		"ghcr.io/echo:a b", "ghcr.io/../echo:1", "ghcr.io//echo:1", "/a/b.wasm", "./a.b/c:1", "ghcr.io:x/a:1",
		"user@ghcr.io/a:1", "ghcr.io/a:1:2"} {
		if r, err := ParseReference(in); !errors.Is(err, lattice.ErrInvalid) {
			t.Errorf("%q: %+v, %v", in, r, err)
		}
	}
}

func FuzzParseReference(f *testing.F) {
	for _, s := range []string{"ghcr.io/acme/echo:1.0", "oci://a.b/c@" + zeros, "http://oci://a.b/c", "a.b:1/c:d@e",
		"@:/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseReference(s)
		if err != nil {
			return
		}
		if again, err := ParseReference(r.String()); err != nil || again != r {
			t.Errorf("%q gives %q, which gives %+v, %v", s, r, again, err)
		}
	})
}
