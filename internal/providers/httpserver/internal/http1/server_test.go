package http1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/callctx"
	"github.com/weftlattice/weft/internal/latticetest"
)

func TestMain(m *testing.M) { latticetest.VerifyMain(m) }

const wait = latticetest.Patience

// site is a server that answers with what it was asked, and says which of the two served it.
type site struct {
	*Server
	t      *testing.T
	addr   string
	log    bytes.Buffer
	served chan struct{}
}

func start(t *testing.T, plain func(ctx *callctx.Context, r *Request, w *Response), change ...func(*Config)) *site {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, addr: l.Addr().String(), served: make(chan struct{})}
	if plain == nil {
		plain = func(_ *callctx.Context, r *Request, w *Response) {
			w.Begin(200)
			w.Set("x-by", "plain")
			w.Body(fmt.Appendf(nil, "%s %s?%s %s %q", r.Method, r.Path, r.Query, r.Host, r.Body))
		}
	}
	rest := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		w.Header().Set("X-By", "net/http")
		_, _ = fmt.Fprintf(w, "%s %s?%s %s %q", r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Host, b)
		if err != nil {
			w.WriteHeader(400)
		}
	}), ReadHeaderTimeout: wait, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	cfg := Config{Handler: plain, Rest: rest, Log: slog.New(slog.NewTextHandler(&s.log, nil)), MaxHeaderBytes: 4 << 10,
		HeaderTimeout: wait, IdleTimeout: wait, WriteTimeout: wait,
		Stall: func(net.Conn, int) (func(), bool) { return func() {}, true }}
	for _, f := range change {
		f(&cfg)
	}
	s.Server = New(l, cfg)
	go func() {
		defer close(s.served)
		if err := s.Serve(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	}()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		<-s.served
	})
	return s
}

// client is a connection.
type client struct {
	net.Conn
	in *bufio.Reader
	t  *testing.T
}

func (s *site) dial() *client {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(wait)); err != nil {
		s.t.Fatal(err)
	}
	return &client{c, bufio.NewReader(c), s.t}
}

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

// get reads an answer.
func (c *client) get(method string) (by, body string, resp *http.Response) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.in, &http.Request{Method: method})
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.Header.Get("X-By"), string(b), resp
}

func (c *client) ended() {
	c.t.Helper()
	if b, err := io.ReadAll(c.in); err != nil || len(b) > 0 {
		c.t.Errorf("%q, %v; want the end of the connection", b, err)
	}
}

func TestServer(t *testing.T) {
	s := start(t, nil)
	c := s.dial()
	c.send("GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n")
	by, body, resp := c.get("GET")
	if by != "plain" || body != `GET /a?b x ""` || resp.StatusCode != 200 ||
		resp.ContentLength != int64(len(body)) || resp.Close {
		t.Errorf("%s: %q, %+v", by, body, resp)
	}
	if _, err := http.ParseTime(resp.Header.Get("Date")); err != nil {
		t.Error(err)
	}
	c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel") // in two pieces
	c.send("lo")
	if _, body, _ := c.get("POST"); body != `POST /? x "hello"` {
		t.Error(body)
	}
	c.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
	if by, body, resp := c.get("HEAD"); by != "plain" || body != "" ||
		resp.ContentLength != int64(len(`HEAD /? x ""`)) {
		t.Errorf("HEAD: %s, %q, %+v", by, body, resp)
	}
	c.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if _, _, resp := c.get("GET"); !resp.Close {
		t.Error("the answer does not say that it is the last")
	}
	c.ended()
}

// What is not plain is served by net/http, whole, and so is all that follows on the connection.
func TestHandOver(t *testing.T) {
	s := start(t, nil)
	big := strings.Repeat("b", maxBody+1)
	for name, text := range map[string]string{
		"chunks":  "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
		"version": "POST / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",
		"target":  "POST http://x/ HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi",
		"large header": "POST / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("a", 5000) +
			"\r\nContent-Length: 2\r\n\r\nhi",
		"one by one":     "",
		"bare line feed": "POST / HTTP/1.1\nHost: x\nContent-Length: 2\n\nhi",
	} {
		t.Run(name, func(t *testing.T) {
			c := s.dial()
			c.send("GET /first HTTP/1.1\r\nHost: x\r\n\r\n")
			if by, _, _ := c.get("GET"); by != "plain" {
				t.Fatalf("the first request was served by %s", by)
			}
			c.send("GET /second HTTP/1.1\r\nHost: x\r\n\r\n" + text) // at once
			if by, body, _ := c.get("GET"); by != "plain" || body != `GET /second? x ""` {
				t.Fatalf("the second request was served by %s: %s", by, body)
			}
			if text == "" { // a request that takes longer than the patience
				for _, b := range "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi" {
					c.send(string(b))
					waitFor(patience / 20)
				}
			}
			if by, body, _ := c.get("POST"); by != "net/http" || body != `POST /? x "hi"` {
				t.Fatalf("served by %s: %s", by, body)
			}
			if name == "version" {
				return
			}
			c.send("POST /big HTTP/1.1\r\nHost: x\r\nContent-Length: " + fmt.Sprint(len(big)) + "\r\n\r\n" + big)
			if by, body, _ := c.get("POST"); by != "net/http" || len(body) < maxBody {
				t.Fatalf("what follows is served by %s: %d bytes", by, len(body))
			}
		})
	}
}

// waitFor lets time pass: some bytes come later than others, which is what is tested.
func waitFor(d time.Duration) { <-time.After(d) }

func TestPipeline(t *testing.T) {
	s := start(t, nil)
	c := s.dial()
	var text strings.Builder
	for i := range 500 {
		fmt.Fprintf(&text, "POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n%03d", i, i)
	}
	go func() { _, _ = io.WriteString(c, text.String()) }()
	for i := range 500 {
		if by, body, _ := c.get("POST"); by != "plain" || body != fmt.Sprintf(`POST /%d? x "%03d"`, i, i) {
			t.Fatalf("answer %d by %s: %s", i, by, body)
		}
	}
	// A request of which only a part follows does not hold up the answer to the one before it.
	c.send("GET /whole HTTP/1.1\r\nHost: x\r\n\r\nGET /part HTTP/1.1\r\n")
	if _, body, _ := c.get("GET"); body != `GET /whole? x ""` {
		t.Error(body)
	}
}

func TestLargeAnswers(t *testing.T) {
	const size = 3 << 20
	all := bytes.Repeat([]byte("weft"), size/4)
	s := start(t, func(_ *callctx.Context, r *Request, w *Response) {
		w.Begin(200)
		switch r.Path {
		case "/body":
			w.Body(all)
		case "/short": // less than promised
			if err := w.Stream(size, func(out io.Writer) error {
				_, err := out.Write(all[:100])
				return err
			}); err != nil {
				t.Error(err)
			}
		case "/panic":
			_ = w.Stream(size, func(out io.Writer) error { _, err := out.Write(all[:100]); return err })
			panic(http.ErrAbortHandler)
		case "/long": // more than promised
			if err := w.Stream(10, func(out io.Writer) error { _, err := out.Write(all); return err }); !errors.Is(err,
				io.ErrShortWrite) {
				t.Error(err)
			}
		default:
			if err := w.Stream(size, func(out io.Writer) error {
				_, err := io.Copy(out, bytes.NewReader(all))
				return err
			}); err != nil {
				t.Error(err)
			}
		}
	})
	c := s.dial()
	for _, path := range []string{"/body", "/stream", "/body"} {
		c.send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
		if _, body, _ := c.get("GET"); body != string(all) {
			t.Errorf("%s: %d bytes", path, len(body))
		}
	}
	for _, path := range []string{"/short", "/panic", "/long"} {
		c := s.dial()
		c.send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\nGET /body HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(c.in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(resp.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v, want to be cut off", path, err)
		}
		resp.Body.Close()
	}
}

// An answer that is not taken may wait when there is room for it, as long as the client takes some of it now and then.
func TestStall(t *testing.T) {
	const size = 8 << 20
	full := make(chan int, 1)
	answer := func(_ *callctx.Context, _ *Request, w *Response) {
		w.Begin(200)
		w.Body(make([]byte, size))
	}
	s := start(t, answer, func(c *Config) {
		c.Stall = func(_ net.Conn, n int) (func(), bool) {
			full <- n
			return nil, false
		}
	})
	c := s.dial()
	c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if n := <-full; n <= 0 || n > size {
		t.Errorf("%d bytes wait", n)
	}
	if n, _ := io.Copy(io.Discard, c.in); n >= size {
		t.Error("all came although it could not wait")
	}

	waits, over := make(chan struct{}, 1), make(chan struct{}, 1)
	s = start(t, answer, func(c *Config) {
		c.WriteTimeout = 100 * time.Millisecond
		c.Stall = func(net.Conn, int) (func(), bool) {
			waits <- struct{}{}
			return func() { over <- struct{}{} }, true
		}
	})
	c = s.dial()
	c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n") // and reads nothing
	<-waits
	<-over
	if n, _ := io.Copy(io.Discard, c.in); n >= size {
		t.Error("all came although nobody took it in time")
	}
}

func TestPanic(t *testing.T) {
	s := start(t, func(_ *callctx.Context, r *Request, w *Response) {
		w.Begin(200)
		if r.Path == "/panic" {
			panic("oh")
		}
		w.Body([]byte("fine"))
	})
	c := s.dial()
	c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /panic HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, body, _ := c.get("GET"); body != "fine" {
		t.Error(body)
	}
	c.ended()
	c = s.dial()
	c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, body, _ := c.get("GET"); body != "fine" {
		t.Error(body)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(s.log.String(), "oh") || strings.Count(s.log.String(), "\n") != 1 {
		t.Errorf("log: %s", &s.log)
	}
}

// A client that breaks off takes its request with it; one that only ends its side, or sends ahead, does not.
func TestGone(t *testing.T) {
	ended := make(chan error, 2)
	s := start(t, func(ctx *callctx.Context, r *Request, w *Response) {
		if r.Path == "/wait" {
			<-ctx.Done()
			ended <- ctx.Err()
		}
		w.Begin(200)
		w.Body(nil)
	})
	half := s.dial()
	half.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
	if err := half.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	ahead := s.dial()
	ahead.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
	latticetest.Eventually(t, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		n := 0
		for c := range s.conns {
			if c.request.Load() != nil {
				n++
			}
		}
		if n < 2 {
			return fmt.Errorf("%d have begun", n)
		}
		return nil
	})
	ahead.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	reset := s.dial()
	reset.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
	if err := reset.Conn.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	reset.Close()
	<-ended // of the one that was reset
	if len(ended) > 0 {
		t.Error("a request whose client is there was canceled")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	<-ended
	<-ended
}

func TestShutdown(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan struct{})
	s := start(t, func(_ *callctx.Context, r *Request, w *Response) {
		if r.Path == "/slow" {
			close(begun)
			<-finish
		}
		w.Begin(200)
		w.Body([]byte("done"))
	})
	idle, silent, busy, partial := s.dial(), s.dial(), s.dial(), s.dial()
	idle.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	idle.get("GET")
	partial.send("GET / HTTP/1.1\r\nHos")
	busy.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("with no time left: %v", err)
	}
	result := make(chan error, 1)
	go func() { result <- s.Shutdown(t.Context()) }()
	idle.ended()
	silent.ended()
	if _, err := net.Dial("tcp", s.addr); err == nil {
		t.Error("takes connections after Shutdown")
	}
	close(finish)
	if _, body, resp := busy.get("GET"); body != "done" || !resp.Close {
		t.Errorf("%q, %+v", body, resp)
	}
	busy.ended()
	if err := <-result; err != nil {
		t.Error(err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("again: %v", err)
	}
}

func TestEndsBeforeServing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New(l, Config{Rest: &http.Server{ReadHeaderTimeout: wait}, Log: slog.New(slog.DiscardHandler),
		IdleTimeout: wait, WriteTimeout: wait})
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Serve(); err != nil {
		t.Error(err)
	}
}

// Idle connections end after their time.
func TestIdle(t *testing.T) {
	s := start(t, nil, func(c *Config) { c.IdleTimeout, c.HeaderTimeout = 50*time.Millisecond, 50*time.Millisecond })
	silent, used := s.dial(), s.dial()
	used.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	used.get("GET")
	silent.ended()
	used.ended()
}

// TestHammer: many connections that keep, close and break off, while the server shuts down.
func TestHammer(t *testing.T) {
	s := start(t, nil)
	var wg sync.WaitGroup
	for n := range 16 {
		wg.Go(func() {
			for i := range 50 {
				c, err := net.Dial("tcp", s.addr)
				if err != nil {
					return // shut down
				}
				_ = c.SetDeadline(time.Now().Add(wait))
				in := bufio.NewReader(c)
				for j := range n % 4 {
					text := "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
					if j == 2 {
						text = "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
					}
					if _, err := io.WriteString(c, text); err != nil {
						break
					}
					resp, err := http.ReadResponse(in, nil)
					if err != nil {
						break
					}
					if b, err := io.ReadAll(resp.Body); err == nil && !strings.HasPrefix(string(b), "GET /") {
						t.Errorf("answer %q", b)
					}
					resp.Body.Close()
				}
				c.Close()
				if n == 0 && i == 40 {
					ctx, cancel := context.WithTimeout(context.Background(), wait)
					if err := s.Shutdown(ctx); err != nil {
						t.Error(err)
					}
					cancel()
				}
			}
		})
	}
	wg.Wait()
}
