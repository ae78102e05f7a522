package artifact

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/ocitest"
	"github.com/weftlattice/weft/lattice"
	store "github.com/weftlattice/weft/lattice/artifact"
	"github.com/weftlattice/weft/lattice/oci"
)

func registry(t *testing.T, cfg oci.Config) *oci.Client {
	t.Helper()
	cfg.Logger = latticetest.Logger(t)
	c, err := oci.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func pushed(t *testing.T, c *oci.Client, ref string, data []byte) (digest string) {
	t.Helper()
	r, err := oci.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	if digest, err = c.Push(t.Context(), r, oci.Artifact{Bytes: data, Name: "echo"}); err != nil {
		t.Fatal(err)
	}
	return digest
}

var wasm = []byte("\x00asm\x01\x00\x00\x00")

func TestRegistry(t *testing.T) {
	reg := ocitest.Start(t, ocitest.Options{Login: true})
	login := map[string]oci.Credential{reg.Addr: {Username: ocitest.User, Password: ocitest.Password}}
	writer := registry(t, oci.Config{Insecure: []string{reg.Addr}, Credentials: login})
	ref := reg.Addr + "/acme/echo:1"
	digest := pushed(t, writer, ref, wasm)
	dir := t.TempDir()
	r := resolver(t, Config{CacheDir: dir, OCI: registry(t, oci.Config{Insecure: []string{reg.Addr}})})
	if _, err := r.Fetch(t.Context(), ref); !errors.Is(err, lattice.ErrDenied) || !strings.Contains(err.Error(),
		reg.Addr) {
		t.Errorf("not logged in: %v", err)
	}
	r.SetCredentials(login)
	for _, form := range []string{ref, "oci://" + ref, "http://" + strings.ToUpper(ref),
		reg.Addr + "/acme/echo@" + digest} {
		a, err := r.Fetch(t.Context(), form)
		if err != nil || !bytes.Equal(a.Bytes, wasm) || a.Digest != store.Digest(wasm) || a.Source != digest ||
			a.Ref != form {
			t.Errorf("%s: %+v, %v", form, a, err)
		}
	}
	if _, err := r.Fetch(t.Context(), reg.Addr+"/acme/echo"); !errors.Is(err, lattice.ErrDenied) ||
		!strings.Contains(err.Error(), "latest") {
		t.Errorf("latest: %v", err)
	}

	// A tag that moves is noticed; the digest stays what it was.
	newer := append(bytes.Clone(wasm), 0)
	second := pushed(t, writer, ref, newer)
	if a, err := r.Fetch(t.Context(), ref); err != nil || a.Source != second || !bytes.Equal(a.Bytes, newer) {
		t.Errorf("moved tag: %+v, %v", a, err)
	}
	if a, err := r.Fetch(t.Context(), reg.Addr+"/acme/echo@"+digest); err != nil || !bytes.Equal(a.Bytes, wasm) {
		t.Errorf("digest of before: %+v, %v", a, err)
	}

	// What is refused is not taken from the cache.
	r.SetCredentials(map[string]oci.Credential{reg.Addr: {Username: ocitest.User, Password: "wrong"}})
	if _, err := r.Fetch(t.Context(), ref); !errors.Is(err, lattice.ErrDenied) {
		t.Errorf("logged out: %v", err)
	}

	// Without the registry what was fetched starts again, also after a restart; what was not does not.
	reg.Stop()
	again := resolver(t, Config{CacheDir: dir, OCI: registry(t, oci.Config{Insecure: []string{reg.Addr}})})
	none := resolver(t, Config{CacheDir: dir})
	for _, r := range []*Resolver{r, again, none} {
		if a, err := r.Fetch(t.Context(), "oci://"+ref); err != nil || a.Source != second ||
			!bytes.Equal(a.Bytes, newer) {
			t.Errorf("registry gone: %+v, %v", a, err)
		}
		if _, err := r.Fetch(t.Context(), reg.Addr+"/acme/echo@"+digest); err != nil {
			t.Errorf("registry gone, digest: %v", err)
		}
		if _, err := r.Fetch(t.Context(), reg.Addr+"/acme/echo:2"); !errors.Is(err, lattice.ErrUnavailable) {
			t.Errorf("registry gone, never fetched: %v", err)
		}
	}

	// A damaged memory is none.
	files, err := filepath.Glob(filepath.Join(dir, "refs", "*.json"))
	if err != nil || len(files) != 3 {
		t.Fatalf("remembered %v, %v", files, err)
	}
	for _, f := range files {
		if err := os.WriteFile(f, []byte(`{"ref":"other","digest":"sha256:1"}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := none.Fetch(t.Context(), ref); !errors.Is(err, lattice.ErrUnavailable) {
		t.Errorf("damaged memory: %v", err)
	}
}

func TestStoredTag(t *testing.T) {
	env, js := lattices(t)
	tag := func(data string) {
		t.Helper()
		text, err := store.Push(t.Context(), js, env.Lattice, "echo", []byte(data))
		if err != nil {
			t.Fatal(err)
		}
		ref, err := store.ParseReference(text)
		if err != nil {
			t.Fatal(err)
		}
		ref.Tag = "stable"
		if err := store.Tag(t.Context(), js, env.Lattice, ref); err != nil {
			t.Fatal(err)
		}
	}
	const ref = "lattice://echo:stable"
	dir := t.TempDir()
	r := resolver(t, Config{Lattice: env.Lattice, JetStream: js, CacheDir: dir})
	if _, err := r.Fetch(t.Context(), ref); !errors.Is(err, lattice.ErrNotFound) {
		t.Errorf("no such tag: %v", err)
	}
	for _, data := range []string{"one", "two"} {
		tag(data)
		if a, err := r.Fetch(t.Context(), ref); err != nil || string(a.Bytes) != data || a.Ref != ref {
			t.Errorf("%s: %+v, %v", data, a, err)
		}
	}
	offline := resolver(t, Config{Lattice: env.Lattice, CacheDir: dir})
	if a, err := offline.Fetch(t.Context(), ref); err != nil || string(a.Bytes) != "two" {
		t.Errorf("offline: %+v, %v", a, err)
	}
	if _, err := resolver(t, Config{Lattice: "other", CacheDir: dir}).Fetch(t.Context(), ref); !errors.Is(err,
		lattice.ErrUnavailable) {
		t.Errorf("another lattice's tag: %v", err)
	}
}
