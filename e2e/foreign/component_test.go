//go:build foreign

package foreign

import (
	"path/filepath"
	"testing"
)

// Components in the languages of docs/components.md, built as it says, answer requests: stock Go, C and Python.
// It needs wasm-tools, clang with wasi-libc, and componentize-py.
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
		{"python", func(r *rig, folder string) {
			r.run(folder, nil, "componentize-py", "-d", wit, "-w", "service", "componentize", "app", "-o",
				out("hello-python"))
		}},
	} {
		t.Run(c.language, func(t *testing.T) {
			r := r.in(t)
			c.build(r, filepath.Join("../../host/internal/component/testdata", c.language))
			name := "hello-" + c.language
			r.cli("actor", "start", out(name), "--max", "4", "--timeout", "5m")
			ask := r.serve(name)
			want := "hello from " + c.language + " /a/b\n"
			if status, body, err := ask("/a/b", ""); err != nil || status != 200 || body != want {
				t.Errorf("%d %q, %v; want %q", status, body, err, want)
			}
		})
	}
}
