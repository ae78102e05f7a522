package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/latticetest/output"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/store"
)

// crowds are how many other hosts, actors and links there are in the lattice, one after another.
var crowds = []int{0, 1, 100, 1000}

// crowded is what one host and its httpserver cost among n others, and beside it what another one costs, in the same
// rounds, that has a lattice and a NATS server for itself.
type crowded struct {
	n               int
	among, alone    served
	amongIdle, idle float64 // seconds of processor per second while nothing is asked, host and provider
}

// served has a value per round.
type served struct {
	rate []float64 // requests per second
	cpu  []float64 // µs of processor per request, host and provider
	low  []float64 // µs, latency p50 at low load
}

// station is a host with httpserver and the echo actor.
type station struct {
	cli
	addr string
	pids []int // host and provider
	log  *output.Text
}

// measureScale measures one host among more and more others, in turns with one that is alone.
func measureScale(ctx context.Context, b *bench, r *report) error {
	var labs [2]*lab
	var stations [2]station
	for i := range labs {
		var err error
		if labs[i], err = b.open(); err != nil {
			return err
		}
		defer labs[i].close()
		c, host, addr, err := labs[i].echoing(ctx, string(lattice.DefaultName))
		if err != nil {
			return err
		}
		provider, err := c.providerPID(ctx)
		if err != nil {
			return err
		}
		stations[i] = station{c, addr, []int{host.pid(), provider}, &host.log}
	}
	all, err := b.grow(ctx, labs[1].nc, stations[1], stations[0])
	if err != nil {
		return fmt.Errorf("%w\n%s", err, stations[1].log.String())
	}
	crowdRows(all, r)
	return nil
}

// grow measures a station among more and more others.
func (b *bench) grow(ctx context.Context, nc *nats.Conn, among, alone station) (all []crowded, err error) {
	s, err := store.Open(ctx, nc, lattice.DefaultName, store.Config{})
	if err != nil {
		return nil, err
	}
	others, err := newCrowd(nc)
	if err != nil {
		return nil, err
	}
	defer others.end()
	for _, n := range crowds {
		if err := others.grow(ctx, s, among.addr, n); err != nil {
			return nil, err
		}
		if err := until(2*time.Minute, func() error { return linked(ctx, among.cli, n+1) }); err != nil {
			return nil, err
		}
		at := crowded{n: n}
		before, err := processorTime(alone.pids)
		if err != nil {
			return nil, err
		}
		if at.amongIdle, err = spent(among.pids, func() error { return pause(ctx, 2*b.window) }); err != nil {
			return nil, err
		}
		after, err := processorTime(alone.pids)
		if err != nil {
			return nil, err
		}
		at.amongIdle, at.idle = at.amongIdle/(2*b.window).Seconds(), (after-before)/(2*b.window).Seconds()
		for _, side := range []station{alone, among} {
			if err := b.warm(side.addr, []byte(answer)); err != nil {
				return nil, err
			}
		}
		for range b.rounds {
			if err := b.serves(ctx, alone, &at.alone); err != nil {
				return nil, err
			}
			if err := b.serves(ctx, among, &at.among); err != nil {
				return nil, err
			}
		}
		all = append(all, at)
	}
	return all, nil
}

// serves loads a station for one round.
func (b *bench) serves(ctx context.Context, at station, into *served) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var n int64
	var took time.Duration
	cpu, err := spent(at.pids, func() (err error) {
		n, took, err = b.drive(ctx, at.addr, []byte(answer), b.window)
		return err
	})
	if err != nil {
		return err
	}
	low, err := openLoop(at.addr, "/", []byte(payload), []byte(answer), 1, lowRate, b.window)
	if err != nil {
		return err
	}
	into.rate = append(into.rate, float64(n)/took.Seconds())
	into.cpu = append(into.cpu, cpu/float64(n)*1e6)
	into.low = append(into.low, micros(low.at(.5)))
	return nil
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// linked reports whether so many links are active.
func linked(ctx context.Context, c cli, n int) error {
	var links []struct {
		State string `json:"state"`
	}
	if err := c.run(ctx, &links, "link", "list"); err != nil {
		return err
	}
	active := 0
	for _, l := range links {
		if l.State == "active" {
			active++
		}
	}
	if active < n {
		return fmt.Errorf("%d of %d links are active", active, n)
	}
	return nil
}

// spent is the processor time in seconds that some processes take while f runs.
func spent(pids []int, f func() error) (float64, error) {
	before, err := processorTime(pids)
	if err != nil {
		return 0, err
	}
	if err := f(); err != nil {
		return 0, err
	}
	after, err := processorTime(pids)
	return after - before, err
}

// processorTime reads it from /proc, in ticks of 10 ms.
func processorTime(pids []int) (seconds float64, err error) {
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, err
		}
		_, rest, _ := strings.Cut(string(b), ") ")
		fields := strings.Fields(rest)
		if len(fields) < 13 {
			return 0, fmt.Errorf("unexpected stat %q", b)
		}
		for _, f := range fields[11:13] { // user, system
			ticks, err := strconv.ParseFloat(f, 64)
			if err != nil {
				return 0, err
			}
			seconds += ticks / 100
		}
	}
	return seconds, nil
}

func crowdRows(all []crowded, r *report) {
	flat := func(what string, of func(served) []float64, show string) {
		beside := func(c crowded) float64 { return median(ratios(of(c.among), of(c.alone))) }
		worst := all[1]
		for _, c := range all[1:] {
			if beside(c) > beside(worst) {
				worst = c
			}
		}
		r.target(target{figure: fmt.Sprintf("%s among %d other hosts, actors and links, the worst of %v", what,
			worst.n, crowds[1:]), value: fmt.Sprintf(show, median(of(worst.among))),
			beside: "alone, in the same rounds: " + fmt.Sprintf(show, median(of(worst.alone))), got: beside(worst),
			goal: atMost(1.1, "")})
	}
	latency, cpu := func(s served) []float64 { return s.low }, func(s served) []float64 { return s.cpu }
	flat("latency p50 at low load", latency, "%.0f µs")
	flat("processor time of a request", cpu, "%.1f µs")
	r.p("")
	r.p("| others in the lattice: hosts, actors, links | requests/s beside alone | p50 at low load | beside alone | " +
		"processor time of a request | beside alone | processor while idle | alone |")
	r.p("|---|---|---|---|---|---|---|---|")
	for _, c := range all {
		r.p("| %d each | %.2f | %.0f µs | %.2f | %.1f µs | %.2f | %.1f %% | %.1f %% |", c.n,
			median(ratios(c.among.rate, c.alone.rate)), median(c.among.low),
			median(ratios(c.among.low, c.alone.low)), median(c.among.cpu), median(ratios(c.among.cpu, c.alone.cpu)),
			100*c.amongIdle, 100*c.idle)
	}
	r.p("")
	r.p("*Alone* is another host with httpserver, in a lattice and on a NATS server of its own, loaded in turns; " +
		"the row of 0 shows how far two that are the same differ. " +
		"Processor times are those of host and httpserver together. " +
		"The others are simulated on one connection: a beat each second, an inventory each 30 s, claims, " +
		"and a link to the same httpserver, which has a route for each.")
}
