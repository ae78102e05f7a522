package wasm_test

import (
	"context"
	"strings"
	"testing"

	"github.com/weftlattice/weft/host/internal/memory"
	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/lattice"
)

func budgeted(t *testing.T, bytes int64) (*wasm.Engine, *memory.Budget) {
	t.Helper()
	budget := memory.NewBudget(bytes)
	e, err := wasm.New(t.Context(), wasm.Config{Memory: budget})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return e, budget
}

// What guests hold besides their memories is in the budget of all, and given back: tables with all that they may have,
// stacks that a recursion has made grow, and memory.
func TestWhatGuestsHoldIsCounted(t *testing.T) {
	e, budget := budgeted(t, 64<<20)
	m := compile(t, e, load(t, "busy")) // with a table of up to 1048576 elements
	before := budget.Used()
	i := instantiate(t, m, wasm.Limits{}, &host{})
	if held := budget.Used() - before; held < 8<<20 || held > 9<<20 {
		t.Errorf("an instance with a table that may grow to 8 MiB holds %d bytes", held)
	}
	var more []*wasm.Instance
	for len(more) < 20 {
		n, err := m.Instantiate(t.Context(), wasm.Limits{}, &host{}, nil)
		if err != nil {
			wantCode(t, err, lattice.ErrBusy)
			break
		}
		more = append(more, n)
	}
	if len(more) < 5 || len(more) > 7 {
		t.Errorf("%d more instances found room in 64 MiB", len(more))
	}
	for _, n := range append(more, i) {
		if err := n.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if left := budget.Used() - before; left != 0 {
		t.Errorf("%d bytes are left over", left)
	}
}

// A recursion without an end is ended by the size of its stack, of which nothing is left in the budget afterwards. One
// that finds no room for its stack is ended, too.
func TestEndlessRecursionHoldsLittle(t *testing.T) {
	for _, c := range []struct {
		budget int64
		reason string
	}{{256 << 20, "16 MiB allowed"}, {10 << 20, "no memory for the stack of a guest"}} {
		e, budget := budgeted(t, c.budget)
		m := compile(t, e, load(t, "hostile"))
		before := budget.Used()
		i := instantiate(t, m, wasm.Limits{}, &host{})
		held := budget.Used() - before
		_, err := i.Call(t.Context(), "R", nil)
		wantCode(t, err, lattice.ErrStack)
		if !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%v, want %q", err, c.reason)
		}
		if now := budget.Used() - before; now != held {
			t.Errorf("%d bytes are held after the call, %d before", now, held)
		}
		if err := i.Close(t.Context()); err != nil || budget.Used() != before {
			t.Errorf("%v, %d bytes are left over", err, budget.Used()-before)
		}
	}
}

// A response that a guest does not fetch is in the budget until the next one, or the end of the call.
func TestResponsesThatGuestsDoNotFetchAreCounted(t *testing.T) {
	e, budget := budgeted(t, 64<<20)
	i := instantiate(t, compile(t, e, load(t, "echo")), wasm.Limits{}, &host{})
	before := budget.Used()
	for _, c := range []struct {
		size, held int
		code       lattice.Code
	}{{20 << 20, 20 << 20, 0}, {30 << 20, 30 << 20, 0}, {100 << 20, 0, lattice.ErrBusy}, {10 << 20, 10 << 20, 0}} {
		err := i.Hold(make([]byte, c.size))
		if lattice.CodeOf(err) != c.code && (err != nil || c.code != 0) {
			t.Errorf("%d bytes: %v", c.size, err)
		}
		if held := budget.Used() - before; held != int64(c.held) {
			t.Errorf("%d bytes: %d are held", c.size, held)
		}
	}
	if _, err := i.Call(t.Context(), "x", []byte("hi")); err != nil || budget.Used() != before {
		t.Errorf("%v, %d bytes are left over after a call", err, budget.Used()-before)
	}
}
