package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weftlattice/weft/internal/grant"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice/subject"
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
	latticetest.Eventually(t, func() error { // the leaf is connected when the hub's JetStream answers
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
	context := write("edge.json", fmt.Sprintf(`{"url":%q,"user":"edge","password":"secret","jetstream_domain":"hub"}`,
		r.url()))
	res := r.run(r.bareEnv("WEFT_LATTICE=e2e", "WEFT_DATA_DIR="+filepath.Join(r.dir, "operator")), "artifact", "list",
		"--nats-context", context)
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

// Two hosts of one lattice whose NATS servers, a hub and its leaf, each have a JetStream of their own: both say in
// their logs, once, that the other keeps the lattice's state elsewhere; "host list" and "host inspect" say it with both
// domains and the way out. With --js-domain that is over. The hosts have the rights of their role and no more.
func TestHostsThatKeepTheLatticeInTwoDomains(t *testing.T) {
	t.Parallel()
	r := &rig{t: t, dir: t.TempDir(), lattice: "e2e", port: freePort(t), kind: anybody, cluster: newKey(t, 'C')}
	hub, leaf := freePort(t), freePort(t)
	control := subject.Control{Prefix: subject.DefaultControlPrefix, Lattice: r.lattice}
	users := fmt.Sprintf("authorization: {users: [%s, %s]}", natsUser(t, "host", grant.Host(control)),
		natsUser(t, "operator", grant.Operator(control)))
	conf := filepath.Join(r.dir, "hub.conf")
	text := fmt.Sprintf("listen: %q\njetstream: {store_dir: %q, domain: hub}\n%s\nleafnodes: {listen: %q, "+
		"authorization: {user: leaf, password: between}}\n",
		local(hub), filepath.Join(r.dir, "hub"), users, local(leaf))
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	launch(t, r.dir, "hub", r.bareEnv(), bin.nats, "-c", conf)
	r.conf = fmt.Sprintf("listen: %q\njetstream: {store_dir: %q, domain: leaf}\n%s\nleafnodes: {remotes: [{url: "+
		"\"nats-leaf://leaf:between@%s\"}]}\n",
		local(r.port), filepath.Join(r.dir, "leaf"), users, local(leaf))
	r.startNATS()
	t.Cleanup(func() { r.nats.close() })
	latticetest.Eventually(t, func() error { // the leaf is connected
		return answersThrough("nats://host:secret@" + local(r.port))
	})
	as := func(user string) { r.more = []string{"WEFT_NATS_USER=" + user, "WEFT_NATS_PASSWORD=secret"} }
	as("host")
	first := r.host("first", "--heartbeat", "1s", "--nats-url", "nats://"+local(hub))
	second := r.host("second", "--heartbeat", "1s")
	warnings := func(h *host) []string {
		b, err := os.ReadFile(h.stderr)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSuffix(grep(string(b), "another JetStream domain"), "\n"), "\n")
	}
	for _, one := range []struct {
		*host
		other, own, its string
	}{{first, "second", "hub", "leaf"}, {second, "first", "leaf", "hub"}} {
		latticetest.Eventually(t, func() error {
			line := warnings(one.host)[0]
			for _, words := range []string{"level=WARN", "other=" + one.other, "its_domain=" + one.its,
				"own_domain=" + one.own, "--js-domain"} {
				if !strings.Contains(line, words) {
					return fmt.Errorf("no %q in the warning of %s: %q", words, one.Name, line)
				}
			}
			return nil
		})
	}
	as("operator")
	const problem = `problem: the hosts keep the lattice's state in different JetStream domains, ` +
		`and each sees only the links and claims of its own (in domain "hub": first; in domain "leaf": second); ` +
		`start all of them with the same --js-domain`
	for _, args := range [][]string{{"host", "list"}, {"host", "inspect", "second"}} {
		if out := r.weft(args...); !strings.Contains(out, problem+"\n") {
			t.Errorf("%v does not say %q:\n%s", args, problem, out)
		}
	}
	if d := r.domains(); d["first"] != "hub" || d["second"] != "leaf" {
		t.Errorf("host list: %v", d)
	}
	time.Sleep(3 * time.Second) // some heartbeats
	for _, h := range []*host{first, second} {
		if all := warnings(h); len(all) != 1 {
			t.Errorf("%s warns %d times", h.Name, len(all))
		}
	}

	second.end()
	as("host")
	third := r.host("third", "--heartbeat", "1s", "--js-domain", "hub")
	as("operator")
	latticetest.Eventually(t, func() error {
		if d := r.domains(); len(d) != 2 || d["first"] != "hub" || d["third"] != "hub" {
			return fmt.Errorf("host list: %v", d)
		}
		return nil
	})
	if out := r.weft("host", "list"); strings.Contains(out, "problem") {
		t.Errorf("host list:\n%s", out)
	}
	if all := warnings(third); all[0] != "" {
		t.Errorf("third warns: %v", all)
	}
}

// Two hosts of one lattice whose NATS servers, a hub and its leaf, each have a JetStream and no domain: both say in
// their logs, once, that the other keeps the lattice's state elsewhere, and so does "host list", with the way out.
func TestHostsThatKeepTheLatticeInTwoJetStreams(t *testing.T) {
	t.Parallel()
	r := &rig{t: t, dir: t.TempDir(), lattice: "e2e", port: freePort(t), kind: anybody, cluster: newKey(t, 'C')}
	hub, leaf := freePort(t), freePort(t)
	conf := filepath.Join(r.dir, "hub.conf")
	text := fmt.Sprintf("listen: %q\njetstream: {store_dir: %q}\nleafnodes: {listen: %q}\n", local(hub),
		filepath.Join(r.dir, "hub"), local(leaf))
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	launch(t, r.dir, "hub", r.bareEnv(), bin.nats, "-c", conf)
	r.conf = fmt.Sprintf("listen: %q\njetstream: {store_dir: %q}\nleafnodes: {remotes: [{url: \"nats-leaf://%s\"}]}\n",
		local(r.port), filepath.Join(r.dir, "leaf"), local(leaf))
	r.startNATS()
	t.Cleanup(func() { r.nats.close() })
	first := r.host("first", "--heartbeat", "1s", "--nats-url", "nats://"+local(hub))
	second := r.host("second", "--heartbeat", "1s")
	for _, one := range []struct {
		*host
		other string
	}{{first, "second"}, {second, "first"}} {
		latticetest.Eventually(t, func() error {
			b, err := os.ReadFile(one.stderr)
			if err != nil {
				return err
			}
			warnings := grep(string(b), "in another JetStream")
			for _, words := range []string{"level=WARN", "other=" + one.other, "its_state_made=", "own_state_made=",
				"--js-domain"} {
				if !strings.Contains(warnings, words) || strings.Count(warnings, "\n") != 1 {
					return fmt.Errorf("want one warning of %s with %q: %q", one.Name, words, warnings)
				}
			}
			return nil
		})
	}
	latticetest.Eventually(t, func() error {
		out := strings.Join(strings.Fields(r.weft("host", "list")), " ")
		for _, words := range []string{"problem: the hosts keep the lattice's state in buckets of different JetStreams",
			": first;", ": second)", "give each NATS server's JetStream a domain"} {
			if !strings.Contains(out, words) {
				return fmt.Errorf("host list does not say %q:\n%s", words, out)
			}
		}
		return nil
	})
}

// Two hosts of one lattice, each with a cluster key of its own: both say in their logs, once, that the key of the other
// is not trusted, and so does "host list", with the way out.
func TestHostsWithClusterKeysOfTheirOwn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first := r.host("first", "--heartbeat", "1s")
	other := filepath.Join(r.dir, "other.nk")
	key := newKey(t, 'C')
	if err := os.WriteFile(other, []byte(key.Seed()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	second := r.host("second", "--heartbeat", "1s", "--cluster-seed-file", other)
	for _, one := range []struct {
		*host
		other, key string
	}{{first, "second", key.Public()}, {second, "first", r.cluster.Public()}} {
		latticetest.Eventually(t, func() error {
			b, err := os.ReadFile(one.stderr)
			if err != nil {
				return err
			}
			warnings := grep(string(b), "another host signs with a cluster key that is not trusted here")
			for _, words := range []string{"level=WARN", "other=" + one.other, "its_key=" + one.key, "--join TOKEN",
				"--cluster-seed-file FILE"} {
				if !strings.Contains(warnings, words) || strings.Count(warnings, "\n") != 1 {
					return fmt.Errorf("want one warning of %s with %q: %q", one.Name, words, warnings)
				}
			}
			return nil
		})
	}
	out := strings.Join(strings.Fields(r.weft("host", "list")), " ")
	for _, words := range []string{"problem: the hosts sign with different cluster keys",
		r.cluster.Public() + ": first", key.Public() + ": second", "--join TOKEN or --cluster-seed-file FILE"} {
		if !strings.Contains(out, words) {
			t.Errorf("host list does not say %q:\n%s", words, out)
		}
	}
}

// domains are the JetStream domains of the hosts by name, as "host list" shows them.
func (r *rig) domains() map[string]string {
	r.t.Helper()
	domains := map[string]string{}
	for _, h := range get[[]struct {
		Name   string `json:"name"`
		Domain string `json:"js_domain"`
	}](r, "host", "list") {
		domains[h.Name] = h.Domain
	}
	return domains
}

// natsUser is a user of a NATS server's configuration with the rights of a role, also towards a domain "hub".
func natsUser(t *testing.T, name string, g grant.Grant) string {
	t.Helper()
	g = g.Join(grant.Inbox("_INBOX", false))
	for _, s := range g.Publish {
		if api, ok := strings.CutPrefix(s, "$JS.API."); ok {
			g.Publish = append(g.Publish, "$JS.hub.API."+api)
		}
	}
	list := func(subjects []string) string {
		b, err := json.Marshal(append([]string{}, subjects...))
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(string(b), `\u003e`, ">")
	}
	return fmt.Sprintf(`{user: %s, password: secret, permissions: {publish: {allow: %s, deny: %s}, subscribe: `+
		`{allow: %s, deny: %s}, allow_responses: %v}}`,
		name, list(g.Publish), list(g.DenyPublish), list(g.Subscribe), list(g.DenySubscribe), g.Respond)
}

// A host that joined with a token, and was told of no domain, learns that of its server; one that was told it is of the
// same mind.
func TestHostsLearnTheDomainOfTheirServer(t *testing.T) {
	t.Parallel()
	r := &rig{t: t, dir: t.TempDir(), lattice: "e2e", port: freePort(t), kind: tokens, tokens: map[string]string{},
		more: []string{"WEFT_JS_DOMAIN=hub"}}
	r.startNATS()
	t.Cleanup(func() { r.nats.close() })
	r.more = nil
	r.newToken(operatorToken, "--role", "operator", "--cluster-key")
	untold := r.host("untold", "--heartbeat", "1s")
	r.host("told", "--heartbeat", "1s", "--js-domain", "hub")
	if d := r.domains(); d["untold"] != "hub" || d["told"] != "hub" {
		t.Errorf("host list: %v", d)
	}
	time.Sleep(3 * time.Second) // some heartbeats
	if b, err := os.ReadFile(untold.stderr); err != nil || strings.Contains(string(b), "domain") {
		t.Errorf("%v:\n%s", err, b)
	}
}
