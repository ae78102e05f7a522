package httpclient

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
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/weftlattice/weft/internal/channel"
	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/internal/latticetest/beside"
	"github.com/weftlattice/weft/internal/stream"
	contract "github.com/weftlattice/weft/lattice/contract/httpclient"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/lattice/wire"
	"github.com/weftlattice/weft/provider"
)

// asker makes requests whose bodies are streams, over a link, as an actor on the provider's host does.
type asker struct {
	*testing.T
	way     *channel.End
	metrics *metrics
	held    *stream.Meter // of the provider
}

func asking(t *testing.T, values provider.Values) *asker {
	t.Helper()
	c := link(t, values)
	m, err := newMetrics(prometheus.NewRegistry(), func() float64 { return 0 })
	if err != nil {
		t.Fatal(err)
	}
	near, far := channel.Pair()
	a := &asker{t, near, m, new(stream.Meter)}
	logger := slog.New(slog.DiscardHandler)
	near.Serve(channel.Config{Logger: logger})
	far.Serve(channel.Config{Logger: logger, Streams: a.held,
		Handler: invocation.Handler(func(ctx context.Context, inv *wire.Invocation) ([]byte, error) {
			q, err := contract.DecodeRequest(inv.Msg)
			if err != nil {
				return nil, err
			}
			start := time.Now()
			resp, status, grant, err := c.pass(ctx, q, beside.Offer(stream.From(ctx)), m.flow)
			m.observe(grant, status, err, time.Since(start))
			if err != nil || resp == nil {
				return nil, carried(err)
			}
			return resp.Encode(), nil
		})})
	return a
}

// got is what came back.
type got struct {
	*contract.Response
	streamed bool
	trailers []stream.Field
}

// ask makes a request with a body, nil: none, and collects all of its answer. seen, which may be nil, is told of each
// piece.
func (a *asker) ask(ctx context.Context, q *contract.Request, body *stream.Caller, seen func(piece string)) (g got,
	err error) {
	a.Helper()
	if body == nil {
		body = new(stream.Caller)
	}
	if q.Header == nil {
		q.Header = contract.Header{}
	}
	body.Take = func(head []byte, s *stream.Stream) error {
		g.streamed = true
		if g.Response, err = contract.DecodeResponse(head); err != nil {
			return err
		}
		for {
			b, err := s.Next(ctx, stream.Piece)
			if err == io.EOF {
				g.trailers = s.Trailers()
				return nil
			}
			if err != nil {
				return err
			}
			if g.Body = append(g.Body, b...); seen != nil {
				seen(string(b))
			}
		}
	}
	whole, err := a.way.Call(ctx, &channel.Call{Origin: wire.Entity{PublicKey: "M1"},
		Target:    wire.Entity{PublicKey: "V1"},
		Operation: contract.Send, Payload: q.Encode(), Stream: body}, time.Minute)
	if err == nil && !g.streamed {
		g.Response, err = contract.DecodeResponse(whole)
	}
	return g, err
}

// failed wants a failure of a name that has crossed the lattice.
func failed(t *testing.T, err error, name string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want %s", name)
		return
	}
	if f, ok := contract.ParseFailure(err.Error()); !ok || f.Name != name {
		t.Errorf("%v, want %s", err, name)
	}
}

// over runs a test against servers of HTTP/1.1, and of HTTP/2 with TLS.
func over(t *testing.T, h http.HandlerFunc, test func(t *testing.T, url string, values provider.Values)) {
	for _, name := range []string{"HTTP/1.1", "HTTP/2"} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Proto != name && r.Proto != "HTTP/2.0" {
					t.Errorf("it came by %s", r.Proto)
				}
				_ = http.NewResponseController(w).EnableFullDuplex()
				h(w, r)
			}))
			values := local
			if s.EnableHTTP2 = name == "HTTP/2"; s.EnableHTTP2 {
				s.StartTLS()
				values = with(local, "ca_pem="+pemOf(s))
			} else {
				s.Start()
			}
			t.Cleanup(s.Close)
			test(t, s.URL, values)
		})
	}
}

// pieces is a body whose pieces a test hands out one by one.
func pieces(c <-chan string) *stream.Caller {
	return &stream.Caller{Fill: func(ctx context.Context, s *stream.Stream) (bool, error) {
		for {
			select {
			case p, more := <-c:
				if !more {
					return true, nil
				}
				if err := s.Write(ctx, []byte(p)); err != nil {
					return false, nil
				}
			case <-ctx.Done():
				return false, nil
			}
		}
	}}
}

// The server has each piece of a body before the next one is written, and the caller each piece of the answer before
// the server writes the next one.
func TestBothBodiesGoOnAsTheyCome(t *testing.T) {
	over(t, func(w http.ResponseWriter, r *http.Request) {
		in := bufio.NewReader(r.Body)
		fmt.Fprintln(w, "ready", r.ContentLength)
		for {
			w.(http.Flusher).Flush()
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			fmt.Fprint(w, "echo ", line)
		}
	}, func(t *testing.T, url string, values provider.Values) {
		for _, length := range []string{"", "8"} {
			a, out := asking(t, values), make(chan string)
			words := []string{"one\n", "two\n"}
			q := &contract.Request{Method: "POST", URL: url, Header: contract.Header{}}
			if length != "" {
				q.Header["content-length"] = []string{length}
			}
			g, err := a.ask(t.Context(), q, pieces(out), func(string) {
				switch { // one word for each piece that came back
				case len(words) > 0:
					out <- words[0]
					words = words[1:]
				case out != nil:
					close(out)
					out = nil
				}
			})
			told := length
			if told == "" {
				told = "-1"
			}
			if want := "ready " + told + "\necho one\necho two\n"; err != nil || string(g.Body) != want {
				t.Errorf("%q, %v; want %q", g.Body, err, want)
			}
		}
	})
}

// Trailers pass both ways, whether the header announces them or, in the request, HTTP/1.1 has them without that.
func TestTrailersPass(t *testing.T) {
	over(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Trailer", "X-Sum")
		fmt.Fprint(w, "body")
		w.Header().Set("X-Sum", r.Trailer.Get("X-Count")+"!")
	}, func(t *testing.T, url string, values provider.Values) {
		ask := func(name string) (got, error) {
			out := make(chan string, 1)
			out <- "some"
			close(out)
			body := pieces(out)
			body.Trailers = func() []stream.Field { return []stream.Field{{Name: name, Value: "4"}} }
			return asking(t, values).ask(t.Context(), &contract.Request{Method: "POST", URL: url,
				Header: contract.Header{"trailer": {"x-count, x-other"}}}, body, nil)
		}
		g, err := ask("x-count")
		if err != nil || string(g.Body) != "body" || len(g.trailers) != 1 || g.trailers[0].Name != "x-sum" ||
			g.trailers[0].Value != "4!" {
			t.Errorf("%q, trailers %v, %v", g.Body, g.trailers, err)
		}
		_, err = ask("content-length")
		failed(t, err, contract.ProtocolError)
	})
}

// A small answer that is here at once goes in one message; one that takes its time, or may be long, as a stream.
func TestSmallAnswersGoWhole(t *testing.T) {
	slow := make(chan bool)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow":
			w.Header().Set("Content-Length", "4")
			fmt.Fprint(w, "sl")
			w.(http.Flusher).Flush()
			<-slow
			fmt.Fprint(w, "ow")
		case "/chunked":
			w.(http.Flusher).Flush()
		case "/none":
			w.WriteHeader(http.StatusNoContent)
		default:
			fmt.Fprint(w, "here")
		}
	})
	a := asking(t, local)
	for _, tc := range []struct {
		method, path, body string
		streamed           bool
	}{{"GET", "/", "here", false}, {"HEAD", "/", "", false}, {"GET", "/none", "", false}, {"GET", "/chunked", "", true},
		{"GET", "/slow", "slow", true}} {
		q := &contract.Request{Method: tc.method, URL: s.URL + tc.path}
		g, err := a.ask(t.Context(), q, nil, func(piece string) {
			if piece == "sl" { // it is here before the rest is written
				slow <- true
			}
		})
		if err != nil || string(g.Body) != tc.body || g.streamed != tc.streamed {
			t.Errorf("%s %s: %+v, %v; want %+v", tc.method, tc.path, g, err, tc)
		}
	}
}

// A server that breaks in the middle of its answer is an error by its name, after what came before.
func TestAnAnswerThatBreaksHasNoCleanEnd(t *testing.T) {
	over(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "some")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}, func(t *testing.T, url string, values provider.Values) {
		a := asking(t, values)
		g, err := a.ask(t.Context(), &contract.Request{Method: "GET", URL: url}, nil, nil)
		name := contract.ResponseIncomplete
		if strings.HasPrefix(url, "https") {
			name = contract.ProtocolError // the stream is reset
		}
		if failed(t, err, name); string(g.Body) != "some" {
			t.Errorf("%q came before it", g.Body)
		}
		if n := counted(t, a.metrics.requests.WithLabelValues("127.0.0.1", name)); n != 1 {
			t.Errorf("%v requests are counted that ended so", n)
		}
	})
}

// A caller that wants no more, or breaks its own body, ends the exchange with the server.
func TestWhoLeavesEndsTheExchange(t *testing.T) {
	left := make(chan error, 1)
	over(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "some")
		w.(http.Flusher).Flush()
		if r.Method == "POST" {
			_, err := io.Copy(io.Discard, r.Body)
			left <- err
			return
		}
		<-r.Context().Done()
		left <- r.Context().Err()
	}, func(t *testing.T, url string, values provider.Values) {
		a := asking(t, values)
		enough := func(head []byte, s *stream.Stream) error {
			if _, err := s.Next(t.Context(), 1); err != nil {
				return err
			}
			return stream.ErrEnough
		}
		_, err := a.way.Call(t.Context(), &channel.Call{Operation: contract.Send, Stream: &stream.Caller{Take: enough},
			Payload: (&contract.Request{Method: "GET", URL: url, Header: contract.Header{}}).Encode()}, time.Minute)
		if ended := <-left; err != nil || ended == nil {
			t.Errorf("a caller that wants no more gets %v, the server %v", err, ended)
		}
		broken := filled(func(ctx context.Context, s *stream.Stream) (bool, error) {
			if err := s.Write(ctx, []byte("half")); err != nil {
				return false, nil
			}
			return false, errors.New("no more of it")
		})
		_, err = a.ask(t.Context(), &contract.Request{Method: "POST", URL: url}, broken, nil)
		if ended := <-left; err == nil || err.Error() != "no more of it" || ended == nil {
			t.Errorf("a caller whose body breaks gets %v, the server %v", err, ended)
		}
	})
}

func filled(fill func(context.Context, *stream.Stream) (bool, error)) *stream.Caller {
	return &stream.Caller{Fill: fill}
}

// endless is a body without end, which counts what it has written.
func endless(n *atomic.Int64) *stream.Caller {
	return &stream.Caller{Fill: func(ctx context.Context, s *stream.Stream) (bool, error) {
		b := make([]byte, 32<<10)
		for {
			if err := s.Write(ctx, b); err != nil {
				return false, nil
			}
			n.Add(int64(len(b)))
		}
	}}
}

// What a link allows counts for bodies that are streams, as they pass.
func TestLimitsCountAsBytesPass(t *testing.T) {
	got := make(chan int64, 1)
	over(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			n, _ := io.Copy(io.Discard, r.Body)
			got <- n
			return
		}
		for b := make([]byte, 32<<10); ; {
			if _, err := w.Write(b); err != nil {
				return
			}
		}
	}, func(t *testing.T, url string, values provider.Values) {
		a := asking(t, with(values, "max_request_bytes=1M", "max_response_bytes=1M"))
		var written atomic.Int64
		_, err := a.ask(t.Context(), &contract.Request{Method: "POST", URL: url}, endless(&written), nil)
		failed(t, err, contract.RequestBodySize)
		if n := <-got; n > 1<<20 || n == 0 {
			t.Errorf("the server got %d bytes of a body that is too large", n)
		}
		g, err := a.ask(t.Context(), &contract.Request{Method: "GET", URL: url}, nil, nil)
		failed(t, err, contract.ResponseBodySize)
		if len(g.Body) > 1<<20 || len(g.Body) == 0 {
			t.Errorf("the caller got %d bytes of an answer that is too large", len(g.Body))
		}
		out := counted(t, a.metrics.bytes.WithLabelValues("127.0.0.1", "out"))
		in := counted(t, a.metrics.bytes.WithLabelValues("127.0.0.1", "in"))
		if out < 1<<19 || out > 1<<20 || in < 1<<19 || in > 1<<20 {
			t.Errorf("%v bytes are counted out, %v in", out, in)
		}
		// Of a length that is told, nothing is sent.
		_, err = a.ask(t.Context(), &contract.Request{Method: "POST", URL: url, Header: contract.Header{
			"content-length": {"1048577"}}}, endless(&written), nil)
		failed(t, err, contract.RequestBodySize)
		if len(got) != 0 {
			t.Error("a request is begun whose body is too large")
		}
	})
}

// A server that does not read holds the caller back, and a caller that does not read the server. Half a MiB is held.
func TestWhoIsSlowHoldsTheOtherBack(t *testing.T) {
	sent, goOn := new(atomic.Int64), make(chan bool)
	over(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			select {
			case <-goOn:
			case <-r.Context().Done():
			}
			return
		}
		for b := make([]byte, 32<<10); ; {
			if _, err := w.Write(b); err != nil {
				return
			}
			sent.Add(int64(len(b)))
		}
	}, func(t *testing.T, url string, values provider.Values) {
		stands := func(n *atomic.Int64) {
			t.Helper()
			for last, quiet := int64(-1), 0; quiet < 5; {
				if now := n.Load(); now != last || now == 0 {
					last, quiet = now, 0
				} else {
					quiet++
				}
				time.Sleep(20 * time.Millisecond)
			}
		}
		a := asking(t, with(values, "max_request_bytes=127M", "max_response_bytes=127M"))
		var written atomic.Int64
		done := make(chan error, 1)
		go func() {
			_, err := a.ask(t.Context(), &contract.Request{Method: "POST", URL: url}, endless(&written), nil)
			done <- err
		}()
		stands(&written)
		goOn <- true
		<-done // answered without the body, or broken
		stopped := errors.New("stop")
		_, err := a.way.Call(t.Context(), &channel.Call{Operation: contract.Send,
			Stream: &stream.Caller{Take: func([]byte, *stream.Stream) error {
				stands(sent)
				return stopped
			}},
			Payload: (&contract.Request{Method: "GET", URL: url, Header: contract.Header{}}).Encode()}, time.Minute)
		if err != stopped {
			t.Error(err)
		}
		if written.Load() > 60<<20 || sent.Load() > 60<<20 {
			t.Errorf("%d bytes are written to a server that does not read, %d to a caller that does not",
				written.Load(), sent.Load())
		}
		if _, most := a.held.Held(); most > stream.Window {
			t.Errorf("%d bytes were held of the request", most)
		}
	})
}

// The three timeouts hold for streams, and only where a server is slow: a caller may pause for as long as it likes.
func TestTimeoutsOfStreams(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // it takes connections, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	a := asking(t, with(local, "connect_timeout=50ms"))
	out := make(chan string)
	defer close(out)
	q := &contract.Request{Method: "POST", URL: "https://" + silent.Addr().String()}
	_, err = a.ask(t.Context(), q, pieces(out), nil)
	failed(t, err, contract.ConnectionTimeout)

	heard := make(chan bool)
	over(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/silent":
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		case "/pauses":
			fmt.Fprint(w, "some")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		case "/deaf":
			<-heard
		case "/events":
			for range 8 {
				fmt.Fprint(w, "event")
				w.(http.Flusher).Flush()
				time.Sleep(50 * time.Millisecond)
			}
		default:
			n, _ := io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, n)
		}
	}, func(t *testing.T, url string, values provider.Values) {
		short := func(value string) *asker { return asking(t, with(values, value)) }
		// The time to the first byte begins when the body has been sent, however long that takes.
		const pause = 600 * time.Millisecond
		slowly := filled(func(ctx context.Context, s *stream.Stream) (bool, error) {
			for range 2 {
				if err := s.Write(ctx, []byte("x")); err != nil {
					return false, nil
				}
				time.Sleep(pause)
			}
			return true, nil
		})
		for _, value := range []string{"first_byte_timeout=1s", "timeout=1s", "between_bytes_timeout=500ms"} {
			again := *slowly
			q := &contract.Request{Method: "POST", URL: url + "/"}
			if g, err := short(value).ask(t.Context(), q, &again, nil); err != nil || string(g.Body) != "2" {
				t.Errorf("%s: %v, %v", value, g.Response, err)
			}
		}
		post := func(value, path string) error {
			out := make(chan string)
			close(out)
			q := &contract.Request{Method: "POST", URL: url + path}
			_, err := short(value).ask(t.Context(), q, pieces(out), nil)
			return err
		}
		failed(t, post("first_byte_timeout=100ms", "/silent"), contract.ConnectionReadTimeout)
		failed(t, post("timeout=100ms", "/silent"), contract.ResponseTimeout)
		_, err := short("between_bytes_timeout=300ms").ask(t.Context(),
			&contract.Request{Method: "GET", URL: url + "/pauses"}, nil, nil)
		failed(t, err, contract.ConnectionReadTimeout)
		var n atomic.Int64
		_, err = asking(t, with(values, "between_bytes_timeout=300ms", "max_request_bytes=127M")).ask(t.Context(),
			&contract.Request{Method: "POST", URL: url + "/deaf"}, endless(&n), nil)
		heard <- true
		failed(t, err, contract.ConnectionWriteTimeout)
		// After its head an answer has all the time there is.
		q := &contract.Request{Method: "GET", URL: url + "/events"}
		g, err := short("timeout=100ms").ask(t.Context(), q, nil, nil)
		if err != nil || string(g.Body) != strings.Repeat("event", 8) {
			t.Errorf("%q, %v", g.Body, err)
		}
	})
}

// What is denied is so before a byte is sent, and the trace of the call goes on.
func TestStreamsAreJudgedAndTraced(t *testing.T) {
	var asked atomic.Int64
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		fmt.Fprint(w, r.Header.Get("traceparent"))
	})
	var written atomic.Int64
	for values, name := range map[string]string{"allowed_hosts=other.example": contract.RequestDenied,
		"allowed_networks=": contract.DestinationProhibited, "allowed_methods=GET": contract.RequestDenied} {
		_, err := asking(t, with(local, values)).ask(t.Context(), &contract.Request{Method: "POST", URL: s.URL},
			endless(&written), nil)
		failed(t, err, name)
	}
	if asked.Load() != 0 {
		t.Errorf("the server was asked %d times", asked.Load())
	}
	tc := trace.New()
	g, err := asking(t, local).ask(trace.With(t.Context(), tc), &contract.Request{Method: "GET", URL: s.URL}, nil, nil)
	if err != nil || !bytes.Contains(g.Body, []byte(fmt.Sprintf("%x", tc.TraceID))) {
		t.Errorf("trace %s, %v; want that of %s", g.Body, err, tc.Traceparent())
	}
}

// A server that answers before it has read the body says so to the caller, who need not write the rest.
func TestAnAnswerBeforeTheBodyIsRead(t *testing.T) {
	over(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	}, func(t *testing.T, url string, values provider.Values) {
		var written atomic.Int64
		g, err := asking(t, with(values, "max_request_bytes=127M")).ask(t.Context(),
			&contract.Request{Method: "POST", URL: url}, endless(&written), nil)
		if err != nil || g.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%+v, %v", g.Response, err)
		}
	})
}

// A server that goes away before it answers ends the request at once, even when the caller has no more to write yet.
func TestAServerThatGoesBeforeTheBodyEnds(t *testing.T) {
	over(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadFull(r.Body, make([]byte, len("first")))
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = c.Close() // a handler that panics would wait for the rest
			return
		}
		panic(http.ErrAbortHandler)
	}, func(t *testing.T, url string, values provider.Values) {
		body := make(chan string, 1)
		body <- "first"
		_, err := asking(t, values).ask(t.Context(), &contract.Request{Method: "POST", URL: url}, pieces(body), nil)
		if strings.HasPrefix(url, "https") {
			failed(t, err, contract.ProtocolError) // the stream is reset
		} else {
			failed(t, err, contract.ConnectionTerminated)
		}
	})
}

// counted is what a counter stands at.
func counted(t *testing.T, c prometheus.Counter) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.Counter.GetValue()
}
