//go:build unix

package scaffold

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftlattice/weft/lattice"
)

// fakeCargo puts a program called cargo before all others, which says its arguments and then what body makes it do.
func fakeCargo(t *testing.T, body string) {
	t.Helper()
	bin := t.TempDir()
	script := "#!/bin/sh\necho \"$@\" > args\n" + body
	if err := os.WriteFile(filepath.Join(bin, "cargo"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
}

func crate(t *testing.T, toml string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Cargo.toml"), []byte(toml), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A folder with a Cargo.toml is a project: its component is what cargo says that it has made.
func TestBuildOfACrate(t *testing.T) {
	fakeCargo(t, `printf '\000asm\015\000\001\000' > made.wasm
echo '{"reason":"compiler-artifact","filenames":["libdep.rlib"]}'
echo '{"reason":"compiler-artifact","filenames":["'$PWD'/made.wasm"]}'
echo '{"reason":"build-finished","success":true}'
`)
	dir := crate(t, "[package]\nauthors = [\"a\"]\nname = \"edge_service\"\n\n[lib]\nname = \"other\"\n")
	f, err := Open(dir, "")
	if err != nil || f.Name != "edge-service" || f.Out != filepath.Join(dir, "build", "edge-service.wasm") ||
		f.Capabilities != nil {
		t.Fatalf("%+v, %v", f, err)
	}
	built, err := Build(t.Context(), f.Dir, f.Out, BuildOptions{})
	if err != nil || built.Path != f.Out || built.Size != 8 {
		t.Errorf("%+v, %v", built, err)
	}
	args, err := os.ReadFile(filepath.Join(dir, "args"))
	if err != nil || !strings.HasPrefix(string(args), "build --release --target wasm32-wasip2 ") {
		t.Errorf("%s, %v", args, err)
	}
	if _, err := Build(t.Context(), f.Dir, f.Out,
		BuildOptions{TinyGo: true}); lattice.CodeOf(err) != lattice.ErrInvalid {
		t.Errorf("by TinyGo: %v", err)
	}
}

func TestBuildOfACrateFails(t *testing.T) {
	for name, c := range map[string]struct {
		cargo string
		code  lattice.Code
		want  string
	}{
		"sources": {"printf 'error[E0425]: cannot find value\\n --> src/lib.rs:3:5\\n' >&2\nexit 101\n",
			lattice.ErrInvalid,
			"the sources do not compile\nerror[E0425]"},
		"no cdylib": {"echo '{}'\n", lattice.ErrBadModule,
			`the crate makes 0 .wasm files, and a project is one: set crate-type = ["cdylib"]`},
	} {
		fakeCargo(t, c.cargo)
		dir := crate(t, "[package]\nname = \"x\"\n")
		_, err := Build(t.Context(), dir, filepath.Join(dir, "x.wasm"), BuildOptions{})
		if lattice.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Open(crate(t, "[workspace]\nmembers = [\"a\"]\n\n[[bin]]\nname = \"a\"\n"),
		""); lattice.CodeOf(err) != lattice.ErrInvalid ||
		!strings.Contains(err.Error(), "Cargo.toml names no package") {
		t.Error(err)
	}
}

// The template of a component is a crate with an actor.yaml.
func TestNewComponent(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "edge")
	if err := New(dir, "edge", Options{Template: "component-rust"}); err != nil {
		t.Fatal(err)
	}
	f, err := Open(dir, "")
	if err != nil || f.Name != "edge" || len(f.Capabilities) != 1 || f.Capabilities[0] != "wasmcloud:httpserver" {
		t.Errorf("%+v, %v", f, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "src", "lib.rs")); err != nil || !isCargo(dir) {
		t.Errorf("no crate: %v", err)
	}
	if err := New(dir+"2", "edge", Options{Template: "cobol"}); lattice.CodeOf(err) != lattice.ErrInvalid ||
		!strings.Contains(err.Error(), "there are: go, component-rust") {
		t.Error(err)
	}
}
