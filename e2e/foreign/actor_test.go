//go:build foreign

package foreign

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// The targets of Rust that make guests.
const (
	bare = "wasm32-unknown-unknown"
	wasi = "wasm32-wasip1"
)

// start builds a guest and starts it under a name, which it returns.
func (r *rig) start(name, folder, triple string, caps ...string) string {
	r.t.Helper()
	built, err := filepath.Glob(filepath.Join(r.cargo(folder, triple), strings.ReplaceAll("weft-foreign-"+folder, "-",
		`[_\-]`)+".wasm"))
	if err != nil || len(built) != 1 {
		r.t.Fatalf("%s for %s made %v", folder, triple, built)
	}
	wasm, err := os.ReadFile(built[0])
	if err != nil {
		r.t.Fatal(err)
	}
	file := filepath.Join(r.dir, name+".wasm")
	if err := os.WriteFile(file, wasm, 0o600); err != nil {
		r.t.Fatal(err)
	}
	args := []string{"actor", "start", file, "--max", "4"}
	for _, c := range caps {
		args = append(args, "--cap", c)
	}
	r.cli(args...)
	return name
}

// redis starts a redis-server for the test and returns its URL.
func redis(t *testing.T) string {
	t.Helper()
	port := strconv.Itoa(freePort(t))
	cmd := exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v; install it with: make deps", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	latticetest.Eventually(t, func() error {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
		}
		return err
	})
	return "redis://127.0.0.1:" + port
}

// site links an actor to the HTTP server and returns its URL.
func (r *rig) site(actor string) string {
	r.t.Helper()
	address := "127.0.0.1:" + strconv.Itoa(freePort(r.t))
	r.cli("link", "put", actor, "httpserver", "address="+address)
	return "http://" + address
}

// ask posts a body.
func ask(url, body string) (status int, answer string, err error) {
	resp, err := http.Post(url, "text/plain", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// Guests on wasmbus-rpc serve HTTP, count in Redis, log, call each other and fail, for both targets of Rust.
func TestRustActors(t *testing.T) {
	r := newRig(t)
	r.cli("provider", "start", "httpserver")
	r.cli("provider", "start", "keyvalue-redis")
	r.cli("provider", "start", "httpclient")
	outside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Header()["X-Server"] = []string{"a", "b"}
		fmt.Fprintf(w, "%s %s %s %s", r.Method, r.RequestURI, r.Header.Get("X-From"), b)
	}))
	defer outside.Close()
	authority := outside.Listener.Addr().String()
	url := redis(t)
	all := []string{"wasmcloud:httpclient", "wasmcloud:httpserver", "wasmcloud:keyvalue", "wasmcloud:builtin:logging",
		"wasmcloud:builtin:numbergen"}

	for _, triple := range []string{bare, wasi} {
		t.Run("wasmbus-rpc 0.15 "+triple, func(t *testing.T) {
			r := r.in(t)
			actor := r.start("rust-"+triple, "actor", triple, all...)
			r.cli("link", "put", actor, "keyvalue-redis", "url="+url, "prefix="+actor+":")
			r.cli("link", "put", actor, "httpclient", "allowed_networks=127.0.0.0/8", "allowed_hosts=http://"+authority)
			site := r.site(actor)
			check := func(path string, status int, want string) {
				t.Helper()
				code, body, err := ask(site+path, "a body")
				if err != nil || code != status || !strings.Contains(body, want) {
					t.Errorf("%s: %d %.200s, %v; want %d with %s", path, code, body, err, status, want)
				}
			}
			check("/echo?a=b", 201, `"query":"a=b"`)
			check("/echo?a=b", 201, `"body":"a body"`)
			check("/count/x", 200, `{"counter":1}`)
			check("/count/x", 200, `{"counter":2}`)
			check("/builtin", 200, `"guid":"`)
			check("/large/3000000", 200, strings.Repeat("x", 3_000_000))
			check("/actor/"+r.key(signing.KindModule, actor).Public(), 201, `"query":"by=actor"`)
			check("/fetch/"+authority+"/x?y=z", 200, `"server":["a","b"],"status":200`)
			check("/fetch/"+authority+"/x?y=z", 200, ` /x?y=z rust a body"`)
			check("/fetch/evil.example/", 500, "HTTP-request-denied: the link allows no host evil.example")
			check("/nothing", 404, "")
			check("/fail", 500, `"code":"guest"`)
			check("/panic", 500, `"code":"trap"`)
			check("/echo", 201, `"body":"a body"`) // it serves on after a trap

			var got, want struct {
				Value                            string
				List, Set                        []string
				Wide, Negative                   int
				Exists, Contains, Deleted, After bool
			}
			_, body, err := ask(site+"/values/v", "")
			if err == nil {
				err = json.Unmarshal([]byte(body), &got)
			}
			want.Value, want.List, want.Set, want.Wide, want.Negative = "ä value", []string{"one", "two"},
				[]string{"one", "two"}, 70_000, -70_000
			want.Exists, want.Contains, want.Deleted = true, true, true
			if fmt.Sprint(got) != fmt.Sprint(want) || err != nil {
				t.Errorf("/values: %+v, %v; want %+v", got, err, want)
			}
			if out, err := r.call(actor, "Actor.HealthRequest", "\x80"); out != "\x81\xa7healthy\xc3" || err != nil {
				t.Errorf("health: %q, %v", out, err)
			}
			if _, err := r.call(actor, "HttpServer.Nothing", ""); !errors.Is(err, lattice.ErrGuest) {
				t.Errorf("an operation it does not have: %v", err)
			}
		})
	}

	t.Run("wasmbus-rpc 0.9", func(t *testing.T) {
		r := r.in(t)
		actor := r.start("old", "actor-old", bare, "wasmcloud:httpserver", "wasmcloud:keyvalue")
		r.cli("link", "put", actor, "keyvalue-redis", "url="+url)
		site := r.site(actor)
		for path, want := range map[string]string{"/echo?a=b": `"body":"a body"`, "/x/y": `{"counter":1}`,
			"/fail": `"code":"guest"`} {
			if _, body, err := ask(site+path, "a body"); err != nil || !strings.Contains(body, want) {
				t.Errorf("%s: %s, %v; want %s", path, body, err, want)
			}
		}
	})

	t.Run("without the grant", func(t *testing.T) { // the same code, signed for less
		r := r.in(t)
		actor := r.start("ungranted", "actor", bare, "wasmcloud:httpserver")
		if _, err := r.call(actor, "HttpServer.HandleRequest",
			"\x85\xa6method\xa3GET\xa4path\xa8/builtin\xabqueryString\xa0\xa6header\x80\xa4body\xc4\x00"); err == nil ||
			!strings.Contains(err.Error(), "capability claim `wasmcloud:builtin:logging`") {
			t.Errorf("logging without the grant: %v", err)
		}
	})
}

// A plain waPC guest answers, fails, and calls another actor.
func TestPlainActors(t *testing.T) {
	r := newRig(t)
	for _, triple := range []string{bare, wasi} {
		actor := r.start("plain-"+triple, "actor-wapc", triple)
		if out, err := r.call(actor, "Plain.Reverse", "abc"); out != "cba" || err != nil {
			t.Errorf("%s: %q, %v", actor, out, err)
		}
		if _, err := r.call(actor, "Plain.Fail", ""); !errors.Is(err, lattice.ErrGuest) ||
			!strings.Contains(err.Error(), "refused by a plain guest") {
			t.Errorf("%s: %v", actor, err)
		}
		self := r.key(signing.KindModule, actor).Public()
		if out, err := r.call(actor, "Plain.Forward", self+" Plain.Reverse xyz"); out != "zyx" || err != nil {
			t.Errorf("%s forwards: %q, %v", actor, out, err)
		}
		if _, err := r.call(actor, "Plain.Forward", "acme:nothing Any.Thing x"); err == nil {
			t.Errorf("%s may call a contract that is not linked", actor)
		}
	}
	command := r.start("command", "actor-command", wasi)
	if out, err := r.call(command, "Command.Run", "payload"); out != "Command.Run:payload" || err != nil {
		t.Errorf("a WASI command: %q, %v", out, err)
	}
	if _, err := r.call(command, "Command.Fail", ""); err == nil {
		t.Error("a WASI command that ends with a status has succeeded")
	}
}
