package httpserver

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
	"reflect"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/callctx"
	contract "github.com/weftlattice/weft/lattice/contract/httpserver"
	"github.com/weftlattice/weft/lattice/rpc"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/provider"
	"github.com/weftlattice/weft/provider/httpserver/internal/http1"
	"github.com/weftlattice/weft/provider/providertest"
)

// recorder is an actor that answers by the path, and remembers what it was asked.
type recorder struct {
	asked *contract.Request
	trace trace.Context
}

func (a *recorder) Call(context.Context, lattice.ActorID, string, []byte) ([]byte, error) {
	return nil, errors.New("not used")
}

func (a *recorder) Open(ctx context.Context, _ lattice.ActorID, _ string, r provider.Request) (*rpc.Answer, error) {
	q, err := contract.DecodeRequest(bytes.Clone(r.Payload))
	if err != nil {
		return nil, err
	}
	a.asked = q
	a.trace, _ = trace.From(ctx)
	resp := &contract.Response{StatusCode: 200, Header: contract.Header{"content-type": {"text/plain"}}, Body: []byte("the answer")}
	switch q.Path {
	case "/headers":
		resp.Header = contract.Header{"x-two": {"a", "b"}, "CONTENT-type": {"text/odd"}, "Transfer-Encoding": {"chunked"}, "connection": {"close"},
			"content-length": {"99"}, "bad name": {"x"}, "x-bad": {"a\r\nInjected: 1"}, "ETag": {`"1"`}, "cache-control": {"no-cache"}}
	case "/type":
		resp.Header = contract.Header{"content-type": {""}}
	case "/204", "/304", "/404", "/299", "/599":
		_, _ = fmt.Sscanf(q.Path, "/%d", &resp.StatusCode)
	case "/length":
		resp.Header, resp.Body = contract.Header{"content-length": {"77"}}, nil
	case "/empty":
		resp.Header, resp.Body = nil, nil
	case "/100":
		resp.StatusCode = 100
	case "/large":
		resp.Body = bytes.Repeat([]byte("weft"), 300_000)
	case "/garbage":
		return rpc.NewAnswer([]byte{0xc1}), nil
	case "/busy":
		return nil, &lattice.Error{Code: lattice.ErrBusy}
	case "/guest":
		return nil, &lattice.Error{Code: lattice.ErrGuest, Remote: true}
	}
	return rpc.NewAnswer(resp.Encode()), nil
}

// TestPlainIsNoDifference sends requests to both servers: actors must see the same request, and clients the same answer.
func TestPlainIsNoDifference(t *testing.T) {
	actor := new(recorder)
	m, err := newMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	h := &handler{env: provider.Env{Invoker: actor, Large: rpc.NewBudget(0)}, log: slog.New(slog.DiscardHandler), metrics: m, warnings: rate.NewLimiter(0, 0)}
	var routes atomic.Pointer[table]
	link := func(path string, change func(*settings)) *route {
		s := settings{path: path, maxBody: 1000, inFlight: 10, cache: "max-age=5"}
		if change != nil {
			change(&s)
		}
		return &route{settings: s, actor: "MA", counts: m.of("MA")}
	}
	routes.Store(newTable([]*route{link("/", nil), link("/reads", func(s *settings) { s.readonly = true }), link("/host", func(s *settings) { s.host = "only.example.org" }),
		link("/full", func(s *settings) { s.inFlight = 0 })}))

	var plain atomic.Int64
	byNetHTTP := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.serveNet(w, r, &routes) })
	byNet := serve(t, func(l net.Listener) server { return netServer{&http.Server{Handler: byNetHTTP}, l} })
	byBoth := serve(t, func(l net.Listener) server {
		return http1.New(l, http1.Config{Log: h.log, Rest: &http.Server{Handler: byNetHTTP}, MaxHeaderBytes: 4 << 10, HeaderTimeout: providertest.Patience,
			IdleTimeout: providertest.Patience, WriteTimeout: providertest.Patience,
			Handler: func(ctx *callctx.Context, r *http1.Request, w *http1.Response) {
				plain.Add(1)
				h.servePlain(ctx, r, w, &routes)
			}})
	})

	const parent = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
	for _, text := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /a%20b/../c%2Fd?x=1&y=%zz HTTP/1.1\r\nHost: Example.org:80\r\nX-Multi: 2\r\nAccept: */*\r\nx-multi: 1\r\nX-Odd: caf\xc3\xa9\r\nX-None:\r\nKeep-Alive: 5\r\nTE: trailers\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello",
		"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\n" + parent + "tracestate: a=b\r\nTracestate: c=d\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\ntraceparent: garbage\r\ntracestate: a=b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\n" + parent + parent + "\r\n",
		"GET /headers HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD /headers HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /type HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /204 HTTP/1.1\r\nHost: x\r\n\r\n", "GET /304 HTTP/1.1\r\nHost: x\r\n\r\n", "GET /404 HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /299 HTTP/1.1\r\nHost: x\r\n\r\n", "GET /599 HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /length HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD /length HTTP/1.1\r\nHost: x\r\n\r\n", "GET /empty HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD /empty HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /large HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD /large HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /100 HTTP/1.1\r\nHost: x\r\n\r\n", "GET /garbage HTTP/1.1\r\nHost: x\r\n\r\n", "GET /busy HTTP/1.1\r\nHost: x\r\n\r\n", "GET /guest HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /reads HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx", "GET /reads HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /full HTTP/1.1\r\nHost: x\r\n\r\n", "GET /host/%61 HTTP/1.1\r\nHost: ONLY.example.org.\r\n\r\n", "GET /host HTTP/1.1\r\nHost: other\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n" + strings.Repeat("x", 1001),
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
	} {
		first, _, _ := strings.Cut(text, "\r\n")
		t.Run(first, func(t *testing.T) {
			type outcome struct {
				asked  *contract.Request
				status int
				proto  string
				header http.Header
				body   string
				close  bool
			}
			do := func(addr string) (o outcome, traced bool) {
				actor.asked, actor.trace = nil, trace.Context{}
				resp, body := exchangeRaw(t, addr, text)
				if id := resp.Header.Get("X-Trace-Id"); id != "" { // of 500 and above, and where the provider itself answers, as in the body
					if len(id) != 32 || resp.StatusCode < 400 || strings.Contains(body, "trace_id") && !strings.Contains(body, id) {
						t.Errorf("status %d with trace %q and body %s", resp.StatusCode, id, body)
					}
					resp.Header.Set("X-Trace-Id", "ID")
				} else if resp.StatusCode >= 500 {
					t.Errorf("status %d without a trace", resp.StatusCode)
				}
				o = outcome{asked: actor.asked, status: resp.StatusCode, proto: resp.Status, header: resp.Header, body: traceID.ReplaceAllString(body, "ID"), close: resp.Close}
				if resp.Header.Get("Date") == "" {
					t.Error("no date")
				}
				resp.Header.Del("Date")
				if o.asked == nil {
					return o, false
				}
				tc, ok := trace.Parse(o.asked.Header.Get("traceparent"), "")
				if !ok || tc.TraceID != actor.trace.TraceID {
					t.Errorf("traceparent %q, trace %x", o.asked.Header.Get("traceparent"), actor.trace.TraceID)
				}
				delete(o.asked.Header, "traceparent")
				return o, tc.TraceID[0] == 0x0a && tc.TraceID[15] == 0x9c
			}
			before := plain.Load()
			want, wantTrace := do(byNet)
			got, gotTrace := do(byBoth)
			if plain.Load() == before {
				t.Fatal("the request was not plain")
			}
			if !reflect.DeepEqual(got, want) || got.asked != nil && gotTrace != wantTrace {
				t.Errorf("plain: %+v, asked %+v, followed %v\nby net/http: %+v, asked %+v, followed %v", got, got.asked, gotTrace, want, want.asked, wantTrace)
			}
		})
	}
}

var traceID = regexp.MustCompile(`[0-9a-f]{32}`)

// serve runs a server and returns its address.
func serve(t *testing.T, listen func(net.Listener) server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := listen(l)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Serve(); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	return l.Addr().String()
}

// exchangeRaw sends a request as it stands and reads the answer.
func exchangeRaw(t *testing.T, addr, text string) (*http.Response, string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(text, " ")
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}
