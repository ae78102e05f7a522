package httpserver

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"golang.org/x/time/rate"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/internal/linkfile"
	"github.com/weftlattice/weft/internal/load"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/httpserver"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/provider"
	"github.com/weftlattice/weft/provider/providertest"
)

// recorder is an actor that answers by the path, and remembers what it was asked.
type recorder struct {
	mu    sync.Mutex
	asked *contract.Request
	actor lattice.ActorID
	trace trace.Context
	enter chan struct{} // gets something when a request to /wait has come
	leave chan struct{} // lets it go
	ended chan error    // gets why the context of a request to /wait has ended before that
}

func (a *recorder) Call(context.Context, lattice.ActorID, string, []byte) ([]byte, error) {
	return nil, errors.New("not used")
}

func (a *recorder) Open(ctx context.Context, actor lattice.ActorID, _ string, r provider.Request) (provider.Answer,
	error) {
	payload := bytes.Clone(r.Payload)
	if r.Body != nil {
		body := make([]byte, r.BodyLength)
		if _, err := io.ReadFull(r.Body, body); err != nil {
			return nil, err
		}
		payload = append(payload, body...)
	}
	q, err := contract.DecodeRequest(payload)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	a.asked, a.actor = q, actor
	a.trace, _ = trace.From(ctx)
	a.mu.Unlock()
	resp := &contract.Response{StatusCode: 200, Header: contract.Header{"content-type": {"text/plain"}},
		Body: []byte("the answer")}
	switch q.Path {
	case "/headers":
		resp.Header = contract.Header{"x-two": {"a", "b"}, "CONTENT-type": {"text/odd", "text/more"},
			"Transfer-Encoding": {"chunked"}, "connection": {"close, X-Hop"},
			"x-hop": {"1"}, "content-length": {"99"}, "bad name": {"x"}, "b\xc3\xa4d": {"x"},
			"x-bad": {"a\r\nInjected: 1"}, "ETag": {`"1"`}, "cache-control": {"no-cache"},
			"keep-alive": {"5"}, "trailer": {"x"}, "upgrade": {"x"}, "te": {"x"}, "server": {"mine"},
			"x-space": {" a "}, "": {"x"}}
	case "/date":
		resp.Header = contract.Header{"date": {"Mon, 02 Jan 2006 15:04:05 GMT", "Mon, 02 Jan 2006 15:04:06 GMT"}}
	case "/no-date":
		resp.Header = contract.Header{"Date": {"yesterday"}}
	case "/bytes":
		resp.Header = contract.Header{"x-utf-8": {"café"}, "x-latin-1": {"caf\xe9"}}
	case "/type":
		resp.Header = contract.Header{"content-type": {""}}
	case "/204", "/205", "/304", "/404", "/299", "/599", "/99", "/100", "/101", "/199", "/600":
		_, _ = fmt.Sscanf(q.Path, "/%d", &resp.StatusCode)
	case "/length":
		resp.Header, resp.Body = contract.Header{"content-length": {"77"}}, nil
	case "/empty":
		resp.Header, resp.Body = nil, nil
	case "/large":
		resp.Body = bytes.Repeat([]byte("weft"), 300_000)
	case "/huge":
		resp.Body = make([]byte, 8<<20)
	case "/garbage":
		return rpc.NewAnswer([]byte{0xc1}), nil
	case "/busy":
		return nil, &lattice.Error{Code: lattice.ErrBusy}
	case "/guest":
		return nil, &lattice.Error{Code: lattice.ErrGuest, Remote: true}
	case "/wait":
		a.enter <- struct{}{}
		select {
		case <-a.leave:
		case <-ctx.Done():
			a.ended <- ctx.Err()
			return nil, ctx.Err()
		}
	}
	return rpc.NewAnswer(resp.Encode()), nil
}

// ways are all ways that a request can come on to one actor, over listeners that are alike.
type ways struct {
	*recorder
	t       *testing.T
	handler *handler // of the plain listener
	overTLS *handler // of the other one
	plain   string   // addresses
	tls     string
	trust   *tls.Config
	h2      *http.Client
}

// openWays opens the listeners, with links of the recorder, or of others beside it, under paths.
func openWays(t *testing.T, values map[string]string, links ...func(*settings) lattice.ActorID) *ways {
	t.Helper()
	r := &recorder{enter: make(chan struct{}, 100), leave: make(chan struct{}), ended: make(chan error, 100)}
	w := openWaysTo(t, r, values, links...)
	w.recorder = r
	return w
}

// openWaysTo opens the listeners for actors that somebody else plays.
func openWaysTo(t *testing.T, actors provider.Invoker, values map[string]string,
	links ...func(*settings) lattice.ActorID) *ways {
	t.Helper()
	w := &ways{t: t}
	cert, key, pool := latticetest.Certificate(t)
	w.trust = &tls.Config{RootCAs: pool}
	open := func(more map[string]string) (string, *handler) {
		all := map[string]string{"address": "127.0.0.1:0"}
		for name, value := range values {
			all[name] = value
		}
		for name, value := range more {
			all[name] = value
		}
		s, err := readSettings(all, nil)
		if err != nil {
			t.Fatal(err)
		}
		m, err := newMetrics(prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		h := &handler{env: provider.Env{Invoker: actors, Large: load.NewBudget(0),
			ReadFile: linkfile.Folders{filepath.Dir(cert)}.Read, Timeout: providertest.Patience},
			log: slog.New(slog.DiscardHandler), metrics: m, warnings: rate.NewLimiter(0, 0)}
		l, err := openListener(t.Context(), s, h, nil, h.log)
		if err != nil {
			t.Fatal(err)
		}
		var routes []*route
		for _, link := range append(links, func(*settings) lattice.ActorID { return "MA" }) {
			s := s
			actor := link(&s)
			routes = append(routes, &route{settings: s, actor: actor, counts: m.of(actor)})
		}
		l.table.Store(newTable(routes))
		l.serve(h.log)
		t.Cleanup(func() {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			_ = l.close(ctx) // what is idle or stuck is cut off
		})
		return l.at.String(), h
	}
	w.plain, w.handler = open(nil)
	w.tls, w.overTLS = open(map[string]string{"tls_cert_file": cert, "tls_key_file": key})
	transport := &http.Transport{TLSClientConfig: w.trust.Clone(), ForceAttemptHTTP2: true, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	w.h2 = &http.Client{Transport: transport, Timeout: providertest.Patience}
	return w
}

// names of the ways. All but the last take a request as it stands.
var wayNames = []string{"plain", "net/http", "TLS", "HTTP/2"}

// dial connects by a way.
func (w *ways) dial(way string) net.Conn {
	w.t.Helper()
	var c net.Conn
	var err error
	if way == "TLS" {
		c, err = tls.Dial("tcp", w.tls, w.trust)
	} else {
		c, err = net.Dial("tcp", w.plain)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(providertest.Patience)); err != nil {
		w.t.Fatal(err)
	}
	if way == "net/http" { // which keeps a connection on which something came that is not plain
		if _, err := io.WriteString(c, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			w.t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			w.t.Fatal(err)
		}
		resp.Body.Close()
	}
	return c
}

// do sends a request, given as HTTP/1.1 has it, by a way.
func (w *ways) do(way, text string) (*http.Response, string) {
	w.t.Helper()
	var resp *http.Response
	method, _, _ := strings.Cut(text, " ")
	if way == "HTTP/2" {
		req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
		if err != nil {
			w.t.Fatal(err)
		}
		req.URL.Scheme, req.URL.Host, req.RequestURI = "https", w.tls, ""
		if resp, err = w.h2.Do(req); err != nil {
			w.t.Fatal(err)
		}
	} else {
		c := w.dial(way)
		defer c.Close()
		if _, err := io.WriteString(c, text); err != nil {
			w.t.Fatal(err)
		}
		var err error
		if resp, err = http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method}); err != nil {
			w.t.Fatalf("%s: %v", way, err)
		}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp, string(b)
}

// outcome is what the actor was asked and the client was told.
type outcome struct {
	asked  *contract.Request
	actor  lattice.ActorID
	status int
	header http.Header
	body   string
	length int64
}

// ask sends a request by a way, and checks what differs among them by nature.
func (w *ways) ask(way, text string) outcome {
	w.t.Helper()
	w.mu.Lock()
	w.asked, w.actor, w.trace = nil, "", trace.Context{}
	w.mu.Unlock()
	resp, body := w.do(way, text)
	w.mu.Lock()
	defer w.mu.Unlock()
	o := outcome{w.asked, w.actor, resp.StatusCode, resp.Header, traceID.ReplaceAllString(body, "ID"),
		resp.ContentLength}
	if len(resp.Header["Date"]) != 1 {
		w.t.Errorf("%s: dates %q", way, resp.Header["Date"])
	} else if _, err := http.ParseTime(resp.Header.Get("Date")); err != nil {
		w.t.Errorf("%s: %v", way, err)
	}
	if resp.Header.Get("Date") != "Mon, 02 Jan 2006 15:04:05 GMT" {
		resp.Header.Del("Date")
	}
	// of 500 and above, and where the provider itself answers, as in the body
	if id := resp.Header.Get("X-Trace-Id"); id != "" {
		if len(id) != 32 || resp.StatusCode < 400 || strings.Contains(body, "trace_id") && !strings.Contains(body, id) {
			w.t.Errorf("%s: status %d with trace %q and body %s", way, resp.StatusCode, id, body)
		}
		resp.Header.Set("X-Trace-Id", "ID")
	} else if resp.StatusCode >= 500 {
		w.t.Errorf("%s: status %d without a trace", way, resp.StatusCode)
	}
	if resp.Close { // of HTTP/1 only
		resp.Header.Del("Connection")
	}
	if q := o.asked; q != nil {
		tc, ok := trace.Parse(q.Header.Get("traceparent"), "")
		if !ok || tc.TraceID != w.trace.TraceID {
			w.t.Errorf("%s: traceparent %q, trace %x", way, q.Header.Get("traceparent"), w.trace.TraceID)
		}
		if strings.Contains(text, "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331") && tc.TraceID[0] == 0x0a {
			q.Header["traceparent"] = []string{"followed"}
		} else {
			delete(q.Header, "traceparent")
		}
		scheme := "http"
		if way == "TLS" || way == "HTTP/2" {
			scheme = "https"
		}
		if got := q.Header["x-forwarded-proto"]; !reflect.DeepEqual(got, []string{scheme}) {
			w.t.Errorf("%s: the actor learns the scheme %q, want %s", way, got, scheme)
		}
		delete(q.Header, "x-forwarded-proto")
		if way == "HTTP/2" && q.Header.Get("user-agent") == "Go-http-client/2.0" {
			delete(q.Header, "user-agent")
		}
		if len(q.Header["content-length"]) > 0 && q.Header.Get("content-length") == "0" {
			delete(q.Header, "content-length") // HTTP/2's client leaves it out
		}
	}
	return o
}

const parent = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"

// TestWaysAreNoDifference sends each request by all ways: actors must see the same request, and clients the same
// answer.
func TestWaysAreNoDifference(t *testing.T) {
	link := func(path string, change func(*settings)) func(*settings) lattice.ActorID {
		return func(s *settings) lattice.ActorID {
			s.path = path
			if change != nil {
				change(s)
			}
			return lattice.ActorID("M" + path)
		}
	}
	w := openWays(t, map[string]string{"cache_control": "max-age=5", "max_body_bytes": "1000"},
		link("/reads", func(s *settings) { s.readonly = true }),
		link("/host", func(s *settings) { s.host = "only.example.org" }),
		link("/full", func(s *settings) { s.inFlight = 0 }),
		link("/caf%C3%A9", nil), link("/a%20b", nil), link("/slash%2Fed", nil), link("/deep/er", nil))
	for _, row := range []struct {
		name, text string
		check      func(o outcome) string // "" or what is wrong
	}{
		{"bare", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", func(o outcome) string {
			if o.status != 200 || o.body != "the answer" || o.asked.Header.Get("x-forwarded-for") != "127.0.0.1" {
				return "want 200, the answer, and the client's address"
			}
			return ""
		}},
		{"query and header", "GET /a%20c/../c%2Fd?x=1&y=%zz HTTP/1.1\r\nHost: Example.org:80\r\nX-Multi: 2\r\n" +
			"Accept: */*\r\nx-multi: 1\r\nX-None:\r\nKeep-Alive: 5\r\n\r\n", func(o outcome) string {
			if q := o.asked; q.Path != "/a%20c/../c%2Fd" || q.Query != "x=1&y=%zz" ||
				q.Header.Get("host") != "Example.org:80" || q.Header.Get("keep-alive") != "" {
				return "want the path as it came"
			}
			return ""
		}},
		{"a header beyond ASCII", "GET / HTTP/1.1\r\nHost: x\r\nX-Utf-8: caf\xc3\xa9\r\nX-Latin-1: caf\xe9\r\n\r\n",
			func(o outcome) string {
				if o.asked.Header.Get("x-utf-8") != "café" || o.asked.Header.Get("x-latin-1") != "café" {
					return "want café twice"
				}
				return ""
			}},
		{"a header of the answer beyond ASCII", "GET /bytes HTTP/1.1\r\nHost: x\r\n\r\n", func(o outcome) string {
			if o.header.Get("X-Utf-8") != "caf\xc3\xa9" || o.header.Get("X-Latin-1") != "caf\xe9" {
				return "want its bytes"
			}
			return ""
		}},
		{"forged origin", "GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: gopher\r\n" +
			"X-Forwarded-Host: evil\r\nX-Forwarded-Port: 6\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n\r\n",
			func(o outcome) string {
				if h := o.asked.Header; len(h) != 2 || h.Get("x-forwarded-for") != "127.0.0.1" || h.Get("host") != "x" {
					return "want nothing of it"
				}
				return ""
			}},
		{"body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello",
			func(o outcome) string {
				if string(o.asked.Body) != "hello" {
					return "want hello"
				}
				return ""
			}},
		{"no body", "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", nil},
		{"trace", "GET / HTTP/1.1\r\nHost: x\r\n" + parent + "tracestate: a=b\r\nTracestate: c=d\r\n\r\n", nil},
		{"a trace that is none", "GET / HTTP/1.1\r\nHost: x\r\ntraceparent: garbage\r\ntracestate: a=b\r\n\r\n", nil},
		{"two traces", "GET / HTTP/1.1\r\nHost: x\r\n" + parent + parent + "\r\n", nil},
		{"headers of an actor", "GET /headers HTTP/1.1\r\nHost: x\r\n\r\n", func(o outcome) string {
			want := http.Header{"X-Two": {"a", "b"}, "Content-Type": {"text/odd"}, "Etag": {`"1"`},
				"Cache-Control": {"no-cache"}, "Server": {"mine"}, "X-Space": {"a"}, "Content-Length": {"10"}}
			if !reflect.DeepEqual(o.header, want) {
				return fmt.Sprintf("want %v", want)
			}
			return ""
		}},
		{"head of them", "HEAD /headers HTTP/1.1\r\nHost: x\r\n\r\n", nil},
		{"a date of the actor's", "GET /date HTTP/1.1\r\nHost: x\r\n\r\n", func(o outcome) string {
			if o.header.Get("Date") == "" {
				return "want its first date"
			}
			return ""
		}},
		{"a date that is none", "GET /no-date HTTP/1.1\r\nHost: x\r\n\r\n", nil},
		{"no type", "GET /type HTTP/1.1\r\nHost: x\r\n\r\n", func(o outcome) string {
			if _, made := o.header["Content-Type"]; made {
				return "want none"
			}
			return ""
		}},
		{"204", "GET /204 HTTP/1.1\r\nHost: x\r\n\r\n", bare(204)}, {"205", "GET /205 HTTP/1.1\r\nHost: x\r\n\r\n",
			bare(205)}, {"304", "GET /304 HTTP/1.1\r\nHost: x\r\n\r\n", bare(304)},
		{"404", "GET /404 HTTP/1.1\r\nHost: x\r\n\r\n", gets(404)}, {"299", "GET /299 HTTP/1.1\r\nHost: x\r\n\r\n",
			gets(299)}, {"599", "GET /599 HTTP/1.1\r\nHost: x\r\n\r\n", gets(599)},
		{"0", "GET /99 HTTP/1.1\r\nHost: x\r\n\r\n", gets(502)}, {"100", "GET /100 HTTP/1.1\r\nHost: x\r\n\r\n",
			gets(502)}, {"101", "GET /101 HTTP/1.1\r\nHost: x\r\n\r\n", gets(502)},
		{"199", "GET /199 HTTP/1.1\r\nHost: x\r\n\r\n", gets(502)}, {"600", "GET /600 HTTP/1.1\r\nHost: x\r\n\r\n",
			gets(502)},
		{"a length that lies", "GET /length HTTP/1.1\r\nHost: x\r\n\r\n", nil},
		{"head with a length", "HEAD /length HTTP/1.1\r\nHost: x\r\n\r\n", func(o outcome) string {
			if o.length != 77 || o.body != "" {
				return "want 77"
			}
			return ""
		}},
		{"head with a body", "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", func(o outcome) string {
			if o.length != 10 || o.body != "" {
				return "want the length of the answer alone"
			}
			return ""
		}},
		{"empty", "GET /empty HTTP/1.1\r\nHost: x\r\n\r\n", gets(200)},
		{"head of nothing", "HEAD /empty HTTP/1.1\r\nHost: x\r\n\r\n", nil},
		{"large", "GET /large HTTP/1.1\r\nHost: x\r\n\r\n", gets(200)},
		{"head of it", "HEAD /large HTTP/1.1\r\nHost: x\r\n\r\n", gets(200)},
		{"garbage", "GET /garbage HTTP/1.1\r\nHost: x\r\n\r\n", gets(502)},
		{"busy", "GET /busy HTTP/1.1\r\nHost: x\r\n\r\n", gets(503)},
		{"guest", "GET /guest HTTP/1.1\r\nHost: x\r\n\r\n", gets(500)},
		{"read-only", "POST /reads HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx", gets(405)},
		{"reads", "GET /reads HTTP/1.1\r\nHost: x\r\n\r\n", gets(200)},
		{"full", "GET /full HTTP/1.1\r\nHost: x\r\n\r\n", gets(503)},
		{"host", "GET /host/%61 HTTP/1.1\r\nHost: ONLY.example.org.\r\n\r\n", to("M/host")},
		{"other host", "GET /host HTTP/1.1\r\nHost: other\r\n\r\n", to("MA")},
		{"too large", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n" + strings.Repeat("x", 1001),
			gets(413)},
		{"CONNECT", "CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n", refused},
		{"TRACE", "TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", refused},
		{"PRI", "PRI / HTTP/1.1\r\nHost: x\r\n\r\n", refused},
		{"OPTIONS", "OPTIONS / HTTP/1.1\r\nHost: x\r\n\r\n", to("MA")},
		{"PATCH", "PATCH / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx", to("MA")},
		{"PROPFIND", "PROPFIND / HTTP/1.1\r\nHost: x\r\n\r\n", to("MA")},
		{"BREW", "BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n", func(o outcome) string {
			if o.asked == nil || o.asked.Method != "BREW" {
				return "want the actor to judge it"
			}
			return ""
		}},
		{"a method in lower case", "brew / HTTP/1.1\r\nHost: x\r\n\r\n", func(o outcome) string {
			if o.asked == nil || o.asked.Method != "BREW" {
				return "want it in upper case"
			}
			return ""
		}},
		{"a path with escapes", "GET /caf%C3%A9/x HTTP/1.1\r\nHost: x\r\n\r\n", to("M/caf%C3%A9")},
		{"in lower case", "GET /caf%c3%a9 HTTP/1.1\r\nHost: x\r\n\r\n", to("M/caf%C3%A9")},
		{"with more escapes than it needs", "GET /%63af%C3%A9 HTTP/1.1\r\nHost: x\r\n\r\n", to("M/caf%C3%A9")},
		{"a path with a space", "GET /a%20b HTTP/1.1\r\nHost: x\r\n\r\n", to("M/a%20b")},
		{"a plus is no space", "GET /a+b HTTP/1.1\r\nHost: x\r\n\r\n", to("MA")},
		{"an escaped slash", "GET /slash%2fed/x HTTP/1.1\r\nHost: x\r\n\r\n", to("M/slash%2Fed")},
		{"a slash is another path", "GET /slash/ed HTTP/1.1\r\nHost: x\r\n\r\n", to("MA")},
		{"an escaped slash is none", "GET /deep%2Fer HTTP/1.1\r\nHost: x\r\n\r\n", to("MA")},
		{"an escaped percent sign", "GET /slash%252Fed HTTP/1.1\r\nHost: x\r\n\r\n", to("MA")},
		{"doubled slashes", "GET /deep//er HTTP/1.1\r\nHost: x\r\n\r\n", to("M/deep/er")},
		{"dot segments", "GET /x/../deep/./er HTTP/1.1\r\nHost: x\r\n\r\n", to("M/deep/er")},
		{"out of a route", "GET /deep/er/../x HTTP/1.1\r\nHost: x\r\n\r\n", func(o outcome) string {
			if o.actor != "MA" || o.asked.Path != "/deep/er/../x" {
				return "want the one whose path it is, with the path as it came"
			}
			return ""
		}},
		{"escaped dot segments", "GET /x/%2e%2E/deep/%2e/er HTTP/1.1\r\nHost: x\r\n\r\n", to("M/deep/er")},
		{"beyond the root", "GET /../../deep/er HTTP/1.1\r\nHost: x\r\n\r\n", to("M/deep/er")},
		{"a dot segment that is none", "GET /deep/..er HTTP/1.1\r\nHost: x\r\n\r\n", to("MA")},
		{"an escaped slash in a dot segment", "GET /deep/x/..%2fer HTTP/1.1\r\nHost: x\r\n\r\n", to("MA")},
	} {
		t.Run(row.name, func(t *testing.T) {
			w.t = t
			var want outcome
			for i, way := range wayNames {
				got := w.ask(way, row.text)
				if row.check != nil {
					if wrong := row.check(got); wrong != "" {
						t.Errorf("%s: %+v, asked %+v; %s", way, got, got.asked, wrong)
					}
				}
				if i == 0 {
					want = got
				} else if !reflect.DeepEqual(got, want) {
					t.Errorf("%s: %+v, asked %+v\n%s: %+v, asked %+v", way, got, got.asked, wayNames[0], want,
						want.asked)
				}
			}
		})
	}
	t.Run("malformed", func(t *testing.T) {
		w.t = t
		w.malformedIsRefused()
	})
	t.Run("equal lengths", func(t *testing.T) { // are one, as of old
		w.t = t
		for i, way := range wayNames {
			var status int
			if way == "HTTP/2" {
				status = w.frames(h2("POST", "/", "x", "content-length", "3", "content-length", "3"), "abc")
			} else {
				status = w.ask(way,
					"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc").status
			}
			w.mu.Lock()
			if status != 200 || !reflect.DeepEqual(w.asked.Header["content-length"], []string{"3"}) {
				t.Errorf("%d, %s: status %d, asked %+v; want one length of 3", i, way, status, w.asked)
			}
			w.mu.Unlock()
		}
	})
}

// malformedRequests are the same fault as HTTP/1 and as HTTP/2 put it. "" and nil: it cannot be put that way.
var malformedRequests = []struct {
	name, text, body string   // text without the body
	fields           []string // names and values; those of HTTP/2 come first
}{
	{"two lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 30\r\n\r\n", "abc",
		h2("POST", "/", "x", "content-length", "3", "content-length", "30")},
	{"a list of lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\n", "abc",
		h2("POST", "/", "x", "content-length", "3, 3")},
	{"a length with a sign", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\n", "abc",
		h2("POST", "/", "x", "content-length", "+3")},
	{"a negative length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\n", "abc",
		h2("POST", "/", "x", "content-length", "-3")},
	{"a length that is none", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: three\r\n\r\n", "abc",
		h2("POST", "/", "x", "content-length", "three")},
	{"an empty length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n", "abc",
		h2("POST", "/", "x", "content-length", "")},
	{"a length beyond all", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", "abc",
		h2("POST", "/", "x", "content-length", "99999999999999999999")},
	{"a length of a body that does not come", "", "", h2("POST", "/", "x", "content-length", "3")},
	{"a length too short", "", "abc", h2("POST", "/", "x", "content-length", "2")},
	{"a length and an encoding", "", "abc", h2("POST", "/", "x", "content-length", "3", "transfer-encoding",
		"chunked")},
	{"a method with a target", "GET /admin / HTTP/1.1\r\nHost: x\r\n\r\n", "", h2("GET /admin", "/", "x")},
	{"a method that is no token", "G(T / HTTP/1.1\r\nHost: x\r\n\r\n", "", h2("G(T", "/", "x")},
	{"a method with a colon", "GET: / HTTP/1.1\r\nHost: x\r\n\r\n", "", h2("GET:", "/", "x")},
	{"no method", " / HTTP/1.1\r\nHost: x\r\n\r\n", "", h2("", "/", "x")},
	{"a target with a space", "GET /a /b HTTP/1.1\r\nHost: x\r\n\r\n", "", h2("GET", "/a /b", "x")},
	{"a query with a space", "GET /?a b HTTP/1.1\r\nHost: x\r\n\r\n", "", h2("GET", "/?a b", "x")},
	{"a target with a line of its own", "", "", h2("GET", "/ HTTP/1.1\r\nX: y", "x")},
	{"a target that is no path", "GET admin HTTP/1.1\r\nHost: x\r\n\r\n", "", h2("GET", "admin", "x")},
	{"a target that names another host", "", "", h2("GET", "http://y/admin", "x")},
	{"a user in the target", "GET http://me:word@x/ HTTP/1.1\r\nHost: x\r\n\r\n", "", nil},
	{"a user in the host", "GET / HTTP/1.1\r\nHost: me@x\r\n\r\n", "", h2("GET", "/", "me@x")},
	{"a host with a path", "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n", "", h2("GET", "/", "x/y")},
	{"a host with a space", "GET / HTTP/1.1\r\nHost: x y\r\n\r\n", "", h2("GET", "/", "x y")},
	{"no host", "GET / HTTP/1.1\r\n\r\n", "", []string{":method", "GET", ":scheme", "http", ":path", "/"}},
	{"two hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "", h2("GET", "/", "x", "host", "y")},
	{"two hosts without an authority", "", "", []string{":method", "GET", ":scheme", "http", ":path", "/", "host", "x",
		"host", "y"}},
	{"a header of two lines", "", "", h2("GET", "/", "x", "x-a", "b\r\nx-evil: 1")},
	{"a header with a space in its name", "GET / HTTP/1.1\r\nHost: x\r\nX A: b\r\n\r\n", "",
		h2("GET", "/", "x", "x a", "b")},
	{"a header with a null byte", "GET / HTTP/1.1\r\nHost: x\r\nX-A: \x00\r\n\r\n", "",
		h2("GET", "/", "x", "x-a", "\x00")},
}

func h2(method, path, authority string, more ...string) []string {
	return append([]string{":method", method, ":scheme", "http", ":path", path, ":authority", authority}, more...)
}

// malformedIsRefused sends each malformed request by all ways: no actor is asked, and the client gets 400 or a broken
// stream.
func (w *ways) malformedIsRefused() {
	for _, row := range malformedRequests {
		w.t.Helper()
		w.mu.Lock()
		w.asked = nil
		w.mu.Unlock()
		for _, way := range wayNames {
			status := 0
			if way != "HTTP/2" && row.text != "" {
				resp, _ := w.do(way, row.text+row.body)
				status = resp.StatusCode
			} else if way == "HTTP/2" && row.fields != nil {
				status = w.frames(row.fields, row.body)
			} else {
				continue
			}
			w.mu.Lock()
			if status != 400 || w.asked != nil {
				w.t.Errorf(
					"%s, by %s: status %d, the actor was asked %+v; want 400 or PROTOCOL_ERROR, and nobody asked",
					row.name, way, status, w.asked)
			}
			w.asked = nil
			w.mu.Unlock()
		}
	}
}

// frames sends a request of HTTP/2 field by field, and returns the status of the answer; 400, too, when the stream or
// the connection is ended for an error of protocol.
func (w *ways) frames(fields []string, body string) int {
	w.t.Helper()
	c, err := net.Dial("tcp", w.plain)
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(providertest.Patience)); err != nil {
		w.t.Fatal(err)
	}
	var block bytes.Buffer
	pack := hpack.NewEncoder(&block)
	for i := 0; i < len(fields); i += 2 {
		if err := pack.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}); err != nil {
			w.t.Fatal(err)
		}
	}
	f := http2.NewFramer(c, c)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_, err = io.WriteString(c, http2.ClientPreface)
	err = errors.Join(err, f.WriteSettings(),
		f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true,
			EndStream: body == ""}))
	if body != "" {
		err = errors.Join(err, f.WriteData(1, true, []byte(body)))
	}
	if err != nil {
		w.t.Fatal(err)
	}
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			w.t.Fatalf("%q: %v", fields, err)
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			status, err := strconv.Atoi(frame.PseudoValue("status"))
			if err != nil {
				w.t.Fatal(err)
			}
			return status
		case *http2.RSTStreamFrame:
			if frame.ErrCode == http2.ErrCodeProtocol {
				return 400
			}
			w.t.Errorf("%q: the stream was ended with %v", fields, frame.ErrCode)
			return 0
		case *http2.GoAwayFrame:
			if frame.ErrCode == http2.ErrCodeProtocol {
				return 400
			}
		}
	}
}

func gets(status int) func(outcome) string {
	return func(o outcome) string {
		if o.status != status {
			return fmt.Sprint("want status ", status)
		}
		return ""
	}
}

func bare(status int) func(outcome) string {
	return func(o outcome) string {
		if o.status != status || o.body != "" {
			return fmt.Sprintf("want status %d without a body", status)
		}
		return ""
	}
}

func to(actor lattice.ActorID) func(outcome) string {
	return func(o outcome) string {
		if o.status != 200 || o.actor != actor {
			return "want it to go to " + string(actor)
		}
		return ""
	}
}

func refused(o outcome) string {
	if o.status != 405 || o.asked != nil || !strings.Contains(o.header.Get("Allow"), "GET, HEAD, POST") {
		return "want 405 with the methods that are served"
	}
	return ""
}

// TestHalfClosed: a client that ends its side after its request gets its answer; one that breaks off is not waited for.
func TestHalfClosed(t *testing.T) {
	long.Test(t, "waits for what takes its time")
	w := openWays(t, nil)
	for _, way := range wayNames[:3] { // in HTTP/2 each request ends its side
		for name, text := range map[string]string{"nothing": "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n",
			"a body": "POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
			"chunks": "POST /wait HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"} {
			t.Run(way+" with "+name, func(t *testing.T) {
				w.t = t
				c := w.dial(way)
				if _, err := io.WriteString(c, text); err != nil {
					t.Fatal(err)
				}
				if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
					t.Fatal(err)
				}
				<-w.enter
				for range 3 { // as long as it takes to notice one that breaks off
					select {
					case err := <-w.ended:
						t.Fatalf("the request was ended: %v", err)
					case <-time.After(150 * time.Millisecond):
					}
				}
				w.leave <- struct{}{}
				resp, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				if b, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 || string(b) != "the answer" {
					t.Errorf("status %d, %q, %v", resp.StatusCode, b, err)
				}
			})
		}
		t.Run(way+" broken off", func(t *testing.T) {
			w.t = t
			c := w.dial(way)
			if _, err := io.WriteString(c, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			<-w.enter
			raw := c
			if over, ok := c.(*tls.Conn); ok {
				raw = over.NetConn()
			}
			if err := raw.(*net.TCPConn).SetLinger(0); err != nil {
				t.Fatal(err)
			}
			raw.Close()
			select {
			case <-w.ended:
			case <-time.After(providertest.Patience):
				t.Error("the request goes on")
			}
		})
	}
}

var traceID = regexp.MustCompile(`[0-9a-f]{32}`)
