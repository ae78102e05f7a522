package scaffold

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/lattice"
)

// fakeActor writes a program that builds as an actor does.
func fakeActor(t *testing.T, dir string) {
	t.Helper()
	for name, text := range map[string]string{"go.mod": "module example.com/x\n\ngo 1.24\n",
		"main.go": "package main\n\n//go:wasmexport __guest_call\nfunc call(op, size int32) int32 { return op }\n\n" +
			"func main() {}\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// The same sources are the same module in any folder, be it a checkout that git refuses to look at.
func TestBuildIsTheSameAnywhere(t *testing.T) {
	long.Test(t, "runs the toolchain")
	var first Artifact
	for i := range 2 {
		dir := t.TempDir()
		fakeActor(t, dir)
		if i == 1 {
			if _, err := exec.LookPath("git"); err != nil {
				t.Fatal("git is not installed")
			}
			if err := os.WriteFile(filepath.Join(dir, ".git"), []byte("gitdir: /nowhere"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := Build(t.Context(), dir, filepath.Join(dir, "build", "x.wasm"), BuildOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = got
		} else if got.Digest != first.Digest {
			t.Errorf("digests %s and %s", first.Digest, got.Digest)
		}
	}
}

// Whose fault a failed build is: the sources', or what the toolchain lacks.
func TestBuildTellsToolsFromSources(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("fakes the toolchain by a shell script")
	}
	for _, c := range []struct {
		script, want string
		sources      bool
	}{
		{`echo '# example.com/x'; echo './main.go:3:5: undefined: y'; exit 1`, "do not compile", true},
		{`echo 'main.go:4:2: no required module provides package a.b/c; to add it:'; exit 1`, "do not compile", true},
		{`echo 'no Go files in /x'; exit 1`, "do not compile", true},
		{`echo 'package x: import cycle not allowed'; exit 1`, "do not compile", true},
		{`echo '# example.com/x'; echo 'write $WORK/b001/_pkg_.a: no space left on device'; exit 1`,
			"the disk is full", false},
		{`echo './main.go:1:1: open: no space left on device'; exit 1`, "the disk is full", false},
		{`kill -KILL $$`, "was killed", false},
		{`echo 'example.com/x: /go/pkg/tool/compile: signal: killed'; exit 1`, "too little memory", false},
		{`echo 'go: creating work dir: stat /none: no such file or directory'; exit 2`,
			"could not do its work\ngo: creating work dir", false},
		{`echo 'go: go.mod requires go >= 9.9 (running go 1.24; GOTOOLCHAIN=local)'; exit 1`, "could not do its work",
			false},
		{`echo 'build cache is required, but could not be located'; exit 1`, "could not do its work", false},
		{`exit 7`, "exit status 7 and said nothing", false},
	} {
		bin := t.TempDir()
		if err := os.WriteFile(filepath.Join(bin, "go"), []byte("#!/bin/sh\n"+c.script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
		dir := t.TempDir()
		_, err := Build(t.Context(), dir, filepath.Join(dir, "x.wasm"), BuildOptions{})
		if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, lattice.ErrInvalid) != c.sources {
			t.Errorf("%s: %v, want %q", c.script, err, c.want)
		}
	}
}

// Embeds lists what a build reads besides Go's files.
func TestEmbeds(t *testing.T) {
	dir := t.TempDir()
	fakeActor(t, dir)
	text := "package main\n\nimport \"embed\"\n\n//go:embed page.html all:static/*\nvar files embed.FS\n"
	if err := os.WriteFile(filepath.Join(dir, "files.go"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := Embeds(context.Background(), dir)
	real, _ := filepath.EvalSymlinks(dir)
	if want := filepath.Join(real, "static", "*") + " " + filepath.Join(real, "page.html"); err != nil ||
		strings.Join(got, " ") != want {
		t.Errorf("%v, %v, want %s", got, err, want)
	}
}
