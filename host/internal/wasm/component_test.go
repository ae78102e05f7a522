package wasm_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
)

func component(t testing.TB) []byte { return fixture(t, "hello.wasm") }

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("../component/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What WASI has for hosts to call, and this one does not, is told by name before anything is compiled: it would never
// be called. An export of other names that passes resources is none of that.
func TestExportsThatNobodyWouldCall(t *testing.T) {
	for file, want := range map[string]string{
		"watcher.wasm": "it exports what nobody would ever call: wasi:keyvalue/watcher@0.2.0-draft2#on-delete, " +
			"wasi:keyvalue/watcher@0.2.0-draft2#on-set; no store tells a component what changes: take " +
			"wasi:keyvalue/watcher out of the world, and read the store where it counts",
		"misfit.wasm": "",
	} {
		err := wasm.Check(fixture(t, file))
		if want == "" && err != nil || want != "" && (lattice.CodeOf(err) != lattice.ErrBadModule ||
			!strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", file, err, want)
		}
	}
	other := bytes.ReplaceAll(fixture(t, "watcher.wasm"), []byte("wasi:keyvalue/watcher@0.2.0-draft2"),
		[]byte("wasi:http/incoming-handler@0.2.999"))
	if err := wasm.Check(other); err == nil || !strings.Contains(err.Error(),
		"the host calls wasi:http/incoming-handler@0.2.999 with another type") {
		t.Errorf("a handler of another type: %v", err)
	}
}

func startComponent(t testing.TB, limits wasm.Limits) (*wasm.Instance, *host) {
	t.Helper()
	return startFile(t, component(t), limits)
}

func startFile(t testing.TB, file []byte, limits wasm.Limits) (*wasm.Instance, *host) {
	t.Helper()
	e, err := wasm.New(t.Context(), wasm.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close(t.Context()) })
	m, err := e.Compile(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	if m.Info().Kind != wasm.Component {
		t.Fatalf("kind %s", m.Info().Kind)
	}
	h := &host{}
	i, err := m.Instantiate(t.Context(), limits, h, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close(t.Context()) })
	return i, h
}

func ask(t testing.TB, i *wasm.Instance, q httpserver.Request) *httpserver.Response {
	t.Helper()
	out, err := i.Call(t.Context(), httpserver.HandleRequest, q.Encode())
	if err != nil {
		t.Fatal(err)
	}
	resp, err := httpserver.DecodeResponse(out)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func TestComponentAnswersRequests(t *testing.T) {
	i, h := startComponent(t, wasm.Limits{})
	for range 3 {
		resp := ask(t, i, httpserver.Request{Method: "GET", Path: "/a%20b", Query: "q=%zz"})
		if resp.StatusCode != 200 || string(resp.Body) != "hello from /a%20b?q=%zz\n" ||
			resp.Header["content-type"][0] != "text/plain" {
			t.Errorf("%+v: %q", resp, resp.Body)
		}
	}
	body := bytes.Repeat([]byte("0123456789abcdef"), 100_000)
	if resp := ask(t, i, httpserver.Request{Method: "POST", Path: "/", Body: body}); !bytes.Equal(resp.Body, body) {
		t.Errorf("echo: %d of %d bytes", len(resp.Body), len(body))
	}
	spent := h.fuel()
	if len(spent) != 5 { // the start and four calls
		t.Fatalf("spent %d", spent)
	}
	if spent[4] < 100*spent[1] {
		t.Errorf("1.6 MB cost %d where a line costs %d", spent[4], spent[1])
	}
	if i.MemoryBytes() == 0 {
		t.Error("no memory is told")
	}
}

// Limits hold for a component as for a module.
func TestLimitsOfAComponent(t *testing.T) {
	body := httpserver.Request{Method: "POST", Path: "/", Body: make([]byte, 2<<20)}
	for name, c := range map[string]struct {
		limits wasm.Limits
		want   lattice.Code
	}{
		"fuel":     {wasm.Limits{Fuel: 3 << 20}, lattice.ErrFuel},
		"response": {wasm.Limits{ResponseBytes: 1 << 20}, lattice.ErrTooLarge}, // though the guest traps for it
	} {
		t.Run(name, func(t *testing.T) {
			i, _ := startComponent(t, c.limits)
			if _, err := i.Call(t.Context(), httpserver.HandleRequest, body.Encode()); lattice.CodeOf(err) != c.want {
				t.Errorf("%v, want %v", err, c.want)
			}
			if i.Healthy() {
				t.Error("it is still healthy")
			}
		})
	}
}

func TestComponentWithoutWhatItImports(t *testing.T) {
	e, err := wasm.New(t.Context(), wasm.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(t.Context())
	b := bytes.ReplaceAll(component(t), []byte("wasi:cli/exit@"), []byte("wasi:cli/none@"))
	b = bytes.ReplaceAll(b, []byte("wasi:io/poll@"), []byte("acme:io/poll@"))
	b = bytes.ReplaceAll(b, []byte("wasi:io/error@0.2"), []byte("wasi:io/error@0.3"))
	_, err = e.Compile(t.Context(), b)
	for _, want := range []string{"wasi:cli/none@0.2.12#exit", "acme:io/poll@0.2.12#[method]pollable.block",
		"wasi:io/error@0.3.12#[method]error.to-debug-string",
		"; built for wasi:io/error@0.3.12; weft runs 0.2: build for wasm32-wasip2"} {
		if lattice.CodeOf(err) != lattice.ErrBadModule || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: want %s", err, want)
		}
	}
	if err := wasm.Check(b); lattice.CodeOf(err) != lattice.ErrBadModule {
		t.Error(err)
	}
	if err := wasm.Check(component(t)); err != nil {
		t.Error(err)
	}
}

// A component is right when all of its code is, whether it is used or not.
func TestComponentWithACoreModuleThatNothingUses(t *testing.T) {
	e, err := wasm.New(t.Context(), wasm.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(t.Context())
	with := func(code string) []byte {
		core := "\x00asm\x01\x00\x00\x00\x01\x04\x01\x60\x00\x00\x02\x05\x01\x00\x00\x00\x00\x03\x02\x01\x00" +
			"\x0a\x05\x01\x03\x00" + code
		return append(component(t), "\x01"+string(rune(len(core)))+core...)
	}
	m, err := e.Compile(t.Context(), with("\x01\x0b")) // nop
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(t.Context()); err != nil {
		t.Error(err)
	}
	_, err = e.Compile(t.Context(), with("\x6a\x0b")) // an addition of nothing
	if lattice.CodeOf(err) != lattice.ErrBadModule || !strings.Contains(err.Error(), "which nothing uses") {
		t.Error(err)
	}
}

// (component
//
//	(core module $m (func (export ""))) (core instance $m (instantiate $m))
//	(func $f1 (canon lift (core func $m ""))) (core func $f2 (canon lower (func $f1)))
//	(core module $m2 (import "" "" (func $f)) (func $start call $f) (start $start))
//	(core instance (instantiate $m2 (with "" (instance (export "" (func $f2))))))
//	(export "f" (func $f1)))
func TestComponentThatCallsItselfWhileItStarts(t *testing.T) {
	e, err := wasm.New(t.Context(), wasm.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(t.Context())
	m, err := e.Compile(t.Context(), []byte("\x00asm\x0d\x00\x01\x00\x01\x1e\x00asm\x01\x00\x00\x00"+
		"\x01\x04\x01`\x00\x00\x03\x02\x01\x00\x07\x04\x01"+
		"\x00\x00\x00\x0a\x04\x01\x02\x00\x0b\x02\x04\x01\x00\x00\x00\x07\x05\x01@\x00\x01\x00\x06\x06\x01\x00"+
		"\x00\x01\x00\x00\x08\x0a\x02\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01$\x00asm\x01\x00\x00\x00\x01\x04\x01"+
		"`\x00\x00\x02\x05\x01\x00\x00\x00\x00\x03\x02\x01\x00\x08\x01\x01\x0a\x06\x01\x04\x00\x10\x00\x0b\x02"+
		"\x0c\x02\x01\x01\x00\x00\x01\x00\x01\x01\x00\x12\x01\x0b\x07\x01\x00\x01f\x01\x00\x00"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.Instantiate(t.Context(), wasm.Limits{}, &host{}, nil)
	if lattice.CodeOf(err) != lattice.ErrTrap || !strings.Contains(err.Error(), "cannot enter component instance") {
		t.Error(err)
	}
}

func BenchmarkComponent(b *testing.B) {
	i, _ := startComponent(b, wasm.Limits{})
	request := httpserver.Request{Method: "GET", Path: "/"}
	payload := request.Encode()
	b.ReportAllocs()
	for b.Loop() {
		out, err := i.Call(b.Context(), httpserver.HandleRequest, payload)
		if err != nil || len(out) < 20 {
			b.Fatal(err)
		}
	}
}
