package wasm_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/lattice"
)

func TestCompileRefuses(t *testing.T) {
	e := newEngine(t)
	empty := []byte("\x00asm\x01\x00\x00\x00")
	for name, r := range map[string]struct {
		code   []byte
		detail string
	}{
		"nothing":   {nil, "not a WebAssembly module"},
		"text":      {[]byte("#!/bin/sh"), "not a WebAssembly module"},
		"component": {[]byte("\x00asm\x0d\x00\x01\x00"), "the component exports no function"},
		"truncated": {load(t, "echo")[:100], "unexpected end"},
		"no entry":  {empty, "neither __guest_call"},
		"ill-typed": {append(slices.Clone(empty),
			"\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00\x0a\x05\x01\x03\x00\x6a\x0b"...), "i32"},
		"import's signature": {append(slices.Clone(empty),
			"\x01\x04\x01\x60\x00\x00\x02\x16\x01\x04wapc\x0d__console_log\x00\x00"...),
			"wapc.__console_log with the signature ()->() instead of (i32 i32)->()"},
		"entry's signature": {append(slices.Clone(empty),
			"\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00\x07\x10\x01\x0c__guest_call\x00\x00\x0a\x04\x01\x02\x00\x0b"...),
			"__guest_call has the signature ()->()"},
	} {
		_, err := e.Compile(t.Context(), r.code)
		if lattice.CodeOf(err) != lattice.ErrBadModule || !strings.Contains(err.Error(), r.detail) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnknownImportsAreNamed(t *testing.T) {
	code := "\x00asm\x01\x00\x00\x00" + "\x01\x04\x01\x60\x00\x00" +
		"\x02\x1b\x03" + "\x03env\x01a\x00\x00" + "\x04wapc\x01b\x00\x00" + "\x03env\x01m\x02\x00\x01"
	_, err := newEngine(t).Compile(t.Context(), []byte(code))
	if lattice.CodeOf(err) != lattice.ErrBadModule || !strings.Contains(err.Error(), "env.a, wapc.b, env.m") {
		t.Error(err)
	}
}

func TestInfo(t *testing.T) {
	e := newEngine(t)
	for name, want := range map[string]wasm.Info{
		"echo": {Kind: wasm.WAPC, Imports: []string{"wasmbus.__guest_request", "wasmbus.__guest_response"},
			Exports: []string{"__guest_call"}, MemoryBytes: 131072},
		"init_start": {Kind: wasm.WAPC, Imports: []string{"wasi_snapshot_preview1.proc_exit", "wasmbus.__console_log"},
			Exports: []string{"__guest_call", "_start", "wapc_init"}, MemoryBytes: 65536},
	} {
		got := compile(t, e, load(t, name)).Info()
		if got.Kind != want.Kind || got.MemoryBytes != want.MemoryBytes || !slices.Equal(got.Imports, want.Imports) ||
			!slices.Equal(got.Exports, want.Exports) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if kind := compile(t, e, load(t, "command")).Info().Kind; kind != wasm.WASICommand {
		t.Errorf("command is %q", kind)
	}
}

func TestInitialisation(t *testing.T) {
	e := newEngine(t)
	for name, want := range map[string]string{
		"init":       "start _initialize wapc_init call",
		"init_start": "_start wapc_init call",
	} {
		h := &host{}
		i := instantiate(t, compile(t, e, load(t, name)), wasm.Limits{}, h)
		if _, err := i.Call(t.Context(), "x", nil); err != nil {
			t.Error(err)
		}
		if got := strings.ReplaceAll(strings.Join(h.logged(), " "), "console:", ""); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]lattice.Code{
		"init_loop": lattice.ErrInterrupted,
		"init_exit": lattice.ErrTrap,
		"bigmin":    lattice.ErrMemory,
	} {
		_, err := compile(t, e, load(t, name)).Instantiate(t.Context(), wasm.Limits{Execution: 20 * time.Millisecond},
			&host{}, nil)
		wantCode(t, err, want)
	}
	_, err := compile(t, e, load(t, "bigmin")).Instantiate(t.Context(), wasm.Limits{}, &host{}, nil)
	if !strings.Contains(err.Error(), "131072000") || !strings.Contains(err.Error(), "67108864") {
		t.Errorf("%v does not tell both figures", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = compile(t, e, load(t, "init_loop")).Instantiate(ctx, wasm.Limits{}, &host{}, nil)
	wantCode(t, err, lattice.ErrTimeout)
}

func TestModulesAreIndependent(t *testing.T) {
	e := newEngine(t)
	first, second := compile(t, e, load(t, "echo")), compile(t, e, load(t, "echo"))
	i := instantiate(t, first, wasm.Limits{}, &host{})
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(t.Context()); err != nil {
		t.Error(err)
	}
	instantiate(t, second, wasm.Limits{}, &host{})
	if got, err := i.Call(t.Context(), "x", []byte("still")); err != nil || string(got) != "still" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestCacheDir(t *testing.T) {
	dir := t.TempDir() + "/a/b"
	for range 2 {
		e, err := wasm.New(t.Context(), wasm.Config{CacheDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		i := instantiate(t, compile(t, e, load(t, "echo")), wasm.Limits{}, &host{})
		if _, err := i.Call(t.Context(), "x", nil); err != nil {
			t.Error(err)
		}
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) == 0 {
		t.Errorf("nothing in the cache: %v", err)
	}
}

func TestCommand(t *testing.T) {
	h := &host{}
	m := compile(t, newEngine(t), load(t, "command"))
	i := instantiate(t, m, wasm.Limits{}, h)
	for range 2 {
		if got, err := i.Call(t.Context(), "Svc.Op", []byte("payload")); err != nil || string(got) != "Svc.Op:payload" {
			t.Errorf("%q, %v", got, err)
		}
		_, err := i.Call(t.Context(), "fail", nil)
		wantCode(t, err, lattice.ErrGuest)
		if !strings.HasSuffix(err.Error(), "exit code 7: fail") {
			t.Error(err)
		}
	}
	if got := h.logged(); !slices.Equal(got, []string{"stderr:fail", "stderr:fail"}) {
		t.Errorf("logged %q", got)
	}
	_, err := instantiate(t, m, wasm.Limits{Execution: 20 * time.Millisecond}, h).Call(t.Context(), "loop", nil)
	wantCode(t, err, lattice.ErrInterrupted)
	_, err = instantiate(t, m, wasm.Limits{ResponseBytes: 1 << 20}, h).Call(t.Context(), "flood", nil)
	wantCode(t, err, lattice.ErrTooLarge)
}

// Compiling ends, too: a module that would take the host's processors for long is refused.
func TestCompileTime(t *testing.T) {
	e, err := wasm.New(t.Context(), wasm.Config{CompileTime: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(context.Background())
	_, err = e.Compile(t.Context(), load(t, "hostile"))
	if wantCode(t, err, lattice.ErrBadModule); !strings.Contains(err.Error(), "longer than 1ns") {
		t.Error(err)
	}
}
