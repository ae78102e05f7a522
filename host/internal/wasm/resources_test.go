package wasm

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/lattice"
)

// compiled compiles a component of package component's testdata.
func compiled(t testing.TB, name string) *Module {
	t.Helper()
	e, err := New(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close(context.Background()) })
	file, err := os.ReadFile("../component/testdata/" + name + ".wasm")
	if err != nil {
		t.Fatal(err)
	}
	m, err := e.Compile(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func begin(t testing.TB, m *Module, limits Limits) *Instance {
	t.Helper()
	i, err := m.Instantiate(t.Context(), limits, quiet{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close(context.Background()) })
	return i
}

// A guest that uses a handle as it must not traps, and no instance but that one is any worse for it.
func TestHandlesThatAreMisused(t *testing.T) {
	m := compiled(t, "resources")
	bystander := begin(t, m, Limits{})
	for name, c := range map[string]struct {
		function string
		args     []any
		want     string
	}{
		"leaked":                            {"leak", []any{uint32(abi.MaxHandles + 1)}, "more than 16384 handles"},
		"dropped twice":                     {"twice", nil, "unknown handle index 1"},
		"used after it was dropped":         {"after", nil, "unknown handle index 1"},
		"an index that never was":           {"forged", []any{uint32(12345)}, "unknown handle index 12345"},
		"the index 0":                       {"forged", []any{uint32(0)}, "unknown handle index 0"},
		"the highest index":                 {"forged", []any{uint32(1<<32 - 1)}, "unknown handle index 4294967295"},
		"of another type":                   {"wrong", nil, "used with the wrong type"},
		"given away while it is lent":       {"lent", nil, "cannot remove owned resource while borrowed"},
		"borrowed and kept":                 {"kept", nil, "1 borrowed handles that it has not dropped"},
		"of another instance":               {"foreign", nil, "unknown handle index 1"},
		"borrowed and given back: no fault": {"given-back", nil, ""},
		"as many as there may be: no fault": {"leak", []any{uint32(abi.MaxHandles)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			i := begin(t, m, Limits{})
			_, err := i.invoke(t.Context(), c.function, c.args)
			switch {
			case c.want == "" && err == nil:
			case c.want == "" || lattice.CodeOf(err) != lattice.ErrTrap || !strings.Contains(err.Error(), c.want):
				t.Errorf("%v, want a trap: %q", err, c.want)
			case i.Healthy():
				t.Error("the instance is healthy after that")
			}
		})
	}
	if _, err := bystander.invoke(t.Context(), "given-back", nil); err != nil {
		t.Errorf("another instance: %v", err)
	}
}

// A destructor may drop what has the same destructor, and the function that makes room may be the one that is running:
// the frames of the call outside are untouched by the one within.
func TestCallsOfAFunctionWithinItself(t *testing.T) {
	i := begin(t, compiled(t, "resources"), Limits{})
	for _, n := range []uint32{1, 2, 3, 100, 500} {
		got, err := i.invoke(t.Context(), "chain", []any{n})
		if want := n * (n + 1) / 2; err != nil || got != want {
			t.Errorf("a chain of %d: %v, %v, want %d", n, got, err, want)
		}
	}
	got, err := i.invoke(t.Context(), "again", []any{uint32(99), uint32(7), uint32(0), uint32(0)})
	if err != nil || got != uint32(26) {
		t.Errorf("%v, %v, want 26", got, err)
	}
	begun := time.Now()
	if _, err := i.invoke(t.Context(), "chain", []any{uint32(10_000)}); lattice.CodeOf(err) != lattice.ErrStack {
		t.Errorf("a chain of 10,000: %v, want %v", err, lattice.ErrStack)
	}
	t.Logf("that took %v", time.Since(begun))
}
