//go:build foreign

package foreign

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Components in the languages of docs/components.md, built as it says, answer requests: stock Go, C, JavaScript and
// Python.
func TestComponentsOfAllLanguages(t *testing.T) {
	r := newRig(t)
	r.cli("provider", "start", "httpserver")
	wit, err := filepath.Abs("../../actor-sdk/wit/http.wit")
	if err != nil {
		t.Fatal(err)
	}
	out := func(name string) string { return filepath.Join(r.dir, name+".wasm") }
	for _, c := range []struct {
		language string
		build    func(r *rig, folder string)
	}{
		{"go", func(r *rig, folder string) {
			r.run(folder, []string{"GOOS=wasip1", "GOARCH=wasm"}, "go", "build", "-buildmode=c-shared",
				"-ldflags=-s", "-o",
				out("core"), ".")
			r.run(folder, nil, "wasm-tools", "component", "embed", wit, out("core"), "-o", out("hello-go"))
		}},
		{"c", func(r *rig, folder string) {
			r.run(folder, nil, "clang", "--target=wasm32-wasi", "-Os", "-mexec-model=reactor", "-nostartfiles",
				"-Wl,--no-entry",
				"-o", out("core"), "main.c")
			r.run(folder, nil, "wasm-tools", "component", "embed", wit, out("core"), "-o", out("embedded"))
			r.run(folder, nil, "wasm-tools", "component", "new", out("embedded"), "-o", out("hello-c"))
		}},
		{"javascript", func(r *rig, folder string) {
			text, err := os.ReadFile(wit)
			if err != nil {
				r.t.Fatal(err)
			}
			engines := filepath.Join(r.dir, "http.wit") // in the version that the engine exports
			text = []byte(strings.ReplaceAll(string(text), "@0.2.0", "@0.2.10"))
			if err := os.WriteFile(engines, text, 0o600); err != nil {
				r.t.Fatal(err)
			}
			r.run(folder, nil, "componentize-js", "app.js", "--wit", engines, "--world-name", "service", "-o",
				out("hello-javascript"))
		}},
		{"python", func(r *rig, folder string) {
			r.run(folder, nil, "componentize-py", "-d", wit, "-w", "service", "componentize", "app", "-o",
				out("hello-python"))
		}},
	} {
		t.Run(c.language, func(t *testing.T) {
			r := r.in(t)
			c.build(r, filepath.Join("../../host/internal/component/testdata", c.language))
			name := "hello-" + c.language
			r.cli("actor", "start", out(name), "--max", "4", "--timeout", "10m")
			site := r.site(name)
			want := "hello from " + c.language + " /a/b\n"
			if status, body, err := ask(site+"/a/b", ""); err != nil || status != 200 || body != want {
				t.Errorf("%d %q, %v; want %q", status, body, err, want)
			}
		})
	}
}
