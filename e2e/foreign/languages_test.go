//go:build foreign

package foreign

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// guestWIT is a folder with the packages that the guests import: WASI's as npm's package jco has them, in the version
// that componentize-js exports.
func (r *rig) guestWIT() string {
	r.t.Helper()
	wit := filepath.Join(r.dir, "wit")
	const more = "../../host/internal/component/testdata/counter/wit/deps"
	for to, from := range map[string]string{"": "guests/wit", "deps": more} {
		if err := os.CopyFS(filepath.Join(wit, to), os.DirFS(from)); err != nil {
			r.t.Fatal(err)
		}
	}
	packages := filepath.Join(tools(r.t), "node_modules/@bytecodealliance/jco/lib/wit/builtin/0.2.12")
	for _, name := range []string{"cli", "clocks", "filesystem", "http", "io", "random", "sockets"} {
		text, err := os.ReadFile(filepath.Join(packages, "wasi-"+name, "package.wit"))
		if err != nil {
			r.t.Fatal(err)
		}
		to := filepath.Join(wit, "deps", name)
		if err := os.MkdirAll(to, 0o700); err != nil {
			r.t.Fatal(err)
		}
		text = []byte(strings.ReplaceAll(string(text), "@0.2.12", "@0.2.10"))
		if err := os.WriteFile(filepath.Join(to, name+".wit"), text, 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
	return wit
}

// tools is the folder that `make foreign` installs into.
func tools(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("WEFT_FOREIGN_TOOLS")
	if dir == "" {
		t.Fatal("WEFT_FOREIGN_TOOLS is not set; run make foreign, which installs the tools and sets it")
	}
	return dir
}

// Components in JavaScript and Python count in a store, read their configuration, ask another server, and stream both
// ways.
func TestGuestsInJavaScriptAndPython(t *testing.T) {
	r := newRig(t)
	for _, p := range []string{"httpserver", "httpclient", "keyvalue-redis"} {
		r.cli("provider", "start", p)
	}
	outside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %s", r.Method, r.RequestURI, r.Header.Get("X-From"), b)
	}))
	defer outside.Close()
	authority := outside.Listener.Addr().String()
	store, wit := redis(t), r.guestWIT()
	for language, build := range map[string]func(r *rig, folder, out string){
		"javascript": func(r *rig, folder, out string) {
			r.run(folder, nil, "componentize-js", "app.js", "--wit", wit, "--world-name", "guest", "-o", out)
		},
		"python": func(r *rig, folder, out string) {
			r.run(folder, nil, "componentize-py", "-d", wit, "-w", "guest", "componentize", "app", "-o", out)
		},
	} {
		t.Run(language, func(t *testing.T) {
			r := r.in(t)
			file := filepath.Join(r.dir, language+".wasm")
			build(r, filepath.Join("guests", language), file)
			r.cli("actor", "start", file, "--max", "4", "--timeout", "10m", "--config", "greeting=good day")
			r.cli("link", "put", language, "keyvalue-redis", "url="+store, "prefix="+language+":")
			r.cli("link", "put", language, "httpclient", "allowed_networks=127.0.0.0/8",
				"allowed_hosts=http://"+authority)
			site := r.site(language)
			for _, c := range []struct{ path, want string }{
				{"/a/b?c=d", "hello from " + language + " /a/b?c=d\n"},
				{"/count/x", "1\n"}, {"/count/x", "2\n"},
				{"/config/greeting", "good day\n"},
				{"/fetch/" + authority + "/x?y=z", "POST /x?y=z " + language + " a body"},
				{"/echo", "a body"},
				{"/events", "data: 0\n\ndata: 1\n\ndata: 2\n\ndata: 3\n\ndata: 4\n\n"},
			} {
				if status, body, err := ask(site+c.path, "a body"); err != nil || status != 200 || body != c.want {
					t.Errorf("%s: %d %q, %v; want %q", c.path, status, body, err, c.want)
				}
			}
			echoes(t, site)
		})
	}
}

// echoes sends words, each when the one before has come back.
func echoes(t *testing.T, url string) {
	t.Helper()
	body, to := io.Pipe()
	defer to.Close()
	answer := make(chan *http.Response, 1)
	go func() {
		defer close(answer)
		resp, err := http.Post(url+"/echo", "text/plain", body)
		if err != nil {
			t.Error(err)
			_ = body.CloseWithError(err)
			return
		}
		answer <- resp
	}()
	var lines *bufio.Reader
	for _, word := range []string{"one\n", "two\n", "three\n"} {
		if _, err := io.WriteString(to, word); err != nil {
			t.Fatal(err)
		}
		if lines == nil {
			resp := <-answer
			if resp == nil {
				return
			}
			defer resp.Body.Close()
			lines = bufio.NewReader(resp.Body)
		}
		if got, err := lines.ReadString('\n'); err != nil || got != word {
			t.Fatalf("%q for %q: %v", got, word, err)
		}
	}
	_ = to.Close()
	if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
		t.Errorf("after the last word: %q, %v", rest, err)
	}
}
