package wasm_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/ownlinks"
	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/internal/typed"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
	"github.com/weftlattice/weft/lattice/contract/keyvalue"
	"github.com/weftlattice/weft/lattice/contract/logging"
	"github.com/weftlattice/weft/lattice/msgpack"
)

func counter(t *testing.T) []byte {
	t.Helper()
	file, err := os.ReadFile("../component/testdata/counter.wasm")
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// startCounter runs the component counter with a host that answers its calls, and the configuration greeting.
func startCounter(t *testing.T, limits wasm.Limits, h *host) *wasm.Instance {
	t.Helper()
	i, err := compile(t, newEngine(t), counter(t)).Instantiate(t.Context(), limits, h,
		map[string]string{"greeting": "visit "})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close(context.Background()) })
	return i
}

// links are the stores of links: strings by key.
type links struct {
	mu     sync.Mutex
	stores map[string]map[string]string
	lines  []string // of the log
}

func (l *links) call(_ context.Context, link lattice.LinkName, contract lattice.ContractID, operation string,
	in []byte) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	store := l.stores[string(link)]
	switch {
	case contract == ownlinks.ID:
		return msgpack.EncodeStrs(nil), nil
	case contract == logging.ID:
		e, err := logging.DecodeEntry(in)
		l.lines = append(l.lines, e.Level+" "+e.Text)
		return nil, err
	case contract != keyvalue.ID || store == nil:
		return nil, &lattice.Error{Code: lattice.ErrUnlinked,
			Detail: fmt.Sprintf("for %s, link name %s", contract, link)}
	}
	switch operation {
	case keyvalue.Get:
		key, err := msgpack.DecodeStr(in)
		v, ok := store[key]
		return keyvalue.GetResponse{Value: v, Exists: ok}.Encode(), err
	case keyvalue.Set:
		q, err := keyvalue.DecodeSetRequest(in)
		store[q.Key] = q.Value
		return nil, err
	case keyvalue.Increment64:
		q, err := keyvalue.DecodeIncrement64Request(in)
		n, _ := strconv.ParseInt(store[q.Key], 10, 64)
		store[q.Key] = strconv.FormatInt(n+q.Value, 10)
		return msgpack.EncodeInt(n + q.Value), err
	}
	return nil, errors.New("no " + operation)
}

// A component as they are written for wasmCloud 1.x counts, logs, reads its configuration and chooses among links.
func TestComponentWithKeyValue(t *testing.T) {
	l := &links{stores: map[string]map[string]string{"default": {}, "cache": {"n": "41"}}}
	i := startCounter(t, wasm.Limits{}, &host{call: l.call})
	for _, c := range []struct{ method, path, query, body, want string }{
		{"GET", "/count/n", "", "", "visit 1\n"},
		{"GET", "/count/n", "", "", "visit 2\n"},
		{"PUT", "/value/k", "", "\x00\xff\xfe", ""},
		{"GET", "/value/k", "", "", "\x00\xff\xfe"},
		{"PUT", "/many", "", "a\nb", ""},
		{"GET", "/many", "a,none,b", "", "[Some((\"a\", [97])), None, Some((\"b\", [98]))]\n"},
		{"GET", "/count/n", "bucket=cache", "", "visit 42\n"},
		{"GET", "/count/n", "", "", "visit 3\n"},
		{"GET", "/count/n", "link=cache", "", "visit 43\n"},
		{"GET", "/count/n", "", "", "visit 4\n"}, // the choice was for that request
		{"GET", "/count/n", "link=nowhere", "",
			"500 /count/n: Error::Other(\"Invocation not authorized: missing link definition: " +
				"for wasmcloud:keyvalue, link name nowhere\")"},
	} {
		r := ask(t, i, httpserver.Request{Method: c.method, Path: c.path, Query: c.query, Body: []byte(c.body)})
		got := string(r.Body)
		if r.StatusCode != 200 {
			got = strconv.Itoa(int(r.StatusCode)) + " " + got
		}
		if got != c.want {
			t.Errorf("%s %s?%s: %q, want %q", c.method, c.path, c.query, got, c.want)
		}
	}
	if len(l.lines) != 7 || l.lines[0] != "info counter: n is 1" || !strings.HasPrefix(l.lines[6], "error counter: ") {
		t.Errorf("log %q", l.lines)
	}
}

// What a component asks of others is counted, and ends with its own call.
func TestLimitsOfComponentHostCalls(t *testing.T) {
	get := httpserver.Request{Method: "GET", Path: "/count/n"}
	t.Run("count", func(t *testing.T) {
		l := &links{stores: map[string]map[string]string{"default": {}}}
		i := startCounter(t, wasm.Limits{HostCalls: 1}, &host{call: l.call}) // it logs besides
		_, err := i.Call(t.Context(), httpserver.HandleRequest, get.Encode())
		if lattice.CodeOf(err) != lattice.ErrTooLarge || !strings.Contains(err.Error(), "host calls") {
			t.Errorf("%v", err)
		}
	})
	t.Run("size", func(t *testing.T) {
		l := &links{stores: map[string]map[string]string{"default": {"big": strings.Repeat("x", 2000)}}}
		i := startCounter(t, wasm.Limits{HostCallBytes: 1000}, &host{call: l.call})
		for _, q := range []httpserver.Request{{Method: "GET", Path: "/value/big"},
			{Method: "PUT", Path: "/value/k", Body: make([]byte, 2000)}} {
			if r := ask(t, i, q); r.StatusCode != 500 || !strings.Contains(string(r.Body), "1000 allowed") {
				t.Errorf("%s: %d %s", q.Method, r.StatusCode, r.Body)
			}
		}
	})
	t.Run("deadline", func(t *testing.T) {
		begun := make(chan struct{}, 1)
		i := startCounter(t, wasm.Limits{}, &host{call: func(ctx context.Context, _ lattice.LinkName,
			_ lattice.ContractID, _ string, _ []byte) ([]byte,
			error) {
			begun <- struct{}{}
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-begun; cancel() }()
		if _, err := i.Call(ctx, httpserver.HandleRequest, get.Encode()); !errors.Is(err, context.Canceled) &&
			lattice.CodeOf(err) != lattice.ErrCanceled {
			t.Errorf("%v", err)
		}
		if i.Healthy() {
			t.Error("the instance is healthy, though its call was cut")
		}
	})
	t.Run("turn", func(t *testing.T) { // those that wait hold up nobody, however many they are
		hold, begun := make(chan struct{}), make(chan struct{})
		waiting := &host{call: func(_ context.Context, _ lattice.LinkName, _ lattice.ContractID, operation string,
			_ []byte) ([]byte, error) {
			if operation == keyvalue.Increment64 {
				begun <- struct{}{}
				<-hold
				return msgpack.EncodeInt(7), nil
			}
			return msgpack.EncodeStrs(nil), nil
		}}
		m := compile(t, newEngine(t), counter(t))
		start := func(h *host) *wasm.Instance {
			i, err := m.Instantiate(t.Context(), wasm.Limits{}, h, nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { i.Close(context.Background()) })
			return i
		}
		n := runtime.GOMAXPROCS(0) + 1
		done := make(chan error, n)
		for range n {
			i := start(waiting)
			go func() {
				_, err := i.Call(context.WithoutCancel(t.Context()), httpserver.HandleRequest, get.Encode())
				done <- err
			}()
			<-begun
		}
		other := start(&host{call: func(_ context.Context, _ lattice.LinkName, contract lattice.ContractID, _ string,
			_ []byte) ([]byte, error) {
			if contract == ownlinks.ID {
				return msgpack.EncodeStrs(nil), nil
			}
			return msgpack.EncodeInt(1), nil
		}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := other.Call(ctx, httpserver.HandleRequest, get.Encode())
		close(hold)
		if err != nil {
			t.Errorf("beside %d calls that wait: %v", n, err)
		}
		for range n {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

// A link that goes between the moment in which a component has chosen it and its call loses no call: it leads there
// until the guest returns.
func TestChosenLinkLastsForTheCall(t *testing.T) {
	file, err := os.ReadFile("../component/testdata/edge/edge-service.wasm")
	if err != nil {
		t.Fatal(err)
	}
	apply, err := typed.ParseFunc("func(text: string) -> result<string, string>")
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	h := &host{call: func(_ context.Context, link lattice.LinkName, contract lattice.ContractID, operation string,
		in []byte) ([]byte, error) {
		switch {
		case operation == ownlinks.Config:
			return msgpack.EncodeStrs([]string{"endpoint", "http://x", "timeout", "1", "retry-count", "0"}), nil
		case operation == ownlinks.Check:
			q, err := ownlinks.DecodeCheckRequest(in)
			if q.Contract == "acme:edge/filter" && q.Link == "1" {
				return msgpack.EncodeStr("MFILTER"), err
			}
			return msgpack.EncodeStr(""), err
		}
		asked = append(asked, fmt.Sprintf("%s by %s", contract, link))
		if contract != "MFILTER" {
			return nil, lattice.ErrUnlinked
		}
		return typed.EncodeResult(apply, abi.Variant{Value: "filtered"}, func(int64) error { return nil })
	}}
	i, err := compile(t, newEngine(t), file).Instantiate(t.Context(), wasm.Limits{}, h, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close(context.Background()) })
	r := ask(t, i, httpserver.Request{Method: "POST", Path: "/process", Body: []byte("text")})
	if want := []string{"acme:edge/filter by 1", "MFILTER by default"}; r.StatusCode != 200 ||
		string(r.Body) != "filtered" || !slices.Equal(asked, want) {
		t.Errorf("%d %q, asked %q", r.StatusCode, r.Body, asked)
	}
}
