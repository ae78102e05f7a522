package wasm_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
)

// The same Rust crate, built for wasm32-wasip1, is a module that carries its worlds: it answers as the component does.
func TestModuleWithWorldsAnswersRequests(t *testing.T) {
	i, _ := startFile(t, fixture(t, "hello-module.wasm"), wasm.Limits{})
	for range 3 {
		resp := ask(t, i, httpserver.Request{Method: "GET", Path: "/a%20b", Query: "q=%zz"})
		if resp.StatusCode != 200 || string(resp.Body) != "hello from /a%20b?q=%zz\n" ||
			resp.Header["content-type"][0] != "text/plain" {
			t.Errorf("%+v: %q", resp, resp.Body)
		}
	}
	body := bytes.Repeat([]byte("0123456789abcdef"), 10_000)
	if resp := ask(t, i, httpserver.Request{Method: "POST", Path: "/", Body: body}); !bytes.Equal(resp.Body, body) {
		t.Errorf("echo: %d of %d bytes", len(resp.Body), len(body))
	}
}

// What a module with worlds lacks is told together, before anything is compiled: what the host does not have, of
// interfaces and of WASI preview 1, and what the module's own worlds do not tell of.
func TestModuleWithWorldsSaysWhatItLacks(t *testing.T) {
	file := fixture(t, "hello-module.wasm")
	rename := func(from, to string, n int) { file = bytes.Replace(file, []byte(from), []byte(to), n) }
	rename("[method]fields.append", "[method]fields.appenx", -1)            // in its worlds, too
	rename("[method]outgoing-body.write", "[method]outgoing-body.writx", 1) // where it is imported alone
	rename("environ_get", "environ_gex", -1)
	want := "it imports what this host does not have: wasi:http/types@0.2.12#[method]fields.appenx, " +
		"wasi:http/types@0.2.12#[method]outgoing-body.writx, wasi_snapshot_preview1.environ_gex"
	if err := wasm.Check(file); lattice.CodeOf(err) != lattice.ErrBadModule || !strings.Contains(err.Error(), want) {
		t.Errorf("%v\nwant %s", err, want)
	}
}

func TestModulesWithWorldsThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ from, to, want string }{
		"WASI 0.3": {"[method]incoming-request.method", "[async-lower]incoming-request.m",
			"it belongs to WASI 0.3: build for WASI 0.2 (wasm32-wasip2)"},
		"no such export": {"wasi:http/incoming-handler@0.2.12#handle", "wasi:http/incoming-handler@0.2.12#handlx",
			"the module does not export wasi:http/incoming-handler@0.2.12#handle, though its world says so"},
		"no memory": {"\x06memory\x02", "\x06memorx\x02", "canonical option memory is not given"},
		"a version of the future": {"wit-component-encoding\x04", "wit-component-encoding\x05",
			"a world of the version 5"},
	} {
		file := bytes.Replace(fixture(t, "hello-module.wasm"), []byte(c.from), []byte(c.to), 1)
		if err := wasm.Check(file); lattice.CodeOf(err) != lattice.ErrBadModule ||
			!strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

// What was built for the WASI of 2023-10-18 (spin-sdk 2.2) finds its interfaces, under their old names and types.
func TestModuleOfTheFirstSnapshot(t *testing.T) {
	file := fixture(t, "snapshot.wasm")
	i, _ := startFile(t, file, wasm.Limits{})
	for range 2 {
		resp := ask(t, i, httpserver.Request{Method: "GET", Path: "/a", Query: "b=c"})
		if resp.StatusCode != 201 || string(resp.Body) != "/a?b=c" || len(resp.Header["x"]) != 1 ||
			resp.Header["x"][0] != "y" {
			t.Errorf("%+v: %q", resp, resp.Body)
		}
	}
	_, err := i.Call(t.Context(), httpserver.HandleRequest,
		(&httpserver.Request{Method: "GET", Path: "/error"}).Encode())
	if lattice.CodeOf(err) != lattice.ErrGuest || !strings.Contains(err.Error(), "it broke") {
		t.Errorf("an error: %v", err)
	}
	_, err = i.Call(t.Context(), httpserver.HandleRequest, (&httpserver.Request{Method: "GET", Path: "/bad"}).Encode())
	if lattice.CodeOf(err) != lattice.ErrTrap || !strings.Contains(err.Error(), "fields.append failed") {
		t.Errorf("a bad header: %v", err)
	}
	if got, err := wasm.Contracts(file); err != nil || len(got) != 1 || got[0] != httpserver.ID {
		t.Errorf("contracts %q, %v", got, err)
	}
}
