package e2e

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest"
)

// One listener serves several actors by path and host; conflicts are refused and shown; errors have their status.
func TestHTTPServer(t *testing.T) {
	for name, args := range map[string][]string{"process": nil, "inline": {"--inline", "httpserver"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			httpServer(t, args...)
		})
	}
}

func httpServer(t *testing.T, args ...string) {
	r := newRig(t)
	r.host("a", args...)
	r.weft("provider", "start", "httpserver")
	r.actor(module("guest"), "--max", "4")
	r.actor(module("echo"), "--max", "4")
	r.actor(module("kvcounter"))
	port := freePort(t)
	address, url := "port="+strconv.Itoa(port), "http://"+local(port)
	r.weft("link", "put", "guest", "httpserver", address, "path=/a", "timeout_ms=300", "max_body_bytes=1K",
		"max_in_flight=2")
	r.weft("link", "put", "echo", "httpserver", address, "path=/a/deeper")

	want(t, "GET", url+"/a/x", nil, 200, "/a/x")
	want(t, "GET", url+"/a", nil, 200, "/a")
	// the longest path wins
	want(t, "GET", url+"/a/deeper/x?q=1", nil, 200,
		`{"body":[],"method":"GET","path":"/a/deeper/x","query_string":"q=1"}`)
	// by whole segments
	want(t, "GET", url+"/a/deeperx", nil, 200, "/a/deeperx")
	code := func(method, path string, body []byte, status int, code string) {
		t.Helper()
		if s, answer := fetch(t, method, url+path, body); s != status ||
			!strings.Contains(answer, `"code":"`+code+`"`) {
			t.Errorf("%s %s: %d %s, want %d %s", method, path, s, answer, status, code)
		}
	}
	code("GET", "/b", nil, 404, "not_found")
	code("GET", "/", nil, 404, "not_found")
	want(t, "POST", url+"/a/x", bytes.Repeat([]byte{'x'}, 1<<10), 200, "/a/x")
	code("POST", "/a/x", bytes.Repeat([]byte{'x'}, 1<<10+1), 413, "too_large")
	want(t, "POST", url+"/a/deeper", bytes.Repeat([]byte{'x'}, 1<<11), 200, "") // that link has another limit

	// A conflict is refused, told, and kept visible; what served before goes on.
	r.fails(1, "is taken by actor", "link", "put", "kvcounter", "httpserver", address, "path=/a/deeper/")
	type linkView struct {
		ActorName string `json:"actor_name"`
		State     string `json:"state"`
		Error     string `json:"error"`
	}
	states := map[string]string{}
	for _, l := range get[[]linkView](r, "link", "list") {
		states[l.ActorName] = l.State
		if l.State == "failed" && !strings.Contains(l.Error, "/a/deeper is taken by actor ") {
			t.Errorf("the error of the failed link: %q", l.Error)
		}
	}
	if states["guest"] != "active" || states["echo"] != "active" || states["kvcounter"] != "failed" {
		t.Errorf("states of the links: %v", states)
	}
	want(t, "GET", url+"/a/deeper", nil, 200, "")
	// elsewhere it is free
	r.weft("link", "put", "kvcounter", "httpserver", address, "path=/a/deeper", "host=*.example.org")
	if body := getHost(t, url+"/a/deeper", "x.example.org"); !strings.Contains(body, "missing link definition") {
		t.Errorf("another actor answers for x.example.org: %s", body)
	}
	if body := getHost(t, url+"/a/deeper", "example.org"); !strings.Contains(body, "query_string") {
		t.Errorf("another actor answers for example.org: %s", body)
	}

	// 503: no answer in time, too many at once, nobody there.
	r.weft("link", "put", "guest", "httpserver", address, "timeout_ms=300", "max_in_flight=2")
	code("GET", "/sleep?ms=2000", nil, 503, "timeout")
	var all sync.WaitGroup
	var mu sync.Mutex
	counts := map[int]int{}
	for range 6 {
		all.Go(func() {
			status, _, err := request("GET", url+"/sleep?ms=200", nil)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			counts[status]++
		})
	}
	all.Wait()
	if counts[200] < 2 || counts[200]+counts[503] != 6 || counts[503] == 0 {
		t.Errorf("six requests to a link that takes two at once: %v", counts)
	}
	r.weft("actor", "stop", "guest")
	code("GET", "/x", nil, 503, "no_responders")
	r.weft("link", "del", "guest", "httpserver")
	code("GET", "/x", nil, 404, "not_found")
}

// getHost asks for a page of a virtual host.
func getHost(t *testing.T, url, host string) string {
	t.Helper()
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A link with a certificate is served over TLS, and only so. A request in progress survives the end of its link.
func TestHTTPServerTLS(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	cert, key, pool := latticetest.Certificate(t)
	r.host("a", "--files-dir", filepath.Dir(cert))
	r.weft("provider", "start", "httpserver")
	r.actor(module("guest"), "--max", "4")
	url := strings.Replace(r.web("guest", "tls_cert_file="+cert, "tls_key_file="+key), "http:", "https:", 1)
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{RootCAs: pool}}}
	ask := func(path string) (int, string, error) {
		resp, err := client.Get(url + path)
		if err != nil {
			return 0, "", err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b), err
	}
	if status, body, err := ask("/hello"); err != nil || status != 200 || body != "/hello" {
		t.Errorf("over TLS: %d %q, %v", status, body, err)
	}
	if status, _, err := request("GET", strings.Replace(url, "https:", "http:", 1), nil); err == nil && status == 200 {
		t.Error("the port answers without TLS")
	}
	r.fails(2, "certificate and key go together", "link", "put", "guest", "httpserver",
		"port="+strconv.Itoa(freePort(t)), "tls_cert_file="+cert)
	// the put that was refused replaced nothing
	if status, body, err := ask("/hello"); err != nil || status != 200 || body != "/hello" {
		t.Errorf("after refused values: %d %q, %v", status, body, err)
	}

	plain := r.web("guest")
	done := make(chan error, 1)
	go func() { done <- answers("GET", plain+"/sleep?ms=1500", nil, 200) }()
	latticetest.Eventually(t, func() error { return inFlight(r) })
	r.weft("link", "del", "guest", "httpserver")
	if err := <-done; err != nil {
		t.Errorf("a request in progress when its link was deleted: %v", err)
	}
}

// inFlight is nil when an instance of an actor is in use somewhere.
func inFlight(r *rig) error {
	for _, h := range get[[]struct{ Running int }](r, "actor", "list") {
		if h.Running > 0 {
			return nil
		}
	}
	return os.ErrNotExist
}
