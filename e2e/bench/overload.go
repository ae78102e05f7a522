package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weftlattice/weft/e2e/rustlike"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
)

// overloadConns is how many connections an open loop has, so that it is they who wait for the server and not arrivals
// for them, as long as the server bounds what waits.
const overloadConns = 2048

// turns make an actor compute for about a millisecond.
const turns = 700_000

// loads are what is offered, as multiples of the peak.
var loads = []float64{1, 2}

// crush is what one actor does under too much load. All rounds of a load count as one, since the machine is not the
// same from one second to the next.
type crush struct {
	name  string
	peaks []float64 // requests per second answered with 200, a value per round
	peak  flood     // of the closed loop
	at    []flood   // by load
}

// flood is what came of a load.
type flood struct {
	offered int       // requests
	served  latencies // of answers with 200, from when they were due
	refused latencies // of answers with 503
	lost    int       // connections that broke, other answers
	example error     // one of lost
	good    int       // of served, those within the time
	took    time.Duration
	cpu     float64 // seconds of processor of host and httpserver
}

func (f *flood) goodput() float64 { return float64(f.good) / f.took.Seconds() }

// add adds another round.
func (f *flood) add(o flood) {
	f.offered, f.good, f.lost, f.took, f.cpu = f.offered+o.offered, f.good+o.good, f.lost+o.lost, f.took+o.took,
		f.cpu+o.cpu
	f.served, f.refused = append(f.served, o.served...), append(f.refused, o.refused...)
	slices.Sort(f.served)
	slices.Sort(f.refused)
	if o.example != nil {
		f.example = o.example
	}
}

// measureOverload loads actors beyond what can be served.
func measureOverload(ctx context.Context, b *bench, r *report) error {
	l, err := b.open()
	if err != nil {
		return err
	}
	defer l.close()
	c, err := l.operator("overload")
	if err != nil {
		return err
	}
	host, err := l.host(ctx, c)
	if err != nil {
		return err
	}
	all, err := floods(ctx, c, b.options, b.dir, host.pid())
	if err != nil {
		return fmt.Errorf("%w\n%s", err, host.log.String())
	}
	for _, one := range all {
		f := &one.at[len(loads)-1]
		r.target(target{figure: "goodput at twice the peak, of the peak: " + one.name,
			got: f.goodput() / one.peak.goodput(), goal: atLeast(.9)})
		r.target(target{figure: "p99 of what is served then, beside that at the peak: " + one.name,
			got: f.served.at(.99).Seconds() / one.at[0].served.at(.99).Seconds(), goal: atMost(3, "")})
		r.target(target{figure: "requests lost or failed then, other than by 503: " + one.name, got: float64(f.lost),
			goal: atMost(0, "requests")})
	}
	echo := &all[len(all)-1]
	rate := loads[len(loads)-1] * echo.peak.goodput()
	bare, err := l.bare()
	if err != nil {
		return err
	}
	var control flood // how much of that the load generator and any server can do on these cores
	for range b.rounds {
		f, err := overflow(bare, []byte(answer), rate, b.window)
		if err != nil {
			return fmt.Errorf("bare net/http at the rate of %s: %w", echo.name, err)
		}
		control.add(f)
	}
	r.record(fmt.Sprintf("bare net/http under the last load (%.0f/s), which it does not refuse", rate),
		fmt.Sprintf("%.0f/s in time, p50, p99 %s, %s", control.goodput(), round(control.served.at(.5)),
			round(control.served.at(.99))),
		"where it does not keep up either, what waits is in the generator")
	r.p("")
	overloadRows(all, r.p)
	return nil
}

// floods loads one actor after the other. The host of c has nothing on it yet.
func floods(ctx context.Context, c cli, o options, dir string, hostPID int) (all []crush, err error) {
	if err := c.run(ctx, nil, "provider", "start", "httpserver"); err != nil {
		return nil, err
	}
	var providers []struct {
		PID int `json:"pid"`
	}
	if err := c.run(ctx, &providers, "provider", "list"); err != nil {
		return nil, err
	}
	if len(providers) != 1 {
		return nil, fmt.Errorf("%d providers, want httpserver alone", len(providers))
	}
	pids := []int{hostPID, providers[0].PID}
	worked := []byte("worked for a millisecond")
	module := rustlike.Working((&httpserver.Response{StatusCode: 200, Body: worked}).Encode(), turns)
	for _, one := range []struct {
		name, file string
		module     []byte // nil: the file is there
		max        string
		want       []byte
	}{
		{"1 ms of work, 2 instances", filepath.Join(dir, "worker-2.wasm"), module, "2", worked},
		{"1 ms of work, 64 instances", filepath.Join(dir, "worker-64.wasm"), module, "64", worked},
		{"echo in stock Go, 64 instances", filepath.Join(o.actors, "echo.wasm"), nil, "64", []byte(answer)},
	} {
		if one.module != nil {
			if err := os.WriteFile(one.file, one.module, 0o600); err != nil {
				return nil, err
			}
		}
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		actor := filepath.Base(one.file[:len(one.file)-len(".wasm")])
		args := []string{"actor", "start", one.file, "--max", one.max}
		if one.module != nil {
			args = append(args, "--cap", "wasmcloud:httpserver")
		}
		if err := c.run(ctx, nil, args...); err != nil {
			return nil, err
		}
		if err := c.run(ctx, nil, "link", "put", actor, "httpserver", "address="+addr,
			"max_in_flight="+strconv.Itoa(2*overloadConns)); err != nil {
			return nil, err
		}
		if err := until(20*time.Second, func() error { return asks(addr, one.want) }); err != nil {
			return nil, err
		}
		at, err := crushed(one.name, addr, one.want, o, pids)
		if err != nil {
			return nil, err
		}
		all = append(all, at)
	}
	return all, nil
}

// crushed loads one actor up to its peak, and then beyond, in rounds. pids are the processes that work for it.
func crushed(name, addr string, want []byte, o options, pids []int) (crush, error) {
	at := crush{name: name, at: make([]flood, len(loads))}
	timed := func(load func() (flood, error)) (f flood, err error) {
		cpu, err := spent(pids, func() (err error) {
			f, err = load()
			return err
		})
		f.cpu = cpu
		return f, err
	}
	for round := range o.rounds + 1 { // the first one warms up
		top, err := timed(func() (flood, error) { return summit(addr, want, o.conns, o.window) })
		if err != nil {
			return at, fmt.Errorf("%s at its peak: %w", name, err)
		}
		if round > 0 {
			at.peaks = append(at.peaks, top.goodput())
			at.peak.add(top)
		}
		peak := top.goodput()
		if round > 0 { // what is offered must not depend on what disturbed one round
			peak = at.peak.goodput()
		}
		for i, load := range loads {
			f, err := timed(func() (flood, error) { return overflow(addr, want, load*peak, o.window) })
			if err != nil {
				return at, fmt.Errorf("%s at %.1f times its peak: %w", name, load, err)
			}
			if round > 0 {
				at.at[i].add(f)
			}
		}
	}
	return at, nil
}

// summit keeps n connections busy for a time. What is refused does not count; anything else is an error.
func summit(addr string, want []byte, n int, d time.Duration) (flood, error) {
	var served atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, n)
	start := time.Now()
	for i := range n {
		c, err := dial(addr, "/", []byte(payload))
		if err != nil {
			wg.Wait()
			return flood{}, err
		}
		wg.Go(func() {
			defer c.conn.Close()
			for errs[i] == nil && time.Since(start) < d {
				status, body, err := c.ask()
				switch {
				case err == nil && status == http.StatusOK && bytes.Equal(body, want):
					served.Add(1)
				case err == nil && status == http.StatusServiceUnavailable:
				default:
					errs[i] = errors.Join(err, fmt.Errorf("status %d: %q", status, body))
				}
			}
		})
	}
	wg.Wait()
	if served.Load() == 0 {
		errs = append(errs, errors.New("nothing was served"))
	}
	return flood{good: int(served.Load()), took: time.Since(start)}, errors.Join(errs...)
}

// asks makes one request.
func asks(addr string, want []byte) error {
	h, err := dial(addr, "/", []byte(payload))
	if err != nil {
		return err
	}
	defer h.conn.Close()
	return h.do(want)
}

// overflow sends rate requests per second for a time, whether or not earlier ones are answered. Each is measured from
// when it was due, so that waiting for a free connection counts. A generator that wakes late takes the moment it woke
// for the due one of what it sends then: that it slept too long is not the server's doing.
func overflow(addr string, want []byte, rate float64, d time.Duration) (flood, error) {
	var f flood
	due := make(chan time.Time, int(rate*d.Seconds())+1)
	var mu sync.Mutex
	var wg sync.WaitGroup
	clients := make([]*client, overloadConns)
	var over atomic.Bool
	for i := range clients {
		var err error
		if clients[i], err = dial(addr, "/", []byte(payload)); err != nil {
			close(due)
			wg.Wait()
			return f, err
		}
		c := clients[i]
		wg.Go(func() {
			var own flood
			for t := range due {
				if c == nil {
					if c, own.example = dial(addr, "/", []byte(payload)); own.example != nil {
						c = nil
						own.lost++
						continue
					}
				}
				status, body, err := c.ask()
				took := time.Since(t)
				switch {
				case err == nil && status == http.StatusOK && bytes.Equal(body, want):
					own.served = append(own.served, took)
					if !over.Load() {
						own.good++
					}
				case err == nil && status == http.StatusServiceUnavailable:
					own.refused = append(own.refused, took)
				case err == nil:
					own.lost++
					own.example = fmt.Errorf("%w: %d %s", errStatus, status, body)
				default:
					own.lost++
					own.example = err
					_ = c.conn.Close()
					c = nil
				}
			}
			if c != nil {
				_ = c.conn.Close()
			}
			mu.Lock()
			defer mu.Unlock()
			f.served, f.refused = append(f.served, own.served...), append(f.refused, own.refused...)
			f.good, f.lost = f.good+own.good, f.lost+own.lost
			if own.example != nil {
				f.example = own.example
			}
		})
	}
	gap := time.Duration(float64(time.Second) / rate)
	start := time.Now()
	now := start
	for next := start; next.Sub(start) < d; next = next.Add(gap) {
		if next.After(now) {
			time.Sleep(time.Until(next))
			now = time.Now()
		}
		due <- now
		f.offered++
	}
	f.took = time.Since(start)
	over.Store(true)
	close(due)
	wg.Wait()
	return f, nil
}

// overloadRows are the lines of the report.
func overloadRows(all []crush, p func(string, ...any)) {
	p("| actor | offered, of the peak | goodput, of the peak | 503 | p50, p99 of a 503 | p50, " +
		"p99 of what is served | p99 beside that at full load | lost or failed otherwise |")
	p("|---|---|---|---|---|---|---|---|")
	for _, c := range all {
		for i := range loads {
			f := &c.at[i]
			refusal := ""
			if len(f.refused) > 0 {
				refusal = fmt.Sprintf("%s, %s", round(f.refused.at(.5)), round(f.refused.at(.99)))
			}
			p("| %s | %.2f (%.0f/s) | %.2f | %.0f %% | %s | %s, %s | %.1f | %d |", c.name,
				float64(f.offered)/f.took.Seconds()/c.peak.goodput(), float64(f.offered)/f.took.Seconds(),
				f.goodput()/c.peak.goodput(),
				100*float64(len(f.refused))/float64(max(1, f.offered)), refusal, round(f.served.at(.5)),
				round(f.served.at(.99)),
				f.served.at(.99).Seconds()/c.at[0].served.at(.99).Seconds(), f.lost)
		}
	}
	p("")
	for _, c := range all {
		// Of the most load: what is not for the calls served, at their price at the peak, is for the refused ones.
		f := &c.at[len(loads)-1]
		serve := c.peak.cpu / float64(c.peak.good)
		refuse := (f.cpu - serve*float64(len(f.served))) / float64(max(1, len(f.refused)))
		p("%s: peaks per round %s requests/s; processor time of host and httpserver %.0f µs for one served, "+
			"%.0f µs for a 503.", c.name, list(c.peaks), serve*1e6, refuse*1e6)
		for _, f := range c.at {
			if f.example != nil {
				p("Of those lost: %v", f.example)
			}
		}
		p("")
	}
}
