package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/weftlattice/weft/internal/latticetest"
)

// A put of values that the provider refuses, on any of the hosts that run it, fails and says why. The link that works
// goes on, stored and listed as it was.
func TestRefusedPutLeavesTheWorkingLink(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.hosts([]string{"a", "b"})
	r.weft("provider", "start", "httpserver", "--host", "a")
	r.actor(module("guest"), "--max", "4", "--host", "a")
	url := r.web("guest")
	works := func(after string) {
		t.Helper()
		if status, body, err := request("GET", url+"/hello", nil); err != nil || status != 200 {
			t.Fatalf("after %s: %d %q, %v", after, status, body, err)
		}
	}
	works("the first put")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := strings.TrimPrefix(url, "http://127.0.0.1:")
	foreign := strconv.Itoa(taken.Addr().(*net.TCPAddr).Port)
	for _, c := range []struct {
		exit        int
		says, value string
	}{
		{1, "another process has it", "port=" + foreign}, {2, "did you mean address?", "adress=0.0.0.0"},
		{2, "not supported; let the actor answer OPTIONS", "cors_allowed_origins=*"},
		{2, `want "/v1"`, "path=/v1/*"}, {2, "want a number from 1", "max_in_flight=0"},
		{5, "--files-dir DIR", "config_json={\"tls\":{\"cert_file\":\"/etc/x\",\"priv_key_file\":\"/etc/x\"}}"},
		{2, "there is weft.route", "weft.rout=any"},
	} {
		args := []string{"link", "put", "guest", "httpserver", c.value}
		if !strings.HasPrefix(c.value, "port=") {
			args = append(args, "port="+port)
		}
		r.fails(c.exit, c.says, args...)
		works(c.value)
	}
	r.fails(1, "the link stays as it was", "link", "put", "guest", "httpserver", "port="+foreign)
	if list := r.weft("link", "list"); !strings.Contains(list, "active") || strings.Contains(list, "refused") ||
		strings.Contains(list, "another process has it") {
		t.Errorf("link list, after a put of which nothing is stored:\n%s", list)
	}
	if list := r.weft("link", "list", "-o", "json"); !strings.Contains(list, `"port": "`+port+`"`) ||
		strings.Contains(list, `"port": "`+foreign+`"`) {
		t.Errorf("the values stored are not those that work:\n%s", list)
	}
	// The stored values are the old ones: they hold after a restart of the provider.
	r.weft("provider", "stop", "httpserver")
	r.weft("provider", "start", "httpserver", "--host", "a")
	latticetest.Eventually(t, func() error { _, _, err := request("GET", url+"/hello", nil); return err })
	works("a restart of the provider")
}

// A provider takes the place of another one of its contract once it serves, and not a request fails; what it refuses,
// or one that does not run, takes nothing.
func TestProviderTakesAnothersPlaceOnceItServes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	redis := r.redis()
	r.hosts([]string{"a", "b"})
	r.weft("provider", "start", "httpserver", "--host", "a")
	r.weft("provider", "start", "keyvalue-nats", "--host", "a")
	r.actor(module("edge-data-processor"), "--max", "8", "--spread")
	url := r.web("edge-data-processor")
	r.weft("link", "put", "edge-data-processor", "keyvalue-nats")
	l := startLoad(t, 30, func(n int) (string, string, []byte) {
		return "POST", url + "/process",
			[]byte(strconv.Itoa(n))
	}, wantStatus(200))
	l.more(20)
	r.fails(1, "start it first", "link", "put", "edge-data-processor", "keyvalue-redis", "url="+redis.url())
	l.more(20)
	redis.do("CONFIG", "SET", "requirepass", "right")
	r.weft("provider", "start", "keyvalue-redis", "--host", "b")
	r.fails(5, "the link stays as it was", "link", "put", "edge-data-processor", "keyvalue-redis", "url="+redis.url(),
		"password=wrong")
	l.more(20)
	if list := r.weft("link", "list"); !strings.Contains(list, "keyvalue-nats") ||
		strings.Contains(list, "keyvalue-redis") {
		t.Errorf("after the refusal:\n%s", list)
	}

	res := r.try("link", "put", "edge-data-processor", "keyvalue-redis", "url="+redis.url(), "password=right")
	if res.code != 0 || !strings.Contains(res.errout,
		"taking the place of keyvalue-nats, which keeps the link until keyvalue-redis serves it") ||
		!strings.Contains(res.out, "active: edge-data-processor -> keyvalue-redis") {
		t.Errorf("the put says: %v", res)
	}
	l.more(60) // through the second for which both have it
	l.stop().flawless(t, 120)
	if ok, err := redis.command("AUTH right\r\nCONFIG SET requirepass \"\""); err != nil || ok != "OK" {
		t.Errorf("redis: %s, %v", ok, err)
	}
	if redis.do("DBSIZE") == "0" {
		t.Error("nothing is in Redis")
	}
	if list := r.weft("link", "list"); strings.Contains(list, "keyvalue-nats") ||
		!strings.Contains(list, "keyvalue-redis") {
		t.Errorf("after the put:\n%s", list)
	}
}

// A second httpserver, with a key of its own, cannot have the port that the first one has on the machine: it says so
// and the first serves on. On another port it takes the link, and the first port is free afterwards.
func TestAnotherHTTPServerOnTheSamePort(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.host("a")
	r.weft("provider", "start", "httpserver")
	r.actor(module("guest"), "--max", "8")
	url := r.web("guest")
	port := strings.TrimPrefix(url, "http://127.0.0.1:")
	other := filepath.Join(r.dir, "web2")
	if err := os.WriteFile(other, []byte("#!/bin/sh\nexec "+bin.weft+" provider run httpserver\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	r.weft("provider", "start", other, "--contract", "wasmcloud:httpserver")
	l := startLoad(t, 30, gets(url+"/hello"), wantStatus(200))
	l.more(20)
	r.fails(1, "another process has it", "link", "put", "guest", "web2", "port="+port)
	r.fails(1, "the link stays as it was", "link", "put", "guest", "web2", "port="+port)
	l.more(60)
	l.stop().flawless(t, 80)

	next := strconv.Itoa(freePort(t))
	res := r.try("link", "put", "guest", "web2", "port="+next)
	if res.code != 0 || !strings.Contains(res.errout, "taking the place of httpserver") {
		t.Errorf("the put says: %v", res)
	}
	want(t, "GET", "http://127.0.0.1:"+next+"/hello", nil, 200, "")
	latticetest.Eventually(t, func() error {
		taken, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err == nil {
			err = taken.Close()
		}
		return err
	})
}
