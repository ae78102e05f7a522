package wasm

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/memory"
	"github.com/weftlattice/weft/lattice"
)

// compiled compiles a component of package component's testdata.
func compiled(t testing.TB, name string) *Module {
	t.Helper()
	return compiledWith(t, name, Config{})
}

func compiledWith(t testing.TB, name string, cfg Config) *Module {
	t.Helper()
	e, err := New(t.Context(), cfg)
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
	if got, err := i.invoke(t.Context(), "made", []any{uint32(5)}); err != nil || got != uint32(1) {
		t.Errorf("a function of the host that is lifted: %v, %v, want 1", got, err)
	}
	begun := time.Now()
	if _, err := i.invoke(t.Context(), "chain", []any{uint32(10_000)}); lattice.CodeOf(err) != lattice.ErrStack {
		t.Errorf("a chain of 10,000: %v, want %v", err, lattice.ErrStack)
	}
	t.Logf("that took %v", time.Since(begun))
}

// A component that was restored is as it was after its start, in all its core instances: memories and their sizes,
// globals that it exports and that it hides, handles. So is a second one, which begins with the snapshot.
func TestRestoreOfAComponent(t *testing.T) {
	for name, asSlices := range map[string]bool{"mapped": false, "copied": true} {
		t.Run(name, func(t *testing.T) {
			m := compiled(t, "resources")
			if asSlices {
				m.engine.UseSlices()
			}
			tmpl := m.Template(Limits{}, quiet{}, nil)
			defer tmpl.Close()
			for range 3 {
				i, err := tmpl.Instantiate(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer i.Close(context.Background())
				if why := tmpl.Anew(); why != "" {
					t.Fatal(why)
				}
				memory, globals := i.State()
				size := i.MemoryBytes()
				for round := range 3 {
					for n, want := range []uint32{1000*100 + 1, 21*100 + 2, 24*100 + 3} {
						got, err := i.invoke(t.Context(), "remember", []any{uint32(7 + n)})
						if err != nil || got != want {
							t.Errorf("round %d, call %d: %v, %v, want %d", round, n, got, err, want)
						}
					}
					if i.MemoryBytes() != size+6<<16 {
						t.Errorf("%d bytes of memory, %d at first", i.MemoryBytes(), size)
					}
					if err := i.Restore(t.Context()); err != nil {
						t.Fatal(err)
					}
					m, g := i.State()
					if string(m) != string(memory) || !sameGlobals(g, globals) || i.MemoryBytes() != size {
						t.Errorf("%d bytes, globals %v; at first %d and %v", len(m), g, len(memory), globals)
					}
				}
			}
		})
	}
}

func sameGlobals(a, b []uint64) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

// Nothing of a call is left in the budget of all guests, whatever it has grown to.
func TestMemoryThatAComponentGivesBack(t *testing.T) {
	budget := memory.NewBudget(64 << 20)
	m := compiledWith(t, "resources", Config{Memory: budget})
	before := budget.Used()
	tmpl := m.Template(Limits{}, quiet{}, nil)
	first, err := tmpl.Instantiate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	held := budget.Used()
	if _, err := first.invoke(t.Context(), "grow", []any{uint32(100), uint32(200)}); err != nil {
		t.Fatal(err)
	}
	if grown := budget.Used() - held; grown != 300<<16 {
		t.Errorf("300 pages more: %d bytes more are taken", grown)
	}
	if err := first.Restore(t.Context()); err != nil || budget.Used() != held {
		t.Errorf("%v, %d bytes are taken, %d before the call", err, budget.Used(), held)
	}
	_ = first.Close(t.Context())
	if tmpl.Close(); budget.Used() != before {
		t.Errorf("%d bytes are left over", budget.Used()-before)
	}
}

// The limit of memory is for the sum of all memories of a component.
func TestTheSumOfAllMemoriesIsLimited(t *testing.T) {
	m := compiled(t, "resources") // two memories of a page each
	for name, c := range map[string]struct{ pages, other, refused uint32 }{
		"both fit": {5, 5, 0}, "the second does not": {8, 3, 2}, "the first does not": {11, 10, 1},
		"neither does": {11, 11, 3}, "exactly": {8, 2, 0},
	} {
		i := begin(t, m, Limits{MemoryBytes: 12 << 16})
		got, err := i.invoke(t.Context(), "grow", []any{c.pages, c.other})
		if err != nil || got != c.refused {
			t.Errorf("%s: %d and %d pages more: refused %v, %v, want %d", name, c.pages, c.other, got, err, c.refused)
		}
	}
	if _, err := m.Instantiate(t.Context(), Limits{MemoryBytes: 1 << 16}, quiet{}, nil); lattice.CodeOf(
		err) != lattice.ErrMemory {
		t.Errorf("two pages where one is allowed: %v", err)
	}
}

// The limit of fuel is for the sum of what all core instances spend, and the end of a call reaches each of them.
func TestWhatCoreInstancesSpendIsLimitedTogether(t *testing.T) {
	m := compiled(t, "resources")
	for name, c := range map[string]struct {
		limits Limits
		want   lattice.Code
	}{
		"fuel":              {Limits{Fuel: 1 << 22}, lattice.ErrFuel},
		"time":              {Limits{Execution: 50 * time.Millisecond}, lattice.ErrInterrupted},
		"both":              {Limits{Fuel: 1 << 50, Execution: 50 * time.Millisecond}, lattice.ErrInterrupted},
		"the caller's time": {Limits{}, lattice.ErrTimeout},
	} {
		i, spent := begin(t, m, c.limits), &spending{}
		i.template.host = spent
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		if c.want == lattice.ErrTimeout {
			ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
		}
		_, err := i.invoke(ctx, "spin-both", []any{uint32(1 << 18)})
		cancel()
		if lattice.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if c.want == lattice.ErrFuel && (spent.fuel < c.limits.Fuel || spent.fuel > c.limits.Fuel+4<<16) {
			t.Errorf("spent %d of %d", spent.fuel, c.limits.Fuel)
		}
	}
}

// spending are surroundings that remember the last fuel.
type spending struct {
	quiet
	fuel uint64
}

func (s *spending) Spent(fuel uint64) { s.fuel = fuel }
