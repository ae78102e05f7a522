package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/store"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// crowds are how many other hosts, actors and links there are in the lattice, one after another.
var crowds = []int{0, 1, 100, 1000}

// crowded is what one host and its httpserver cost among n others.
type crowded struct {
	n                int
	bare, weft       []float64   // requests per second, a value per round
	bareLow, weftLow []latencies // at low load
	idle             float64     // seconds of processor per second while nothing is asked, host and provider
	perRequest       float64     // seconds of processor per request, host and provider
}

// crowd simulates hosts: beats each second, heartbeats with an inventory each 30 s.
type crowd struct {
	nc      *nats.Conn
	lattice lattice.Name
	events  *event.Publisher
	stop    chan struct{}
	wg      sync.WaitGroup
	n       int
}

func newCrowd(nc *nats.Conn) (*crowd, error) {
	key, err := signing.New(signing.KindHost)
	if err != nil {
		return nil, err
	}
	return &crowd{nc: nc, lattice: lattice.DefaultName, stop: make(chan struct{}),
		events: event.NewPublisher(nc, lattice.DefaultName, lattice.HostID(key.Public()))}, nil
}

// grow brings the crowd to n hosts, each with an actor that has claims and a link to the real httpserver.
func (c *crowd) grow(ctx context.Context, s *store.Store, address string, n int) error {
	for ; c.n < n; c.n++ {
		var keys [2]signing.KeyPair
		for i, kind := range []byte{signing.KindHost, signing.KindModule} {
			k, err := signing.New(kind)
			if err != nil {
				return err
			}
			keys[i] = k
		}
		host, actor := lattice.HostID(keys[0].Public()), lattice.ActorID(keys[1].Public())
		name := fmt.Sprintf("crowd-%d", c.n)
		if err := s.PutClaims(ctx, control.Claims{Subject: string(actor), Issuer: string(actor), Name: name, CallAlias: name}); err != nil {
			return err
		}
		if err := s.PutLink(ctx, wire.LinkDefinition{ActorID: string(actor), ProviderID: signing.Derive(signing.KindProvider, "weft builtin httpserver").Public(),
			LinkName: string(lattice.DefaultLink), ContractID: "wasmcloud:httpserver", Values: map[string]string{"address": address, "path": "/" + name}}); err != nil {
			return err
		}
		c.wg.Go(func() { c.live(host, actor, name) })
	}
	return nil
}

func (c *crowd) live(host lattice.HostID, actor lattice.ActorID, name string) {
	offset := time.Duration(c.spread(name)) * time.Millisecond
	wait := func(d time.Duration) bool {
		select {
		case <-c.stop:
			return false
		case <-time.After(d):
			return true
		}
	}
	if !wait(offset) { // they are not in step
		return
	}
	for n := uint64(1); ; n++ {
		_ = c.nc.Publish(subject.Beat(c.lattice, host), wire.Beat{HostID: string(host), Sequence: n, UptimeMS: n * 1000}.Encode())
		if n%30 == 1 {
			_ = c.events.Publish(event.HostHeartbeat{HostInventory: control.HostInventory{HostID: host, FriendlyName: name, Version: "0.82.0", UptimeSeconds: n,
				Labels: map[string]string{"hostcore.os": "linux"}, Actors: []control.Actor{{ID: actor, Name: name,
					Instances: []control.ActorInstance{{ImageRef: name, MaxInstances: 1}}}}}})
		}
		if !wait(time.Second) {
			return
		}
	}
}

func (c *crowd) spread(name string) (ms int) {
	for _, r := range name {
		ms = (ms*31 + int(r)) % 1000
	}
	return ms
}

func (c *crowd) end() {
	close(c.stop)
	c.wg.Wait()
}

// measureScale measures one host among more and more others.
func measureScale(ctx context.Context, b *bench, r *report) error {
	l, err := b.open()
	if err != nil {
		return err
	}
	defer l.close()
	bareAddr, err := l.bare()
	if err != nil {
		return err
	}
	c, host, err := l.lattice(ctx, string(lattice.DefaultName))
	if err != nil {
		return err
	}
	weftAddr, err := c.serve(ctx, b.echo(), "echo", []byte(answer))
	if err != nil {
		return err
	}
	provider, err := c.providerPID(ctx)
	if err != nil {
		return err
	}
	all, err := b.grow(ctx, c, bareAddr, weftAddr, l.nc, []int{host.pid(), provider})
	if err != nil {
		return fmt.Errorf("%w\n%s", err, host.log.String())
	}
	crowdRows(all, r)
	return nil
}

// grow measures the host and provider with some process ids among more and more others.
func (b *bench) grow(ctx context.Context, c cli, bareAddr, weftAddr string, nc *nats.Conn, pids []int) (all []crowded, err error) {
	s, err := store.Open(ctx, nc, lattice.DefaultName, store.Config{})
	if err != nil {
		return nil, err
	}
	others, err := newCrowd(nc)
	if err != nil {
		return nil, err
	}
	defer others.end()
	body, want := []byte(payload), []byte(answer)
	for _, n := range crowds {
		if err := others.grow(ctx, s, weftAddr, n); err != nil {
			return nil, err
		}
		if err := until(2*time.Minute, func() error { return linked(ctx, c, n+1) }); err != nil {
			return nil, err
		}
		at := crowded{n: n}
		idle, err := spent(pids, func() error { return pause(ctx, 2*b.window) })
		if err != nil {
			return nil, err
		}
		at.idle = idle / (2 * b.window).Seconds()
		if err := b.warm(weftAddr, want); err != nil {
			return nil, err
		}
		for range b.rounds {
			for _, side := range []struct {
				addr string
				rate *[]float64
				low  *[]latencies
			}{{bareAddr, &at.bare, &at.bareLow}, {weftAddr, &at.weft, &at.weftLow}} {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				var n int64
				var took time.Duration
				cpu, err := spent(pids, func() (err error) {
					n, took, err = b.drive(ctx, side.addr, want, b.window)
					return err
				})
				if err != nil {
					return nil, err
				}
				*side.rate = append(*side.rate, float64(n)/took.Seconds())
				if side.addr == weftAddr {
					at.perRequest += cpu / float64(n) / float64(b.rounds)
				}
				low, err := openLoop(side.addr, "/", body, want, 1, lowRate, b.window)
				if err != nil {
					return nil, err
				}
				*side.low = append(*side.low, low)
			}
		}
		all = append(all, at)
	}
	return all, nil
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

// low is the median latency of the round that was disturbed least.
func low(rounds []latencies) time.Duration {
	best := rounds[0].at(.5)
	for _, l := range rounds {
		best = min(best, l.at(.5))
	}
	return best
}

func crowdRows(all []crowded, r *report) {
	none := all[0]
	flat := func(what string, of func(crowded) float64, show string) {
		worst := none
		for _, c := range all[1:] {
			if of(c) > of(worst) || worst.n == 0 {
				worst = c
			}
		}
		r.target(target{figure: fmt.Sprintf("%s among %d other hosts, actors and links, the worst of %v", what, worst.n, crowds[1:]), value: fmt.Sprintf(show, of(worst)),
			beside: "among none: " + fmt.Sprintf(show, of(none)), got: of(worst) / of(none), goal: atMost(1.1, "")})
	}
	flat("latency p50 at low load", func(c crowded) float64 { return micros(low(c.weftLow)) }, "%.0f µs")
	flat("processor time of a request", func(c crowded) float64 { return c.perRequest * 1e6 }, "%.1f µs")
	r.p("")
	r.p("| others in the lattice: hosts, actors, links | requests/s beside bare net/http | p50 at low load | added to bare net/http | beside none | processor time of a request | beside none | processor while idle |")
	r.p("|---|---|---|---|---|---|---|---|")
	for _, c := range all {
		r.p("| %d each | %.3f | %s | %s | %.2f | %.1f µs | %.2f | %.1f %% |", c.n, median(ratios(c.weft, c.bare)), round(low(c.weftLow)), round(low(c.weftLow)-low(c.bareLow)),
			float64(low(c.weftLow))/float64(low(none.weftLow)), c.perRequest*1e6, c.perRequest/none.perRequest, 100*c.idle)
	}
	r.p("")
	r.p("Processor times are those of the host and httpserver together; the others are simulated on one connection: a beat each second, an")
	r.p("inventory each 30 s, claims, and a link to the same httpserver, which has a route for each. Latencies are the best round's.")
}
