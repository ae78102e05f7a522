package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
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

// overloadConns is how many connections an open loop has, so that it is they who wait for the server and not arrivals for
// them, as long as the server bounds what waits.
const overloadConns = 2048

// turns make an actor compute for about a millisecond.
const turns = 700_000

// loads are what is offered, as multiples of the peak.
var loads = []float64{1, 2}

// crush is what one actor does under too much load. Each load has a value per round.
type crush struct {
	name string
	peak []float64 // requests per second answered with 200
	at   [][]flood // by load
}

// flood is what came of an open loop.
type flood struct {
	offered float64   // requests per second
	served  latencies // of answers with 200, from when they were due
	refused latencies // of answers with 503
	lost    int       // connections that broke, other answers
	example error     // one of lost
	good    int       // of served, those within the time
	took    time.Duration
	cpu     float64 // seconds of processor of host and httpserver
}

func (f flood) goodput() float64 { return float64(f.good) / f.took.Seconds() }

// measureOverload loads actors beyond what can be served. The host of c has nothing on it yet.
func measureOverload(ctx context.Context, c cli, o options, dir string, hostPID int) (all []crush, err error) {
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
		if err := c.run(ctx, nil, "link", "put", actor, "httpserver", "address="+addr, "max_in_flight="+strconv.Itoa(2*overloadConns)); err != nil {
			return nil, err
		}
		at := crush{name: one.name, at: make([][]flood, len(loads))}
		if err := until(20*time.Second, func() error { return asks(addr, one.want) }); err != nil {
			return nil, err
		}
		for round := range o.rounds + 1 { // the first one warms up
			peak, err := summit(addr, one.want, o.conns, o.window)
			if err != nil {
				return nil, fmt.Errorf("%s at its peak: %w", one.name, err)
			}
			if round > 0 {
				at.peak = append(at.peak, peak)
			}
			for i, load := range loads {
				var f flood
				cpu, err := spent(pids, func() (err error) {
					f, err = overflow(addr, one.want, load*peak, o.window)
					return err
				})
				if err != nil {
					return nil, fmt.Errorf("%s at %.1f times its peak: %w", one.name, load, err)
				}
				f.cpu = cpu
				if round > 0 {
					at.at[i] = append(at.at[i], f)
				}
			}
		}
		all = append(all, at)
	}
	return all, nil
}

// summit keeps n connections busy for a time and returns how many requests per second were served. What is refused does not
// count; anything else is an error.
func summit(addr string, want []byte, n int, d time.Duration) (float64, error) {
	var served atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, n)
	start := time.Now()
	for i := range n {
		c, err := dial(addr, "/", []byte(payload))
		if err != nil {
			wg.Wait()
			return 0, err
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
	return float64(served.Load()) / time.Since(start).Seconds(), errors.Join(errs...)
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

// overflow sends rate requests per second for a time, whether or not earlier ones are answered. Each is measured from when it
// was due, so that waiting for a free connection counts. A generator that wakes late takes the moment it woke for the
// due one of what it sends then: that it slept too long is not the server's doing.
func overflow(addr string, want []byte, rate float64, d time.Duration) (flood, error) {
	f := flood{offered: rate}
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
	}
	f.took = time.Since(start)
	over.Store(true)
	close(due)
	wg.Wait()
	slices.Sort(f.served)
	slices.Sort(f.refused)
	return f, nil
}

// ask makes one request and returns the answer, whatever it is.
func (c *client) ask() (status int, body []byte, err error) {
	_ = c.conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.conn.Write(c.request); err != nil {
		return 0, nil, err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < len("HTTP/1.1 200") {
		return 0, nil, fmt.Errorf("status line %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, err
	}
	length := -1
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, nil, err
		}
		if len(line) <= 2 {
			break
		}
		if name, value, found := bytes.Cut(line, []byte(":")); found && bytes.EqualFold(name, []byte("content-length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, nil, err
			}
		}
	}
	if length < 0 {
		return 0, nil, errors.New("no content-length")
	}
	body = make([]byte, length)
	_, err = io.ReadFull(c.in, body)
	return status, body, err
}

// overloadRows are the lines of the report: medians of the rounds.
func overloadRows(all []crush, p func(string, ...any)) {
	p("| actor | offered, of the peak | goodput, of the peak | 503 | p50, p99 of a 503 | p50, p99 of what is served | p99 beside that at full load | processor time of a 503 | lost or failed otherwise |")
	p("|---|---|---|---|---|---|---|---|---|")
	for _, c := range all {
		for i, load := range loads {
			var goodput, share, r50, r99, s50, s99, beside, each []float64
			lost := 0
			var example error
			for n, f := range c.at[i] {
				goodput = append(goodput, f.goodput()/c.peak[n])
				share = append(share, float64(len(f.refused))/float64(max(1, len(f.refused)+len(f.served))))
				if len(f.refused) > 0 {
					r50, r99 = append(r50, seconds(f.refused.at(.5))), append(r99, seconds(f.refused.at(.99)))
				}
				s50, s99 = append(s50, seconds(f.served.at(.5))), append(s99, seconds(f.served.at(.99)))
				beside = append(beside, seconds(f.served.at(.99))/seconds(c.at[0][n].served.at(.99)))
				if i > 0 && len(f.refused) > 0 {
					full := c.at[0][n]
					each = append(each, (f.cpu-full.cpu*float64(len(f.served))/float64(max(1, len(full.served))))/float64(len(f.refused)))
				}
				if lost += f.lost; f.example != nil {
					example = f.example
				}
			}
			refusal, own := "", ""
			if len(r50) > 0 {
				refusal = fmt.Sprintf("%s, %s", ms(median(r50)), ms(median(r99)))
			}
			if len(each) > 0 {
				own = fmt.Sprintf("%.0f µs", median(each)*1e6)
			}
			p("| %s | %.1f (%.0f/s) | %.2f | %.0f %% | %s | %s, %s | %.1f | %s | %d |", c.name, load, load*median(c.peak), median(goodput), 100*median(share), refusal,
				ms(median(s50)), ms(median(s99)), median(beside), own, lost)
			if example != nil {
				p("")
				p("Of those lost: %v", example)
				p("")
			}
		}
	}
	p("")
	for _, c := range all {
		p("Peaks of %s per round: %s requests/s.", c.name, list(c.peak))
	}
}

func seconds(d time.Duration) float64 { return d.Seconds() }

func ms(s float64) string { return fmt.Sprintf("%.1f ms", s*1000) }
