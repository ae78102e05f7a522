package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/weftlattice/weft/internal/join"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice/signing"
)

// station is a lattice that "weft up -d" runs.
type station struct {
	PID      int    `json:"pid"`
	Lattice  string `json:"lattice"`
	NATSURL  string `json:"nats_url"`
	HostID   string `json:"host_id"`
	Host     string `json:"host"`
	HTTPAddr string `json:"http_addr"`
	Log      string `json:"log"`

	raw []byte // all that weft up printed
}

// up starts a lattice in the background, on ports of its own. It ends with the test at the latest.
func (r *rig) up(args ...string) station {
	r.t.Helper()
	var s station
	s.raw = get[json.RawMessage](r, append([]string{"up", "-d", "--nats-port", "-1", "--http-addr", "127.0.0.1:0"},
		args...)...)
	if err := json.Unmarshal(s.raw, &s); err != nil {
		r.t.Fatal(err)
	}
	if s.PID <= 1 {
		r.t.Fatalf("weft up: %+v", s)
	}
	keeper.hold(s.PID)
	r.t.Cleanup(func() {
		defer keeper.release(s.PID)
		if f := s.family(); f.gone() != nil {
			_ = r.try("down")
			if err := latticetest.Await(f.gone); err != nil {
				r.t.Errorf("after weft down: %v", err)
				f.kill()
			}
		}
		if r.t.Failed() {
			r.t.Logf("---- end of the log of weft up\n%s", tail(s.Log, 8<<10))
		}
	})
	return s
}

// family is the process and all below it.
func (s station) family() family {
	own, ok := readStat(s.PID)
	if !ok {
		return nil
	}
	return append(descendants(s.PID), relative{s.PID, own.start, "weft up"})
}

// A stranger's first lattice: up, an actor with HTTP and a store, down; all in the background and without a flag that
// says where anything is. Keys, links and stored values outlast both down and a crash.
func TestUpAndDown(t *testing.T) {
	t.Parallel()
	r := newStation(t)
	r.fails(7, "weft up", "host", "list", "--nats-url", "nats://127.0.0.1:1")
	s := r.up()
	if s.Lattice != "default" || !strings.HasPrefix(s.NATSURL, "nats://127.0.0.1:") ||
		!strings.HasPrefix(s.HostID, "N") {
		t.Errorf("weft up: %+v", s)
	}
	apply := func() {
		r.weft("provider", "start", "httpserver")
		r.weft("provider", "start", "keyvalue-nats")
		r.weft("actor", "start", module("edge-data-processor"), "--max", "2")
	}
	apply()
	r.weft("link", "put", "edge-data-processor", "keyvalue-nats")
	url := r.web("edge-data-processor")
	want(t, "POST", url+"/process", []byte("hello"), 200, helloAnswer)
	r.fails(1, "one runs there already", "up", "-d")

	before := s.family()
	if len(before) < 4 { // the host, its guard, two providers
		t.Errorf("processes: %+v", before)
	}
	r.weft("down")
	latticetest.Eventually(t, before.gone)
	r.fails(3, "", "down")

	second := r.up()
	if second.HostID != s.HostID {
		t.Errorf("the host was %s and is now %s", s.HostID, second.HostID)
	}
	apply() // the links are still there
	want(t, "GET", url+"/cache/"+helloHash, nil, 200, helloAnswer)

	crashed := second.family()
	if err := syscall.Kill(second.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	latticetest.Eventually(t, crashed.gone)
	r.fails(3, "", "down")
	r.up()
	apply()
	want(t, "GET", url+"/cache/"+helloHash, nil, 200, helloAnswer)
}

// nodeFile is the configuration of an edge node as its owners write it, with the ports of the test.
const nodeFile = `wasmcloud:
  host_id: "edge-node-1"
  cluster_seed: "edge-cluster-seed"
  lattice_rpc_prefix: "wasmcloud"
  lattice_rpc_timeout: 2000
  enable_structured_logging: true
providers:
  - name: "wasmcloud:keyvalue"
    image: "wasmcloud.azurecr.io/kvredis:0.19.0"
    config: {url: "REDIS"}
  - name: "wasmcloud:httpserver"
    image: "wasmcloud.azurecr.io/httpserver:0.19.0"
    config: {port: PORT, address: "0.0.0.0"}
actors:
  - name: "edge-data-processor"
    image: "edge-data-processor:latest"
    replicas: 3
    config: {endpoint: "https://api.example.com", timeout: 30, retry_count: 3}
`

// The configuration file of a node is accepted as it stands, also inside of a Kubernetes ConfigMap.
func TestUpWithNodeFile(t *testing.T) {
	t.Parallel()
	for _, form := range []string{"plain", "ConfigMap"} {
		t.Run(form, func(t *testing.T) {
			r := newStation(t)
			redis := r.redis()
			port := freePort(t)
			text := strings.NewReplacer("REDIS", redis.url(), "PORT", strconv.Itoa(port)).Replace(nodeFile)
			if form == "ConfigMap" {
				text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: edge\ndata:\n  config.yaml: |\n    " +
					strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ") + "\n"
			}
			file := filepath.Join(r.dir, "node.yaml")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(r.dir, "edge-data-processor.wasm"),
				readFile(t, module("edge-data-processor")), 0o600); err != nil {
				t.Fatal(err)
			}
			s := r.up("-f", file)
			if s.Lattice != "wasmcloud" {
				t.Errorf("weft up -f: %+v", s)
			}
			url := "http://" + local(port)
			want(t, "GET", url+"/health", nil, 200, `{"status":"healthy"}`)
			want(t, "POST", url+"/process", []byte("hello"), 200, helloAnswer)
			if n := redis.do("EXISTS", "edge:"+helloHash); n != "1" {
				t.Errorf("nothing is in Redis")
			}
			actors := get[[]struct {
				Max uint32 `json:"max_instances"`
			}](r, "actor", "list")
			if len(actors) != 1 || actors[0].Max != 3 {
				t.Errorf("actor list: %+v", actors)
			}
			log := tail(s.Log, 1<<20)
			if !strings.Contains(log, "host_id") || !strings.Contains(log, "cluster_seed") ||
				!strings.Contains(log, "weft key gen") {
				t.Errorf("no warning how to make real keys: %s", log)
			}
			if strings.Contains(log, "edge-cluster-seed") {
				t.Error("the log shows the cluster's secret")
			}
			for line := range strings.Lines(log) {
				if strings.Contains(line, "host is ready") && !json.Valid([]byte(line)) {
					t.Errorf("enable_structured_logging, but the log has %s", line)
				}
			}
			r.weft("down")
		})
	}
}

// A node that was started from a file that names the cluster's key: on that machine calls are signed with it, a second
// host uses it, and a token carries it, all without a flag. No other key is made.
func TestClusterKeyOfANodeFileIsTheMachines(t *testing.T) {
	t.Parallel()
	r := newStation(t)
	file := filepath.Join(r.dir, "node.yaml")
	text := "wasmcloud: {cluster_seed: edge-cluster-seed, lattice_rpc_prefix: site}\nactors: [{name: " +
		"edge-data-processor, image: " + module("edge-data-processor") + "}]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r.up("-f", file, "--nats-auth")
	second := launch(t, r.dir, "second", r.env("WEFT_DATA_DIR="+filepath.Join(r.dir, "operator")), bin.weft, "host",
		"run", "--name", "second", "--http-addr", "127.0.0.1:0")
	type inventory struct {
		Name   string `json:"friendly_name"`
		Issuer string `json:"issuer"`
	}
	var hosts []inventory
	latticetest.Eventually(t, func() error {
		if hosts = get[[]inventory](r, "host", "inspect"); len(hosts) != 2 {
			return fmt.Errorf("hosts: %+v; the second says %s", hosts, tail(second.stderr, 2<<10))
		}
		return nil
	})
	if hosts[0].Issuer != hosts[1].Issuer {
		t.Errorf("two cluster keys: %+v", hosts)
	}
	call := func(host string) {
		out := r.weft("call", "edge-data-processor", "HttpServer.HandleRequest",
			`{"method":"GET","path":"/health","queryString":"","header":{},"body":""}`)
		if !strings.Contains(out, `"statusCode": 200`) {
			t.Errorf("call on %s: %s", host, out)
		}
	}
	call("first")
	r.weft("actor", "stop", "edge-data-processor")
	r.weft("actor", "start", module("edge-data-processor"), "--host", "second")
	call("second")
	token, err := join.Decode(r.weft("token", "create"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := signing.FromSeed(token.ClusterSeed)
	if err != nil || key.Public() != hosts[0].Issuer {
		t.Errorf("the token carries cluster key %s (%v), the host has %s", key.Public(), err, hosts[0].Issuer)
	}
	if keys := r.weft("key", "list"); strings.Contains(keys, "cluster") {
		t.Errorf("another cluster key was made:\n%s", keys)
	}
	// The file is where the key is from, also when it is broken.
	if err := os.WriteFile(file, []byte("wasmcloud: {cluster_seed: ["), 0o600); err != nil {
		t.Fatal(err)
	}
	r.fails(2, "the lattice site that runs here has its cluster key from a file; give --cluster-seed-file, or mend it",
		"call", "edge-data-processor", "HttpServer.HandleRequest")
}

// upFailures are what "weft up -f" could not start.
func (r *rig) upFailures(file string) (s station, failed []string) {
	r.t.Helper()
	applied := struct {
		Applied struct {
			Failed []string `json:"failed"`
		} `json:"applied"`
	}{}
	s = r.up("-f", file)
	if err := json.Unmarshal(s.raw, &applied); err != nil {
		r.t.Fatal(err)
	}
	return s, applied.Applied.Failed
}

// What is broken or missing in a file keeps nothing else from starting: it is told with its line, tried again, and
// there once it is mended. What an operator changes meanwhile stays.
func TestBrokenThingsOfANodeFileKeepNothingElseDown(t *testing.T) {
	t.Parallel()
	r := newStation(t)
	port := freePort(t)
	file := filepath.Join(r.dir, "node.yaml")
	write := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(r.dir, name), data, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	text := `providers:
  - {name: httpserver, config: {port: ` + strconv.Itoa(port) + `}}
  - {name: "acme:broken", image: ./broken.par}
  - {name: "acme:missing", image: ./missing.par}
actors:
  - {name: away, image: "127.0.0.1:1/away:1", links: []}
  - {name: missing, image: "missing:latest", links: ["acme:missing"]}
  - {name: broken, image: broken.wasm, links: []}
  - {name: good, image: good.wasm, replicas: 2, links: [httpserver]}
`
	write("node.yaml", []byte(text))
	write("broken.par", []byte("no archive, and nothing that runs"))
	write("broken.wasm", []byte("\x00asm\x01\x00\x00\x00\xff"))
	write("good.wasm", readFile(t, module("edge-data-processor")))
	_, failed := r.upFailures(file)
	want(t, "GET", "http://"+local(port)+"/health", nil, 200, `{"status":"healthy"}`)
	for i, words := range []string{"line 3: provider acme:broken: ",
		"line 4: provider acme:missing: there is no file for ./missing.par", "line 6: actor away: ",
		"line 7: actor missing: there is no file for missing:latest", "line 8: actor broken: "} {
		if len(failed) != 5 || !strings.HasPrefix(failed[i], words) {
			t.Fatalf("want %q; weft up says:\n%s", words, strings.Join(failed, "\n"))
		}
	}
	r.weft("actor", "scale", "good", "--max", "5")

	write("broken.par", readFile(t, bin.greeter))
	write("missing.par", readFile(t, bin.greeter))
	write("missing.wasm", readFile(t, module("guest")))
	write("broken.wasm", readFile(t, module("echo")))
	write("away.wasm", readFile(t, module("ponger")))
	write("node.yaml", []byte(strings.Replace(text, "127.0.0.1:1/away:1", "away.wasm", 1)))
	latticetest.Eventually(t, func() error {
		actors, providers, links := r.weft("actor", "list"), r.weft("provider", "list"), r.weft("link", "list")
		for _, name := range []string{"away", "missing", "broken", "good"} {
			if !strings.Contains(actors, name) {
				return fmt.Errorf("no actor %s:\n%s", name, actors)
			}
		}
		if !strings.Contains(providers, "acme:broken") || !strings.Contains(providers, "acme:missing") ||
			strings.Count(links, "active") != 2 {
			return fmt.Errorf("providers:\n%s\nlinks:\n%s", providers, links)
		}
		return nil
	})
	for _, a := range get[[]started](r, "actor", "list") {
		if a.Name == "good" && a.Max != 5 {
			t.Errorf("the operator's scale of 5 became %d", a.Max)
		}
	}
}

// An actor that takes another's place in the file takes its address, too; links that the file did not make stay.
func TestActorReplacedInANodeFileTakesTheAddress(t *testing.T) {
	t.Parallel()
	r := newStation(t)
	file, url := filepath.Join(r.dir, "node.yaml"), ""
	port := freePort(t)
	url = "http://" + local(port)
	up := func(actor, image string) {
		t.Helper()
		text := fmt.Sprintf("providers:\n  - {name: httpserver, config: {port: %d}}\nactors:\n  - {name: %s, image: "+
			"%s.wasm}\n", port, actor, image)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, failed := r.upFailures(file); len(failed) > 0 {
			t.Errorf("weft up with %s: %s", actor, strings.Join(failed, "\n"))
		}
	}
	for _, name := range []string{"edge-data-processor", "guest"} {
		if err := os.WriteFile(filepath.Join(r.dir, name+".wasm"), readFile(t, module(name)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	up("first", "edge-data-processor")
	want(t, "GET", url+"/health", nil, 200, `{"status":"healthy"}`)
	r.weft("actor", "start", module("echo"))
	r.weft("provider", "start", "keyvalue-nats")
	r.weft("actor", "start", module("kvcounter"))
	r.weft("link", "put", "kvcounter", "keyvalue-nats")
	r.weft("down")

	up("second", "guest") // another name
	want(t, "GET", url+"/hello", nil, 200, "")
	list := r.weft("link", "list")
	if strings.Count(list, "httpserver") != 2 || !strings.Contains(list, "kvcounter") {
		t.Errorf("link list:\n%s", list)
	}
	r.weft("down")

	up("second", "edge-data-processor") // another module under the name
	want(t, "GET", url+"/health", nil, 200, `{"status":"healthy"}`)
	r.weft("down")
}

// What is wrong in a file is told with its lines, all at once, before anything is started.
func TestBrokenNodeFile(t *testing.T) {
	t.Parallel()
	r := newStation(t)
	file := filepath.Join(r.dir, "node.yaml")
	text := strings.NewReplacer("PORT", "8080", "replicas: 3", "replicas: many", "lattice_rpc_timeout",
		"lattice_rpc_timeouts",
		"    config: {endpoint", "    links: [nobody]\n    config: {endpoint").Replace(nodeFile)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	res := r.try("up", "-d", "-f", file, "--nats-port", "-1", "--http-addr", "127.0.0.1:0")
	if res.code != 2 {
		t.Error(res)
	}
	for line, word := range map[int]string{5: "lattice_rpc_timeouts", 17: "replicas", 18: "nobody"} {
		if !strings.Contains(res.errout, fmt.Sprintf("line %d", line)) || !strings.Contains(res.errout, word) {
			t.Errorf("no word of %s in line %d\n%s", word, line, res)
		}
	}
	r.fails(3, "", "down")
	r.fails(3, "missing.yaml", "up", "-d", "-f", "missing.yaml", "--nats-port", "-1")
}
