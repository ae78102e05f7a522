package actor_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	actor "github.com/weftlattice/weft/actor-sdk"
	"github.com/weftlattice/weft/actor-sdk/actortest"
	"github.com/weftlattice/weft/actor-sdk/keyvalue"
	"github.com/weftlattice/weft/actor-sdk/log"
	"github.com/weftlattice/weft/actor-sdk/numbergen"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/logging"
	"github.com/weftlattice/weft/lattice/msgpack"
)

var sick error // what the health handler says

func init() {
	actor.Handle("Test.Echo", func(payload []byte) ([]byte, error) { return payload, nil })
	actor.Handle("Test.Fail", func([]byte) ([]byte, error) { return nil, errors.New("out of order") })
	actor.Handle("Test.Panic", func(payload []byte) ([]byte, error) {
		var m map[string]int
		//lint:ignore SA5000 that it panics is the point
		m[string(payload)] = 1
		return nil, nil
	})
	actor.Handle("Test.PanicText", func([]byte) ([]byte, error) { panic("dropped it") })
	actor.HandleHealth(func() error { return sick })

	r := actor.NewRouter()
	reply := func(name string) actor.HTTPHandler {
		return func(req *actor.Request) (*actor.Response, error) {
			return actor.Text(200, name+" id="+req.PathValue("id")+" rest="+req.PathValue("rest")+" q="+
				req.QueryValue("q")), nil
		}
	}
	r.Handle("GET /items/special", reply("special"))
	r.Handle("GET /items/{id}", reply("get"))
	r.Handle("PUT /items/{id}", reply("put"))
	r.Handle("/files/{rest...}", reply("files"))
	r.Handle("GET /", reply("root"))
	r.Handle("GET /teapot", func(*actor.Request) (*actor.Response, error) {
		return nil, actor.Status(418, "I'm a \"teapot\"")
	})
	r.Handle("GET /json", func(*actor.Request) (*actor.Response, error) {
		return actor.JSON(201,
			map[string]int{"a": 1})
	})
	r.Handle("GET /error", func(*actor.Request) (*actor.Response, error) { return nil, errors.New("internal details") })
	r.Handle("GET /nothing", func(*actor.Request) (*actor.Response, error) { return nil, nil })
	r.Handle("GET /zero", func(*actor.Request) (*actor.Response, error) { return &actor.Response{}, nil })
	r.Handle("GET /origin", func(req *actor.Request) (*actor.Response, error) {
		return actor.Text(200, req.ClientAddr()+" "+req.Scheme()+" "+req.Host()), nil
	})
	actor.HandleHTTP(r.Serve)
}

// Where a request comes from, as a provider tells it.
func TestOrigin(t *testing.T) {
	h := actortest.New(t)
	for want, header := range map[string]map[string][]string{
		"192.0.2.7 http example.org:8080": {"host": {"example.org:8080"}, "x-forwarded-for": {"192.0.2.7"},
			"x-forwarded-proto": {"http"}},
		"2001:db8::7 https front": {"host": {"inner"}, "x-forwarded-for": {"2001:db8::7, 10.0.0.1"},
			"x-forwarded-proto": {"https"}, "x-forwarded-host": {"front"}},
		"  ": nil, // of a provider that does not tell
	} {
		if got := h.Request("GET", "/origin", header, nil).Text(); got != want {
			t.Errorf("%v: %q, want %q", header, got, want)
		}
	}
}

func TestDispatch(t *testing.T) {
	h := actortest.New(t)
	if got, err := h.Invoke("Test.Echo", []byte("hi")); string(got) != "hi" || err != nil {
		t.Errorf("echo: %q, %v", got, err)
	}
	if _, err := h.Invoke("Test.Fail", nil); err == nil || err.Error() != "out of order" {
		t.Errorf("fail: %v", err)
	}
	if _, err := h.Invoke("Test.Unknown", nil); !errors.Is(err, lattice.ErrNotFound) || !strings.Contains(err.Error(),
		"Test.Unknown") {
		t.Errorf("unknown operation: %v", err)
	}
}

func TestPanicIsAnError(t *testing.T) {
	h := actortest.New(t)
	if _, err := h.Invoke("Test.Panic", nil); !errors.Is(err, lattice.ErrTrap) || !strings.Contains(err.Error(),
		"assignment to entry in nil map") {
		t.Errorf("panic: %v", err)
	}
	if _, err := h.Invoke("Test.PanicText", nil); err == nil || !strings.Contains(err.Error(), "dropped it") {
		t.Errorf("panic with text: %v", err)
	}
	if lines := h.ConsoleLines(); len(lines) != 2 || !strings.Contains(lines[0], "actor_test.go") {
		t.Errorf("the console does not show where: %q", lines)
	}
	if got, err := h.Invoke("Test.Echo", []byte("on")); string(got) != "on" || err != nil {
		t.Errorf("after the panics: %q, %v", got, err)
	}
}

func TestHealth(t *testing.T) {
	h := actortest.New(t)
	if got := h.Health(); !got.Healthy || got.Message != "" {
		t.Errorf("health %+v", got)
	}
	sick = errors.New("no disk")
	defer func() { sick = nil }()
	if got := h.Health(); got.Healthy || got.Message != "no disk" {
		t.Errorf("health %+v", got)
	}
}

func TestRegisteringTwicePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	actor.Handle("Test.Echo", nil)
}

func TestRouter(t *testing.T) {
	h := actortest.New(t)
	for _, c := range []struct {
		method, target string
		status         int
		body           string
	}{
		{"GET", "/items/7?q=a%20b+c&q=d", 200, "get id=7 rest= q=a b c"},
		{"GET", "/items/special", 200, "special id= rest= q="},
		{"HEAD", "/items/7", 200, "get id=7 rest= q="},
		{"PUT", "/items/a%2Fb%zz", 200, "put id=a/b%zz rest= q="},
		{"DELETE", "/items/7", 405, `{"error":"method not allowed"}`},
		{"PATCH", "/files/a/b%20c", 200, "files id= rest=a/b c q="},
		{"GET", "/files/", 200, "files id= rest= q="},
		{"GET", "/files", 404, `{"error":"not found"}`},
		{"GET", "/", 200, "root id= rest= q="},
		{"GET", "/items/", 404, `{"error":"not found"}`},
		{"GET", "/items/7/", 404, `{"error":"not found"}`},
		{"GET", "items/7", 404, `{"error":"not found"}`},
		{"GET", "", 404, `{"error":"not found"}`},
		{"GET", "/teapot", 418, `{"error":"I'm a \"teapot\""}`},
		{"GET", "/json", 201, `{"a":1}`},
		{"GET", "/zero", 200, ""},
	} {
		got := h.Request(c.method, c.target, nil, nil)
		if int(got.StatusCode) != c.status || got.Text() != c.body {
			t.Errorf("%s %s: %d %q, want %d %q", c.method, c.target, got.StatusCode, got.Text(), c.status, c.body)
		}
	}
	if got := h.Request("DELETE", "/items/7", nil, nil); got.Header.Get("Allow") != "GET, PUT" {
		t.Errorf("allow %q", got.Header)
	}
	for _, path := range []string{"/error", "/nothing"} {
		if got, err := h.TryRequest("GET", path, nil, nil); err == nil {
			t.Errorf("%s: %+v, want the invocation to fail", path, got)
		}
	}
	if _, err := h.Invoke("HttpServer.HandleRequest", []byte{0x01}); !errors.Is(err, lattice.ErrInvalid) {
		t.Errorf("malformed request: %v", err)
	}
}

func TestMalformedPatternsPanic(t *testing.T) {
	for _, pattern := range []string{"", "GET", "GET items", "get /x", "GET /{", "GET /{}", "GET /a{b}",
		"GET /{a...}/b", "GET /x?y"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("accepted %q", pattern)
				}
			}()
			actor.NewRouter().Handle(pattern, nil)
		}()
	}
}

func TestQueryValue(t *testing.T) {
	h := actortest.New(t)
	for query, want := range map[string]string{"q": "", "q=": "", "a=b&&q=1&q=2": "1", "%71=x": "x", "Q=1": "",
		"q=%": "%", "q=%4": "%4", "q=a=b": "a=b"} {
		if got := h.Get("/?" + query).Text(); got != "root id= rest= q="+want {
			t.Errorf("%s: %q", query, got)
		}
	}
}

func TestKeyValue(t *testing.T) {
	h := actortest.New(t)
	h.Run(func() {
		s := keyvalue.Default()
		must := func(what string, got, want any, err error) {
			t.Helper()
			if err != nil || !equal(got, want) {
				t.Errorf("%s = %v, %v; want %v", what, got, err, want)
			}
		}
		if err := s.Set("k", "v", 1500*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		value, exists, err := s.Get("k")
		must("get", value, "v", err)
		must("exists", exists, true, err)
		h.Advance(2*time.Second - 1)
		there, err := s.Contains("k")
		must("before its time, rounded up", there, true, err)
		h.Advance(1)
		there, err = s.Contains("k")
		must("after its time", there, false, err)
		_, exists, err = s.Get("k")
		must("get of nothing", exists, false, err)

		n, err := s.Increment("n", 200)
		must("increment", n, int32(200), err)
		n, err = s.Increment("n", -300)
		must("decrement", n, int32(-100), err)
		there, err = s.Delete("n")
		must("delete", there, true, err)
		there, err = s.Delete("n")
		must("delete again", there, false, err)

		for i, v := range []string{"a", "b", "c", "b"} {
			length, err := s.ListAdd("l", v)
			must("list add", length, i+1, err)
		}
		list, err := s.ListRange("l", 1, 2)
		must("range", list, []string{"b", "c"}, err)
		list, err = s.ListRange("l", -2, -1)
		must("range from the end", list, []string{"c", "b"}, err)
		list, err = s.ListRange("l", 0, 1<<40)
		must("range beyond the end", list, []string{"a", "b", "c", "b"}, err)
		list, err = s.ListRange("l", 3, 1)
		must("empty range", list, []string(nil), err)
		there, err = s.ListDelete("l", "b")
		must("list delete", there, true, err)
		list, err = s.ListRange("l", 0, -1)
		must("range", list, []string{"a", "c"}, err)
		there, err = s.ListClear("l")
		must("list clear", there, true, err)

		for _, m := range [][2]string{{"s", "x"}, {"s", "y"}, {"t", "y"}, {"t", "z"}} {
			added, err := s.SetAdd(m[0], m[1])
			must("set add", added, 1, err)
		}
		added, err := s.SetAdd("s", "x")
		must("set add again", added, 0, err)
		list, err = s.SetMembers("s")
		must("members", list, []string{"x", "y"}, err)
		list, err = s.SetUnion("s", "t", "none")
		must("union", list, []string{"x", "y", "z"}, err)
		list, err = s.SetIntersection("s", "t")
		must("intersection", list, []string{"y"}, err)
		removed, err := s.SetDelete("s", "x")
		must("set delete", removed, 1, err)
		there, err = s.SetClear("t")
		must("set clear", there, true, err)
		list, err = s.SetMembers("t")
		must("members of nothing", list, []string(nil), err)

		if _, err := s.Increment("s", 1); err == nil || !strings.Contains(err.Error(), "set") {
			t.Errorf("increment of a set: %v", err)
		}
		if err := s.Set("k", "v", -1); !errors.Is(err, lattice.ErrInvalid) {
			t.Errorf("negative ttl: %v", err)
		}
		if err := keyvalue.Open("other").Set("k", "elsewhere", 0); err != nil {
			t.Error(err)
		}
	})
	if v, ok := h.StoreOf("other").Get("k"); v != "elsewhere" || !ok {
		t.Errorf("link other holds %q", v)
	}
	if keys := h.Store().Keys(); !equal(keys, []string{"s"}) {
		t.Errorf("left in the default store: %v", keys)
	}
}

func TestErrorsOfTheHost(t *testing.T) {
	h := actortest.New(t)
	h.Provider("wasmcloud:keyvalue", "", func(string, []byte) ([]byte, error) { return nil, errors.New("boom") })
	h.Run(func() {
		_, err := keyvalue.Default().Increment("k", 1)
		var e *lattice.Error
		if !errors.As(err, &e) || e.Detail != "boom" || e.Code != lattice.ErrGuest || !strings.Contains(err.Error(),
			"KeyValue.Increment") {
			t.Errorf("err = %v", err)
		}
		if _, err := actor.CallProvider("acme:stamps", "", "Stamps.Buy", nil); err == nil {
			t.Error("a contract that nobody provides answered")
		}
	})
	if got := h.Calls(); !equal(got, []string{"wasmcloud:keyvalue/default KeyValue.Increment",
		"acme:stamps/default Stamps.Buy"}) {
		t.Errorf("calls %q", got)
	}
	if _, err := actor.Call("weft/ponger", "Pingpong.Ping", nil); err == nil {
		t.Error("a call without a host answered")
	}
}

func TestCallOfAnActor(t *testing.T) {
	h := actortest.New(t)
	h.Actor("weft/ponger", func(operation string, payload []byte) ([]byte, error) {
		return msgpack.EncodeStr(operation + " " + string(payload)), nil
	})
	h.Run(func() {
		b, err := actor.Call("weft/ponger", "Pingpong.Ping", []byte("x"))
		if s, _ := msgpack.DecodeStr(b); s != "Pingpong.Ping x" || err != nil {
			t.Errorf("%q, %v", s, err)
		}
		if _, err := actor.Call("weft/nobody", "Pingpong.Ping", nil); err == nil {
			t.Error("nobody answered")
		}
	})
}

func TestLog(t *testing.T) {
	h := actortest.New(t)
	h.Run(func() {
		log.Debug("d")
		log.Infof("%d items", 3)
		log.Warn("w")
		log.Error("e")
	})
	want := []logging.Entry{{Level: "debug", Text: "d"}, {Level: "info", Text: "3 items"}, {Level: "warn", Text: "w"},
		{Level: "error", Text: "e"}}
	if got := h.Logs(); !equal(got, want) {
		t.Errorf("logs %v", got)
	}
	h.Provider(logging.ID, "", func(string, []byte) ([]byte, error) { return nil, lattice.ErrMissingCapability })
	h.Run(func() { log.Warn("not lost") })
	if got := h.ConsoleLines(); !equal(got, []string{"warn: not lost"}) {
		t.Errorf("console %q", got)
	}
}

func TestNumbers(t *testing.T) {
	draw := func() (all []any) {
		h := actortest.New(t)
		h.Run(func() {
			for range 100 {
				n, err := numbergen.InRange(5, 7)
				if err != nil || n < 5 || n > 7 {
					t.Fatalf("in range: %d, %v", n, err)
				}
				u, err := numbergen.Uint32()
				if err != nil {
					t.Fatal(err)
				}
				id, err := numbergen.GUID()
				if err != nil || len(id) != 36 || id[14] != '4' || !strings.Contains("89ab", id[19:20]) {
					t.Fatalf("guid %q, %v", id, err)
				}
				all = append(all, n, u, id)
			}
			if n, err := numbergen.InRange(0, 1<<32-1); err != nil {
				t.Errorf("full range: %d, %v", n, err)
			}
			if _, err := numbergen.InRange(2, 1); err == nil {
				t.Error("an empty range gave a number")
			}
		})
		return all
	}
	if !equal(draw(), draw()) {
		t.Error("two runs differ")
	}
}
