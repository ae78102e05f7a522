package wasm_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/host/internal/instrument"
	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/lattice"
)

// A call spends the same in an instance that initialised itself, in one made from the snapshot, and in a restored one,
// whatever came before; and twice the work spends twice as much.
func TestFuelIsTheSameForTheSameWork(t *testing.T) {
	h := &host{}
	tmpl := compile(t, newEngine(t), load(t, "state")).Template(wasm.Limits{}, h, nil)
	t.Cleanup(tmpl.Close)
	spend := func(i *wasm.Instance, op int, x, y uint32) uint64 {
		t.Helper()
		h.fuel()
		do(t, i, op, x, y)
		spent := h.fuel()
		if len(spent) != 1 {
			t.Fatalf("a call reported %d times", len(spent))
		}
		return spent[0]
	}
	var fill []uint64
	for range 3 {
		i := fromTemplate(t, tmpl)
		for range 3 {
			fill = append(fill, spend(i, 1, 70000, 3))
			if another := spend(i, 1, 70000, 3); another != fill[0] {
				t.Errorf("%d the second time, %d the first", another, fill[0])
			}
			grown := uint64(30 << 16)
			do(t, i, 2, uint32(grown>>16), 0)
			larger, price := spend(i, 1, 70000, 3), grown>>4 // the price of a fill: see package instrument
			if got := larger - fill[0]; got < price-price/10 || got > price+price/10 {
				t.Errorf("filling %d bytes more spends %d more, want %d", grown, got, price)
			}
			if err := i.Restore(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if slices.Min(fill) != slices.Max(fill) || fill[0] < 4<<16>>6 {
		t.Errorf("the same call spent %v", fill)
	}
}

func TestFuelLimit(t *testing.T) {
	e := newEngine(t)
	m := compile(t, e, load(t, "hostile"))
	for _, op := range []string{"L", "F"} {
		for _, limit := range []uint64{1, 10_000, instrument.Budget, 300_000, 30_000_000} {
			var spent []uint64
			for _, calls := range []int{0, 1, 20} {
				h := &host{}
				i := instantiate(t, m, wasm.Limits{Fuel: limit, Execution: time.Minute}, h)
				for range calls {
					if limit < 10_000 {
						continue
					}
					if _, err := i.Call(t.Context(), "N", nil); err != nil {
						t.Fatalf("a call that does nothing, with %d units: %v", limit, err)
					}
				}
				h.fuel()
				_, err := i.Call(t.Context(), op, nil)
				wantCode(t, err, lattice.ErrFuel)
				if i.Healthy() || !strings.Contains(err.Error(), "more than") {
					t.Errorf("healthy: %t after %v", i.Healthy(), err)
				}
				spent = append(spent, h.fuel()...)
			}
			if len(spent) != 3 || spent[0] != spent[1] || spent[0] != spent[2] {
				t.Errorf("%s, %d units: stopped after %d; the place depends on what came before", op, limit, spent)
			}
			if spent[0] <= limit || spent[0] > limit+2*instrument.Budget {
				t.Errorf("%s: stopped after %d units, the limit is %d", op, spent[0], limit)
			}
		}
	}
	for _, limit := range []uint64{0, 1_000_000, wasm.MaxFuel, 1<<64 - 1} {
		i := instantiate(t, m, wasm.Limits{Fuel: limit, Execution: time.Minute}, &host{})
		for range 100 { // more than the limit in total
			if _, err := i.Call(t.Context(), "N", make([]byte, 64<<10)); err != nil {
				t.Fatalf("limit %d: %v", limit, err)
			}
		}
		if limit != 1_000_000 {
			i := instantiate(t, m, wasm.Limits{Fuel: limit, Execution: 20 * time.Millisecond}, &host{})
			_, err := i.Call(t.Context(), "L", nil)
			wantCode(t, err, lattice.ErrInterrupted)
		}
	}
	_, err := compile(t, e, load(t, "init_loop")).Instantiate(t.Context(), wasm.Limits{Fuel: 1_000_000}, &host{}, nil)
	wantCode(t, err, lattice.ErrFuel)
}

// Stock Go: what it spends to begin, and on a call; a run of a WASI command is metered from its beginning.
func TestFuelOfGo(t *testing.T) {
	h := &host{}
	i := instantiate(t, compile(t, newEngine(t), loadGo(t)), wasm.Limits{}, h)
	initialising := h.fuel()
	if _, err := i.Call(t.Context(), "work", []byte("x")); err != nil {
		t.Fatal(err)
	}
	work := h.fuel()
	t.Logf("initialising spent %d, work %d", initialising, work)
	if len(initialising) != 1 || len(work) != 1 || initialising[0] < 10_000 || work[0] < 10_000 {
		t.Error("that cannot be")
	}
	i = instantiate(t, compile(t, newEngine(t), load(t, "command")), wasm.Limits{}, h)
	for range 2 {
		if _, err := i.Call(t.Context(), "echo", []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if command := h.fuel(); len(command) != 2 || command[0] != command[1] || command[0] == 0 {
		t.Errorf("two runs of a command spent %d", command)
	}
}
