package wasm_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/lattice"
)

// withCompiler makes an engine that compiles in processes of their own.
func withCompiler(t testing.TB, cfg wasm.Config) *wasm.Engine {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Compiler == nil {
		cfg.Compiler = []string{self, compilerArg}
	}
	if cfg.CompileTime == 0 {
		cfg.CompileTime = 15 * time.Minute
	}
	e, err := wasm.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return e
}

// dear is a module whose compilation takes what no count of its instructions tells: loads from many addresses, whose
// bounds the engine remembers in each block that follows. With 50 000 and 14 000 it takes 4 GiB.
func dear(loads, blocks int) []byte {
	return command("\x01\x60\x01\x7f\x00", bytes.Repeat([]byte("\x20\x00\x41\x01\x6a\x28\x02\x00\x1a"), loads),
		bytes.Repeat([]byte("\x02\x40\x20\x00\x0d\x00\x0b"), blocks))
}

// command is a WASI command whose other function, of a type of its own, is made of parts.
func command(typ string, parts ...[]byte) []byte {
	body := append([]byte{0}, append(bytes.Join(parts, nil), 0x0b)...)
	section := func(id byte, parts ...[]byte) []byte {
		b := bytes.Join(parts, nil)
		return append(append([]byte{id}, uleb(len(b))...), b...)
	}
	return bytes.Join([][]byte{[]byte("\x00asm\x01\x00\x00\x00"), section(1, []byte("\x02\x60\x00\x00"),
		[]byte(typ[1:])),
		section(3, []byte("\x02\x00\x01")), section(5, []byte("\x01\x00\x01")),
		section(7, []byte("\x01\x06_start\x00\x00")),
		section(10, []byte("\x02\x02\x00\x0b"), uleb(len(body)), body)}, nil)
}

func uleb(n int) (b []byte) {
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

// A module that takes more memory or processor time than is allowed is refused with the bound and the way out, and one
// that does not is compiled after it.
func TestCompileLimits(t *testing.T) {
	long.Test(t, "compiles generated modules")
	for name, r := range map[string]struct {
		cfg   wasm.Config
		code  []byte
		words string
	}{
		"memory": {wasm.Config{CompileMemory: 768 << 20}, dear(50_000, 14_000),
			"takes more than 768 MiB of memory; --compile-memory"},
		"processor": {wasm.Config{CompileCPU: time.Second}, dear(2000, 15_000),
			"takes more than 1s of processor time; --compile-time"},
		"time":    {wasm.Config{CompileTime: time.Millisecond}, dear(2000, 15_000), "takes longer than 1ms"},
		"invalid": {wasm.Config{}, command("\x01\x60\x01\x7f\x00", []byte{0x6a}), "invalid function[1]"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			r.cfg.CacheDir = dir
			e := withCompiler(t, r.cfg)
			_, err := e.Compile(t.Context(), r.code)
			wantCode(t, err, lattice.ErrBadModule)
			says := strings.Contains(err.Error(), r.words)
			// it may be the race detector that gets no memory, and it has its own words for that
			if raced && name == "memory" {
				says = says || strings.Contains(err.Error(), "failed to allocate")
			}
			if !says {
				t.Errorf("got %q, want %q in it", err, r.words)
			}
			if name != "time" {
				compile(t, e, load(t, "command"))
			}
		})
	}
}

// What has been compiled within the limits once is not tried again, whichever host starts next.
func TestCompiledOnce(t *testing.T) {
	dir := t.TempDir()
	compile(t, withCompiler(t, wasm.Config{CacheDir: dir}), load(t, "echo"))
	if fits, _ := filepath.Glob(filepath.Join(dir, "*.fits")); len(fits) != 1 {
		t.Errorf("verdicts: %q", fits)
	}
	e := withCompiler(t, wasm.Config{CacheDir: dir, Compiler: []string{"/nowhere/compiler"}})
	compile(t, e, load(t, "echo"))
	_, err := e.Compile(t.Context(), load(t, "command"))
	wantCode(t, err, lattice.ErrUnavailable)
	if !strings.Contains(err.Error(), "/nowhere/compiler") {
		t.Error(err)
	}
}

// Without a folder for compiled code a module is compiled all the same.
func TestCompileWithoutRoom(t *testing.T) {
	compile(t, withCompiler(t, wasm.Config{}), load(t, "echo"))
}

// A compiler that crashes or is killed takes no host with it.
func TestCompilerCrashes(t *testing.T) {
	for name, r := range map[string]struct {
		script, words string
		code          lattice.Code
	}{
		"crash": {"cat >/dev/null; echo 'panic: BUG: something' >&2; exit 2", "panic: BUG: something",
			lattice.ErrBadModule},
		"kill": {"cat >/dev/null; kill -9 $$", "ended from outside", lattice.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			e := withCompiler(t, wasm.Config{Compiler: []string{"/bin/sh", "-c", r.script}})
			_, err := e.Compile(t.Context(), load(t, "echo"))
			wantCode(t, err, r.code)
			if !strings.Contains(err.Error(), r.words) {
				t.Error(err)
			}
		})
	}
}
