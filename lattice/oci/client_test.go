package oci

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.uber.org/goleak"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/ocitest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func client(t *testing.T, cfg Config) *Client {
	t.Helper()
	cfg.Logger = latticetest.Logger(t)
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func reference(t *testing.T, format string, args ...any) Reference {
	t.Helper()
	r, err := ParseReference(fmt.Sprintf(format, args...))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var module = append([]byte("\x00asm\x01\x00\x00\x00"), bytes.Repeat([]byte("weft"), 50_000)...)

func archive(t *testing.T) []byte {
	t.Helper()
	var buf bytes.Buffer
	err := signing.WriteArchive(&buf, signing.ProviderClaims{Name: "test", ContractID: "test:thing", Vendor: "test"},
		latticetest.NewKey(t, 'A'),
		latticetest.NewKey(t, 'V'), map[string][]byte{signing.CurrentTarget(): []byte("#!/bin/sh\n")}, true)
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestPushAndPull(t *testing.T) {
	reg := ocitest.Start(t, ocitest.Options{})
	c := client(t, Config{Insecure: []string{reg.Addr}})
	for name, data := range map[string][]byte{"actor": module, "provider": archive(t)} {
		ref := reference(t, "%s/acme/%s:1.0", reg.Addr, name)
		digest, err := c.Push(t.Context(), ref, Artifact{Bytes: data, Name: name, Version: "1.0"})
		if err != nil {
			t.Fatal(err)
		}
		if again, err := c.Push(t.Context(), ref, Artifact{Bytes: data, Name: name, Version: "1.0"}); err != nil ||
			again != digest {
			t.Errorf("pushed again: %s, %v; want %s", again, err, digest)
		}
		if now, err := c.Resolve(t.Context(), ref); err != nil || now != digest {
			t.Errorf("resolve: %s, %v; want %s", now, err, digest)
		}
		for _, r := range []Reference{ref, ref.At(digest), reference(t, "%s/acme/%s:other@%s", reg.Addr, name,
			digest)} {
			a, err := c.Pull(t.Context(), r)
			if err != nil || !bytes.Equal(a.Bytes, data) || a.Manifest != digest || a.Name != name ||
				a.Version != "1.0" {
				t.Errorf("%s: %s %s, %v", r, a.Manifest, a.Name, err)
			}
		}
	}
	if _, err := c.Push(t.Context(), reference(t, "%s/x:1", reg.Addr),
		Artifact{Bytes: []byte("text")}); !errors.Is(err, lattice.ErrInvalid) {
		t.Errorf("pushed a text: %v", err)
	}
}

// A component goes as the CNCF's Wasm OCI artifact, which other tools push and pull: the types and the fields are
// theirs.
func TestComponentIsACNCFArtifact(t *testing.T) {
	reg := ocitest.Start(t, ocitest.Options{})
	c := client(t, Config{Insecure: []string{reg.Addr}})
	bare := append([]byte("\x00asm\x0d\x00\x01\x00"), 0, 3, 1, 'x', 'y')
	signed, err := signing.SignModule(bare, latticetest.NewKey(t, 'A'), latticetest.NewKey(t, 'M'),
		signing.ActorClaims{Name: "hello", Validity: signing.Validity{IssuedAt: 1_700_000_000}})
	if err != nil {
		t.Fatal(err)
	}
	for created, data := range map[string][]byte{"1970-01-01T00:00:00Z": bare, "2023-11-14T22:13:20Z": signed} {
		ref := reference(t, "%s/acme/hello:%d", reg.Addr, len(data))
		if _, err := c.Push(t.Context(), ref,
			Artifact{Bytes: data, Name: "hello", Imports: []string{"wasi:io/poll@0.2.0"},
				Exports: []string{"wasi:http/incoming-handler@0.2.0"}}); err != nil {
			t.Fatal(err)
		}
		repo, err := c.repository(ref)
		if err != nil {
			t.Fatal(err)
		}
		var m ocispec.Manifest
		_, text, err := oras.FetchBytes(t.Context(), repo, ref.Tag, oras.FetchBytesOptions{})
		if err != nil || json.Unmarshal(text, &m) != nil {
			t.Fatal(err)
		}
		if m.Config.MediaType != "application/vnd.wasm.config.v0+json" || len(m.Layers) != 1 ||
			m.Layers[0].MediaType != "application/wasm" {
			t.Errorf("%s", text)
		}
		config, err := content.FetchAll(t.Context(), repo, m.Config)
		want := fmt.Sprintf(`{"created":"%s","architecture":"wasm","os":"wasip2","layerDigests":["%s"],"component":`+
			`{"exports":["wasi:http/incoming-handler@0.2.0"],"imports":["wasi:io/poll@0.2.0"],"target":null}}`, created,
			m.Layers[0].Digest)
		if err != nil || string(config) != want {
			t.Errorf("%s\nwant %s, %v", config, want, err)
		}
		if got, err := c.Pull(t.Context(), ref); err != nil || !bytes.Equal(got.Bytes, data) {
			t.Errorf("pull: %v", err)
		}
	}
}

func TestRefusals(t *testing.T) {
	reg := ocitest.Start(t, ocitest.Options{})
	secure := ocitest.Start(t, ocitest.Options{TLS: true})
	ok := client(t, Config{Insecure: []string{reg.Addr}, AllowLatest: true})
	if _, err := ok.Push(t.Context(), reference(t, "%s/echo", reg.Addr), Artifact{Bytes: module}); err != nil {
		t.Fatal(err)
	}
	if _, err := ok.Pull(t.Context(), reference(t, "%s/echo", reg.Addr)); err != nil {
		t.Errorf("latest, allowed: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	_ = l.Close()
	plain := Config{Insecure: []string{reg.Addr}}
	for _, tc := range []struct {
		name, ref string
		cfg       Config
		code      lattice.Code
		text      string
	}{
		{"latest", reg.Addr + "/echo:latest", plain, lattice.ErrDenied, "--oci-allow-latest"},
		{"no tag", reg.Addr + "/echo", plain, lattice.ErrDenied, "--oci-allow-latest"},
		{"no such tag", reg.Addr + "/echo:2", plain, lattice.ErrNotFound, "does not have it"},
		{"no such repository", reg.Addr + "/ohce:2", plain, lattice.ErrNotFound, reg.Addr},
		{"no such digest", reg.Addr + "/echo@" + zeros, plain, lattice.ErrNotFound, "does not have it"},
		{"plain HTTP that was not named", reg.Addr + "/echo:1", Config{Insecure: []string{"127.0.0.1:1"}},
			lattice.ErrUnavailable, "--oci-allowed-insecure " + reg.Addr},
		{"untrusted certificate", secure.Addr + "/echo:1", Config{}, lattice.ErrUnavailable, "--oci-ca"},
		{"nobody there", nobody + "/echo:1", Config{}, lattice.ErrUnavailable, "cannot be reached"},
		{"too large", reg.Addr + "/echo:latest", Config{Insecure: []string{reg.Addr}, AllowLatest: true,
			MaxBytes: 1000}, lattice.ErrTooLarge, "the limit is 1000"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := client(t, tc.cfg).Pull(t.Context(), reference(t, "%s", tc.ref))
			if !errors.Is(err, tc.code) || !strings.Contains(err.Error(), tc.text) || !strings.Contains(err.Error(),
				"/echo") && tc.name != "no such repository" {
				t.Errorf("error %v", err)
			}
		})
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ok.Pull(canceled, reference(t, "%s/echo:1", reg.Addr)); !errors.Is(err, lattice.ErrCanceled) {
		t.Errorf("canceled: %v", err)
	}
}

func TestUnknownHost(t *testing.T) {
	err := fail("fetch", Reference{Registry: "no.example", Repository: "a", Tag: "1"},
		fmt.Errorf("get: %w", &net.DNSError{Name: "no.example", IsNotFound: true}))
	if !errors.Is(err, lattice.ErrUnavailable) || !strings.Contains(err.Error(), "there is no host no.example") {
		t.Errorf("error %v", err)
	}
}

func TestPrivateAuthority(t *testing.T) {
	reg := ocitest.Start(t, ocitest.Options{TLS: true})
	c := client(t, Config{CAFile: reg.CAFile})
	ref := reference(t, "%s/echo:1", reg.Addr)
	if _, err := c.Push(t.Context(), ref, Artifact{Bytes: module}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Pull(t.Context(), ref); err != nil {
		t.Error(err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{empty, empty + "-missing"} {
		if _, err := New(Config{CAFile: file}); !errors.Is(err, lattice.ErrInvalid) &&
			!errors.Is(err, lattice.ErrNotFound) || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// The file of authorities is replaced while the client is in use.
func TestReplacedAuthority(t *testing.T) {
	reg, other := ocitest.Start(t, ocitest.Options{TLS: true}), ocitest.Start(t, ocitest.Options{TLS: true})
	ca := filepath.Join(t.TempDir(), "ca.pem")
	latticetest.Replace(t, ca, other.CAFile)
	c := client(t, Config{CAFile: ca})
	ref := reference(t, "%s/echo:1", reg.Addr)
	if _, err := c.Push(t.Context(), ref, Artifact{Bytes: module}); err == nil {
		t.Fatal("another authority is trusted")
	}
	latticetest.Replace(t, ca, reg.CAFile)
	latticetest.Eventually(t, func() error {
		_, err := c.Push(t.Context(), ref, Artifact{Bytes: module})
		return err
	})
}

func TestLogin(t *testing.T) {
	reg := ocitest.Start(t, ocitest.Options{Login: true})
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	right := map[string]Credential{strings.ToUpper(reg.Addr): {Username: ocitest.User, Password: ocitest.Password}}
	wrong := map[string]Credential{reg.Addr: {Username: ocitest.User, Password: "wrong"}}
	ref := reference(t, "%s/echo:1", reg.Addr)
	c := client(t, Config{Insecure: []string{reg.Addr}, DockerConfig: true})
	refused := func(when string) {
		t.Helper()
		_, err := c.Pull(t.Context(), ref)
		if !errors.Is(err, lattice.ErrDenied) || !strings.Contains(err.Error(), "docker login "+reg.Addr) ||
			strings.Contains(err.Error(), "wrong") {
			t.Errorf("%s: %v", when, err)
		}
	}
	refused("anonymous")
	c.SetCredentials(wrong)
	refused("wrong password")
	c.SetCredentials(map[string]Credential{"other.example": right[strings.ToUpper(reg.Addr)]})
	refused("another registry's")
	c.SetCredentials(right)
	if _, err := c.Push(t.Context(), ref, Artifact{Bytes: module}); err != nil {
		t.Fatal(err)
	}
	c.SetCredentials(wrong)
	refused("wrong after right")
	c.SetCredentials(map[string]Credential{reg.Addr: {Username: ocitest.User, Token: ocitest.Password}})
	if _, err := c.Pull(t.Context(), ref); err != nil {
		t.Errorf("token in place of a password: %v", err)
	}

	// What docker keeps is found, also when it comes after the client was made.
	docker := client(t, Config{Insecure: []string{reg.Addr}, DockerConfig: true})
	login := base64.StdEncoding.EncodeToString([]byte(ocitest.User + ":" + ocitest.Password))
	config := fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, reg.Addr, login)
	if err := os.WriteFile(filepath.Join(os.Getenv("DOCKER_CONFIG"), "config.json"), []byte(config),
		0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := docker.Pull(t.Context(), ref); err != nil {
		t.Errorf("docker's login: %v", err)
	}
	if _, err := client(t, Config{Insecure: []string{reg.Addr}}).Pull(t.Context(), ref); !errors.Is(err,
		lattice.ErrDenied) {
		t.Errorf("docker's login was used unasked: %v", err)
	}
	// And what its helpers keep.
	bin := t.TempDir()
	helper := fmt.Sprintf("#!/bin/sh\necho '{\"ServerURL\":\"%s\",\"Username\":\"%s\",\"Secret\":\"%s\"}'\n", reg.Addr,
		ocitest.User, ocitest.Password)
	if err := os.WriteFile(filepath.Join(bin, "docker-credential-weftest"), []byte(helper), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	config = fmt.Sprintf(`{"credHelpers": {%q: "weftest"}}`, reg.Addr)
	if err := os.WriteFile(filepath.Join(os.Getenv("DOCKER_CONFIG"), "config.json"), []byte(config),
		0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := docker.Pull(t.Context(), ref); err != nil {
		t.Errorf("a helper's login: %v", err)
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	c := Credential{Username: "u", Password: "hidden", Token: "hidden"}
	if s := fmt.Sprintf("%v %+v %#v %s", c, c, c, c.LogValue()); strings.Contains(s, "hidden") {
		t.Error(s)
	}
}

// pushManifest puts a manifest of the given layers under a tag, as other tools do.
func pushManifest(t *testing.T, c *Client, ref Reference, config string, layers ...[2]string) ocispec.Descriptor {
	t.Helper()
	repo, err := c.repository(ref)
	if err != nil {
		t.Fatal(err)
	}
	put := func(mediaType string, data []byte) ocispec.Descriptor {
		desc := content.NewDescriptorFromBytes(mediaType, data)
		if err := repo.Push(t.Context(), desc, bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		return desc
	}
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: put(config, []byte("{}"))}
	for _, l := range layers {
		m.Layers = append(m.Layers, put(l[0], []byte(l[1])))
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	desc := put(m.MediaType, text)
	if err := repo.Tag(t.Context(), desc, ref.Tag); err != nil {
		t.Fatal(err)
	}
	return desc
}

func TestMediaTypes(t *testing.T) {
	reg := ocitest.Start(t, ocitest.Options{})
	c := client(t, Config{Insecure: []string{reg.Addr}})
	const tar, other = "application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+gzip"
	for i, tc := range []struct {
		name   string
		layers [][2]string
		want   string
	}{
		{"actor", [][2]string{{TypeActor, "a"}}, "a"},
		{"provider", [][2]string{{TypeProvider, "p"}}, "p"},
		{"CNCF", [][2]string{{"application/wasm", "w"}, {"text/plain", "data"}}, "w"},
		{"wasm-to-oci", [][2]string{{"application/vnd.wasm.content.layer.v1+wasm", "v"}}, "v"},
		{"old tar", [][2]string{{"text/plain", "no"}, {tar, "t"}}, "t"},
		{"the special before the general", [][2]string{{tar, "t"}, {"application/wasm", "w"}}, "w"},
		{"an image", [][2]string{{other, "layer"}, {"text/plain", "x"}}, ""},
		{"nothing", nil, ""},
	} {
		ref := reference(t, "%s/m:%d", reg.Addr, i)
		pushManifest(t, c, ref, "application/vnd.wasm.config.v0+json", tc.layers...)
		a, err := c.Pull(t.Context(), ref)
		switch {
		case tc.want != "" && (err != nil || string(a.Bytes) != tc.want):
			t.Errorf("%s: %q, %v", tc.name, a.Bytes, err)
		case tc.want == "" && (!errors.Is(err, lattice.ErrBadModule) || len(tc.layers) > 0 &&
			!strings.Contains(err.Error(), other+" (5 bytes)")):
			t.Errorf("%s: %v", tc.name, err)
		}
	}

	// An index leads to what is for WebAssembly.
	image := pushManifest(t, c, reference(t, "%s/i:a", reg.Addr), ocispec.MediaTypeImageConfig,
		[2]string{other, "layer"})
	image.Platform = &ocispec.Platform{OS: "linux", Architecture: "amd64"}
	wasm := pushManifest(t, c, reference(t, "%s/i:b", reg.Addr), "application/vnd.wasm.config.v0+json",
		[2]string{"application/wasm", "w"})
	wasm.Platform = &ocispec.Platform{OS: "wasip1", Architecture: "wasm"}
	text, err := json.Marshal(ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{image, wasm}})
	if err != nil {
		t.Fatal(err)
	}
	ref := reference(t, "%s/i:1", reg.Addr)
	repo, err := c.repository(ref)
	if err != nil {
		t.Fatal(err)
	}
	index := content.NewDescriptorFromBytes(ocispec.MediaTypeImageIndex, text)
	if err := repo.Manifests().PushReference(t.Context(), index, bytes.NewReader(text), ref.Tag); err != nil {
		t.Fatal(err)
	}
	if a, err := c.Pull(t.Context(), ref); err != nil || string(a.Bytes) != "w" || a.Manifest != index.Digest.String() {
		t.Errorf("index: %q, %v", a.Bytes, err)
	}
}

// A registry that lies is found out.
func TestLyingRegistry(t *testing.T) {
	layer := content.NewDescriptorFromBytes(TypeActor, module)
	good, err := json.Marshal(ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageManifest, Layers: []ocispec.Descriptor{layer}})
	if err != nil {
		t.Fatal(err)
	}
	digest := content.NewDescriptorFromBytes("", good).Digest.String()
	manifest, blob := good, module
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/manifests/") {
			w.Header().Set("Content-Type", ocispec.MediaTypeImageManifest)
			w.Header().Set("Docker-Content-Digest", digest)
			_, _ = w.Write(manifest)
			return
		}
		_, _ = w.Write(blob)
	}))
	defer srv.Close()
	addr := strings.TrimPrefix(srv.URL, "http://")
	c := client(t, Config{Insecure: []string{addr}})
	pull := func() error {
		_, err := c.Pull(t.Context(), reference(t, "%s/a:1", addr))
		return err
	}
	if err := pull(); err != nil {
		t.Fatal(err)
	}
	blob = bytes.Replace(module, []byte("weft"), []byte("wxft"), 1)
	if err := pull(); !errors.Is(err, lattice.ErrHashMismatch) {
		t.Errorf("other bytes: %v", err)
	}
	blob = append(bytes.Clone(module), "more"...)
	if err := pull(); err == nil {
		t.Error("more bytes: no error")
	}
	blob, manifest = module, append(bytes.Clone(good), ' ')
	if err := pull(); err == nil {
		t.Error("another manifest: no error")
	}
}
