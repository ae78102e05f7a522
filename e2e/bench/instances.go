package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/weftlattice/weft/e2e/rustlike"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
)

// instanceFigures are about making, restoring and keeping instances.
type instanceFigures struct {
	shared, fresh []float64 // HTTP requests per second, a value per round
	unit          map[string]map[string][]float64
}

// modes loads one actor, Rust-like with 1.1 MiB of memory, in turns with shared and with fresh instances.
func (f *instanceFigures) modes(ctx context.Context, c cli, o options, dir string) error {
	answer := []byte("hello from an actor of 1.1 MiB")
	module := rustlike.Module((&httpserver.Response{StatusCode: 200, Body: answer}).Encode())
	addrs := map[string]string{}
	for _, mode := range []string{"shared", "fresh"} {
		path := filepath.Join(dir, "rustlike-"+mode+".wasm")
		if err := os.WriteFile(path, module, 0o600); err != nil {
			return err
		}
		port, err := freePort()
		if err != nil {
			return err
		}
		addrs[mode] = fmt.Sprintf("127.0.0.1:%d", port)
		if err := c.run(ctx, nil, "actor", "start", path, "--max", "64", "--instances", mode, "--cap", "wasmcloud:httpserver"); err != nil {
			return err
		}
		if err := c.run(ctx, nil, "link", "put", "rustlike-"+mode, "httpserver", "address="+addrs[mode]); err != nil {
			return err
		}
		if err := until(20*time.Second, func() error {
			h, err := dial(addrs[mode], "/", []byte(payload))
			if err != nil {
				return err
			}
			defer h.conn.Close()
			return h.do(answer)
		}); err != nil {
			return err
		}
	}
	for range o.rounds + 1 { // the first round warms up and does not count
		for mode, into := range map[string]*[]float64{"shared": &f.shared, "fresh": &f.fresh} {
			n, err := closedLoop(addrs[mode], "/", []byte(payload), answer, o.conns, o.window)
			if err != nil {
				return fmt.Errorf("%s instances: %w", mode, err)
			}
			*into = append(*into, n)
		}
	}
	f.shared, f.fresh = f.shared[1:], f.fresh[1:]
	return nil
}

// measure runs the runtime's own benchmarks.
func (f *instanceFigures) measure(ctx context.Context) error {
	f.unit = map[string]map[string][]float64{}
	for _, args := range [][]string{
		{"-bench", "^BenchmarkRestore$", "-count", "5", "-benchtime", "200ms"},
		{"-bench", "^BenchmarkIdle$", "-benchtime", "1x"},
	} {
		cmd := exec.CommandContext(ctx, "go", append(append([]string{"test", "-run", "^$"}, args...), "./host/internal/wasm")...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("go test -bench: %w\n%s", err, out)
		}
		for _, l := range regexp.MustCompile(`(?m)^Benchmark(?:Restore|Idle)/(\S+?)(?:-\d+)?\s+\d+\s+(.*)$`).FindAllStringSubmatch(string(out), -1) {
			for _, m := range regexp.MustCompile(`([\d.]+) (\S+)`).FindAllStringSubmatch(l[2], -1) {
				v, err := strconv.ParseFloat(m[1], 64)
				if err != nil {
					return err
				}
				if f.unit[l[1]] == nil {
					f.unit[l[1]] = map[string][]float64{}
				}
				f.unit[l[1]][m[2]] = append(f.unit[l[1]][m[2]], v)
			}
		}
	}
	return nil
}

// rows are the lines of the report.
func (f *instanceFigures) rows(p func(string, ...any)) {
	us := func(name string) float64 {
		v := f.unit[name]["ns/op"]
		if len(v) == 0 {
			return 0
		}
		return slices.Min(v) / 1000
	}
	p("| figure | value | beside | ratio | target |")
	p("|---|---|---|---|---|")
	for _, g := range []struct{ name, what, target string }{
		{"rustlike", "Rust-like actor, 1.1 MiB", "≤ 0.15"},
		{"go", "stock Go actor", "≤ 0.03"},
	} {
		plain, restore := us(g.name+"/wazero"), us(g.name+"/callrestore")
		p("| call an instance and restore it, %s | %.1f µs | wazero's plain instantiation: %.0f µs | %.3f | %s |", g.what, restore, plain, restore/plain, g.target)
		p("| instantiate from the snapshot, %s | %.0f µs | the same: %.0f µs | %.3f | |", g.what, us(g.name+"/snapshot"), plain, us(g.name+"/snapshot")/plain)
	}
	var ratios []float64
	for n := range f.fresh {
		ratios = append(ratios, f.fresh[n]/f.shared[n])
	}
	p("| HTTP requests/s, fresh instances, Rust-like actor | %.0f | shared instances: %.0f | %.2f | ≥ 0.80 |", median(f.fresh), median(f.shared), median(ratios))
	for _, state := range []string{"made", "called", "restored"} {
		u := f.unit["rustlike/"+state]
		if len(u["KiB-Pss/instance"]) > 0 {
			p("| memory per instance %s, 5,000 of a Rust-like actor | %.0f KiB | counting shared pages for each: %.0f KiB | | ≤ 100 KiB |", state, u["KiB-Pss/instance"][0], u["KiB-Rss/instance"][0])
		}
	}
	p("")
	p("Best of five for times; medians of the rounds for requests, and of their ratios round by round. The call counts with its restore, since it bears the page faults that a restore may leave it.")
	p("The Rust-like actor is made by `e2e/rustlike`. Raw requests/s per round: fresh %s; shared %s.", list(f.fresh), list(f.shared))
}
