package wasm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/core"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
	"github.com/weftlattice/weft/lattice/contract/keyvalue"
)

// The examples of our SDK, from both compilers: TinyGo's from testdata/tinygo, stock Go's built now.
func TestSDKExamples(t *testing.T) {
	e := newEngine(t)
	for compiler, code := range map[string]func(t testing.TB, name string) []byte{
		"tinygo": func(t testing.TB, name string) []byte { return load(t, filepath.Join("tinygo", name)) },
		"go":     stockGo,
	} {
		t.Run(compiler, func(t *testing.T) {
			t.Run("echo", func(t *testing.T) { echoes(t, compile(t, e, code(t, "echo"))) })
			t.Run("kvcounter", func(t *testing.T) { counts(t, compile(t, e, code(t, "kvcounter"))) })
		})
	}
}

func stockGo(t testing.TB, name string) []byte {
	t.Helper()
	long.Test(t, "builds a guest with Go")
	out := filepath.Join(t.TempDir(), name+".wasm")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-buildmode=c-shared", "-o", out,
		"github.com/weftlattice/weft/actor-sdk/examples/"+name)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func get(t *testing.T, i *wasm.Instance, path string, body []byte) *httpserver.Response {
	t.Helper()
	request := httpserver.Request{Method: "POST", Path: path, Query: "q=1", Body: body}
	out, err := i.Call(t.Context(), httpserver.HandleRequest, request.Encode())
	if err != nil {
		t.Fatal(err)
	}
	resp, err := httpserver.DecodeResponse(out)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func echoes(t *testing.T, m *wasm.Module) {
	if m.Info().Kind != wasm.WAPC {
		t.Errorf("kind %q", m.Info().Kind)
	}
	i := instantiate(t, m, wasm.Limits{}, &host{})
	for range 50 { // an instance serves many calls, and its collector works
		if resp := get(t, i, "/a/ü", []byte{0, 200}); resp.StatusCode != 200 ||
			string(resp.Body) != `{"body":[0,200],"method":"POST","path":"/a/ü","query_string":"q=1"}` {
			t.Fatalf("%d %s", resp.StatusCode, resp.Body)
		}
		if resp := get(t, i, "/", make([]byte, 50_000)); resp.StatusCode != 200 || len(resp.Body) < 100_000 {
			t.Fatalf("%d, %d bytes", resp.StatusCode, len(resp.Body))
		}
	}
	out, err := i.Call(t.Context(), core.HealthRequest, core.EncodeHealthRequest())
	if err != nil {
		t.Fatal(err)
	}
	if h, err := core.DecodeHealth(out); err != nil || !h.Healthy {
		t.Errorf("health %+v, %v", h, err)
	}
	for op, payload := range map[string]string{"HttpServer.Nonsense": "", "NoDot": "",
		httpserver.HandleRequest: "\xc1"} {
		_, err := i.Call(t.Context(), op, []byte(payload))
		if wantCode(t, err, lattice.ErrGuest); !i.Healthy() {
			t.Fatalf("%s has broken the instance: %v", op, err)
		}
	}
}

func counts(t *testing.T, m *wasm.Module) {
	answer, fault := "", error(nil)
	var asked string
	i := instantiate(t, m, wasm.Limits{}, &host{call: func(_ context.Context, link lattice.LinkName,
		contract lattice.ContractID, operation string, payload []byte) ([]byte, error) {
		r, err := keyvalue.DecodeIncrementRequest(payload)
		if err != nil {
			return nil, err
		}
		asked = fmt.Sprint(link, " ", contract, " ", operation, " ", r.Key)
		return []byte(answer), fault
	}})
	// A provider may write an integer in any format that holds it.
	for format, want := range map[string]string{"\x07": "7", "\xcc\xc8": "200", "\xd1\x00\xc8": "200",
		"\xcd\x01\x00": "256", "\xd2\x00\x00\x00\x05": "5",
		"\xce\x00\x01\x00\x00": "65536", "\xff": "-1", "\xd3\x00\x00\x00\x00\x00\x00\x00\x09": "9",
		"\xcf\x00\x00\x00\x00\x00\x00\x00\x09": "9"} {
		answer = format
		if resp := get(t, i, "/a/b", nil); resp.StatusCode != 200 || string(resp.Body) != `{"counter":`+want+`}` {
			t.Errorf("%x: %d %s", format, resp.StatusCode, resp.Body)
		}
		if asked != "default wasmcloud:keyvalue KeyValue.Increment counter::a:b" {
			t.Errorf("it asked %q", asked)
		}
	}
	fault = errors.New("the store is away")
	if resp := get(t, i, "/a/b", nil); resp.StatusCode != 500 || !strings.Contains(string(resp.Body),
		"the store is away") {
		t.Errorf("without a store: %d %s", resp.StatusCode, resp.Body)
	}
}

// Every combination of the initialisers of a module that exports all: what is not wanted is exported under another
// name.
func TestEveryInitialiser(t *testing.T) {
	e, all := newEngine(t), load(t, "init")
	for mask := range 8 {
		code, want := bytes.Clone(all), []string{"start"}
		keep := func(bit int, name string) bool {
			if mask&bit != 0 {
				return true
			}
			at := bytes.LastIndex(code, append([]byte{byte(len(name))},
				name...)) // the export; the text of the log has no length
			code[at+1] = 'X'
			return false
		}
		switch reactor, command := keep(1, "_initialize"), keep(2, "_start"); {
		case reactor:
			want = append(want, "_initialize")
		case command:
			want = append(want, "_start")
		}
		if keep(4, "wapc_init") {
			want = append(want, "wapc_init")
		}
		h := &host{}
		i := instantiate(t, compile(t, e, code), wasm.Limits{}, h)
		if _, err := i.Call(t.Context(), "x", nil); err != nil {
			t.Error(err)
		}
		want = append(want, "call")
		if got := strings.ReplaceAll(strings.Join(h.logged(), " "), "console:", ""); got != strings.Join(want, " ") {
			t.Errorf("%03b: ran %q, want %q", mask, got, want)
		}
	}
}
