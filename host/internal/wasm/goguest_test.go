package wasm_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/lattice"
)

// TestStockGo compiles once, which takes long under the race detector.
func TestStockGo(t *testing.T) {
	m := compile(t, newEngine(t), loadGo(t))
	t.Run("behaves", func(t *testing.T) { behaves(t, m) })
	t.Run("misbehaves", func(t *testing.T) { misbehaves(t, m) })
}

func behaves(t *testing.T, m *wasm.Module) {
	h := &host{}
	i, err := m.Instantiate(t.Context(), wasm.Limits{}, h, map[string]string{"COLOUR": "green", "A": ""})
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close(t.Context())
	call := func(op, payload string) string {
		t.Helper()
		out, err := i.Call(t.Context(), op, []byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	want := fmt.Sprintf("%s %x", `{"A":1,"B":2}`, sha256.Sum256([]byte(`{"A":1,"B":2}`)))
	if got := call("work", "b a b"); got != want {
		t.Errorf("work: %s", got)
	}
	call("clock", "")
	if a, b := call("random", ""), call("random", ""); len(a) != 16 || a == b {
		t.Errorf("random: %x, %x", a, b)
	}
	if got := call("env", "COLOUR") + call("env", "HOME"); got != "green" {
		t.Errorf("env: %q", got)
	}
	call("print", "")
	if got := h.logged(); !slices.Equal(got, []string{"stdout:to stdout", "stderr:to stderr"}) {
		t.Errorf("logged %q", got)
	}
	for op, want := range map[string]string{"file": "etc/passwd", "nonsense": "unknown operation"} {
		_, err := i.Call(t.Context(), op, nil)
		wantCode(t, err, lattice.ErrGuest)
		if !strings.Contains(err.Error(), want) {
			t.Error(err)
		}
	}
	big := bytes.Repeat([]byte("word "), 100_000)
	for range 20 { // its collector works
		call("work", string(big))
	}
}

func misbehaves(t *testing.T, m *wasm.Module) {
	for op, want := range map[string]struct {
		code   lattice.Code
		detail string
	}{
		"panic":   {lattice.ErrTrap, "panic: at the disco"},
		"loop":    {lattice.ErrInterrupted, ""},
		"sleep":   {lattice.ErrInterrupted, ""},
		"bomb":    {lattice.ErrMemory, "33554432"},
		"recurse": {lattice.ErrStack, ""},
	} {
		limits := wasm.Limits{MemoryBytes: 32 << 20, Execution: 300 * time.Millisecond}
		if want.code != lattice.ErrInterrupted {
			limits.Execution = 0
		}
		if op == "recurse" {
			limits.MemoryBytes = 1 << 30 // its runtime needs as much again
		}
		_, err := instantiate(t, m, limits, &host{}).Call(t.Context(), op, []byte("at the disco"))
		if lattice.CodeOf(err) != want.code || !strings.Contains(err.Error(), want.detail) {
			t.Errorf("%s: %v", op, err)
		}
	}
}
