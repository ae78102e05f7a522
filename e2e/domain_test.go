package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A leaf node without JetStream, whose hub has it under a domain; both want credentials. A host at the leaf keeps
// everything in the hub's: links, artifacts, keyvalue-nats, large payloads; so do commands, by flag, by environment and
// by a context.
func TestJetStreamDomain(t *testing.T) {
	t.Parallel()
	r := &rig{t: t, dir: t.TempDir(), lattice: "e2e", port: freePort(t), kind: anybody, cluster: newKey(t, 'C')}
	hub, leaf := freePort(t), freePort(t)
	write := func(name, text string) string {
		path := filepath.Join(r.dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	conf := write("hub.conf", fmt.Sprintf(`listen: %q
jetstream: {store_dir: %q, domain: hub}
authorization: {user: someone, password: secret}
leafnodes: {listen: %q, authorization: {user: leaf, password: between}}
`, local(hub), filepath.Join(r.dir, "hub"), local(leaf)))
	launch(t, r.dir, "hub", r.bareEnv(), bin.nats, "-c", conf)
	r.conf = fmt.Sprintf(`listen: %q
authorization: {user: edge, password: secret}
leafnodes: {remotes: [{url: "nats-leaf://leaf:between@%s"}]}
`, local(r.port), local(leaf))
	r.more = []string{"WEFT_NATS_USER=edge", "WEFT_NATS_PASSWORD=secret", "WASMCLOUD_JS_DOMAIN=hub"}
	r.startNATS()
	t.Cleanup(func() { r.nats.close() })
	eventually(t, time.Minute, func() error { // the leaf is connected when the hub's JetStream answers
		return answersThrough("nats://edge:secret@" + local(r.port))
	})
	r.hosts([]string{"a", "b"})
	r.weft("provider", "start", "httpserver", "--host", "a")
	r.weft("provider", "start", "keyvalue-nats", "--host", "b")
	r.actor(module("kvcounter"), "--host", "a", "--max", "4") // pushed to the hub's store, and fetched from there
	r.actor(module("guest"), "--host", "b", "--max", "4")
	r.weft("link", "put", "kvcounter", "keyvalue-nats")
	counter, guest := r.web("kvcounter"), r.web("guest")
	want(t, "GET", counter+"/x", nil, 200, `{"counter":1}`)
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<17) // 2 MiB, to the other host
	if status, body, err := request("POST", guest+"/log", big); err != nil || status != 200 {
		t.Errorf("a large payload: %d %.100s %v", status, body, err)
	}

	// The same without the environment: a flag, and a context of the nats tool.
	r.more = r.more[:2]
	r.fails(7, "JetStream", "artifact", "list")
	r.weft("artifact", "list", "--js-domain", "hub")
	context := write("edge.json", fmt.Sprintf(`{"url":%q,"user":"edge","password":"secret","jetstream_domain":"hub"}`, r.url()))
	res := r.run(r.bareEnv("WEFT_LATTICE=e2e", "WEFT_DATA_DIR="+filepath.Join(r.dir, "operator")), "artifact", "list", "--nats-context", context)
	if res.code != 0 {
		t.Error(res)
	}
	streams := hubStreams(t, "nats://someone:secret@"+local(hub))
	for _, name := range []string{"KV_LATTICEDATA_e2e", "OBJ_WEFT_ARTIFACTS_e2e", "OBJ_e2e", "KV_WEFT_KEYVALUE_e2e"} {
		if !streams[name] {
			t.Errorf("the hub has no %s: %v", name, streams)
		}
	}
}

// answersThrough reports whether the hub's JetStream answers through a leaf node.
func answersThrough(leaf string) error {
	nc, err := nats.Connect(leaf)
	if err != nil {
		return err
	}
	defer nc.Close()
	_, err = nc.Request("$JS.hub.API.INFO", nil, time.Second)
	return err
}

// hubStreams are the streams that a server has.
func hubStreams(t *testing.T, url string) map[string]bool {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	list := js.StreamNames(t.Context())
	for name := range list.Name() {
		names[name] = true
	}
	if list.Err() != nil {
		t.Fatal(list.Err())
	}
	return names
}
