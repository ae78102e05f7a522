package httpclient

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/internal/linkfile"
	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/httpclient"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/provider"
	"github.com/weftlattice/weft/provider/providertest"
)

func TestMain(m *testing.M) { latticetest.VerifyMain(m) }

// local allows requests to servers of this test.
var local = provider.Values{"allowed_hosts": "127.0.0.1", "allowed_networks": "127.0.0.0/8", "allowed_ports": "1-65535",
	"allowed_schemes": "http,https"}

func with(base provider.Values, values ...string) provider.Values {
	v := maps.Clone(base)
	for _, kv := range values {
		name, value, _ := strings.Cut(kv, "=")
		v[name] = value
	}
	return v
}

// link is the client of a link with some values.
func link(t *testing.T, values provider.Values) *client {
	t.Helper()
	s, err := readSettings(values, nil, linkfile.Read, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(s, nil)
	t.Cleanup(c.close)
	return c
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func (c *client) fetch(t *testing.T, q *contract.Request) (*contract.Response, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	resp, _, err := c.do(ctx, q)
	return resp, err
}

func (c *client) get(t *testing.T, url string) (*contract.Response, error) {
	t.Helper()
	return c.fetch(t, &contract.Request{Method: "GET", URL: url})
}

// fails wants a failure of a name.
func fails(t *testing.T, err error, name, text string) {
	t.Helper()
	var f *contract.Failure
	if !errors.As(err, &f) || f.Name != name || !strings.Contains(f.Text, text) {
		t.Errorf("%v, want %s: … %s", err, name, text)
	}
}

func TestContract(t *testing.T) {
	long.Test(t, "tries the whole contract of providers")
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
	providertest.Run(t, providertest.Config{Info: Info, New: New,
		Values: func(_ testing.TB, n int) map[string]string {
			return with(local, fmt.Sprint("max_connections=", n+1))
		},
		BadValues: map[string]string{"allowed_hosts": "https://a/b"}, Operation: contract.Send,
		Payload: (&contract.Request{Method: "GET", URL: s.URL, Header: contract.Header{}}).Encode()})
}

// What an actor asks for is what the server gets, and what the server answers is what the actor gets.
func TestARequestGoesAsItIsAskedFor(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var names []string
		for name := range r.Header {
			names = append(names, name)
		}
		w.Header()["X-Seen"] = []string{r.Method + " " + r.RequestURI + " " + r.Host, string(body)}
		w.Header().Set("X-Names", fmt.Sprint(len(names), r.Header["X-A"], r.ContentLength))
		w.Header().Set("X-Latin", "caf\xe9")
		w.Header().Set("Keep-Alive", "timeout=5")
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprint(w, "short and stout")
	})
	host := strings.TrimPrefix(s.URL, "http://")
	resp, err := link(t, local).fetch(t, &contract.Request{Method: "PUT", URL: s.URL + "/a%20b?c=d&e#f",
		Body: []byte("tea"),
		Header: contract.Header{"x-a": {"1", "2"}, "Host": {"metadata.internal"}, "connection": {"x-hop"},
			"x-hop": {"1"}, "Transfer-Encoding": {"chunked"}, "Content-Length": {"3"}, "Proxy-Authorization": {"x"},
			"Upgrade": {"h2c"}}})
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 418 || string(resp.Body) != "short and stout" {
		t.Errorf("answer %d %q", resp.StatusCode, resp.Body)
	}
	if got := strings.Join(resp.Header["x-seen"], "|"); got != "PUT /a%20b?c=d&e "+host+"|tea" {
		t.Errorf("the server saw %q", got)
	}
	if got := resp.Header.Get("x-names"); got != "2 [1 2] 3" { // X-A and Content-Length, no User-Agent
		t.Errorf("headers: %q", got)
	}
	if resp.Header.Get("x-latin") != "café" || resp.Header["keep-alive"] != nil {
		t.Errorf("header of the answer %v", resp.Header)
	}
}

// An actor may spell a name in several ways. The server gets its values in the same order each time.
func TestAHeaderInSeveralCasesHasOneOrder(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header["X-A"]) })
	c := link(t, local)
	for range 20 {
		resp, err := c.fetch(t, &contract.Request{Method: "GET", URL: s.URL,
			Header: contract.Header{"x-a": {"4", "5"}, "X-A": {"1"}, "x-A": {"3"}, "X-a": {"2"}}})
		if err != nil || string(resp.Body) != "[1 2 3 4 5]" {
			t.Fatalf("the server sees %q, %v", resp.Body, err)
		}
	}
}

func TestTheTraceOfTheCallGoesOn(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header.Get("traceparent")) })
	tc := trace.New()
	ask := func(c *client, h contract.Header) string {
		resp, _, err := c.do(trace.With(t.Context(), tc), &contract.Request{Method: "GET", URL: s.URL, Header: h})
		if err != nil {
			t.Fatal(err)
		}
		return string(resp.Body)
	}
	got, ok := trace.Parse(ask(link(t, local), nil), "")
	if !ok || got.TraceID != tc.TraceID || got.SpanID == tc.SpanID {
		t.Errorf("trace %v of %v", got, tc)
	}
	own := trace.New().Traceparent()
	if got := ask(link(t, local), contract.Header{"TraceParent": {own}}); got != own {
		t.Errorf("the actor's own %q became %q", own, got)
	}
	if got := ask(link(t, with(local, "trace=false")), nil); got != "" {
		t.Errorf("without trace: %q", got)
	}
}

// names is a resolver that answers with what a function says.
func names(t *testing.T, answer func(name string) []string) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			m.Response, m.Authoritative, m.Additionals = true, true, nil
			all := answer(q.Name.String())
			if all == nil {
				m.RCode = dnsmessage.RCodeNameError
			}
			for _, text := range all {
				if ip := net.ParseIP(text).To4(); ip != nil && q.Type == dnsmessage.TypeA {
					m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name,
						Type: q.Type, Class: q.Class}, Body: &dnsmessage.AResource{A: [4]byte(ip)}})
				}
			}
			if b, err := m.Pack(); err == nil {
				_, _ = pc.WriteTo(b, from)
			}
		}
	})
	t.Cleanup(func() {
		pc.Close()
		wg.Wait()
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

func TestAddressesAreJudgedWhenTheyAreConnectedTo(t *testing.T) {
	hits := atomic.Int64{}
	s := serve(t, func(http.ResponseWriter, *http.Request) { hits.Add(1) })
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	c := link(t, with(local, "allowed_hosts=*,127.0.0.1", "allowed_networks=10.0.0.0/8"))
	c.dialer.resolver = names(t, func(name string) []string {
		if name != "inside.example." {
			return nil
		}
		return []string{"127.0.0.1"}
	})
	for _, host := range []string{"127.0.0.1", "inside.example", "localhost"} {
		_, err := c.get(t, "http://"+host+":"+port)
		fails(t, err, contract.DestinationProhibited,
			"127.0.0.1 is a loopback address; the link allows it with allowed_networks=127.0.0.1/32")
	}
	_, err := c.get(t, "http://169.254.169.254/latest/meta-data")
	fails(t, err, contract.RequestDenied, "allows no host 169.254.169.254")
	_, err = c.get(t, "http://none.example")
	fails(t, err, contract.DNSError, "none.example")
	if hits.Load() != 0 {
		t.Errorf("the server was reached %d times", hits.Load())
	}
}

// A name that resolves to a good address when it is asked for, and to another when it is connected to, leads to the
// good one or nowhere.
func TestANameThatChangesItsAddressLeadsToGoodOnesAlone(t *testing.T) {
	var good, bad atomic.Int64
	listen := func(address string, hits *atomic.Int64) string {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			hits.Add(1)
			w.Header().Set("Connection", "close") // the next request resolves the name again
		})}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = s.Serve(l)
		}()
		t.Cleanup(func() {
			s.Close()
			<-done
		})
		_, port, _ := net.SplitHostPort(l.Addr().String())
		return port
	}
	port := listen("127.0.0.2:0", &good)
	listen("127.0.0.1:"+port, &bad)
	turn := atomic.Int64{}
	c := link(t, with(local, "allowed_hosts=rebind.example", "allowed_networks=127.0.0.2"))
	c.dialer.resolver = names(t, func(string) []string {
		switch turn.Add(1) % 3 {
		case 0:
			return []string{"127.0.0.2"}
		case 1:
			return []string{"127.0.0.1"}
		}
		return []string{"127.0.0.1", "127.0.0.2"}
	})
	for range 60 {
		if _, err := c.get(t, "http://rebind.example:"+port); err != nil {
			fails(t, err, contract.DestinationProhibited, "127.0.0.1")
		}
	}
	if bad.Load() != 0 || good.Load() == 0 {
		t.Errorf("%d requests came where they may, %d where they may not", good.Load(), bad.Load())
	}
}

func TestRedirectsAreFollowedOnlyWhenTheLinkSaysSo(t *testing.T) {
	var s *httptest.Server
	other := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/back" {
			http.Redirect(w, r, s.URL+"/end", http.StatusFound)
			return
		}
		fmt.Fprintf(w, "%s auth=%q cookie=%q referer=%q key=%q", r.Method, r.Header.Get("Authorization"),
			r.Header.Get("Cookie"), r.Header.Get("Referer"), r.Header.Get("X-Key"))
	})
	s = serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/other":
			http.Redirect(w, r, other.URL, http.StatusFound)
		case "/same":
			http.Redirect(w, r, "/end", http.StatusTemporaryRedirect)
		case "/there-and-back":
			http.Redirect(w, r, other.URL+"/back", http.StatusFound)
		case "/metadata":
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data/", http.StatusFound)
		case "/file":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		case "/name":
			http.Redirect(w, r, "http://evil.example/", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		default:
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s auth=%q %s", r.Method, r.Header.Get("Authorization"), body)
		}
	})
	ask := func(c *client, path string) (*contract.Response, error) {
		return c.fetch(t, &contract.Request{Method: "POST", URL: s.URL + path, Body: []byte("body"),
			Header: contract.Header{"authorization": {"Bearer x"}, "cookie": {"a=b"}, "x-key": {"k"}}})
	}
	resp, err := ask(link(t, local), "/other")
	if err != nil || resp.StatusCode != 302 || resp.Header.Get("location") != other.URL {
		t.Fatalf("a link that says nothing: %+v, %v", resp, err)
	}
	c := link(t, with(local, "follow_redirects=3", "allowed_hosts=127.0.0.1,127.0.0.2"))
	for path, want := range map[string]string{
		"/other":          `GET auth="" cookie="" referer="" key="k"`,
		"/there-and-back": `GET auth="" `,
		"/same":           `POST auth="Bearer x" body`,
	} {
		if resp, err := ask(c, path); err != nil || string(resp.Body) != want {
			t.Errorf("%s: %+v, %v; want %s", path, resp, err, want)
		}
	}
	_, err = ask(c, "/metadata")
	fails(t, err, contract.RequestDenied, "169.254.169.254")
	_, err = ask(link(t, with(local, "follow_redirects=3", "allowed_hosts=127.0.0.1,169.254.169.254")), "/metadata")
	fails(t, err, contract.DestinationProhibited, "metadata")
	_, err = ask(c, "/file")
	fails(t, err, contract.RequestURIInvalid, "http://")
	_, err = ask(c, "/name")
	fails(t, err, contract.RequestDenied, "evil.example")
	_, err = ask(c, "/loop")
	fails(t, err, contract.LoopDetected, "more than 3 redirects")
	_, err = ask(link(t, with(local, "follow_redirects=3", "allowed_methods=POST")), "/other") // which makes it a GET
	fails(t, err, contract.RequestDenied, "no method GET")
}

func TestEachTimeoutIsToldByItsName(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			fmt.Fprint(w, "begun")
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
	})
	silent, err := net.Listen("tcp", "127.0.0.1:0") // it takes connections, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	const short = "=30ms"
	for _, tc := range []struct{ value, url, name, text string }{
		{"connect_timeout", "https://" + silent.Addr().String(), contract.ConnectionTimeout, ""},
		{"first_byte_timeout", s.URL, contract.ConnectionReadTimeout, "first_byte_timeout"},
		{"between_bytes_timeout", s.URL + "/body", contract.ConnectionReadTimeout, "between_bytes_timeout"},
		{"timeout", s.URL, contract.ResponseTimeout, "timeout"},
		{"timeout", s.URL + "/body", contract.ResponseTimeout, "timeout"},
	} {
		span := short
		if tc.value == "between_bytes_timeout" { // for what is written, too
			span = "=500ms"
		}
		_, err := link(t, with(local, tc.value+span)).get(t, tc.url)
		fails(t, err, tc.name, tc.text)
	}
	c := link(t, local) // a request may ask for shorter ones
	const soon = 30 * time.Millisecond
	_, err = c.fetch(t, &contract.Request{Method: "GET", URL: "https://" + silent.Addr().String(), Connect: soon})
	fails(t, err, contract.ConnectionTimeout, "")
	_, err = c.fetch(t, &contract.Request{Method: "GET", URL: s.URL, FirstByte: soon})
	fails(t, err, contract.ConnectionReadTimeout, "")
	_, err = c.fetch(t, &contract.Request{Method: "GET", URL: s.URL + "/body", BetweenBytes: soon})
	fails(t, err, contract.ConnectionReadTimeout, "")
	c = link(t, with(local, "connect_timeout"+short, "allowed_hosts=*"))
	c.dialer.resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	_, err = c.get(t, "http://a.example")
	fails(t, err, contract.DNSTimeout, "a.example")
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	if _, _, err := link(t, local).do(ctx, &contract.Request{Method: "GET", URL: s.URL}); !errors.Is(err,
		context.DeadlineExceeded) {
		t.Errorf("the caller waits no longer: %v", err)
	}
}

// raw answers each connection with bytes, and closes it.
func raw(t *testing.T, answer string, reset bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if !strings.HasPrefix(answer, "now") {
				_, _ = c.Read(make([]byte, 4096))
			}
			_, _ = io.WriteString(c, strings.TrimPrefix(answer, "now"))
			if tcp, ok := c.(*net.TCPConn); ok && reset {
				_ = tcp.SetLinger(0)
			}
			c.Close()
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return "http://" + l.Addr().String()
}

func TestFailuresAreToldByTheirNames(t *testing.T) {
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	const head = "HTTP/1.1 200 OK\r\n"
	for _, tc := range []struct{ url, name string }{
		{"http://" + gone.Addr().String(), contract.ConnectionRefused},
		{raw(t, "", false), contract.ResponseIncomplete},
		{raw(t, "", true), contract.ConnectionTerminated},
		{raw(t, head+"Content-Length: 10\r\n\r\nshort", false), contract.ResponseIncomplete},
		{raw(t, head+"Transfer-Encoding: chunked\r\n\r\n5\r\nsh", false), contract.ResponseIncomplete},
		{raw(t, head+"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", false), contract.ProtocolError},
		{raw(t, head+"Transfer-Encoding: brotli\r\n\r\n", false), contract.ResponseTransferCoding},
		{raw(t, "this is no HTTP\r\n\r\n", false), contract.ProtocolError},
		{raw(t, head+"bad header\r\n\r\n", false), contract.ProtocolError},
		{raw(t, head+"Content-Length: x\r\n\r\n", false), contract.ProtocolError},
		{raw(t, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", false),
			contract.UpgradeFailed},
		{raw(t, head+"X: "+strings.Repeat("x", 80<<10)+"\r\n\r\n", false), contract.ResponseHeaderSize},
		{raw(t, head+strings.Repeat("X: y\r\n", 20<<10)+"\r\n", false), contract.ResponseHeaderSize},
		{raw(t, head+"Content-Length: 20000000\r\n\r\n", false), contract.ResponseBodySize},
		{strings.Replace(raw(t, "nowHTTP/1.1 400 Bad Request\r\n\r\n", false), "http:", "https:", 1),
			contract.TLSProtocolError},
	} {
		_, err := link(t, local).get(t, tc.url)
		fails(t, err, tc.name, "")
	}
}

func TestBodiesAndHeadersAreBounded(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/chunked" {
			w.(http.Flusher).Flush()
		}
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, strings.Repeat("x", 1025))
	})
	c := link(t, with(local, "max_request_bytes=1K", "max_response_bytes=1K", "max_header_bytes=1K"))
	for _, path := range []string{"/", "/chunked"} {
		_, err := c.get(t, s.URL+path)
		fails(t, err, contract.ResponseBodySize, "1024 bytes that the link allows")
		if f, _ := contract.ParseFailure(err.Error()); f == nil || f.Number != 1025 {
			t.Errorf("the size is %+v", f)
		}
	}
	enough := link(t, with(local, "max_response_bytes=1025"))
	if resp, err := enough.get(t, s.URL+"/chunked"); err != nil || len(resp.Body) != 1025 {
		t.Errorf("as much as is allowed: %v", err)
	}
	_, err := c.fetch(t, &contract.Request{Method: "POST", URL: s.URL, Body: make([]byte, 1025)})
	fails(t, err, contract.RequestBodySize, "1025 bytes")
	_, err = c.fetch(t, &contract.Request{Method: "GET", URL: s.URL,
		Header: contract.Header{"x": {strings.Repeat("x", 1000)}}})
	fails(t, err, contract.RequestHeaderSize, "max_header_bytes")
	_, err = c.fetch(t, &contract.Request{Method: "POST", URL: s.URL, Body: []byte("x"), Header: contract.Header{
		"content-length": {"2"}}})
	fails(t, err, contract.RequestBodySize, "content-length")
	for _, h := range []contract.Header{{"a b": {"x"}}, {"a": {"x\r\nHost: evil"}}, {"": {"x"}}, {"a b": nil}} {
		_, err = c.fetch(t, &contract.Request{Method: "GET", URL: s.URL, Header: h})
		fails(t, err, contract.ProtocolError, "none that HTTP allows")
	}
	if resp, err := c.fetch(t, &contract.Request{Method: "HEAD", URL: s.URL}); err != nil || len(resp.Body) != 0 {
		t.Errorf("HEAD of what is too large: %v", err)
	}
	large := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "60000000") })
	if resp, err := link(t, with(local, "max_response_bytes=64M")).fetch(t, &contract.Request{Method: "HEAD",
		URL: large.URL}); err != nil || cap(resp.Body) > 8<<10 {
		t.Errorf("HEAD of what is large: %d bytes set aside, %v", cap(resp.Body), err)
	}
}

func TestLimitsOfALink(t *testing.T) {
	release := make(chan struct{})
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			<-release
		}
	})
	c := link(t, with(local, "requests_per_second=2"))
	for range 2 {
		if _, err := c.get(t, s.URL); err != nil {
			t.Fatal(err)
		}
	}
	_, err := c.get(t, s.URL)
	fails(t, err, contract.ConnectionLimitReached, "requests_per_second")

	large := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.Method == "GET" {
			fmt.Fprint(w, strings.Repeat("x", 200<<10))
		}
	})
	slow := with(local, "bytes_per_second=1K", "timeout=20s") // after the first 32 KiB the next would take 32 s
	_, err = link(t, slow).get(t, large.URL)
	fails(t, err, contract.ResponseTimeout, "bytes_per_second")
	_, err = link(t, slow).fetch(t, &contract.Request{Method: "POST", URL: large.URL, Body: make([]byte, 200<<10)})
	fails(t, err, contract.ResponseTimeout, "bytes_per_second")

	other := serve(t, func(http.ResponseWriter, *http.Request) {})
	c = link(t, with(local, "max_connections=1", "connect_timeout=50ms"))
	if _, err := c.get(t, s.URL); err != nil {
		t.Fatal(err)
	}
	if _, err := c.get(t, other.URL); err != nil { // in the place of the idle one
		t.Errorf("an idle connection is in the way: %v", err)
	}
	busy := make(chan error, 1)
	go func() {
		_, _, err := c.do(context.Background(), &contract.Request{Method: "GET", URL: s.URL + "/wait"})
		busy <- err
	}()
	latticetest.Eventually(t, func() error {
		if len(c.dialer.places) == 0 || c.dialer.open.Load() == 0 {
			return errors.New("not connected")
		}
		_, _, err := c.do(t.Context(), &contract.Request{Method: "GET", URL: other.URL})
		var f *contract.Failure
		if !errors.As(err, &f) {
			return fmt.Errorf("%v, want no room", err)
		}
		return nil
	})
	close(release)
	if err := <-busy; err != nil {
		t.Error(err)
	}
}

func TestTLS(t *testing.T) {
	certFile, keyFile, _ := latticetest.Certificate(t)
	otherCert, otherKey, _ := latticetest.Certificate(t)
	text, err := os.ReadFile(certFile)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	secure := func(auth tls.ClientAuthType, most uint16) *httptest.Server {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, r.Proto, " ", len(r.TLS.PeerCertificates))
		}))
		s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: auth, MaxVersion: most}
		s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
		s.EnableHTTP2 = true
		s.StartTLS()
		t.Cleanup(s.Close)
		return s
	}
	s := secure(tls.NoClientCert, 0)
	for name, values := range map[string]provider.Values{
		"ca_pem":  with(local, "ca_pem="+string(text)),
		"ca_file": with(local, "ca_file="+certFile),
	} {
		if resp, err := link(t, values).get(t, s.URL); err != nil || string(resp.Body) != "HTTP/2.0 0" {
			t.Errorf("%s: %+v, %v", name, resp, err)
		}
	}
	_, err = link(t, local).get(t, s.URL)
	fails(t, err, contract.TLSCertificateError, "ca_file")
	_, err = link(t, with(local, "ca_file="+otherCert)).get(t, s.URL)
	fails(t, err, contract.TLSCertificateError, "ca_file")
	named := link(t, with(local, "ca_file="+certFile, "allowed_hosts=localhost"))
	_, err = named.get(t, strings.Replace(s.URL, "127.0.0.1", "localhost", 1))
	fails(t, err, contract.TLSCertificateError, "no good certificate")

	picky := secure(tls.RequireAnyClientCert, tls.VersionTLS12)
	_, err = link(t, with(local, "ca_file="+certFile)).get(t, picky.URL)
	fails(t, err, contract.TLSAlertReceived, "the server refuses")
	if f, _ := contract.ParseFailure(err.Error()); f == nil || f.Number != 40 || f.Word != "handshake failure" {
		t.Errorf("the alert is %+v", f)
	}
	// TLS 1.3 has begun before the server refuses, and the alert may get lost
	picky = secure(tls.RequireAnyClientCert, 0)
	_, err = link(t, with(local, "ca_file="+certFile)).get(t, picky.URL)
	if f, _ := contract.ParseFailure(fmt.Sprint(err)); f == nil || f.Name != contract.ConnectionTerminated &&
		(f.Name != contract.TLSAlertReceived || f.Number != 116) {
		t.Errorf("without a certificate: %v", err)
	}
	if resp, err := link(t, with(local, "ca_file="+certFile, "cert_file="+otherCert, "key_file="+otherKey)).get(t,
		picky.URL); err != nil || string(resp.Body) != "HTTP/2.0 1" {
		t.Errorf("with a certificate: %+v, %v", resp, err)
	}
}

// A file that is replaced counts for the connections that are made from then on.
func TestAuthoritiesAreReadAgain(t *testing.T) {
	long.Test(t, "files are looked at once a second")
	certFile, keyFile, _ := latticetest.Certificate(t)
	mine, _, _ := latticetest.Certificate(t)
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	s.StartTLS()
	t.Cleanup(s.Close)
	c := link(t, with(local, "ca_file="+mine))
	_, err = c.get(t, s.URL)
	fails(t, err, contract.TLSCertificateError, "")
	latticetest.Replace(t, mine, certFile)
	latticetest.Eventually(t, func() error {
		_, err := c.get(t, s.URL)
		return err
	})
}

// Connections belong to a link: no other one gets them, with the client certificate that they may have.
func TestLinksShareNoConnections(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.RemoteAddr) })
	ask := func(c *client) string {
		resp, err := c.get(t, s.URL)
		if err != nil {
			t.Fatal(err)
		}
		return string(resp.Body)
	}
	a, b := link(t, local), link(t, local)
	first, other, again := ask(a), ask(b), ask(a)
	if first == other || first != again {
		t.Errorf("connections from %s, %s of another link, and %s again", first, other, again)
	}
}

func TestProxiesAreUsedOnlyWhenTheLinkSaysSo(t *testing.T) {
	var asked atomic.Value
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.Method + " " + r.RequestURI + " " + r.Header.Get("Proxy-Authorization"))
		if r.Method != http.MethodConnect {
			fmt.Fprint(w, "from the proxy")
			return
		}
		to, err := net.Dial("tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		go func() {
			_, _ = io.Copy(to, c)
			to.Close()
		}()
		_, _ = io.Copy(c, to)
		c.Close()
	})
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	t.Setenv("NO_PROXY", "")
	t.Setenv("no_proxy", "")
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "direct") })
	if resp, err := link(t, local).get(t, s.URL); err != nil || string(resp.Body) != "direct" || asked.Load() != nil {
		t.Errorf("%+v, %v by way of %v", resp, err, asked.Load())
	}
	public := provider.Values{"allowed_hosts": "http://a.example,https://127.0.0.1,http://10.0.0.1",
		"allowed_ports": "1-65535"}
	_, port, _ := strings.Cut(strings.TrimPrefix(proxy.URL, "http://"), ":")
	for _, values := range []provider.Values{with(public, "proxy=environment"),
		with(public, "proxy=http://user:pw@127.0.0.1:"+port)} {
		resp, err := link(t, with(values, "allowed_hosts=http://a.example:80")).get(t, "http://a.example/x")
		want := "GET http://a.example/x "
		if values["proxy"] != "environment" {
			want += "Basic dXNlcjpwdw=="
		}
		if err != nil || string(resp.Body) != "from the proxy" || asked.Load() != want {
			t.Errorf("%+v, %v by way of %v", resp, err, asked.Load())
		}
	}
	_, err := link(t, with(public, "proxy="+proxy.URL)).get(t, "http://10.0.0.1/") // what the proxy would connect to
	fails(t, err, contract.DestinationProhibited, "a private address")

	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "secure")
	}))
	t.Cleanup(secure.Close)
	ca := "ca_pem=" + pemOf(secure)
	c := link(t, with(local, ca, "proxy="+proxy.URL))
	resp, err := c.get(t, secure.URL)
	if err != nil || string(resp.Body) != "secure" || asked.Load() != "CONNECT "+secure.Listener.Addr().String()+" " {
		t.Errorf("%+v, %v by way of %v", resp, err, asked.Load())
	}
	secure.Close()
	_, err = link(t, with(local, "proxy="+proxy.URL)).get(t, secure.URL)
	fails(t, err, contract.DestinationUnavailable, "502")
}

// What the environment sends by no proxy goes to no proxy, either, at the address of one.
func TestTheProxyItselfIsNoDestination(t *testing.T) {
	proxy := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "the proxy's own pages") })
	here := strings.Replace(proxy.URL, "127.0.0.1", "localhost", 1)
	t.Setenv("HTTP_PROXY", here)
	t.Setenv("http_proxy", here)
	values := provider.Values{"allowed_hosts": "*", "allowed_ports": "1-65535", "allowed_schemes": "http",
		"proxy": "environment"}
	_, err := link(t, values).get(t, here)
	fails(t, err, contract.DestinationProhibited, "the proxy")
	if resp, err := link(t, values).get(t, "http://a.example"); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("by way of it: %+v, %v", resp, err)
	}
}

func TestWhatAProxyAnswersIsBounded(t *testing.T) {
	var sent atomic.Int64
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = c.Read(make([]byte, 4096))
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
		for sent.Load() < 64<<20 { // a header without end
			n, err := io.WriteString(c, strings.Repeat("x: y\r\n", 1<<10))
			if sent.Add(int64(n)); err != nil {
				return
			}
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	values := provider.Values{"allowed_hosts": "a.example", "proxy": "http://" + l.Addr().String(),
		"connect_timeout": "60s"}
	_, err = link(t, values).get(t, "https://a.example")
	fails(t, err, contract.DestinationUnavailable, "more than 65536 bytes")
	l.Close()
	if wg.Wait(); sent.Load() >= 64<<20 {
		t.Errorf("all %d bytes were read", sent.Load())
	}
}

func TestLabelsOfMetricsAreBounded(t *testing.T) {
	m, err := newMetrics(prometheus.NewRegistry(), func() float64 { return 0 })
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxHosts {
		m.host(fmt.Sprint("host-", i))
	}
	for err, result := range map[error]string{context.DeadlineExceeded: "timeout", context.Canceled: "canceled",
		&lattice.Error{Code: lattice.ErrBusy}: "busy", contract.Fail(contract.DNSError, "x"): contract.DNSError} {
		m.observe("one-more", 0, err, time.Second)
		var n dto.Metric
		if err := m.requests.WithLabelValues("other", result).Write(&n); err != nil || n.Counter.GetValue() != 1 {
			t.Errorf("%s is counted as %v, %v", result, n.Counter, err)
		}
	}
	if m.host("one-more") != "other" || m.host("host-7") != "host-7" || m.host("") != "denied" {
		t.Error("labels without end")
	}
}

func TestFailuresCrossTheLatticeWhole(t *testing.T) {
	for _, f := range []*contract.Failure{contract.Fail(contract.RequestDenied, "no"),
		{Name: contract.TLSAlertReceived, Number: 40, Word: "handshake failure", Text: "x"}} {
		err := carried(f)
		over := lattice.FromWire(lattice.CodeOf(err).Name(), err.Error())
		if got, ok := contract.ParseFailure(over.Error()); !ok || *got != *f {
			t.Errorf("%v came as %+v", f, got)
		}
	}
	if err := carried(contract.Fail(contract.RequestDenied, "no")); !errors.Is(err, lattice.ErrDenied) {
		t.Error(err)
	}
}

func pemOf(s *httptest.Server) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
}
