package instrument_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/weftlattice/weft/host/internal/instrument"
)

// adverse is a guest whose import env.stop calls a function.
func adverse(t *testing.T, wasm []byte, stop func(m api.Module)) api.Module {
	t.Helper()
	r := newRuntime(t, wazero.NewRuntimeConfig())
	if _, err := r.NewHostModuleBuilder("env").NewFunctionBuilder().
		WithFunc(func(_ context.Context,
			m api.Module) {
			stop(m)
		}).Export("stop").Instantiate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return start(t, r, wasm)
}

var adverseGuests = []string{"back", "steal", "pair", "mutual", "counts", "late", "lateReturn", "loopFirst",
	"onceFirst", "leaves", "indirectLeaves", "quick"}

// Once the flag is raised, a guest does no more than two budgets of work. All work is worth more than 8 units.
func TestAdverseGuestsStop(t *testing.T) {
	wasm := rewrite(t, load(t, "testdata/adverse.wasm"))
	const times = 200_000
	for _, name := range adverseGuests {
		t.Run(name, func(t *testing.T) {
			var began uint64
			m := adverse(t, wasm, func(m api.Module) {
				m.ExportedGlobal(instrument.StopGlobal).(api.MutableGlobal).Set(1)
				began = m.ExportedGlobal("work").Get()
			})
			_, err := m.ExportedFunction(name).Call(t.Context(), times)
			if err == nil || !strings.Contains(err.Error(), "unreachable") {
				t.Fatalf("not stopped: %v", err)
			}
			if n := m.ExportedGlobal("work").Get(); n > began && n-began > 2*instrument.Budget/8 {
				t.Errorf("did %d pieces of work after the flag was raised", n-began)
			}
		})
	}
}

// Without a flag they do all of it, as without checks; and what they spend does not depend on when budgets end.
func TestAdverseGuestsEnd(t *testing.T) {
	code := load(t, "testdata/adverse.wasm")
	const times = 3000
	for _, name := range adverseGuests {
		t.Run(name, func(t *testing.T) {
			plain, checked := adverse(t, code, func(api.Module) {}), adverse(t, rewrite(t, code), func(api.Module) {})
			want := uint64(0)
			for _, left := range []int32{instrument.Budget, 1, 100, 1000, 30_000} {
				checked.ExportedGlobal(instrument.LeftGlobal).(api.MutableGlobal).Set(api.EncodeI32(left))
				before := spent(checked)
				for _, m := range []api.Module{plain, checked} {
					m.ExportedGlobal("work").(api.MutableGlobal).Set(0)
					if _, err := m.ExportedFunction(name).Call(t.Context(), times); err != nil {
						t.Fatal(err)
					}
				}
				if a, b := plain.ExportedGlobal("work").Get(), checked.ExportedGlobal("work").Get(); a != b {
					t.Errorf("%d pieces of work without checks, %d with", a, b)
				}
				fuel := spent(checked) - before
				if want == 0 {
					want = fuel
				}
				if fuel != want || fuel < times {
					t.Errorf("spent %d, before %d", fuel, want)
				}
			}
		})
	}
}

// A path without loops is checked, too, where its parts are paid for one by one: before places that a loop jumps back
// to.
func TestLongPathIsChecked(t *testing.T) {
	const places = 40
	// loop; block for each place; br_table to them; each place does work, and the last jumps back to each of them
	var code strings.Builder
	code.WriteString("\x03\x40" + strings.Repeat("\x02\x40", places) + "\x20\x00\x0e" + string(rune(places-1)))
	for n := range places {
		code.WriteString(string(rune(n)))
	}
	for n := range places {
		code.WriteString("\x0b" + strings.Repeat("\x41\x00\x28\x02\x00\x1a", 1000)) // i32.load
		if n == places-1 {
			for to := range places - 1 { // if (local 0 = to) br loop
				fmt.Fprintf(&code, "\x41\x00\x04\x40\x41%c\x21\x00\x0c\x01\x0b", to)
			}
		}
	}
	code.WriteString("\x0b")
	f := "\x01\x01\x7f" + code.String() + "\x0b"
	wasm := module(1, "\x01\x60\x00\x00", 3, "\x01\x00", 5, "\x01\x00\x01", 7, "\x01\x01f\x00\x00", 10,
		"\x01"+uleb(len(f))+f)
	m := start(t, newRuntime(t, wazero.NewRuntimeConfig()), rewrite(t, wasm))
	before := spent(m)
	if _, err := m.ExportedFunction("f").Call(t.Context()); err != nil {
		t.Fatal(err)
	}
	if fuel := spent(m) - before; fuel < places*4000 {
		t.Errorf("spent %d units on %d loads", fuel, places*1000)
	}
	// what one path may go without a check, and a little
	if left := int32(m.ExportedGlobal(instrument.LeftGlobal).Get()); left < -20_000 {
		t.Errorf("the budget was overdrawn by %d units", -left)
	}
}
