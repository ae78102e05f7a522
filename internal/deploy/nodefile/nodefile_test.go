package nodefile_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weftlattice/weft/internal/deploy/nodefile"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata")

// golden compares with a file, or writes it.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func each(t *testing.T, dir string, do func(t *testing.T, path string, data []byte)) {
	paths, err := filepath.Glob(filepath.Join("testdata", dir, "*.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files in testdata/%s: %v", dir, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			do(t, path, data)
		})
	}
}

func TestGoodFiles(t *testing.T) {
	each(t, "good", func(t *testing.T, path string, data []byte) {
		f, err := nodefile.Parse(path, data)
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.MarshalIndent(f, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(got, []byte("hush")) || strings.Contains(fmt.Sprintf("%v %+v %#v", f, *f, f.Host), "hush") {
			t.Error("a secret shows")
		}
		golden(t, strings.TrimSuffix(path, ".yaml")+".json", append(got, '\n'))
	})
}

func TestBadFiles(t *testing.T) {
	each(t, "bad", func(t *testing.T, path string, data []byte) {
		f, err := nodefile.Parse("node.yaml", data)
		if err == nil {
			t.Fatalf("no error: %+v", f)
		}
		var p *nodefile.Problems
		if !errors.Is(err, lattice.ErrInvalid) || !errors.As(err, &p) {
			t.Errorf("error of type %T", err)
		}
		golden(t, strings.TrimSuffix(path, ".yaml")+".txt", []byte(err.Error()+"\n"))
	})
}

func parse(t *testing.T, text string) *nodefile.File {
	t.Helper()
	f, err := nodefile.Parse("", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestExampleInConfigMapIsTheSame(t *testing.T) {
	alone := parse(t, nodefile.Example())
	data, err := os.ReadFile("testdata/good/configmap.yaml")
	if err != nil {
		t.Fatal(err)
	}
	wrapped := parse(t, string(data))
	if alone.Host.Key.Seed() != wrapped.Host.Key.Seed() || alone.Host.Cluster.Seed() != wrapped.Host.Cluster.Seed() ||
		len(wrapped.Actors) != 1 || wrapped.Actors[0].Line != alone.Actors[0].Line+7 {
		t.Errorf("%+v\n%+v", alone, wrapped)
	}
	if len(alone.Warnings) != 2 || !strings.Contains(alone.Warnings[0], "line 2: wasmcloud.host_id") ||
		!strings.Contains(alone.Warnings[1], "weft key gen cluster") || !strings.HasPrefix(wrapped.Warnings[0],
		"line 9:") {
		t.Errorf("warnings %q, %q", alone.Warnings, wrapped.Warnings)
	}
}

func TestKeys(t *testing.T) {
	host, cluster := signing.Derive('N', "h"), signing.Derive('C', "c")
	f := parse(t, fmt.Sprintf("weft: {host_id: %s, cluster_seed: %s, cluster_issuers: '%s , %s'}", host.Seed(),
		cluster.Seed(),
		cluster.Public(), signing.Derive('C', "d").Public()))
	if f.Host.Key.Seed() != host.Seed() || f.Host.Cluster.Seed() != cluster.Seed() || len(f.Warnings) != 0 ||
		len(f.Host.Issuers) != 2 {
		t.Errorf("%+v", f)
	}
	f = parse(t, fmt.Sprintf("weft: {host_id: %s, host_seed: %s}", host.Public(), host.Seed()))
	if f.Host.Key.Public() != host.Public() {
		t.Errorf("%+v", f.Host)
	}
	// A text for a key is the host's name, too, unless it has one; a key is not.
	for text, want := range map[string]string{"host_id: edge-node-1": "edge-node-1", "host_id: EDGE": "EDGE",
		"host_id: edge-node-1, name: north": "north",
		"host_id: " + host.Seed():           "", "host_id: " + host.Public() + ", host_seed: " + host.Seed(): "",
		"name: north": "north"} {
		if got := parse(t, "weft: {"+text+"}").Host.Name; got != want {
			t.Errorf("%s: the host is named %q, want %q", text, got, want)
		}
	}
	f = parse(t, "weft: {host_id: edge-node-1}")
	if f.Host.Key.Public() != signing.Derive('N', "edge-node-1").Public() || !f.Host.Cluster.IsZero() {
		t.Errorf("%+v", f.Host)
	}
	for name, tc := range map[string]struct{ text, want string }{
		"public host key alone": {"host_id: " + host.Public(), "give its seed (SN...) as host_seed"},
		"two host keys":         {"host_id: x\n  host_seed: " + host.Seed(), "not both"},
		"keys that do not belong": {"host_id: " + signing.Derive('N', "z").Public() + "\n  host_seed: " + host.Seed(),
			"which is " + host.Public()},
		"cluster seed as host": {"host_id: " + cluster.Seed(), "seed of a key of kind C"},
		"public cluster key":   {"cluster_seed: " + cluster.Public(), "it looks like a public key"},
		"mistyped seed": {"cluster_seed: " + cluster.Seed()[:57] + "7",
			"it looks like a seed, but it has a wrong checksum"},
		"host key as issuer":       {"cluster_issuers: [" + host.Public() + "]", "kind N, want C"},
		"phrase as host seed":      {"host_seed: x", "want the seed of a host"},
		"nats jwt without seed":    {"nats_jwt: x", "needs nats_seed"},
		"address and host":         {"nats_url: a\n  nats_host: b", "not both"},
		"contradicting connection": {"nats_host: a\n  ctl_host: b", "it contradicts weft.nats_host in line 2"},
	} {
		_, err := nodefile.Parse("", []byte("weft:\n  "+tc.text+"\n"))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (strings.Contains(err.Error(), host.Seed()) || strings.Contains(err.Error(), cluster.Seed())) {
			t.Errorf("%s: the error shows a seed", name)
		}
	}
}

func TestNATSURL(t *testing.T) {
	for text, want := range map[string]string{
		"{}":                                   "",
		"nats_url: nats://a:1":                 "nats://a:1",
		"nats: a":                              "nats://a",
		"nats_url: nats://a\n  nats_tls: true": "tls://a",
		"nats_host: a":                         "nats://a:4222",
		"nats_port: 4223":                      "nats://127.0.0.1:4223",
		"nats_host: '::1'\n  rpc_port: 1":      "nats://[::1]:1",
		"ctl_host: a\n  rpc_tls: 1":            "tls://a:4222",
	} {
		if text == "{}" {
			text = "name: x"
		}
		if got := parse(t, "weft:\n  "+text+"\n").Host.NATSURL; got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestLinks(t *testing.T) {
	f := parse(t, `
providers:
  - {name: keyvalue-nats, config: {bucket: a}}
  - {name: keyvalue-redis, link_name: cache}
  - {name: wasmcloud:httpserver, image: httpserver}
actors:
  - {name: all, image: all}
  - {name: some, image: some, links: [keyvalue-redis]}
  - {name: none, image: none, links: []}
`)
	caps := []lattice.ContractID{"wasmcloud:keyvalue", "wasmcloud:builtin:logging", "wasmcloud:messaging"}
	for i, want := range []struct {
		linked  []string
		missing []lattice.ContractID
	}{
		{[]string{"keyvalue-nats", "keyvalue-redis"}, []lattice.ContractID{"wasmcloud:messaging"}},
		{[]string{"keyvalue-redis"}, []lattice.ContractID{"wasmcloud:messaging"}},
		{nil, []lattice.ContractID{"wasmcloud:keyvalue", "wasmcloud:messaging"}},
	} {
		links, missing := f.Links(f.Actors[i], caps)
		var linked []string
		for _, l := range links {
			linked = append(linked, l.Provider.Name)
			l.Values["x"] = "y" // the caller's own
		}
		if !slices.Equal(linked, want.linked) || !slices.Equal(missing, want.missing) {
			t.Errorf("%s: %v, missing %v", f.Actors[i].Name, linked, missing)
		}
	}
	if !maps.Equal(f.Providers[0].Values, map[string]string{"bucket": "a"}) {
		t.Errorf("values changed: %v", f.Providers[0].Values)
	}
}

// tree makes empty files under a folder.
func tree(t *testing.T, paths ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, p := range paths {
		p = filepath.Join(dir, p)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func load(t *testing.T, dir, text string, dirs ...string) (*nodefile.File, error) {
	t.Helper()
	path := filepath.Join(dir, "node.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return nodefile.Load(path, dirs...)
}

func TestLocate(t *testing.T) {
	dir := tree(t, "a.wasm", "b_1.2.wasm", "b.wasm", "c/c.wasm", "d/build/d_s.wasm", "e/build/e.wasm", "more/f_s.wasm",
		"g/x.wasm", "team/h.wasm", "p.par", "x.creds")
	extra := tree(t, "i.wasm", "a.wasm")
	f, err := load(t, dir, `
weft: {nats_creds: x.creds}
actor_dirs: [more, d/build]
providers: [{name: "acme:p", image: ./p.par}]
actors:
  - {name: a, image: "a:latest"}
  - {name: b, image: "b:1.2"}
  - {name: c, image: c}
  - {name: d, image: d}
  - {name: e, image: e}
  - {name: f, image: "f:1"}
  - {name: g, image: g/x.wasm}
  - {name: h, image: "team/h:2"}
  - {name: i, image: i}
  - {name: j, image: "file://`+extra+`/a.wasm"}
  - {name: k, image: "registry.example.com/a:1"}
`, extra)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"a.wasm", "b_1.2.wasm", "c/c.wasm", "d/build/d_s.wasm", "e/build/e.wasm", "more/f_s.wasm",
		"g/x.wasm", "team/h.wasm"}
	for i, a := range f.Actors {
		expect := ""
		switch {
		case i < len(want):
			expect = filepath.Join(dir, want[i])
		case a.Name == "i":
			expect = filepath.Join(extra, "i.wasm")
		case a.Name == "j":
			expect = filepath.Join(extra, "a.wasm")
		default:
			expect = a.Image
		}
		if a.Ref != expect {
			t.Errorf("%s: %s, want %s", a.Name, a.Ref, expect)
		}
	}
	if f.Providers[0].Ref != filepath.Join(dir, "p.par") || f.Host.NATSCreds != filepath.Join(dir, "x.creds") {
		t.Errorf("%+v", f)
	}
}

// A file that is not there is told with the actor or provider that wants it, and found when it is there later; only
// what the host itself needs keeps the node from starting.
func TestLocateNothing(t *testing.T) {
	dir := tree(t, "x/.keep")
	f, err := load(t, dir, `
actor_dirs: [x]
providers:
  - {name: "acme:p", image: p.par}
actors:
  - {name: a, image: "a:1"}
  - {name: b, image: ./b.wasm}
  - {name: c, image: "registry.example.com/c:1"}
`)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct{ missing, words string }{{f.Providers[0].Missing, "there is no file for p.par"},
		{f.Providers[0].Missing, filepath.Join(dir, "p.par")},
		{f.Actors[0].Missing, "there is no file for a:1"}, {f.Actors[0].Missing, filepath.Join(dir, "a_1.wasm")},
		{f.Actors[0].Missing, filepath.Join(dir, "x", "a", "build", "a.wasm")},
		{f.Actors[1].Missing, filepath.Join(dir, "b.wasm")}} {
		if !strings.Contains(want.missing, want.words) {
			t.Errorf("lacks %q: %s", want.words, want.missing)
		}
	}
	if f.Actors[2].Missing != "" {
		t.Errorf("a reference of a registry: %s", f.Actors[2].Missing)
	}
	for _, name := range []string{"p.par", "x/a.wasm", "b.wasm"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Locate(); err != nil || f.Providers[0].Missing+f.Actors[0].Missing+f.Actors[1].Missing != "" ||
		f.Actors[0].Ref != filepath.Join(dir, "x", "a.wasm") {
		t.Errorf("once they are there: %v, %+v %+v", err, f.Providers, f.Actors)
	}
	if _, err := load(t, dir, "weft: {nats_creds: no.creds}\n"); !errors.Is(err, lattice.ErrInvalid) ||
		!strings.Contains(err.Error(), filepath.Join(dir, "no.creds")) {
		t.Errorf("credentials that are not there: %v", err)
	}
	if _, err := nodefile.Load(filepath.Join(dir, "no.yaml")); !errors.Is(err, lattice.ErrNotFound) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := nodefile.Load(dir); !errors.Is(err, lattice.ErrInvalid) || !strings.Contains(err.Error(),
		"it is a folder") {
		t.Errorf("folder: %v", err)
	}
	if _, err := load(t, dir, strings.Repeat("#", nodefile.MaxBytes+1)); err == nil || !strings.Contains(err.Error(),
		"larger") {
		t.Errorf("large file: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	paths, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil || len(paths) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := nodefile.Parse("", data)
		var p *nodefile.Problems
		switch {
		case err == nil:
			if _, err := json.Marshal(file); err != nil {
				t.Error(err)
			}
			for _, a := range file.Actors {
				if a.Name == "" || a.Image == "" || a.Ref == "" || a.Replicas < 0 {
					t.Errorf("incomplete: %+v", a)
				}
			}
			for _, p := range file.Providers {
				if p.Name == "" || p.Contract == "" || p.Ref == "" {
					t.Errorf("incomplete: %+v", p)
				}
			}
		case !errors.As(err, &p) || len(p.List) == 0 || err.Error() == "":
			t.Errorf("error %#v", err)
		}
	})
}
