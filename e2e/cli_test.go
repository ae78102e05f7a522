package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/signing"
)

// The operator's commands against a live lattice.
func TestOperate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.hosts([]string{"alpha-1", "alpha-2"}, "--label", "zone=edge")
	watch := launch(t, r.dir, "events", append(r.env(), "WEFT_DATA_DIR="+r.dir+"/operator"), bin.weft, "events", "-o",
		"json")
	readable := launch(t, r.dir, "events-text", append(r.env(), "WEFT_DATA_DIR="+r.dir+"/operator"), bin.weft, "events")
	latticetest.Eventually(t, func() error { // both watch, when a label's change is seen
		r.weft("host", "label", "alpha-1", "tier=gold")
		r.weft("host", "label", "alpha-1", "--delete", "tier")
		if !strings.Contains(tail(watch.stdout, 1<<20), "host_heartbeat") ||
			!strings.Contains(tail(readable.stdout, 1<<20), "host_heartbeat") {
			return fmt.Errorf("no event yet")
		}
		return nil
	})

	guest := r.actor(module("guest"), "--host", "alpha-1", "--max", "2", "--config", "COLOUR=blue", "--annotation",
		"team=a")
	echo := r.actor(module("echo"), "--constraint", "zone=edge")
	t.Run("call", func(t *testing.T) {
		if out := r.weft("call", "guest", "Guest.Echo", `"hi"`); strings.TrimSpace(out) != "hi" {
			t.Errorf("call: %q", out)
		}
		type response struct {
			StatusCode int    `json:"statusCode"`
			Body       string `json:"body"`
		}
		request := `{"method":"GET","path":"/env","queryString":"name=COLOUR","header":{},"body":{"$bytes":""}}`
		if got := get[response](r, "call", "guest", "HttpServer.HandleRequest", request); got.StatusCode != 200 ||
			got.Body != "blue" {
			t.Errorf("call: %+v", got)
		}
		if got := get[response](r, "call", string(echo)[:10], "HttpServer.HandleRequest",
			strings.Replace(request, "/env", "/x", 1)); !strings.Contains(got.Body, `"path":"/x"`) {
			t.Errorf("call by the beginning of an id: %+v", got)
		}
		r.fails(1, "", "call", "guest", "Guest.Nothing")
		r.fails(3, "gest", "call", "gest", "Guest.Echo")
		r.fails(2, "", "call", "guest", "Guest.Echo", "{not json")
		r.fails(7, "", "call", newKey(t, signing.KindModule).Public(), "Guest.Echo") // nobody runs it
	})
	t.Run("lists", func(t *testing.T) {
		var list []struct {
			ID   string `yaml:"id"`
			Name string `yaml:"name"`
			Host string `yaml:"host"`
			Max  int    `yaml:"max_instances"`
		}
		out := r.weft("actor", "list", "-o", "yaml")
		if err := yaml.Unmarshal([]byte(out), &list); err != nil || len(list) != 2 || list[1].ID != string(guest) ||
			list[1].Host != "alpha-1" || list[1].Max != 2 {
			t.Errorf("actor list -o yaml: %v, %+v\n%s", err, list, out)
		}
		if out := r.weft("actor", "list"); !strings.HasPrefix(out, "NAME") || !strings.Contains(out, "guest") {
			t.Errorf("actor list: %s", out)
		}
		if out := r.weft("get", "hosts", "-o", "json"); !json.Valid([]byte(out)) || !strings.Contains(out, "alpha-2") {
			t.Errorf("get hosts: %s", out)
		}
	})
	t.Run("names", func(t *testing.T) {
		r.fails(3, "guest", "actor", "inspect", "gue") // names are meant whole
		r.weft("actor", "inspect", strings.ToLower(string(guest)[:9]))
		r.fails(3, "alpha-1", "host", "inspect", "alpha")
		r.fails(3, "did you mean", "actor", "inspect", "guset")
		r.fails(3, "", "link", "put", "guest", "htpserver", "port=1")
	})
	t.Run("wrong input", func(t *testing.T) {
		r.fails(2, "unknown command", "actr")
		r.fails(2, "missing argument", "actor", "start")
		r.fails(2, "key=value", "link", "put", "guest", "httpserver", "port=1", "path:/x")
		// that is no contract of its
		r.fails(2, "wasmcloud:httpserver", "link", "put", "guest", "httpserver", "port:8080")
		r.fails(2, "--max", "actor", "start", module("echo"), "--max", "lots")
		r.fails(2, "json or yaml", "host", "list", "-o", "xml")
		r.fails(3, "nowhere.wasm", "actor", "start", "./nowhere.wasm")
		r.fails(3, "", "actor", "start", "lattice://guest@sha256:"+strings.Repeat("0", 64))
		r.fails(3, "", "actor", "start", module("echo"), "--host", "gamma")
		res := r.try("actor", "stop", "nobody", "-o", "json")
		var failure struct {
			Success bool
			Error   struct{ Code, Message string }
		}
		if err := json.Unmarshal([]byte(res.errout), &failure); err != nil || res.code != 3 || failure.Success ||
			failure.Error.Code != "not_found" || failure.Error.Message == "" || res.out != "" {
			t.Errorf("an error in JSON: %v\n%s", err, res)
		}
		r.fails(3, "zone:moon", "actor", "start", module("echo"), "--constraint", "zone=moon")
	})
	t.Run("events", func(t *testing.T) {
		r.weft("actor", "stop", "echo")
		latticetest.Eventually(t, func() error {
			seen := map[string]bool{}
			for line := range strings.Lines(tail(watch.stdout, 1<<20)) {
				e, err := event.DecodeEvent([]byte(line))
				if err != nil {
					return err
				}
				seen[e.Name()] = true
			}
			for _, name := range []string{"actor_started", "actors_started", "actor_scaled", "actor_stopped",
				"actors_stopped", "host_heartbeat"} {
				if !seen[name] {
					return fmt.Errorf("no event %s among %v", name, seen)
				}
			}
			if text := tail(readable.stdout, 1<<20); !strings.Contains(text, "actor_stopped") ||
				strings.Contains(text, "{") {
				return fmt.Errorf("events for people: %s", text)
			}
			return nil
		})
	})
	t.Run("drain", func(t *testing.T) {
		r.weft("host", "drain", "alpha-1")
		latticetest.Eventually(t, func() error {
			for _, a := range get[[]struct{ Host string }](r, "actor", "list") {
				if a.Host == "alpha-1" {
					return fmt.Errorf("an actor runs on the drained host")
				}
			}
			return nil
		})
		r.weft("host", "stop", "alpha-2")
	})
}

// Keys are made on first use and never shown unasked; modules are signed and inspected without a lattice.
func TestKeysAndSignatures(t *testing.T) {
	t.Parallel()
	r := newStation(t)
	data := filepath.Join(r.dir, "operator")
	type keyView struct {
		Kind   string `json:"kind"`
		Name   string `json:"name"`
		Public string `json:"public"`
		Seed   string `json:"seed"`
	}
	cluster := get[keyView](r, "key", "gen", "cluster", "--name", "site")
	if !strings.HasPrefix(cluster.Public, "C") || cluster.Seed != "" {
		t.Errorf("key gen: %+v", cluster)
	}
	seed := strings.TrimSpace(r.weft("key", "show", "cluster/site", "--seed"))
	if !strings.HasPrefix(seed, "SC") || len(seed) != 58 {
		t.Errorf("key show --seed: %q", seed)
	}
	if out := r.weft("key", "show", "site"); strings.Contains(out, seed) || !strings.Contains(out, cluster.Public) {
		t.Errorf("key show: %s", out)
	}
	r.fails(1, "", "key", "gen", "cluster", "--name", "site") // a key is never overwritten
	r.fails(2, "", "key", "gen", "nonsense")
	r.fails(3, "", "key", "show", "nobody")

	signed := filepath.Join(r.dir, "echo_s.wasm")
	out := get[struct {
		ID   string   `json:"id"`
		Name string   `json:"name"`
		Caps []string `json:"caps"`
		Rev  int      `json:"revision"`
	}](r, "sign", module("echo"), "--out", signed, "--rev", "7")
	if !strings.HasPrefix(out.ID, "M") || out.Name != "echo" || out.Rev != 7 || len(out.Caps) != 1 {
		t.Errorf("sign: %+v", out)
	}
	type fileView struct {
		Kind   string `json:"kind"`
		Trust  string `json:"trust"`
		Claims struct {
			Subject string `json:"subject"`
			Issuer  string `json:"issuer"`
		} `json:"claims"`
		Imports []string `json:"imports"`
		Exports []string `json:"exports"`
	}
	v := get[fileView](r, "inspect", signed)
	if v.Kind != "actor" || v.Trust != "valid" || v.Claims.Subject != out.ID || !strings.HasPrefix(v.Claims.Issuer,
		"A") || !strings.Contains(strings.Join(v.Exports, " "), "__guest_call") {
		t.Errorf("inspect: %+v", v)
	}
	tampered := append(readFile(t, signed), 0, 3, 1, 'x', 1)
	if err := os.WriteFile(signed, tampered, 0o600); err != nil {
		t.Fatal(err)
	}
	if v := get[fileView](r, "inspect", signed); v.Trust != "hash_mismatch" {
		t.Errorf("inspect of a tampered module: %+v", v)
	}
	if v := get[fileView](r, "inspect", module("echo")); v.Trust != "unsigned" {
		t.Errorf("inspect of an unsigned module: %+v", v)
	}

	kinds := map[string]int{}
	for _, k := range get[[]keyView](r, "key", "list") {
		kinds[k.Kind]++
		if k.Seed != "" {
			t.Error("key list shows a seed")
		}
	}
	if kinds["cluster"] != 1 || kinds["account"] != 1 || kinds["module"] != 1 {
		t.Errorf("keys: %v", kinds)
	}
	err := filepath.Walk(filepath.Join(data, "keys"), func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	// One that others can read is refused.
	files, _ := filepath.Glob(filepath.Join(data, "keys", "*", "*"))
	if more, _ := filepath.Glob(filepath.Join(data, "keys", "*.nk")); len(files) == 0 {
		files = more
	}
	for _, f := range files {
		if err := os.Chmod(f, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if res := r.try("sign", module("echo"), "--out", signed); res.code == 0 {
		t.Errorf("signed with keys that everybody can read\n%s", res)
	}
}

// Without NATS everything says so, soon and with its own exit code.
func TestNetworkPulled(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.host("a")
	r.nats.kill()
	for _, args := range [][]string{{"host", "list"}, {"actor", "list"}, {"link", "list"},
		{"actor", "start", module("echo")}, {"provider", "start", "httpserver"},
		{"call", "echo", "X.Y"}, {"logs", "echo"}, {"events"}, {"host", "run", "--http-addr", "", "--name", "b"}} {
		begun := time.Now()
		who := operatorToken
		if strings.HasPrefix(strings.Join(args, " "), "host run") {
			who = "a"
		}
		r.failsAs(who, 7, "NATS at "+r.url(), args...)
		latticetest.Promised(t, "the error of weft "+strings.Join(args, " "), time.Since(begun), 5*time.Second)
	}
	r.startNATS()
	latticetest.Eventually(t, func() error {
		if res := r.try("host", "list", "-o", "json"); !strings.Contains(res.out, `"name": "a"`) {
			return fmt.Errorf("%s", res)
		}
		return nil
	})
}
