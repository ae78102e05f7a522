package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/weftlattice/weft/internal/latticetest"
)

// component is the file of a component that package component tests with.
func component(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs("../host/internal/component/testdata/" + name + ".wasm")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// A component keeps its values in Redis and, by a link of another name, in JetStream, on other hosts than its own. What
// is missing is named, with the command that helps.
func TestComponentKeepsValues(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	redis := r.redis()
	r.hosts([]string{"a", "b"})
	r.weft("provider", "start", "httpserver", "--host", "a")
	r.weft("provider", "start", "keyvalue-redis", "--host", "b")
	r.weft("provider", "start", "keyvalue-nats", "--link-name", "cache", "--host", "b")
	r.actor(component(t, "counter"), "--max", "4", "--host", "a", "--config", "greeting=visit ")
	url := r.web("counter")
	get := func(method, path string, body []byte) (int, string) {
		t.Helper()
		status, answer, err := request(method, url+path, body)
		if err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
		return status, answer
	}
	is := func(method, path, body, want string) {
		t.Helper()
		if status, got := get(method, path, []byte(body)); status != http.StatusOK || got != want {
			t.Errorf("%s %s: %d %q, want %q", method, path, status, got, want)
		}
	}
	says := func(method, path string, words ...string) {
		t.Helper()
		status, got := get(method, path, nil)
		for _, w := range words {
			if status != http.StatusInternalServerError || !strings.Contains(got, w) {
				t.Errorf("%s %s: %d %q, want %q", method, path, status, got, w)
			}
		}
	}

	says("GET", "/count/n", "on lattice e2e, link name default; make one with: weft link put counter PROVIDER",
		"wasmcloud:keyvalue")
	r.weft("link", "put", "counter", "keyvalue-redis", "url="+redis.url(), "prefix=[c]*")
	r.weft("link", "put", "counter", "keyvalue-nats", "--link-name", "cache")
	for n := 1; n <= 3; n++ {
		is("GET", "/count/n", "", fmt.Sprintf("visit %d\n", n))
	}
	if got := redis.do("GET", "[c]*n"); got != "3" {
		t.Errorf("Redis holds %q, want 3", got)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				if status, body, err := request("GET", url+"/count/n", nil); status != http.StatusOK || err != nil {
					t.Errorf("%d %q, %v", status, body, err)
				}
			}
		})
	}
	wg.Wait()
	is("GET", "/count/n", "", "visit 84\n")

	// The other store, by the name of the link: as the bucket's, and as wasmcloud:bus chooses it.
	is("GET", "/count/n?bucket=cache", "", "visit 1\n")
	is("GET", "/count/n?link=cache", "", "visit 2\n")
	says("GET", "/count/n?link=nowhere", "link name nowhere", "--link-name nowhere")

	raw := string(bytes.Repeat([]byte{0, 0xff, 0xc3, 0x28, 'x'}, 10_000))
	for _, store := range []string{"", "?bucket=cache"} {
		is("PUT", "/value/raw"+store, raw, "")
		is("GET", "/value/raw"+store, "", raw)
		is("PUT", "/many"+store, "one\ntwo", "")
		is("GET", "/keys"+store, "", "n\none\nraw\ntwo\n")
		is("DELETE", "/value/raw"+store, "", "")
		is("GET", "/keys"+store, "", "n\none\ntwo\n")
	}
	is("GET", "/many?one,none", "", "[Some((\"one\", [111, 110, 101])), None]\n")

	redis.do("RPUSH", "[c]*list", "x")
	says("GET", "/value/list", "another kind of value than the string")
	says("GET", "/count/list", "another kind of value than the counter")
	says("GET", "/count/one", "not a whole number of 64 bits")
	is("GET", "/keys", "", "n\none\ntwo\n") // no list among them

	// A value of a link that is for the actor goes before the actor's configuration, as soon as it is put.
	r.weft("link", "put", "counter", "keyvalue-redis", "url="+redis.url(), "prefix=[c]*", "weft.config.greeting=hello ")
	latticetest.Eventually(t, func() error {
		if status, got := get("GET", "/count/m", nil); status != http.StatusOK || !strings.HasPrefix(got, "hello ") {
			return fmt.Errorf("%d %q, want the greeting of the link", status, got)
		}
		return nil
	})
	r.fails(2, "weft.config.NAME", "link", "put", "counter", "keyvalue-redis", "url="+redis.url(), "weft.confg.x=1")

	if log := r.weft("logs", "counter"); !strings.Contains(log, "counter: n is 84") ||
		!strings.Contains(log, "ERROR") {
		t.Errorf("the log of the actor:\n%s", log)
	}
}

// Without the claim a component is refused, and its log names the contract.
func TestComponentWithoutKeyValueClaim(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.hosts([]string{"a"})
	r.weft("provider", "start", "httpserver")
	r.actor(component(t, "counter"), "--cap", "wasmcloud:httpserver")
	url := r.web("counter")
	status, body, err := request("GET", url+"/count/n", nil)
	if err != nil || status != http.StatusInternalServerError || !strings.Contains(body, "AccessDenied") {
		t.Errorf("%d %q, %v", status, body, err)
	}
	latticetest.Eventually(t, func() error {
		if log := r.weft("logs", "counter"); !strings.Contains(log, "capability claim `wasmcloud:keyvalue`") {
			return fmt.Errorf("the log does not name the claim:\n%s", log)
		}
		return nil
	})
}
