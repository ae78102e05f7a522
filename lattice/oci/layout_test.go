package oci

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/content/memory"

	"github.com/weftlattice/weft/lattice"
)

func TestLayout(t *testing.T) {
	par := archive(t)
	want := map[string][]byte{"echo:1.0": module, "kv:2": par}
	for _, name := range []string{"dir", "file.tar"} {
		path := filepath.Join(t.TempDir(), name)
		l, err := CreateLayout(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		for tag, data := range want {
			if err := l.Add(t.Context(), tag, Artifact{Bytes: data, Name: "n", Version: "v"}); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Add(t.Context(), "x:1", Artifact{Bytes: []byte("text")}); !errors.Is(err, lattice.ErrInvalid) {
			t.Errorf("%s: text: %v", name, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l.Abandon()
		if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".weft-*")); err != nil || len(left) > 0 {
			t.Errorf("%s: left behind %v", name, left)
		}
		seen := 0
		err = ReadLayout(t.Context(), path, 0, func(tag string, a Artifact, err error) error {
			seen++
			if err != nil || !bytes.Equal(a.Bytes, want[tag]) || a.Name != "n" || a.Version != "v" {
				t.Errorf("%s: %s: %v", name, tag, err)
			}
			return nil
		})
		if err != nil || seen != 2 {
			t.Errorf("%s: %d, %v", name, seen, err)
		}
		stop := errors.New("stop")
		err = ReadLayout(t.Context(), path, 10, func(tag string, a Artifact, err error) error {
			if !errors.Is(err, lattice.ErrTooLarge) {
				t.Errorf("%s: %s: too large: %v", name, tag, err)
			}
			return stop
		})
		if !errors.Is(err, stop) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDamagedLayout(t *testing.T) {
	dir := t.TempDir()
	l, err := CreateLayout(t.Context(), filepath.Join(dir, "l"))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Add(t.Context(), "echo:1", Artifact{Bytes: module}); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "l", "blobs", "sha256", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err == nil && info.Size() == int64(len(module)) {
			_ = os.Chmod(f, 0o600)
			if err := os.WriteFile(f, bytes.Repeat([]byte("x"), len(module)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	seen := false
	err = ReadLayout(t.Context(), filepath.Join(dir, "l"), 0, func(_ string, _ Artifact, err error) error {
		seen = true
		if err == nil {
			t.Error("damaged: no error")
		}
		return nil
	})
	if err != nil || !seen {
		t.Errorf("%v, %v", seen, err)
	}
	nothing := func(string, Artifact, error) error { return nil }
	if err := ReadLayout(t.Context(), filepath.Join(dir, "none"), 0, nothing); !errors.Is(err, lattice.ErrNotFound) {
		t.Errorf("missing: %v", err)
	}
	if err := ReadLayout(t.Context(), dir, 0, nothing); !errors.Is(err, lattice.ErrInvalid) {
		t.Errorf("no layout: %v", err)
	}
}

// Whatever a manifest says, reading it ends, and within the limit.
func FuzzManifest(f *testing.F) {
	layer := content.NewDescriptorFromBytes(TypeActor, module)
	text := func(m ocispec.Manifest) []byte {
		b, err := json.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	f.Add(ocispec.MediaTypeImageManifest, text(ocispec.Manifest{Layers: []ocispec.Descriptor{layer}}))
	f.Add(ocispec.MediaTypeImageManifest,
		[]byte(`{"layers":[{"mediaType":"application/wasm","digest":"sha256:1","size":-5}]}`))
	f.Add(ocispec.MediaTypeImageManifest,
		[]byte(`{"layers":[{"mediaType":"application/wasm","digest":"","size":99999999999}]}`))
	f.Add(ocispec.MediaTypeImageIndex, []byte(`{"manifests":[{"digest":"md5:0","size":1}]}`))
	f.Fuzz(func(t *testing.T, mediaType string, manifest []byte) {
		store := memory.New()
		desc := content.NewDescriptorFromBytes(mediaType, manifest)
		for d, data := range map[*ocispec.Descriptor][]byte{&desc: manifest, &layer: module} {
			if err := store.Push(t.Context(), *d, bytes.NewReader(data)); err != nil {
				return // no content that a store would take
			}
		}
		if err := store.Tag(t.Context(), desc, "x"); err != nil {
			return
		}
		if a, err := read(t.Context(), store, "x", "x", 1<<20); err == nil && !bytes.Equal(a.Bytes, module) &&
			!bytes.Equal(a.Bytes, manifest) {
			t.Errorf("%d bytes from nowhere", len(a.Bytes))
		}
	})
}
