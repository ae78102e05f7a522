package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weftlattice/weft/internal/latticetest"
)

// The example edge-service: filters and transformers are attached, exchanged and detached by links while requests flow,
// and not one fails. Its configuration is checked, and may come from a link.
func TestEdgeService(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.hosts([]string{"a", "b"})
	r.weft("provider", "start", "httpserver", "--host", "a")
	r.actor(component(t, "edge/edge-service"), "--name", "edge", "--max", "4", "--host", "a",
		"--config", "endpoint=http://127.0.0.1:9000", "--config", "timeout=500", "--config", "retry-count=256")
	for _, part := range []string{"filter-words", "filter-length", "transformer-upper", "transformer-reverse"} {
		r.actor(component(t, "edge/"+part), "--name", part, "--max", "4", "--host", "b")
	}
	port := freePort(t)
	url := "http://" + local(port)
	r.weft("link", "put", "edge", "httpserver", fmt.Sprint("port=", port))
	try := func(method, path, body string) string {
		status, got, err := request(method, url+path, []byte(body))
		return fmt.Sprint(status, " ", strings.TrimSpace(got), " ", err)
	}
	becomes := func(method, path, body, want string) {
		t.Helper()
		latticetest.Eventually(t, func() error {
			if got := try(method, path, body); got != want+" <nil>" {
				return fmt.Errorf("%s %s: %s, want %s", method, path, got, want)
			}
			return nil
		})
	}
	becomes("GET", "/config", "", "500 configuration:\nretry-count is \"256\"; want 0 to 255")
	r.weft("link", "put", "edge", "httpserver", fmt.Sprint("port=", port), "weft.config.retry-count=3")
	becomes("GET", "/config", "", "200 endpoint http://127.0.0.1:9000, timeout 500 ms, 3 retries")

	var wg sync.WaitGroup
	var requests atomic.Int64
	stop := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				requests.Add(1)
				got := try("POST", "/process", "hello")
				if !slices.Contains([]string{"200 hello <nil>", "200 HELLO <nil>", "200 olleh <nil>",
					"200 OLLEH <nil>"}, got) {
					t.Errorf("while parts come and go: %s", got)
					return
				}
			}
		})
	}
	attach := func(part, interfaceName, n string) {
		t.Helper()
		r.weft("link", "put", "edge", part, "acme:edge/"+interfaceName, "--link-name", n)
	}
	process := func(body, want string) {
		t.Helper()
		becomes("POST", "/process", body, want)
	}
	process(" a secret ", "200 a secret")
	attach("filter-words", "filter", "1")
	process(" a secret ", "422 filter 1: it has the word secret")
	attach("filter-length", "filter", "2")
	process(strings.Repeat("x", 21), "422 filter 2: 21 characters, 20 allowed")
	attach("transformer-upper", "transformer", "1")
	process("hello", "200 HELLO")
	attach("transformer-reverse", "transformer", "2")
	process("hello", "200 OLLEH")
	attach("transformer-reverse", "transformer", "1") // in the place of the other
	process("hello", "200 hello")
	for _, n := range []string{"2", "1"} {
		r.weft("link", "del", "edge", "acme:edge/transformer", "--link-name", n)
		r.weft("link", "del", "edge", "acme:edge/filter", "--link-name", n)
	}
	process("  a secret text that is longer  ", "200 a secret text that is longer")
	close(stop)
	wg.Wait()
	if requests.Load() < 10 {
		t.Errorf("only %d requests", requests.Load())
	}
	if got := r.weft("call", "edge", "acme:edge/admin#show-config"); !strings.Contains(got, `"retry-count"`) ||
		!strings.Contains(got, "http://127.0.0.1:9000") {
		t.Errorf("the record of the configuration: %s", got)
	}

	r.actor(component(t, "edge/hello-http"), "--name", "hello-http", "--host", "b")
	hello := r.web("hello-http")
	for _, c := range []struct{ method, path, want string }{{"GET", "/health", "ok\n"}, {"POST", "/process", "ABC"}} {
		if status, body, err := request(c.method, hello+c.path, []byte("abc")); status != http.StatusOK ||
			body != c.want || err != nil {
			t.Errorf("%s %s: %d %q, %v", c.method, c.path, status, body, err)
		}
	}
}
