package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// part measures some figures and writes them into the report. It brings up what it needs and takes it down again.
type part struct {
	name string
	run  func(context.Context, *bench, *report) error
}

// parts is what a whole run measures, in this order.
func parts() []part {
	return []part{
		{"http", measureHTTP},
		{"components", measureComponents},
		{"streams", measureStreams},
		{"nats", measureNATS},
		{"latency", measureLatency},
		{"guests", measureGuests},
		{"instances", measureInstances},
		{"neighbours", measureNeighbours},
		{"scale", measureScale},
		{"overload", measureOverload},
		{"start", measureStart},
		{"many", measureMany},
		{"cpu", measureCPU},
	}
}

func partNames() (names []string) {
	for _, p := range parts() {
		names = append(names, p.name)
	}
	return names
}

// bench is what all parts share.
type bench struct {
	options
	self string // this program, for the other process of a comparison
	dir  string // for files, removed at the end
}

// run measures the chosen parts and reports.
func run(ctx context.Context, o options) (err error) {
	chosen := parts()
	if o.only != "" {
		wanted := strings.Split(o.only, ",")
		for _, name := range wanted {
			if !slices.Contains(partNames(), name) {
				return fmt.Errorf("-only %q: there are %s", name, strings.Join(partNames(), ", "))
			}
		}
		chosen = slices.DeleteFunc(chosen, func(p part) bool { return !slices.Contains(wanted, p.name) })
	}
	if o.rounds < 1 || o.conns < 1 || o.window < 100*time.Millisecond {
		return fmt.Errorf("want at least one round, one connection and a window of 100ms")
	}
	b := &bench{options: o}
	if b.weft, err = filepath.Abs(o.weft); err != nil {
		return err
	}
	if _, err := os.Stat(b.weft); err != nil {
		return fmt.Errorf("%w; build it with: make build actors", err)
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "weft-bench"); err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, os.RemoveAll(b.dir)) }()
	if !haveWrk() {
		fmt.Fprintln(os.Stderr, "bench: there is no wrk here (make bench installs it): "+
			"the closed loop is the built-in one, which costs more processor time")
	}
	r := &report{}
	for _, p := range chosen {
		began := time.Now()
		before := len(r.targets)
		if err := p.run(ctx, b, r); err != nil {
			fmt.Print(r.markdown(o)) // what there is
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "bench: %s took %s\n", p.name, time.Since(began).Round(time.Second))
		for _, t := range r.targets[before:] {
			fmt.Fprintf(os.Stderr, "  %s: %s, target %s: %s\n", t.figure, t.result(), t.goal, t.verdict())
		}
	}
	text := r.markdown(o)
	fmt.Print(text)
	if o.only != "" || o.out == "-" {
		return nil
	}
	return rewriteFile(o.out, text)
}
