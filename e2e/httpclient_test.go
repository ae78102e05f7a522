package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/weftlattice/weft/internal/latticetest"
)

// A module and a component make HTTP requests where their links allow, and nowhere else. They run on one host, the
// provider on another one; all hosts joined by tokens.
func TestHTTPClient(t *testing.T) {
	for name, args := range map[string][]string{"process": nil, "inline": {"--inline", "httpclient"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			httpClient(t, args...)
		})
	}
}

func httpClient(t *testing.T, args ...string) {
	outside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if r.URL.Path == "/redirect" {
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data/", http.StatusFound)
			return
		}
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprintf(w, "%s %s %d bytes %v trace %d", r.Method, r.RequestURI, len(body), err,
			len(r.Header.Get("traceparent")))
	}))
	defer outside.Close()
	authority := outside.Listener.Addr().String()

	r := newRig(t)
	r.host("a")
	b := r.host("b", args...)
	r.weft("provider", "start", "httpserver", "--host", "a")
	r.weft("provider", "start", "httpclient", "--host", "b")
	r.actor(module("guest"), "--host", "a")
	r.actor(component(t, "fetch"), "--host", "a", "--cap", "wasmcloud:httpserver", "--cap", "wasmcloud:httpclient")
	guest, fetcher := r.web("guest"), r.web("fetch")
	ask := func(method, target string, body []byte) (byModule, byComponent string) {
		t.Helper()
		_, byModule = fetch(t, method, guest+"/fetch?url="+url.QueryEscape(target), body)
		_, byComponent = fetch(t, method, fetcher+"/"+strings.Replace(target, "://", "/", 1), body)
		return byModule, byComponent
	}
	says := func(method, target, moduleWords, componentWords string) {
		t.Helper()
		m, c := ask(method, target, nil)
		if !strings.Contains(m, moduleWords) || !strings.Contains(c, componentWords) {
			t.Errorf("%s %s: the module got %q, want %q; the component %q, want %q", method, target, m, moduleWords, c,
				componentWords)
		}
	}

	says("GET", outside.URL, "missing link definition", "HttpRequestDenied")
	r.fails(2, "did you mean allowed_hosts", "link", "put", "guest", "httpclient", "alowed_hosts=127.0.0.1")
	for _, actor := range []string{"guest", "fetch"} {
		r.weft("link", "put", actor, "httpclient")
	}
	says("GET", outside.URL, "HTTP-request-denied: the link allows no host 127.0.0.1; add allowed_hosts=127.0.0.1",
		"HttpRequestDenied")
	for _, actor := range []string{"guest", "fetch"} {
		r.weft("link", "put", actor, "httpclient", "allowed_hosts=http://"+authority+",localhost:1")
	}
	says("GET", outside.URL, "destination-IP-prohibited: 127.0.0.1 is a loopback address", "DestinationIpProhibited")
	for _, actor := range []string{"guest", "fetch"} {
		r.weft("link", "put", actor, "httpclient", "allowed_networks=127.0.0.0/8", "follow_redirects=2",
			"allowed_hosts=http://"+authority+",http://127.0.0.1:1")
	}
	for _, size := range []int{0, 100, 3 << 20} {
		want := fmt.Sprintf("POST /a?b=c %d bytes <nil> trace 55", size)
		if m, c := ask("POST", outside.URL+"/a?b=c", make([]byte, size)); m != want || c != want {
			t.Errorf("the module got %q, the component %q, want %q", m, c, want)
		}
	}
	says("GET", "https://"+authority, "HTTP-request-denied", "HttpRequestDenied")
	says("GET", "http://127.0.0.1:1/", "connection-refused", "ConnectionRefused")
	says("BREW", outside.URL, "HTTP-request-denied", "HttpRequestDenied")
	says("GET", outside.URL+"/redirect", "HTTP-request-denied: the link allows no host 169.254.169.254",
		"HttpRequestDenied")

	if n := b.metric("weft_httpclient_requests_total", `host="http://`+authority+`"`, `result="4xx"`); n != 6 {
		t.Errorf("%v requests are counted, want 6:\n%s", n, grep(b.metrics(), "weft_httpclient"))
	}

	// Claims come first: an actor that may not, cannot, whatever its link says.
	r.actor(component(t, "fetch"), "--host", "a", "--name", "stingy", "--cap", "wasmcloud:httpserver")
	r.weft("link", "put", "stingy", "httpclient", "allowed_networks=127.0.0.0/8", "allowed_hosts=http://"+authority)
	stingy := r.web("stingy")
	if _, got := fetch(t, "GET", stingy+"/http/"+authority+"/", nil); !strings.Contains(got, "HttpRequestDenied") {
		t.Errorf("without the capability: %q", got)
	}
	latticetest.Eventually(t, func() error {
		if log := r.weft("logs", "stingy"); !strings.Contains(log, "capability claim `wasmcloud:httpclient`") {
			return fmt.Errorf("the log does not name the claim:\n%s", log)
		}
		return nil
	})
}
