package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// processing puts load on everything: httpserver on one host calls the actor on two, which call keyvalue-nats on two.
func (r *rig) processing() *load {
	r.t.Helper()
	r.weft("provider", "start", "httpserver", "--host", "a")
	for _, h := range []string{"a", "b"} {
		r.weft("provider", "start", "keyvalue-nats", "--host", h)
	}
	r.actor(module("edge-data-processor"), "--max", "16", "--spread")
	url := r.web("edge-data-processor")
	r.weft("link", "put", "edge-data-processor", "keyvalue-nats")
	return startLoad(r.t, 40, func(n int) (string, string, []byte) {
		return "POST", url + "/process", fmt.Appendf(nil, "payload %d", n)
	}, wantStatus(200))
}

// writeSeed writes a key file.
func (r *rig) writeSeed(name string, k signing.KeyPair) string {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.WriteFile(path, []byte(k.Seed()+"\n"), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return path
}

// The cluster key of two machines is rotated under load by the command that runs on both. No request fails, and what
// the old key signs is refused afterwards.
func TestRotateClusterKey(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	files := map[string]string{}
	for _, name := range []string{"a", "b"} {
		files[name] = r.writeSeed("cluster-"+name+".nk", r.cluster)
		r.hosts([]string{name}, "--cluster-seed-file", files[name])
	}
	load := r.processing()
	load.more(50)

	old, next := r.cluster, newKey(t, signing.KindCluster)
	fresh := r.writeSeed("new.nk", next)
	// One machine alone gets as far as it can, and says who is missing.
	r.fails(4, "b do not trust the new key yet", "key", "rotate", "cluster", "--file", files["a"], "--new", fresh,
		"--hosts", "2", "--timeout", "3s")
	load.more(50)
	var wg sync.WaitGroup
	begun := time.Now()
	for name, file := range files {
		wg.Go(func() {
			res := r.try("key", "rotate", "cluster", "--file", file, "--new", fresh, "--hosts", "2")
			if res.code != 0 || !strings.Contains(res.out, "cluster key "+next.Public()) {
				t.Errorf("on %s: %v", name, res)
			}
		})
	}
	wg.Wait()
	t.Logf("rotated in %v", time.Since(begun).Round(time.Millisecond))
	load.more(100)
	load.stop().flawless(t, 300)

	for name, file := range files {
		text, err := os.ReadFile(file)
		if err != nil || string(text) != next.Seed()+"\n" {
			t.Errorf("%s keeps more than the new key: %v", name, err)
		}
	}
	res := r.tryWith([]string{"WEFT_CLUSTER_SEED=" + old.Seed()}, "call", "edge-data-processor", "Any.Op", "1", "-o",
		"json")
	if res.code != 5 || !strings.Contains(res.errout, `"code":"unknown_issuer"`) {
		t.Errorf("signed with the old key: %v", res)
	}
	r.cluster = next
	if _, err := r.call(lattice.ActorID(get[[]struct{ ID string }](r, "actor", "list")[0].ID), "Any.Op",
		nil); lattice.CodeOf(err) == lattice.ErrUnknownIssuer {
		t.Errorf("signed with the new key: %v", err)
	}
	r.fails(1, "nothing is left to do", "key", "rotate", "cluster", "--file", files["a"], "--new", fresh)
}

// The NATS credentials of two hosts and their providers are replaced under load. No request fails, and no connection
// uses the old ones afterwards.
func TestRotateCredentials(t *testing.T) {
	t.Parallel()
	r := newForeignRig(t, newSecureNATS(t))
	creds := filepath.Join(r.dir, "hosts.creds")
	user := r.secure.user(creds)
	hosts := r.hosts([]string{"a", "b"}, "--creds", creds)
	load := r.processing()
	load.more(50)
	for round := range 2 {
		before := user
		if n := len(r.secure.connected(before)); n < 7 { // 2 × 2 of hosts, 3 of providers
			t.Fatalf("only %d connections: %v", n, r.secure.connected(before))
		}
		user = r.secure.user(creds)
		if round == 0 {
			out := r.weft("host", "reload", "--all")
			if strings.Count(out, "NATS credentials") != 2 {
				t.Errorf("reloaded: %s", out)
			}
		} else { // the way of service managers
			for _, h := range hosts {
				if err := h.hangUp(); err != nil {
					t.Fatal(err)
				}
			}
		}
		latticetest.Eventually(t, func() error {
			if left := r.secure.connected(before); len(left) > 0 {
				return fmt.Errorf("still with the old credentials: %v", left)
			}
			return nil
		})
		load.more(50)
	}
	if names := r.secure.connected(user); !slices.Contains(names, "provider httpserver") ||
		!slices.Contains(names, "weft a ctl") {
		t.Errorf("connected are %v", names)
	}
	load.stop().flawless(t, 150)
	if out := r.weft("host", "reload", "a"); !strings.Contains(out, "nothing has changed") {
		t.Errorf("reloaded again: %s", out)
	}
}

// An actor passes from one account to another by an update, under load: the rules let both in for a while, and in the
// end the old one no more.
func TestRotateAccountKey(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	old := get[struct{ Public string }](r, "key", "gen", "account").Public
	next := get[struct{ Public string }](r, "key", "gen", "account", "--name", "next").Public
	rules := filepath.Join(r.dir, "rules.yaml")
	var hosts []*host
	permit := func(accounts ...string) { // and waits until the hosts, if there are some, go by it
		t.Helper()
		before := map[*host]float64{}
		for _, h := range hosts {
			before[h] = h.metric("weft_policy_rules_reads_total", `"ok"`)
		}
		text := "default: allow\nrules:\n  - allow: start_actor\n    issuer: [" + strings.Join(accounts, ", ") +
			"]\n  - deny: start_actor\n"
		if err := os.WriteFile(rules, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, h := range hosts {
			latticetest.Eventually(t, func() error {
				if h.metric("weft_policy_rules_reads_total", `"ok"`) == before[h] {
					return errors.New("the new rules are not in force on " + h.Name)
				}
				return nil
			})
		}
	}
	permit(old)
	hosts = r.hosts([]string{"a", "b"}, "--policy-file", rules)
	r.weft("provider", "start", "httpserver", "--host", "a")
	r.actor(module("guest"), "--max", "16", "--spread")
	url := r.web("guest")
	load := startLoad(t, 100, gets(url+"/sleep?ms=10"), wantStatus(200))
	load.more(50)
	update := func(revision int, account string) result {
		return r.try("actor", "update", "guest", module(guest(revision)), "--account", account, "--rev",
			strconv.Itoa(revision))
	}
	if res := update(2, "next"); res.code != 5 {
		t.Errorf("an account that nobody knows: %v", res)
	}
	permit(old, next)
	if res := update(2, "next"); res.code != 0 {
		t.Error(res)
	}
	load.more(50)
	permit(next)
	if res := update(3, "default"); res.code != 5 {
		t.Errorf("the old account: %v", res)
	}
	r.weft("actor", "scale", "guest", "--max", "20", "--spread")
	load.more(50)
	load.stop().flawless(t, 150)
	status, body := fetch(t, "GET", url+"/sleep?ms=1", nil)
	if status != 200 || body != "2" {
		t.Errorf("it runs version %q", body)
	}
}

// A host whose token file is replaced uses the new token from the next time that it reconnects or reloads, and so do
// its providers: the old one may be revoked. A file that is broken, or for no host, is told by the reload and changes
// nothing.
func TestReplacedTokenFile(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	h := r.host("a")
	r.weft("provider", "start", "httpserver", "--host", "a")
	r.actor(module("guest"), "--host", "a")
	url := r.web("guest")
	want(t, "GET", url+"/", nil, 200, "")
	file := r.tokens["a"]
	replace := func(text string) {
		next := file + ".next"
		if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, file); err != nil {
			t.Fatal(err)
		}
	}
	serves := func(when string) {
		t.Helper()
		latticetest.Eventually(t, func() error {
			if status, _, err := request("GET", url+"/", nil); err != nil || status != 200 {
				return fmt.Errorf("%s: %d %v", when, status, err)
			}
			// Over NATS, from elsewhere, as whom NATS lets in now.
			if status, body, err := request("GET", "http://"+h.HTTPAddr+"/readyz", nil); err != nil || status != 200 {
				return fmt.Errorf("%s: readiness %d %s %v", when, status, body, err)
			}
			return nil
		})
	}
	revoke := func(name string) {
		if res := r.run(r.serverEnv(), "token", "revoke", name); res.code != 0 {
			t.Fatal(res)
		}
	}
	replace("weft1_")
	r.fails(2, "cut off", "host", "reload", "a")
	replace(string(readFile(t, r.tokens[operatorToken])))
	r.fails(5, "does not give the role host", "host", "reload", "a")
	serves("after broken files")

	r.newToken("second")
	replace(string(readFile(t, r.tokens["second"])))
	if out := r.weft("host", "reload", "a"); !strings.Contains(out, "NATS credentials") {
		t.Errorf("host reload: %s", out)
	}
	revoke("a")
	serves("after a reload")

	r.newToken("third")
	replace(string(readFile(t, r.tokens["third"])))
	revoke("second") // NATS shows the host out, which comes back by itself
	latticetest.Eventually(t, func() error {
		if !strings.Contains(grep(tail(h.stderr, 1<<20), "msg=reloaded"), "NATS credentials") {
			return fmt.Errorf("the host has not taken over the third token: %s", tail(h.stderr, 4<<10))
		}
		if n := strings.Count(tail(h.stderr, 1<<20), `changed="NATS credentials"`); n < 2 {
			return fmt.Errorf("taken over %d times", n)
		}
		return nil
	})
	serves("after a reconnect")
	r.weft("link", "list")
	r.weft("actor", "stop", "guest")
}
