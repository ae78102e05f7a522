package image_test

import (
	"testing"

	"github.com/weftlattice/weft/internal/deploy/image"
)

func TestKindOf(t *testing.T) {
	for text, want := range map[string]image.Kind{
		"./a.wasm": image.File, "a.wasm": image.File, "/a/b": image.File, "file:///a/b.par": image.File,
		"p.par.gz": image.File, "lattice://web:1.2.0": image.Stored,
		"registry.example.com/web:1": image.Registry, "oci://localhost/web": image.Registry,
		"10.0.0.1:5000/team/web@sha256:00": image.Registry,
		"web":                              image.Bare, "team/web:1.2": image.Bare,
		"": image.Other, "a/../b": image.Other, "a b": image.Other, "../..": image.File, "web:": image.Other,
	} {
		if got, err := image.KindOf(text); got != want || err != nil {
			t.Errorf("%q: %d, %v, want %d", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"lattice://web": "the tag or the digest is missing: want lattice://NAME:TAG or lattice://NAME@sha256:HEX",
		"file://a":      "want file:///absolute/path",
		"ftp://a/b":     `"ftp://a/b" is no reference that weft knows`,
	} {
		if got, err := image.KindOf(text); got != image.Other || err == nil || err.Error() != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
}

func TestBuiltin(t *testing.T) {
	for text, want := range map[string]string{
		"httpserver": "httpserver", "builtin://keyvalue-nats": "keyvalue-nats",
		"wasmcloud.azurecr.io/httpserver:0.17.0":   "httpserver",
		"oci://ghcr.io/wasmcloud/kvredis@sha256:0": "keyvalue-redis",
		"wasmcloud.azurecr.io/applier:0.3":         "", "example.com/httpserver:1": "", "httpd": "",
	} {
		if got := image.Builtin(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
