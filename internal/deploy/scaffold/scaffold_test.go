package scaffold

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/lattice"
)

// offline runs a tool in dir as on a machine without a network and without anything of ours.
func offline(t *testing.T, dir string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=mod", "GOWORK=off", "GOMODCACHE="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func newProject(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "deep", name)
	if err := New(dir, name, Options{}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestNewProjectWorksOffline(t *testing.T) {
	long.Test(t, "compiles the SDK twice")
	t.Setenv("GOPROXY", "off")
	t.Setenv("GOFLAGS", "-mod=mod")
	dir := newProject(t, "my-actor")

	if out := offline(t, dir, "gofmt", "-l", "."); out != "" {
		t.Errorf("not formatted: %s", out)
	}
	offline(t, dir, "go", "vet", "./...")
	offline(t, dir, "go", "test", "./...")
	if out := offline(t, dir, "go", "test", "-v", "./..."); !strings.Contains(out, "--- PASS: TestHello") {
		t.Errorf("the test did not run: %s", out)
	}
	p, err := Load(dir)
	if err != nil || p.Name != "my-actor" || p.Version != defaultVersion || p.Revision != 1 ||
		len(p.Capabilities) != 2 {
		t.Errorf("project %+v, %v", p, err)
	}

	out := filepath.Join(dir, "build", "my-actor.wasm")
	first, err := Build(context.Background(), dir, out, BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(out)
	if err != nil || info.Size() != first.Size || len(first.Digest) != 64 {
		t.Errorf("artifact %+v, %v", first, err)
	}
	again, err := Build(context.Background(), dir, out, BuildOptions{})
	if err != nil || again != first {
		t.Errorf("a second build gives %+v, %v, not %+v", again, err, first)
	}

	// A build that breaks says where, and leaves the last good module.
	if err := os.WriteFile(filepath.Join(dir, "broken.go"), []byte("package main\n\nvar x int = \"text\"\n"),
		0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Build(context.Background(), dir, out, BuildOptions{}); !errors.Is(err, lattice.ErrInvalid) ||
		!strings.Contains(err.Error(), "broken.go:3:") {
		t.Errorf("broken build: %v", err)
	}
	if now, err := os.Stat(out); err != nil || now.Size() != first.Size {
		t.Errorf("the last good module is gone: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "build", ".*")); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

func TestBuildOfWhatIsNoActor(t *testing.T) {
	long.Test(t, "runs the toolchain")
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module example.com/x\n\ngo 1.24\n",
		"main.go": "package main\n\nfunc main() {}\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Build(context.Background(), dir, filepath.Join(dir, "x.wasm"), BuildOptions{}); !errors.Is(err,
		lattice.ErrBadModule) {
		t.Errorf("err = %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Build(ctx, dir, filepath.Join(dir, "x.wasm"), BuildOptions{}); !errors.Is(err, lattice.ErrCanceled) {
		t.Errorf("canceled: %v", err)
	}
}

func TestBuildWithoutToolchain(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for tool, opts := range map[string]BuildOptions{"go.dev": {}, "tinygo.org": {TinyGo: true}} {
		_, err := Build(context.Background(), t.TempDir(), filepath.Join(t.TempDir(), "x.wasm"), opts)
		if !errors.Is(err, lattice.ErrNotFound) || !strings.Contains(err.Error(), tool) {
			t.Errorf("err = %v", err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, name := range []string{"", "Upper", "1st", "-x", "a b", "a/b", "..", "ä", strings.Repeat("a", 64), "a\n"} {
		if err := New(filepath.Join(t.TempDir(), "x"), name, Options{}); !errors.Is(err, lattice.ErrInvalid) {
			t.Errorf("name %q: %v", name, err)
		}
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := New(dir, "x", Options{}); !errors.Is(err, lattice.ErrConflict) || !strings.Contains(err.Error(),
		"not empty") {
		t.Errorf("full folder: %v", err)
	}
	if err := New(file, "x", Options{}); !errors.Is(err, lattice.ErrConflict) {
		t.Errorf("a file in the way: %v", err)
	}
	if err := New(filepath.Join(file, "sub"), "x", Options{}); err == nil {
		t.Error("a folder below a file was made")
	}
	if data, _ := os.ReadFile(file); string(data) != "mine" {
		t.Errorf("the file now holds %q", data)
	}
	if err := New(filepath.Join(t.TempDir(), "x"), "x", Options{Module: "a\"b"}); !errors.Is(err, lattice.ErrInvalid) {
		t.Errorf("module path: %v", err)
	}
}

func TestNewIntoEmptyFolder(t *testing.T) {
	dir := t.TempDir()
	if err := New(dir, "x", Options{Module: "acme.test/x"}); err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil || !strings.HasPrefix(string(mod), "module acme.test/x\n") {
		t.Errorf("go.mod: %s, %v", mod, err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("folder: %v, %v", info.Mode(), err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(dir), ".weft-new-*"))
	if err != nil || left != nil {
		t.Errorf("left behind: %v, %v", left, err)
	}
	tests, err := filepath.Glob(filepath.Join(dir, ".weft", "sdk", "*", "*_test.go"))
	if err != nil || tests != nil {
		t.Errorf("the SDK's tests came along: %v, %v", tests, err)
	}
}
