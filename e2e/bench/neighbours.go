package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/weftlattice/weft/e2e/rustlike"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
)

// neighbourRate is how often the quick actor is asked, in requests per second.
const neighbourRate = 100

// neighbours compute beside the quick actor: so many calls at the same time, of so long each.
var neighbours = []struct {
	name  string
	calls int
	turns int
}{
	{"one that computes for half a second a call, 2 at once", 2, 500 * turns},
	{"the same, 16 at once", 16, 500 * turns},
	{"one that computes for a millisecond a call, 64 at once", 64, turns},
}

// measureNeighbours measures the echo actor beside another actor of the same host that computes.
func measureNeighbours(ctx context.Context, b *bench, r *report) error {
	l, err := b.open()
	if err != nil {
		return err
	}
	defer l.close()
	c, host, echo, err := l.echoing(ctx, "neighbours")
	if err != nil {
		return err
	}
	ask := func() (latencies, error) {
		return openLoop(echo, "/", []byte(payload), []byte(answer), 8, neighbourRate, b.window)
	}
	worked := []byte("worked")
	for i, n := range neighbours {
		name := fmt.Sprintf("neighbour-%d", i)
		file := filepath.Join(b.dir, name+".wasm")
		if err := os.WriteFile(file, rustlike.Working((&httpserver.Response{StatusCode: 200, Body: worked}).Encode(),
			n.turns), 0o600); err != nil {
			return err
		}
		if err := c.run(ctx, nil, "actor", "start", file, "--max", "64", "--cap", "wasmcloud:httpserver"); err != nil {
			return err
		}
		addr, err := c.link(ctx, name, worked, "timeout_ms=20000")
		if err != nil {
			return err
		}
		var alone, beside latencies
		for range b.rounds {
			quiet, err := ask()
			if err != nil {
				return fmt.Errorf("alone: %w", err)
			}
			var busy latencies
			err = computing(ctx, addr, n.calls, func() (err error) {
				busy, err = ask()
				return err
			})
			if err != nil {
				return fmt.Errorf("beside %s: %w\n%s", n.name, err, host.log.String())
			}
			alone, beside = append(alone, quiet...), append(beside, busy...)
		}
		slices.Sort(alone)
		slices.Sort(beside)
		r.target(target{figure: "p50 of an actor beside " + n.name + ", of that alone",
			got:   float64(beside.at(.5)) / float64(alone.at(.5)),
			value: round(beside.at(.5)).String(), beside: "alone: " + round(alone.at(.5)).String(),
			goal: atMost(10, "")})
		r.record("p99 of that", round(beside.at(.99)).String(), "alone: "+round(alone.at(.99)).String())
	}
	return nil
}

// computing does something while n calls are in progress at an address all the time. What they are answered is their
// affair.
func computing(ctx context.Context, addr string, n int, do func() error) error {
	ctx, stop := context.WithCancel(ctx)
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			one, err := dial(addr, "/", []byte(payload))
			if err != nil {
				errs[i] = err
				return
			}
			defer one.conn.Close()
			for ctx.Err() == nil && errs[i] == nil {
				_, _, errs[i] = one.ask()
			}
		})
	}
	time.Sleep(200 * time.Millisecond) // until they compute
	err := do()
	stop()
	wg.Wait()
	return errors.Join(append(errs, err)...)
}
