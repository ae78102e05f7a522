package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// path is one way of a request, loaded in turns with others.
type path struct {
	name string
	load func() (float64, error) // for one window; requests per second
	warm func() error
	got  []float64 // of each round
}

// http is a path that wrk loads.
func (b *bench) http(ctx context.Context, name, addr string) *path {
	return &path{name: name, load: func() (float64, error) { return b.load(ctx, addr, []byte(answer)) },
		warm: func() error { return b.warm(addr, []byte(answer)) }}
}

// inTurns loads all paths in each round.
func (b *bench) inTurns(ctx context.Context, paths ...*path) error {
	for _, p := range paths {
		if err := p.warm(); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	for range b.rounds {
		for _, p := range paths {
			if err := ctx.Err(); err != nil {
				return err
			}
			n, err := p.load()
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			p.got = append(p.got, n)
		}
	}
	return nil
}

// compare reports a path beside another one, with a target.
func (r *report) compare(what string, p, beside *path, g goal) {
	r.target(target{figure: what, value: fmt.Sprintf("%.0f/s", median(p.got)), beside: fmt.Sprintf("%s: %.0f/s",
		beside.name, median(beside.got)),
		got: median(ratios(p.got, beside.got)), goal: g})
}

// measureHTTP compares the ways through one host with a bare server.
func measureHTTP(ctx context.Context, b *bench, r *report) error {
	l, err := b.open()
	if err != nil {
		return err
	}
	defer l.close()
	bareAddr, err := l.bare()
	if err != nil {
		return err
	}
	near, _, goAddr, err := l.echoing(ctx, "near")
	if err != nil {
		return err
	}
	tiny, err := b.tinyEcho()
	if err != nil {
		return err
	}
	tinyAddr, err := near.serve(ctx, tiny, "tinygo-echo", []byte(answer), "--cap", "wasmcloud:httpserver")
	if err != nil {
		return err
	}
	inline, _, inlineAddr, err := l.echoing(ctx, "inline", "--inline", "httpserver")
	if err != nil {
		return err
	}
	inlineTiny, err := inline.serve(ctx, tiny, "tinygo-echo", []byte(answer), "--cap", "wasmcloud:httpserver")
	if err != nil {
		return err
	}
	bare := b.http(ctx, "bare net/http", bareAddr)
	local, tinyGo := b.http(ctx, "local channel", goAddr), b.http(ctx, "local channel, TinyGo", tinyAddr)
	inside, insideTiny := b.http(ctx, "inline", inlineAddr), b.http(ctx, "inline, TinyGo", inlineTiny)
	if err := b.inTurns(ctx, bare, local, tinyGo, inside, insideTiny); err != nil {
		return err
	}
	r.compare("HTTP → httpserver → local channel → echo actor in stock Go", local, bare, atLeast(.5))
	r.compare("the same, echo actor by TinyGo", tinyGo, bare, atLeast(.5))
	r.compare("HTTP → httpserver inline → echo actor in stock Go", inside, bare, atLeast(.75))
	r.compare("the same, echo actor by TinyGo", insideTiny, bare, atLeast(.75))
	for _, p := range []*path{bare, local, tinyGo, inside, insideTiny} {
		r.raw(p.name, p.got)
	}
	return nil
}

// tinyEcho copies the echo actor that TinyGo has built, to be signed under a name of its own.
func (b *bench) tinyEcho() (string, error) {
	module, err := os.ReadFile(filepath.Join("host", "internal", "wasm", "testdata", "tinygo", "echo.wasm"))
	if err != nil {
		return "", err
	}
	path := filepath.Join(b.dir, "tinygo-echo.wasm")
	return path, os.WriteFile(path, module, 0o600)
}

// measureNATS compares the ways over NATS, where every call is authenticated, with bare request-reply: on one host with
// a route that leaves it, and between a host with httpserver and one with the actor.
func measureNATS(ctx context.Context, b *bench, r *report) error {
	l, err := b.open()
	if err != nil {
		return err
	}
	defer l.close()
	responder, err := start(nil, b.self, "-role", "nats", "-nats", l.url)
	if err != nil {
		return err
	}
	l.stops = append(l.stops, responder.stop)
	if err := until(10*time.Second, func() error {
		_, err := l.nc.Request("bench", []byte(payload), time.Second)
		return err
	}); err != nil {
		return err
	}
	one, _, anyAddr, err := l.echoing(ctx, "one")
	if err != nil {
		return err
	}
	if err := one.relink(ctx, "echo", anyAddr, []byte(answer), "weft.route=any"); err != nil {
		return err
	}
	two, err := l.operator("two")
	if err != nil {
		return err
	}
	if _, err := l.host(ctx, two, "--name", "front", "--label", "side=front"); err != nil {
		return err
	}
	if err := two.run(ctx, nil, "provider", "start", "httpserver"); err != nil {
		return err
	}
	if _, err := l.host(ctx, two, "--name", "back", "--label", "side=back"); err != nil {
		return err
	}
	apartAddr, err := two.serve(ctx, b.echo(), "echo", []byte(answer), "--constraint", "side=back")
	if err != nil {
		return err
	}
	bus := &path{name: "bare NATS request-reply", load: func() (float64, error) {
		return natsLoop(l.nc, b.conns,
			b.window)
	},
		warm: func() error { _, err := natsLoop(l.nc, b.conns, b.window/2); return err }}
	route, apart := b.http(ctx, "over NATS, one host", anyAddr), b.http(ctx, "over NATS, two hosts", apartAddr)
	if err := b.inTurns(ctx, bus, route, apart); err != nil {
		return err
	}
	r.compare("HTTP → httpserver → NATS, authenticated → echo actor in stock Go, one host (`weft.route=any`)", route,
		bus, atLeast(.3))
	r.compare("the same, httpserver and actor on two hosts", apart, bus, atLeast(.3))
	for _, p := range []*path{bus, route, apart} {
		r.raw(p.name, p.got)
	}
	return nil
}

// natsLoop keeps n bare requests in flight and returns how many per second were answered.
func natsLoop(nc *nats.Conn, n int, d time.Duration) (float64, error) {
	counts, errs := make([]int, n), make([]error, n)
	var wg sync.WaitGroup
	start := time.Now()
	for i := range n {
		wg.Go(func() {
			for time.Since(start) < d {
				m, err := nc.Request("bench", []byte(payload), 5*time.Second)
				if err == nil && string(m.Data) != answer {
					err = fmt.Errorf("answer %q", m.Data)
				}
				if err != nil {
					errs[i] = err
					return
				}
				counts[i]++
			}
		})
	}
	wg.Wait()
	took := time.Since(start).Seconds()
	total := 0
	for _, c := range counts {
		total += c
	}
	return float64(total) / took, errors.Join(errs...)
}
