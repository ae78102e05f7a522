package wasm_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weftlattice/weft/host/internal/memory"
	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/httpclient"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
)

// fetching is a component that makes the requests that it is asked for, with what stands in for its provider; held is
// what its instance holds of the memory of all guests.
func fetching(t *testing.T, provider func(ctx context.Context, q *httpclient.Request) (*httpclient.Response, error)) (
	i *wasm.Instance, held func() int64) {
	t.Helper()
	code, err := os.ReadFile("../component/testdata/fetch.wasm")
	if err != nil {
		t.Fatal(err)
	}
	budget := memory.NewBudget(1 << 30)
	e, err := wasm.New(t.Context(), wasm.Config{Memory: budget})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close(context.Background()) })
	m, err := e.Compile(t.Context(), code)
	if err != nil {
		t.Fatal(err)
	}
	h := &host{call: func(ctx context.Context, link lattice.LinkName, contract lattice.ContractID, operation string,
		payload []byte) ([]byte, error) {
		if link != "default" || contract != httpclient.ID || operation != httpclient.Send {
			t.Errorf("a call of %s %s %s", link, contract, operation)
		}
		q, err := httpclient.DecodeRequest(payload)
		if err != nil {
			return nil, err
		}
		resp, err := provider(ctx, q)
		if err != nil {
			return nil, err
		}
		return resp.Encode(), nil
	}}
	idle := budget.Used()
	i, err = m.Instantiate(t.Context(), wasm.Limits{}, h, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close(context.Background()) })
	return i, func() int64 { return budget.Used() - idle }
}

func TestAComponentMakesRequests(t *testing.T) {
	var asked *httpclient.Request
	i, _ := fetching(t, func(_ context.Context, q *httpclient.Request) (*httpclient.Response, error) {
		asked = q
		return &httpclient.Response{StatusCode: 418, Header: httpclient.Header{"x-b": {"1", "2"}, "server": {"x"}},
			Body: []byte(strings.Repeat("tea ", 50_000))}, nil
	})
	body := []byte(strings.Repeat("leaf ", 20_000))
	resp := ask(t, i, httpserver.Request{Method: "POST", Path: "/https/api.example:8443/a%20b",
		Query: "c=d", Body: body,
		Header: httpserver.Header{"x-a": {"1"}, "connect-ms": {"7"}, "between-bytes-ms": {"9"}}})
	if resp.StatusCode != 418 || string(resp.Body) != strings.Repeat("tea ", 50_000) ||
		strings.Join(resp.Header["x-b"], ",") != "1,2" {
		t.Errorf("answer %d %v, %d bytes", resp.StatusCode, resp.Header, len(resp.Body))
	}
	if asked.Method != "POST" || asked.URL != "https://api.example:8443/a%20b?c=d" ||
		string(asked.Body) != string(body) ||
		asked.Header.Get("x-a") != "1" || asked.Connect != 7*time.Millisecond || asked.FirstByte != 0 ||
		asked.BetweenBytes != 9*time.Millisecond {
		t.Errorf("asked for %s %s %v, %d bytes, %v %v %v", asked.Method, asked.URL, asked.Header, len(asked.Body),
			asked.Connect, asked.FirstByte, asked.BetweenBytes)
	}
	ask(t, i, httpserver.Request{Method: "GET", Path: "/http/a.example/"})
	if asked.Method != "GET" || asked.URL != "http://a.example/" || len(asked.Body) != 0 {
		t.Errorf("asked for %+v", asked)
	}
}

// streamer answers each call with a stream.
type streamer struct{ host }

func (*streamer) Streams(lattice.LinkName, lattice.ContractID) bool { return true }

func (*streamer) HostCall(ctx context.Context, _ lattice.LinkName, _ lattice.ContractID, _ string, _ []byte,
	beside *stream.Caller) ([]byte, error) {
	near, far := stream.Pipe(false, nil, nil)
	var server sync.WaitGroup
	defer server.Wait()
	defer near.Break(stream.ErrEnough)
	server.Go(func() {
		if err := far.Write(ctx, []byte(strings.Repeat("tea ", 50_000))); err == nil {
			_ = far.End(ctx, nil)
		}
	})
	return nil, beside.Take((&httpclient.Response{StatusCode: 200}).Encode(), near)
}

// A component reads an answer that comes as a stream.
func TestAComponentReadsAStreamedAnswer(t *testing.T) {
	code, err := os.ReadFile("../component/testdata/fetch.wasm")
	if err != nil {
		t.Fatal(err)
	}
	i := instantiate(t, compile(t, newEngine(t), code), wasm.Limits{}, new(streamer))
	resp := ask(t, i, httpserver.Request{Method: "GET", Path: "/http/a.example/"})
	if resp.StatusCode != 200 || string(resp.Body) != strings.Repeat("tea ", 50_000) {
		t.Errorf("answer %d, %d bytes", resp.StatusCode, len(resp.Body))
	}
}

// Each failure that a provider tells reaches the guest as the very case, with what is known of it.
func TestFailuresReachTheGuestAsTheirCase(t *testing.T) {
	var failure error
	i, _ := fetching(t, func(context.Context, *httpclient.Request) (*httpclient.Response, error) {
		return nil, failure
	})
	said := func() string {
		resp := ask(t, i, httpserver.Request{Method: "GET", Path: "/https/a.example/"})
		if resp.StatusCode != 502 {
			t.Errorf("status %d", resp.StatusCode)
		}
		return string(resp.Body)
	}
	for _, name := range httpclient.Names {
		failure = lattice.FromWire("unavailable", "unavailable: "+httpclient.Fail(name, "x").Error())
		want := "errorcode::" + strings.ToLower(strings.ReplaceAll(name, "-", ""))
		got := strings.ToLower(said())
		if rest, ok := strings.CutPrefix(got, want); !ok || rest != "" && rest[0] != '(' {
			t.Errorf("%s reaches the guest as %s", name, got)
		}
	}
	for _, tc := range []struct {
		err  error
		want string
	}{
		{&httpclient.Failure{Name: httpclient.DNSError, Number: -1, Word: "NXDOMAIN"},
			`ErrorCode::DnsError(DnsErrorPayload { rcode: Some("NXDOMAIN"), info-code: None })`},
		{&httpclient.Failure{Name: httpclient.TLSAlertReceived, Number: 40, Word: "handshake failure"},
			`ErrorCode::TlsAlertReceived(TlsAlertReceivedPayload { alert-id: Some(40), alert-message: ` +
				`Some("handshake failure") })`},
		{&httpclient.Failure{Name: httpclient.ResponseBodySize, Number: 1 << 40},
			`ErrorCode::HttpResponseBodySize(Some(1099511627776))`},
		{&httpclient.Failure{Name: httpclient.ResponseHeaderSize, Number: 1 << 40},
			`ErrorCode::HttpResponseHeaderSectionSize(None)`},
		{&httpclient.Failure{Name: httpclient.RequestHeaderFieldSize, Number: 7, Word: "x"},
			`ErrorCode::HttpRequestHeaderSize(Some(FieldSizePayload { field-name: Some("x"), field-size: Some(7) }))`},
		{&lattice.Error{Code: lattice.ErrUnlinked}, "ErrorCode::HttpRequestDenied"},
		{&lattice.Error{Code: lattice.ErrMissingCapability}, "ErrorCode::HttpRequestDenied"},
		{&lattice.Error{Code: lattice.ErrDenied}, "ErrorCode::HttpRequestDenied"},
		{&lattice.Error{Code: lattice.ErrTimeout}, "ErrorCode::HttpResponseTimeout"},
		{&lattice.Error{Code: lattice.ErrNoResponders}, `ErrorCode::InternalError(Some("no responders"))`},
		{errors.New("a provider of another make"), `ErrorCode::InternalError(Some("a provider of another make"))`},
	} {
		if failure = tc.err; said() != tc.want {
			t.Errorf("%v reaches the guest as %s, want %s", tc.err, said(), tc.want)
		}
	}
}

func TestRequestsThatAreNotSent(t *testing.T) {
	sent := 0
	i, _ := fetching(t, func(context.Context, *httpclient.Request) (*httpclient.Response, error) {
		sent++
		return &httpclient.Response{StatusCode: 200}, nil
	})
	for _, tc := range []struct {
		path, method, want string
		header             httpserver.Header
	}{
		{"/ftp/a.example/", "GET", "ErrorCode::HttpProtocolError", nil},
		{"/https/a@b.example/", "GET", "ErrorCode::HttpRequestUriInvalid", nil},
		{"/https//", "GET", "ErrorCode::HttpRequestUriInvalid", nil},
		{"/https/a.example/", "POST", "ErrorCode::HttpProtocolError", httpserver.Header{"early-drop": {"1"}}},
	} {
		if resp := ask(t, i, httpserver.Request{Method: tc.method, Path: tc.path,
			Header: tc.header}); string(resp.Body) != tc.want {
			t.Errorf("%s %s: %s, want %s", tc.method, tc.path, resp.Body, tc.want)
		}
	}
	if sent != 0 {
		t.Errorf("%d were sent", sent)
	}
}

// Both requests are on their way before the guest waits for one.
func TestRequestsAreMadeAtTheSameTime(t *testing.T) {
	var both sync.WaitGroup
	both.Add(2)
	i, _ := fetching(t, func(_ context.Context, q *httpclient.Request) (*httpclient.Response, error) {
		both.Done()
		both.Wait()
		return &httpclient.Response{StatusCode: 200, Body: []byte(q.URL + " ")}, nil
	})
	resp := ask(t, i, httpserver.Request{Method: "GET", Path: "/http/a.example", Header: httpserver.Header{
		"two-at-once": {"1"}}})
	if string(resp.Body) != "http://a.example/second http://a.example/first " {
		t.Errorf("%q", resp.Body)
	}
}

// A request ends with the call of the guest that has made it, and nothing of it is held afterwards.
func TestRequestsEndWithTheCall(t *testing.T) {
	var running atomic.Int64
	i, held := fetching(t, func(ctx context.Context, q *httpclient.Request) (*httpclient.Response, error) {
		running.Add(1)
		defer running.Add(-1)
		if q.URL == "http://a.example/wait" {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		if q.URL == "http://a.example/panic" {
			panic("a fault of the host")
		}
		return &httpclient.Response{StatusCode: 200, Body: make([]byte, 1<<20)}, nil
	})
	ask(t, i, httpserver.Request{Method: "POST", Path: "/http/a.example/", Body: make([]byte, 1<<20)})
	before := held()
	ask(t, i, httpserver.Request{Method: "POST", Path: "/http/a.example/", Body: make([]byte, 1<<20)})
	if after := held(); after > before {
		t.Errorf("%d bytes are held after a call, and %d after another", before, after)
	}
	if resp := ask(t, i, httpserver.Request{Method: "GET",
		Path: "/http/a.example/panic"}); !strings.Contains(string(resp.Body),
		"ErrorCode::InternalError") {
		t.Errorf("a fault of the host is %s", resp.Body)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := i.Call(ctx, httpserver.HandleRequest,
		(&httpserver.Request{Method: "GET", Path: "/http/a.example/wait"}).Encode())
	if lattice.CodeOf(err) != lattice.ErrTimeout || running.Load() != 0 {
		t.Errorf("%v, and %d requests go on", err, running.Load())
	}
	i.Close(context.Background())
	if held() != 0 {
		t.Errorf("%d bytes are held for nothing", held())
	}
}
