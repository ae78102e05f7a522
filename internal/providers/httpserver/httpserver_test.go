package httpserver

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/httpserver"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/lattice/wire"
	"github.com/weftlattice/weft/provider/providertest"
)

func TestMain(m *testing.M) { latticetest.VerifyMain(m) }

var cfg = providertest.Config{Info: Info, New: New, BadValues: map[string]string{"port": "http"},
	Values: func(_ testing.TB, n int) map[string]string {
		return map[string]string{"port": "0", "path": fmt.Sprint("/", n)}
	}}

// freePort finds a port that nobody has just now.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func TestContract(t *testing.T) {
	long.Test(t, "tries the whole contract of providers")
	c, port := cfg, freePort(t)
	c.Values = func(_ testing.TB, n int) map[string]string {
		return map[string]string{"Port": port, "PATH": fmt.Sprintf("/%d", n)}
	}
	providertest.Run(t, c)
}

// site is a provider with clients of its own.
type site struct {
	*providertest.Process
	t      *testing.T
	port   string
	client *http.Client
}

func start(t *testing.T, opts ...providertest.Option) *site {
	tr := &http.Transport{DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &site{providertest.Start(t, providertest.NewLattice(t), cfg, opts...), t, freePort(t),
		&http.Client{Transport: tr, Timeout: providertest.Patience, CheckRedirect: func(*http.Request,
			[]*http.Request) error {
			return http.ErrUseLastResponse
		}}}
}

// actor serves requests with h, over a link with the site's port and the given values.
func (s *site) actor(h func(ctx context.Context, q *contract.Request) (*contract.Response, error),
	values ...string) lattice.ActorID {
	s.t.Helper()
	id := s.Lattice.ActorID(s.t)
	s.t.Cleanup(providertest.ServeActor(s.t, s.Lattice, id, func(ctx context.Context, inv *wire.Invocation) ([]byte,
		error) {
		q, err := contract.DecodeRequest(inv.Msg)
		if err != nil {
			return nil, err
		}
		if inv.Operation != contract.HandleRequest {
			return nil, errors.New(inv.Operation)
		}
		p, err := h(ctx, q)
		if err != nil {
			return nil, err
		}
		return p.Encode(), nil
	}))
	if st := s.PutLink(id, s.values(values...)); st.State != wire.LinkActive {
		s.t.Fatalf("link %+v", st)
	}
	return id
}

func (s *site) values(pairs ...string) map[string]string {
	values := map[string]string{"port": s.port}
	for i := 0; i < len(pairs); i += 2 {
		values[pairs[i]] = pairs[i+1]
	}
	return values
}

// says makes an actor that answers its name.
func says(name string) func(context.Context, *contract.Request) (*contract.Response, error) {
	return func(context.Context, *contract.Request) (*contract.Response, error) {
		return &contract.Response{StatusCode: 200, Body: []byte(name)}, nil
	}
}

func (s *site) do(method, path string, body io.Reader, header ...string) (*http.Response, string) {
	s.t.Helper()
	req, err := http.NewRequest(method, "http://127.0.0.1:"+s.port+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp, string(b)
}

func TestRequestAndResponse(t *testing.T) {
	s := start(t)
	var mu sync.Mutex
	var seen *contract.Request
	var seenTrace trace.Context
	s.actor(func(ctx context.Context, q *contract.Request) (*contract.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		seen = q
		seenTrace, _ = trace.From(ctx)
		return &contract.Response{StatusCode: 207, Body: []byte("body"), Header: contract.Header{"x-two": {"a", "b"},
			"Content-Type":      {"text/odd"},
			"Transfer-Encoding": {"chunked"}, "connection": {"close"}, "content-length": {"99"}, "bad name": {"x"},
			"x-bad": {"a\r\nInjected: 1"}}}, nil
	}, "cache_control", "max-age=5")
	parent := trace.New()
	resp, body := s.do("post", "/a%20b/../c%2Fd?x=1&y=%zz", strings.NewReader("in\x00\xff"), "X-Multi", "1", "X-Multi",
		"2", "X-Odd", "caf\xc3\xa9",
		"Connection", "X-Hop", "X-Hop", "1", "X-Forwarded-For", "1.2.3.4", "traceparent", parent.Traceparent(),
		"tracestate", "a=b", "Host", "Example.org:80")
	if resp.StatusCode != 207 || body != "body" || resp.ContentLength != 4 {
		t.Errorf("status %d, body %q, length %d", resp.StatusCode, body, resp.ContentLength)
	}
	if h := resp.Header; !reflect.DeepEqual(h["X-Two"], []string{"a", "b"}) || h.Get("Content-Type") != "text/odd" ||
		h.Get("X-Bad") != "" ||
		h.Get("Injected") != "" || h.Get("Cache-Control") != "max-age=5" || len(resp.TransferEncoding) > 0 ||
		resp.Close {
		t.Errorf("header %v, encoding %v, close %v", h, resp.TransferEncoding, resp.Close)
	}
	mu.Lock()
	defer mu.Unlock()
	if seen.Method != "POST" || seen.Path != "/a%20b/../c%2Fd" || seen.Query != "x=1&y=%zz" ||
		string(seen.Body) != "in\x00\xff" {
		t.Errorf("actor saw %+v", seen)
	}
	h := seen.Header
	if !reflect.DeepEqual(h["x-multi"], []string{"1", "2"}) || !reflect.DeepEqual(h["x-odd"], []string{"café"}) ||
		h["x-hop"] != nil || h["connection"] != nil ||
		h.Get("x-forwarded-for") != "127.0.0.1" || h.Get("host") != "Example.org:80" || h.Get("tracestate") != "a=b" {
		t.Errorf("actor saw header %v", h)
	}
	tc, ok := trace.Parse(h.Get("traceparent"), "")
	if !ok || tc.TraceID != parent.TraceID || tc.SpanID == parent.SpanID || seenTrace.TraceID != parent.TraceID {
		t.Errorf("trace %s became %s, and %x in the invocation", parent.Traceparent(), h.Get("traceparent"),
			seenTrace.TraceID)
	}
}

func TestBodiless(t *testing.T) {
	s := start(t)
	s.actor(func(_ context.Context, q *contract.Request) (*contract.Response, error) {
		resp := &contract.Response{StatusCode: 200, Body: []byte("12345")}
		switch q.Path {
		case "/204":
			resp.StatusCode = 204
		case "/304":
			resp.StatusCode = 304
		case "/length":
			resp.Body, resp.Header = nil, contract.Header{"content-length": {"77"}}
		}
		return resp, nil
	})
	for _, c := range []struct {
		method, path string
		status       int
		length       int64
	}{{"HEAD", "/", 200, 5}, {"HEAD", "/length", 200, 77}, {"GET", "/204", 204, 0}, {"GET", "/304", 304, -1},
		{"GET", "/length", 200, 0}} {
		resp, body := s.do(c.method, c.path, nil)
		if resp.StatusCode != c.status || body != "" || c.length >= 0 && resp.ContentLength != c.length {
			t.Errorf("%s %s: status %d, body %q, length %d", c.method, c.path, resp.StatusCode, body,
				resp.ContentLength)
		}
		if ct, ok := resp.Header["Content-Type"]; ok {
			t.Errorf("made up a content type %v", ct)
		}
	}
}

func TestRouting(t *testing.T) {
	s := start(t)
	s.actor(says("root"))
	s.actor(says("a"), "path", "/a/")
	s.actor(says("ab"), "path", "/a/b")
	s.actor(says("org"), "host", "Example.ORG")
	s.actor(says("org/a"), "host", "example.org", "path", "/a")
	s.actor(says("wild"), "host", "*.example.org", "path", "/a")
	s.actor(says("deep"), "host", "*.x.example.org")
	for _, c := range []struct{ host, path, want string }{
		{"h", "/", "root"}, {"h", "/a", "a"}, {"h", "/a/", "a"}, {"h", "/ab", "root"}, {"h", "/a/b", "ab"},
		{"h", "/a/b/c?q=/a", "ab"}, {"h", "/a/bc", "a"},
		{"h", "/%61/b", "ab"}, {"example.org", "/", "org"}, {"EXAMPLE.org:8080", "/a/b", "org/a"},
		{"example.org.", "/x", "org"},
		{"y.example.org", "/a", "wild"}, {"y.example.org", "/b", "root"}, {"y.x.example.org", "/a", "deep"},
		{"badexample.org", "/", "root"},
		{".example.org", "/", "root"}, {"[::1]:80", "/", "root"},
	} {
		if resp, body := s.do("GET", c.path, nil, "Host", c.host); resp.StatusCode != 200 || body != c.want {
			t.Errorf("%s%s goes to %q (%d), want %q", c.host, c.path, body, resp.StatusCode, c.want)
		}
	}
}

func TestConflicts(t *testing.T) {
	s := start(t)
	first := s.actor(says("first"), "path", "/x")
	second := s.Lattice.ActorID(t)
	for name, values := range map[string]map[string]string{
		"same path":      s.values("path", "/x/"),
		"other timeouts": s.values("path", "/y", "idle_timeout", "7s"),
	} {
		st := s.PutLink(second, values)
		if st.State != wire.LinkFailed || !strings.Contains(st.Error, string(first)) ||
			!strings.Contains(st.Error, string(second)) || !strings.Contains(st.Error, "port") {
			t.Errorf("%s: state %+v, want failed, with both actors and the way out", name, st)
		}
		s.DelLink(second)
	}
	if _, body := s.do("GET", "/x", nil); body != "first" {
		t.Errorf("after conflicts %q", body)
	}
	s.PutLink(second, s.values("path", "/x"))
	s.PutLink(first, s.values("path", "/elsewhere")) // frees it
	s.WaitLink(second, providertest.Active)
	if _, body := s.do("GET", "/elsewhere", nil); body != "first" {
		t.Errorf("moved route answers %q", body)
	}
}

func TestFailures(t *testing.T) {
	s := start(t)
	fail := func(code lattice.Code) error { return &lattice.Error{Code: code, Detail: "secret internals"} }
	release := make(chan struct{})
	defer close(release)
	id := s.actor(func(ctx context.Context, q *contract.Request) (*contract.Response, error) {
		switch q.Path {
		case "/timeout":
			select {
			case <-release:
			case <-ctx.Done():
			}
			return nil, ctx.Err()
		case "/busy":
			return nil, fail(lattice.ErrBusy)
		case "/away":
			return nil, fail(lattice.ErrUnavailable)
		case "/guest":
			return nil, fail(lattice.ErrGuest)
		case "/trap":
			return nil, fail(lattice.ErrTrap)
		case "/status":
			return &contract.Response{StatusCode: 100}, nil
		case "/none":
			return &contract.Response{}, nil
		}
		return &contract.Response{StatusCode: 200, Body: make([]byte, len(q.Body))}, nil
	}, "timeout_ms", "150", "max_body_bytes", "1K", "max_header_bytes", "4K")
	garbage := s.Lattice.ActorID(t)
	t.Cleanup(providertest.ServeActor(t, s.Lattice, garbage, func(context.Context, *wire.Invocation) ([]byte,
		error) {
		return []byte{0xc1}, nil
	}))
	s.PutLink(garbage, s.values("path", "/garbage", "timeout_ms", "150", "max_header_bytes", "4K"))
	s.PutLink(s.Lattice.ActorID(t), s.values("path", "/absent", "max_header_bytes", "4K"))
	s.PutLink(s.Lattice.ActorID(t), s.values("path", "/reads", "max_header_bytes", "4K", "readonly_mode", "true"))
	type answer struct {
		status int
		code   string
	}
	for path, want := range map[string]answer{
		"/timeout": {503, "timeout"}, "/busy": {503, "busy"}, "/away": {503, "unavailable"},
		"/absent": {503, "no_responders"},
		"/guest":  {500, "guest"}, "/trap": {500, "trap"}, "/status": {502, "invalid"}, "/none": {502, "invalid"},
		"/garbage": {502, "invalid"},
	} {
		resp, body := s.do("GET", path, nil)
		var got struct{ Error, Code, TraceID string }
		if err := json.Unmarshal([]byte(strings.ReplaceAll(body, "trace_id", "TraceID")), &got); err != nil {
			t.Errorf("%s: body %q: %v", path, body, err)
		}
		if resp.StatusCode != want.status || got.Code != want.code || got.Error == "" || len(got.TraceID) != 32 ||
			strings.Contains(body, "secret") {
			t.Errorf("%s: %d %s, want %v", path, resp.StatusCode, body, want)
		}
		if retry := resp.Header.Get("Retry-After"); (retry == "1") != (want.status == 503) {
			t.Errorf("%s: Retry-After %q", path, retry)
		}
	}
	for name, c := range map[string]struct {
		method, path string
		body         io.Reader
		want         int
	}{
		"at the limit":        {"POST", "/", strings.NewReader(strings.Repeat("x", 1024)), 200},
		"above it":            {"POST", "/", strings.NewReader(strings.Repeat("x", 1025)), 413},
		"without a length":    {"POST", "/", io.MultiReader(strings.NewReader(strings.Repeat("x", 1025))), 413},
		"read-only":           {"POST", "/reads", nil, 405},
		"read-only, and read": {"HEAD", "/reads", nil, 503},
	} {
		if resp, body := s.do(c.method, c.path, c.body); resp.StatusCode != c.want {
			t.Errorf("%s: %d %q, want %d", name, resp.StatusCode, body, c.want)
		}
	}
	if resp, _ := s.do("GET", "/", nil, "X-Large", strings.Repeat("x", 20<<10)); resp.StatusCode != 431 {
		t.Errorf("large header: %d, want 431", resp.StatusCode)
	}
	s.PutLink(id, s.values("path", "/only", "max_header_bytes", "4K"))
	if resp, _ := s.do("GET", "/elsewhere", nil); resp.StatusCode != 404 {
		t.Errorf("no route: %d, want 404", resp.StatusCode)
	}
	latticetest.Eventually(t, func() error { // counted after the answer is sent
		m := s.Metrics()
		for _, want := range []string{fmt.Sprintf(`weft_httpserver_requests_total{actor="%s",code="413",`+
			`provider="httpserver"} 2`, id),
			`weft_httpserver_requests_total{actor="",code="404",provider="httpserver"} 1`,
			"weft_httpserver_requests_active{provider=\"httpserver\"} 0"} {
			if !strings.Contains(m, want) {
				return fmt.Errorf("metrics lack %s:\n%s", want, m)
			}
		}
		return nil
	})
}

// Bodies larger than a NATS message go both ways.
func TestLargeBodies(t *testing.T) {
	s := start(t)
	s.actor(func(_ context.Context, q *contract.Request) (*contract.Response, error) {
		return &contract.Response{StatusCode: 200, Body: q.Body}, nil
	}, "timeout_ms", "9000")
	for _, size := range []int{1, 800 << 10, 3 << 20} {
		in := bytes.Repeat([]byte("weft"), size/4+1)
		if resp, body := s.do("POST", "/", bytes.NewReader(in)); resp.StatusCode != 200 || body != string(in) {
			t.Errorf("%d bytes: status %d, %d bytes back", len(in), resp.StatusCode, len(body))
		}
	}
}

func TestTooManyInFlight(t *testing.T) {
	s := start(t)
	entered, leave := make(chan struct{}), make(chan struct{})
	s.actor(func(context.Context, *contract.Request) (*contract.Response, error) {
		entered <- struct{}{}
		<-leave
		return &contract.Response{StatusCode: 200}, nil
	}, "max_in_flight", "1")
	first := make(chan int, 1)
	go func() {
		resp, err := s.client.Get("http://127.0.0.1:" + s.port)
		if err != nil {
			first <- 0
			return
		}
		resp.Body.Close()
		first <- resp.StatusCode
	}()
	<-entered
	if resp, body := s.do("GET", "/", nil); resp.StatusCode != 503 || !strings.Contains(body, "busy") {
		t.Errorf("second request: %d %s", resp.StatusCode, body)
	}
	close(leave)
	if status := <-first; status != 200 {
		t.Errorf("first request: %d", status)
	}
}

// The requests in progress are answered before the listener closes, when the link goes and when the process ends.
func TestDrain(t *testing.T) {
	for name, end := range map[string]func(*site, lattice.ActorID){
		"link deleted": func(s *site, id lattice.ActorID) { s.DelLink(id) },
		"link moved": func(s *site, id lattice.ActorID) {
			def := s.Definition(id, map[string]string{"port": freePort(s.t)})
			s.Publish(subject.LinkPut(s.Lattice.Name, s.Provider, s.Link), def.Encode())
		},
		"shutdown": func(s *site, _ lattice.ActorID) { s.CloseStdin() },
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			entered, leave := make(chan struct{}), make(chan struct{})
			id := s.actor(func(context.Context, *contract.Request) (*contract.Response, error) {
				close(entered)
				<-leave
				return &contract.Response{StatusCode: 200, Body: []byte("finished")}, nil
			})
			got := make(chan string, 1)
			go func() {
				resp, err := s.client.Get("http://127.0.0.1:" + s.port)
				if err != nil {
					got <- err.Error()
					return
				}
				defer resp.Body.Close()
				b, err := io.ReadAll(resp.Body)
				got <- fmt.Sprint(string(b), err)
			}()
			<-entered
			end(s, id)
			latticetest.Eventually(t, func() error {
				c, err := net.Dial("tcp", "127.0.0.1:"+s.port)
				if err != nil {
					return nil
				}
				return errors.Join(errors.New("still listening"), c.Close())
			})
			close(leave)
			if b := <-got; b != "finished<nil>" {
				t.Errorf("request in progress got %q", b)
			}
		})
	}
}

// A port that another process has is a failed link, which heals when the port becomes free.
func TestPortInUse(t *testing.T) {
	s := start(t)
	l, err := net.Listen("tcp", "127.0.0.1:"+s.port)
	if err != nil {
		t.Fatal(err)
	}
	id := s.Lattice.ActorID(t)
	st := s.PutLink(id, s.values())
	if st.State != wire.LinkFailed || !strings.Contains(st.Error, s.port) ||
		!strings.Contains(st.Error, "another process has it") {
		t.Errorf("state %+v", st)
	}
	l.Close()
	s.WaitLink(id, providertest.Active)
	if resp, _ := s.do("GET", "/", nil); resp.StatusCode != 503 {
		t.Errorf("status %d, want 503 of an absent actor", resp.StatusCode)
	}
}

// Somebody who sends slowly is cut off.
func TestSlowClients(t *testing.T) {
	s := start(t)
	s.actor(says("x"), "read_timeout", "200ms")
	for name, text := range map[string]string{"header": "GET / HTTP/1.1\r\nHost: x\r\n",
		"body": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", "127.0.0.1:"+s.port)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, text); err != nil {
				t.Fatal(err)
			}
			if err := c.SetReadDeadline(time.Now().Add(providertest.Patience)); err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(c)
			if err != nil || len(b) > 0 && !strings.Contains(string(b), " 408 ") {
				t.Errorf("got %q, %v; want to be cut off", b, err)
			}
		})
	}
}

// Garbage on the socket harms nobody.
func TestGarbage(t *testing.T) {
	s := start(t)
	s.actor(says("fine"))
	for _, text := range []string{"\r\n\r\n", "GET\r\n\r\n", "\x16\x03\x01\x02\x00", "GET / HTTP/1.1\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\nConnection: close\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n" +
			"\r\nzz\r\n"} {
		c, err := net.Dial("tcp", "127.0.0.1:"+s.port)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(c.(*net.TCPConn).CloseWrite(),
			c.SetReadDeadline(time.Now().Add(providertest.Patience))); err != nil {
			t.Fatal(err)
		}
		if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil {
			resp.Body.Close()
		}
		c.Close()
	}
	if _, body := s.do("GET", "/", nil); body != "fine" {
		t.Errorf("afterwards %q", body)
	}
}

func TestTLS(t *testing.T) {
	cert, key, pool := latticetest.Certificate(t)
	s := start(t, providertest.WithFiles(filepath.Dir(cert), filepath.Dir(key)))
	s.actor(says("safe"), "config_json", fmt.Sprintf(`{"tls": {"cert_file": %q, "priv_key_file": %q}}`, cert, key))
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	t.Cleanup(tr.CloseIdleConnections)
	resp, err := (&http.Client{Transport: tr, Timeout: providertest.Patience}).Get("https://127.0.0.1:" + s.port)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); string(b) != "safe" || err != nil || resp.ProtoMajor != 2 {
		t.Errorf("got %q over %s, %v", b, resp.Proto, err)
	}
	other := s.Lattice.ActorID(t)
	if st := s.PutLink(other, s.values("path", "/plain")); st.State != wire.LinkFailed ||
		!strings.Contains(st.Error, "TLS") {
		t.Errorf("plain link on a TLS address: %+v", st)
	}
	if st := s.PutLink(s.Lattice.ActorID(t), map[string]string{"port": freePort(t), "tls_cert_file": key,
		"tls_key_file": key}); st.State != wire.LinkFailed {
		t.Errorf("bad certificate: %+v", st)
	}
}

// A certificate that is renewed on disk is served without a command, a broken one is not, and its end is measured.
func TestRenewedCertificateIsServed(t *testing.T) {
	long.Test(t, "waits for what takes its time")
	cert, key, pool := latticetest.Certificate(t)
	s := start(t, providertest.WithFiles(filepath.Dir(cert)))
	s.actor(says("safe"), "tls_cert_file", cert, "tls_key_file", key)
	get := func(pool *x509.CertPool) error {
		tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}
		resp, err := (&http.Client{Transport: tr, Timeout: providertest.Patience}).Get("https://127.0.0.1:" + s.port)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
	if err := get(pool); err != nil {
		t.Fatal(err)
	}
	if m := s.Metrics(); !strings.Contains(m, "weft_certificate_expiry_timestamp_seconds{file=") ||
		!strings.Contains(m, cert) {
		t.Errorf("no metric of the end:\n%s", m)
	}
	nextCert, nextKey, nextPool := latticetest.Certificate(t)
	latticetest.Replace(t, cert, nextCert) // and not yet the key
	latticetest.Eventually(t, func() error {
		if err := get(pool); err != nil {
			t.Fatalf("while only the certificate is new: %v", err)
		}
		if log := s.Log(); !strings.Contains(log, "does not match") || !strings.Contains(log, cert) {
			return errors.New("not in the log: " + log)
		}
		return nil
	})
	latticetest.Replace(t, key, nextKey)
	latticetest.Eventually(t, func() error { return get(nextPool) })
	if get(pool) == nil {
		t.Error("the old certificate is still served")
	}
}

func TestSettings(t *testing.T) {
	b64 := base64.RawStdEncoding.EncodeToString([]byte(`{"address":"0.0.0.0:81","max_content_len":"2M"}`))
	for name, c := range map[string]struct {
		values, defaults map[string]string
		address, path    string
		maxBody          int64
	}{
		"nothing": {nil, nil, "127.0.0.1:8000", "/", 10 << 20},
		"port":    {map[string]string{"PORT": "80"}, nil, "127.0.0.1:80", "/", 10 << 20},
		"address": {map[string]string{"Address": "0.0.0.0:80", "Path": "/a//"}, nil, "0.0.0.0:80", "/a", 10 << 20},
		"address and port": {map[string]string{"address": "0.0.0.0", "port": "8080"}, nil, "0.0.0.0:8080", "/",
			10 << 20},
		"IPv6":          {map[string]string{"address": "[::1]:80"}, nil, "[::1]:80", "/", 10 << 20},
		"all addresses": {map[string]string{"address": ":80"}, nil, ":80", "/", 10 << 20},
		"JSON": {map[string]string{"config_json": `{"port": 81, "path": "/j"}`, "path": "/l"}, nil,
			"127.0.0.1:81", "/l", 10 << 20},
		"base64":          {map[string]string{"CONFIG_B64": b64 + "=="}, nil, "0.0.0.0:81", "/", 2 << 20},
		"path with space": {map[string]string{"path": "/a b/%7Ec/"}, nil, "127.0.0.1:8000", "/a%20b/~c", 10 << 20},
		"path in UTF-8":   {map[string]string{"path": "/café"}, nil, "127.0.0.1:8000", "/caf%C3%A9", 10 << 20},
		"defaults": {map[string]string{"port": "82"}, map[string]string{"Port": "9", "max_body_bytes": "5"},
			"127.0.0.1:82", "/", 5},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := readSettings(c.values, c.defaults)
			if err != nil || s.address != c.address || s.path != c.path || s.maxBody != c.maxBody {
				t.Errorf("got %+v, %v", s, err)
			}
		})
	}
	for name, values := range map[string]map[string]string{
		"ports that differ": {"address": "0.0.0.0:80", "port": "81"}, "port": {"port": "70000"},
		"address": {"address": "a b"},
		"path":    {"path": "a"}, "path with query": {"path": "/a?b"}, "host": {"host": "a:80"},
		"wildcard":            {"host": "a.*"},
		"body beyond the bus": {"max_body_bytes": "1000000000"}, "timeout": {"read_timeout": "5"},
		"short":    {"idle_timeout": "1ns"},
		"half TLS": {"tls_cert_file": "x"}, "JSON": {"config_json": "["}, "base64": {"config_b64": "?"},
		"file":    {"config_file": "x.toml"},
		"proxies": {"trusted_proxies": "10.0.0.0/8, nginx"}, "way of proxies": {"forwarded_header": "via"},
		"share": {"client_share": "101"}, "connections": {"max_connections": "0"},
		"waiting": {"max_waiting_bytes": "1K"}, "control character in a path": {"path": "/a\tb"},
		"bool": {"readonly_mode": "perhaps"}, "cache": {"cache_control": "a\nb"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := readSettings(values, nil); !errors.Is(err, lattice.ErrInvalid) {
				t.Errorf("got %v, want invalid", err)
			}
		})
	}
}

func FuzzSettings(f *testing.F) {
	f.Add("127.0.0.1:80", "80", "/a", "*.x", "10K", `{"port":1}`)
	f.Add("[::1]", "", "//", "é", "-1", `{"tls":{"cert_file":"x"}}`)
	f.Fuzz(func(t *testing.T, address, port, path, host, size, config string) {
		s, err := readSettings(map[string]string{"address": address, "port": port, "path": path, "host": host,
			"max_body_bytes": size, "config_json": config}, nil)
		if err != nil {
			return
		}
		if _, _, err := net.SplitHostPort(s.address); err != nil || s.path[0] != '/' || s.maxBody < 0 ||
			s.maxBody > MaxBody {
			t.Fatalf("%+v", s)
		}
		if r := (&route{settings: s}); newTable([]*route{r}).find(strings.TrimPrefix(s.host, "*"), s.path) == nil &&
			!strings.HasPrefix(s.host, "*") {
			t.Fatalf("%+v does not serve its own host and path", s)
		}
	})
}

func BenchmarkFind(b *testing.B) {
	var routes []*route
	for i := range 100 {
		routes = append(routes, &route{settings: settings{path: fmt.Sprintf("/%d", i), host: fmt.Sprintf("h%d", i%10)}})
	}
	table := newTable(routes)
	for b.Loop() {
		if r := table.find("h7:80", "/47/x"); r == nil || r.path != "/47" {
			b.Fatal(r)
		}
	}
}
