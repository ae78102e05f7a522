package instrument_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/weftlattice/weft/host/internal/instrument"
	"github.com/weftlattice/weft/internal/latticetest/long"
)

// dispatcher writes a module as Go's compiler does: run(label, steps i32) i64 is one loop around a br_table of labels,
// between which it jumps at random until its steps are used up. The exported globals "work" and "units" have its sum
// and the least that the labels so far are worth.
func dispatcher(r *rand.Rand) []byte {
	labels := 2 + r.IntN(12)
	vague := r.IntN(4) == 0
	pairs := r.IntN(3) == 0 // cycles that end before a label that is jumped back to and is none
	var code strings.Builder
	add := func(s string) { code.WriteString(s) }
	jumpTo := func(label, depth int) { fmt.Fprintf(&code, "\x41%c\x21\x00\x0c%c", label, depth) }
	jump := func(depth int) { jumpTo(r.IntN(labels+1), depth) } // goes to some label
	// five turns
	const loop = "\x42\x05\x21\x03\x03\x40\x20\x02\x20\x03\x7c\x21\x02\x20\x03\x42\x7f\x7c\x22\x03\x50\x45\x0d\x00\x0b"
	add("\x03\x40")               // loop
	below := make([]bool, labels) // what is on the stack at a label
	for n := labels - 1; n >= 0; n-- {
		if below[n] = r.IntN(20) == 0; below[n] {
			add("\x20\x01")
		}
		add("\x02\x40")
	}
	fmt.Fprintf(&code, "\x20\x00\x0e%c", labels-1)
	for n := range labels {
		fmt.Fprintf(&code, "%c", n)
	}
	for n := range labels {
		depth := labels - 1 - n // of the loop, behind the end of the block
		add("\x0b")
		if below[n] {
			add("\x1a")
		}
		plain := r.IntN(20)
		cost := 15 + 2*plain // what comes before the first branch, and the head, at a unit or more each
		if pairs && n%3 == 2 {
			cost += 5 * 5 // the loop below
		}
		add("\x23\x01\x41" + string([]byte{byte(cost) | 0x80, 0}) + "\x6a\x24\x01") // units += cost
		// if (steps -= 1) == 0 { return sum }
		add("\x20\x01\x41\x01\x6b\x22\x01\x45\x04\x40\x20\x02\x0f\x0b")
		fmt.Fprintf(&code, "\x20\x02\x42\x1f\x7e\x42%c\x7c\x22\x02\x24\x00", n+1) // sum = work = sum * 31 + n + 1
		add(strings.Repeat("\x20\x02\x42\x01\x7c\x21\x02", plain))                // sum++
		if pairs && n%3 == 2 {
			add(loop)
		}
		for range r.IntN(4) {
			switch r.IntN(8) {
			case 0, 1, 2: // if sum & mask { jump }
				fmt.Fprintf(&code, "\x20\x02\x42%c\x83\x50\x04\x40", 1+r.IntN(15))
				jump(depth + 1)
				add("\x0b")
			case 3: // a block around it
				fmt.Fprintf(&code, "\x02\x40\x20\x02\x42%c\x83\x50\x0d\x00", 1+r.IntN(15))
				jump(depth + 1)
				add("\x0b")
			case 4: // br_if to the head, which goes on by what the local has held for long
				if vague {
					fmt.Fprintf(&code, "\x20\x02\x42%c\x83\x50\x0d%c", 1+r.IntN(15), depth)
				}
			case 5: // a call that pays for itself
				add("\x20\x02\x42\x3f\x83\xa7\x10\x01")
			case 6: // a loop of its own
				add(loop)
			case 7: // a local the turns carry, or that of the table
				if vague {
					add("\x20\x00\xac\x20\x02\x7c\x21\x02")
				}
				add("\x20\x03\x20\x02\x85\x22\x03\x42\x07\x83\x20\x02\x7c\x21\x02")
			}
		}
		switch {
		case pairs && n%3 > 0:
			fmt.Fprintf(&code, "\x20\x02\x42%c\x83\x50\x04\x40", 1+r.IntN(3))
			jumpTo(n, depth+1)
			add("\x0b")
		case r.IntN(2) == 0:
			jump(depth)
		}
	}
	add("\x0b\x20\x02\x0b") // end of the loop, sum
	run := "\x01\x02\x7e" + code.String()
	return module(1, "\x02\x60\x02\x7f\x7f\x01\x7e\x60\x01\x7f\x00", 3, "\x02\x00\x01", 6,
		"\x02\x7e\x01\x42\x00\x0b\x7f\x01\x41\x00\x0b",
		7, "\x03\x03run\x00\x00\x04work\x03\x00\x05units\x03\x01", 10, "\x02"+uleb(len(run))+run+uleb(len(spin))+spin)
}

// spin counts its parameter down.
const spin = "\x00\x03\x40\x20\x00\x41\x01\x6b\x22\x00\x41\x00\x4a\x0d\x00\x0b\x0b"

// Whatever the flow, it is the same with checks; what it costs and where a limit ends it does not depend on when
// budgets do; and none goes on once the flag is raised.
func TestCycles(t *testing.T) {
	long.Test(t, "runs many modules")
	for seed := range uint64(300) {
		code := dispatcher(rand.New(rand.NewPCG(seed, 1)))
		r := newRuntime(t, wazero.NewRuntimeConfig())
		plain, checked := start(t, r, code), start(t, r, rewrite(t, code))
		set := func(name string, value uint64) { checked.ExportedGlobal(name).(api.MutableGlobal).Set(value) }
		get := func(name string) uint64 { return checked.ExportedGlobal(name).Get() }
		run := func(args [2]uint64, left, limit uint64) ([]uint64, error) {
			set("units", 0)
			set(instrument.LeftGlobal, left)
			set(instrument.HandedGlobal, left)
			set(instrument.LimitGlobal, limit+instrument.Budget)
			return checked.ExportedFunction("run").Call(t.Context(), args[:]...)
		}
		for _, args := range [][2]uint64{{0, 1000}, {1, 20_000}, {seed % 14, 3000}, {1 << 31, 7}} {
			want, err := plain.ExportedFunction("run").Call(t.Context(), args[:]...)
			if err != nil {
				t.Fatal(err)
			}
			var fuel, ended uint64
			lefts := []uint64{instrument.Budget, 0, 1, 77, 999, 30_000}
			for left := range args[1] / 100 { // the first budget ends all over the first turns
				if args[1] < 5000 {
					lefts = append(lefts, left*331)
				}
			}
			for n, left := range lefts {
				got, err := run(args, left, 1<<40)
				if err != nil || got[0] != want[0] {
					t.Fatalf("%d, run%v: %v without, %v, %v with", seed, args, want, got, err)
				}
				if took := spent(checked); n == 0 {
					fuel = took
				} else if took != fuel {
					t.Fatalf("%d, run%v: %d units with a budget of %d, else %d", seed, args, took, left, fuel)
				}
				if units := get("units"); fuel+100 < units { // the last label ends early
					t.Fatalf("%d, run%v: %d units for work worth %d or more", seed, args, fuel, units)
				}
				_, err = run(args, min(left, fuel/2), fuel/2)
				if fuel > 1000 && (err == nil || !strings.Contains(err.Error(), "unreachable")) {
					t.Fatalf("%d, run%v: not ended by half of %d: %v", seed, args, fuel, err)
				}
				if n == 0 {
					ended = get("work")
				} else if get("work") != ended {
					t.Fatalf("%d, run%v: with a budget of %d its limit ends it somewhere else", seed, args, left)
				}
			}
		}
		set(instrument.StopGlobal, 1)
		_, err := run([2]uint64{0, 1 << 20}, instrument.Budget, 1<<40)
		if units := get("units"); units > 2*instrument.Budget || err == nil && spent(checked) > 2*instrument.Budget {
			t.Fatalf("%d: work worth %d after the flag was raised, %v", seed, units, err)
		}
	}
}

// A way to the head of a function's loop may go on by what the table's local has held since before a cycle was reached.
func TestCycleLeavesTheTableAlone(t *testing.T) {
	loop := func(last, behind string) string {
		return "\x03\x40\x02\x40\x02\x40\x02\x40\x20\x00\x0e\x02\x00\x01\x02" + // loop, three blocks, the table
			"\x0b\x20\x02\x42\x03\x7e\x42\x01\x7c\x21\x02" + // 0: sum = sum * 3 + 1
			"\x41\x05\x10\x01" + // spend some of the budget
			"\x0b\x20\x02\x42\x01\x7c\x21\x02" + // 1: sum++
			"\x20\x01\x41\x01\x6b\x22\x01\x45\x04\x40\x20\x02\x0f\x0b" + // if (steps -= 1) == 0 { return sum }
			// if steps & 3 == 0 { local = 1; br loop }, a cycle
			"\x20\x01\x41\x03\x71\x45\x04\x40\x41\x01\x21\x00\x0c\x02\x0b" +
			// if steps & 3 == 1 { local = 0; br loop }
			"\x20\x01\x41\x03\x71\x41\x01\x46\x04\x40\x41\x00\x21\x00\x0c\x02\x0b" +
			last + "\x0b" + behind + "\x0b"
	}
	for name, code := range map[string]string{
		"br_if": loop("\x41\x01\x0d\x01", "\x20\x02\x0f"), // always br_if loop; 2: return sum
		// always br_if 2; 2: br loop around
		"a loop around": "\x03\x40" + loop("\x41\x01\x0d\x00", "\x0c\x01") + "\x0b",
	} {
		run := "\x01\x01\x7e" + code + "\x20\x02\x0b"
		wasm := module(1, "\x02\x60\x02\x7f\x7f\x01\x7e\x60\x01\x7f\x00", 3, "\x02\x00\x01", 7, "\x01\x03run\x00\x00",
			10, "\x02"+uleb(len(run))+run+uleb(len(spin))+spin)
		r := newRuntime(t, wazero.NewRuntimeConfig())
		plain, checked := start(t, r, wasm), start(t, r, rewrite(t, wasm))
		want, err := plain.ExportedFunction("run").Call(t.Context(), 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		for left := range uint64(1000) {
			checked.ExportedGlobal(instrument.LeftGlobal).(api.MutableGlobal).Set(left)
			got, err := checked.ExportedFunction("run").Call(t.Context(), 0, 100)
			if err != nil || got[0] != want[0] {
				t.Errorf("%s, with a budget of %d: %v, %v, want %v", name, left, got, err, want)
				break
			}
		}
	}
}
