package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/weftlattice/weft/e2e/rustlike"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
)

// restores names what BenchmarkRestore and BenchmarkIdle report, by the kind of actor.
var restores = []struct {
	name, what string
	target     float64
}{
	{"rustlike", "Rust-like actor, 1.1 MiB", .15},
	{"go", "stock Go actor", .03},
	{"component", "component in Rust, 1.1 MiB", .05},
	{"javascript", "component in JavaScript by componentize-js", .10},
}

// calls names what BenchmarkComponentCall reports. The most is in microseconds of processor time, which others who
// share a machine disturb less than the clock; 0 is no target.
var calls = []struct {
	name, what           string
	most, allocs, copies float64
}{
	{name: "hello", what: "component in Rust, wasi:http without a server", most: 3},
	{name: "hello/1KiB", what: "the same, 1 KiB in and out", most: 5},
	{name: "number", what: "component that passes a number"},
	{name: "1KiB", what: "component that passes a list<u8> of 1 KiB in and out"},
	{name: "1MiB", what: "component that takes a list<u8> of 1 MiB", copies: 1},
	{name: "record", what: "component that passes a record of 20 fields in and out", allocs: 2},
}

// measureInstances measures making, restoring and keeping instances.
func measureInstances(ctx context.Context, b *bench, r *report) error {
	if err := modes(ctx, b, r); err != nil {
		return err
	}
	unit, err := unitBenchmarks(ctx)
	if err != nil {
		return err
	}
	best := func(name, of string) float64 {
		v := unit[name][of]
		if len(v) == 0 {
			return 0
		}
		return slices.Min(v)
	}
	us := func(name string) float64 { return best(name, "ns/op") / 1000 }
	for _, g := range restores {
		plain, restore, snapshot := us(g.name+"/wazero"), us(g.name+"/callrestore"), us(g.name+"/snapshot")
		if g.name == "javascript" && plain == 0 {
			r.p("A component in JavaScript is not measured: WEFT_BENCH_JS names no file")
			continue
		}
		if plain == 0 || restore == 0 || snapshot == 0 {
			return fmt.Errorf("BenchmarkRestore has no complete results of %s", g.name)
		}
		r.target(target{figure: "call an instance and restore it, " + g.what, value: fmt.Sprintf("%.1f µs", restore),
			beside: fmt.Sprintf("wazero's plain instantiation: %.0f µs", plain), got: restore / plain,
			goal: atMost(g.target, "")})
		r.record("instantiate from the snapshot, "+g.what, fmt.Sprintf("%.0f µs", snapshot),
			fmt.Sprintf("wazero's plain instantiation: %.0f µs", plain))
	}
	for _, c := range calls {
		us, allocs, bytes := best(c.name, "cpu-ns/op")/1000, best(c.name, "allocs/op"), best(c.name, "B/op")
		if us == 0 || bytes == 0 {
			return fmt.Errorf("BenchmarkComponentCall has no results of %s", c.name)
		}
		what, beside := "processor time of a warm call, "+c.what, fmt.Sprintf("%.0f allocations", allocs)
		if c.most > 0 {
			r.target(target{figure: what, beside: beside, got: us, goal: atMost(c.most, "µs")})
		} else {
			r.record(what, fmt.Sprintf("%.2f µs", us), beside)
		}
		if c.allocs > 0 {
			r.target(target{figure: "allocations of a warm call, " + c.what, got: allocs, goal: atMost(c.allocs, "")})
		}
		if c.copies > 0 {
			r.target(target{figure: "copies of it that the host makes, " + c.what,
				beside: fmt.Sprintf("%.0f bytes allocated", bytes), got: 1 + math.Floor(bytes/(1<<20)),
				goal: atMost(c.copies, "")})
		}
	}
	if cold := unit[""]["ns/op"]; len(cold) > 0 {
		r.record("component in Rust, from compiled code on disk to the first answer", fmt.Sprintf("%.1f ms",
			slices.Min(cold)/1e6), "engine and template are new")
	}
	for _, state := range []string{"made", "called", "restored"} {
		u := unit["component/"+state]
		if len(u["KiB-Pss/instance"]) == 0 {
			return fmt.Errorf("BenchmarkIdle has no results of components that are %s", state)
		}
		r.record("resident memory per instance "+state+", 1,000 of a component in Rust",
			fmt.Sprintf("%.0f KiB", u["KiB-Pss/instance"][0]),
			fmt.Sprintf("counting shared pages for each: %.0f KiB", u["KiB-Rss/instance"][0]))
	}
	for _, state := range []string{"made", "called", "restored"} {
		u := unit["rustlike/"+state]
		if len(u["KiB-Pss/instance"]) == 0 || len(u["KiB-Rss/instance"]) == 0 {
			return fmt.Errorf("BenchmarkIdle has no results of %s instances", state)
		}
		r.target(target{figure: "resident memory per instance " + state + ", 5,000 of a Rust-like actor",
			beside: fmt.Sprintf("counting shared pages for each: %.0f KiB", u["KiB-Rss/instance"][0]),
			got:    u["KiB-Pss/instance"][0], goal: atMost(100, "KiB")})
	}
	return nil
}

// modes loads one actor, Rust-like with 1.1 MiB of memory, in turns with shared and with fresh instances.
func modes(ctx context.Context, b *bench, r *report) error {
	l, err := b.open()
	if err != nil {
		return err
	}
	defer l.close()
	c, _, err := l.lattice(ctx, "modes")
	if err != nil {
		return err
	}
	want := []byte("hello from an actor of 1.1 MiB")
	module := rustlike.Module((&httpserver.Response{StatusCode: 200, Body: want}).Encode())
	var paths []*path
	for _, mode := range []string{"shared", "fresh"} {
		file := filepath.Join(b.dir, "rustlike-"+mode+".wasm")
		if err := os.WriteFile(file, module, 0o600); err != nil {
			return err
		}
		addr, err := c.serve(ctx, file, "rustlike-"+mode, want, "--instances", mode, "--cap", "wasmcloud:httpserver")
		if err != nil {
			return err
		}
		paths = append(paths, &path{name: mode + " instances",
			load: func() (float64, error) { return b.load(ctx, addr, want) },
			warm: func() error { return b.warm(addr, want) }})
	}
	if err := b.inTurns(ctx, paths...); err != nil {
		return err
	}
	shared, fresh := paths[0], paths[1]
	r.compare("HTTP requests/s with fresh instances, Rust-like actor, 1.1 MiB", fresh, shared, atLeast(.8))
	r.raw(shared.name, shared.got)
	r.raw(fresh.name, fresh.got)
	return nil
}

// unitBenchmarks runs the runtime's own benchmarks of instances: values by name and unit, one of each count.
func unitBenchmarks(ctx context.Context) (map[string]map[string][]float64, error) {
	unit := map[string]map[string][]float64{}
	for _, args := range [][]string{
		{"-bench", "^BenchmarkRestore(Component)?$|^BenchmarkComponentCall$", "-count", "5", "-benchtime", "200ms"},
		{"-bench", "^BenchmarkColdComponent$", "-benchtime", "20x"},
		{"-bench", "^BenchmarkIdle$", "-benchtime", "1x"},
	} {
		results, err := goBench(ctx, "./host/internal/wasm", args...)
		if err != nil {
			return nil, err
		}
		for _, one := range results {
			if unit[one.name] == nil {
				unit[one.name] = map[string][]float64{}
			}
			for of, v := range one.values {
				unit[one.name][of] = append(unit[one.name][of], v)
			}
		}
	}
	return unit, nil
}
