package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

type options struct {
	weft, actors, out string
	rounds, conns     int
	window            time.Duration
	instances, scale  bool
	overload          bool
}

// figures are what one run found.
type figures struct {
	bareHTTP, bareNATS, weft  []float64 // requests per second, a value per round
	overNATS                  []float64 // the same as weft, with the link's route "any"
	overRatio, localRatio     []float64 // of each round to bare net/http in the same round
	tiny, tinyBare, tinyRatio []float64 // the echo actor built by TinyGo, and bare net/http in the same rounds
	bareLow, weftLow          latencies // one connection, lowRate requests per second
	bareLatency, weftLatency  latencies // at half of each one's throughput
	bareRate, weftRate        float64   // those halves
	firstCold, firstWarm      time.Duration
	idleRSS, loadedRSS        int64
	instances                 float64
	binary                    int64
	warmCall                  string
	instanceFigures
}

func run(ctx context.Context, o options) error {
	weft, err := filepath.Abs(o.weft)
	if err != nil {
		return err
	}
	info, err := os.Stat(weft)
	if err != nil {
		return fmt.Errorf("%w; build it with: make build actors", err)
	}
	dir, err := os.MkdirTemp("", "weft-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	f := &figures{binary: info.Size()}

	natsPort, err := freePort()
	if err != nil {
		return err
	}
	url := fmt.Sprintf("nats://127.0.0.1:%d", natsPort)
	c := cli{weft: weft, env: []string{"WEFT_DATA_DIR=" + dir, "WEFT_NATS_URL=" + url}}
	server, err := start(c.env, weft, "nats", "run", "--nats-port", fmt.Sprint(natsPort))
	if err != nil {
		return err
	}
	defer server.stop()
	nc, err := connect(url)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, server.log.String())
	}
	defer nc.Close()
	host, err := start(c.env, weft, "host", "run", "--http-addr", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer host.stop()
	if err := until(30*time.Second, func() error { return oneHost(ctx, c) }); err != nil {
		return fmt.Errorf("%w\n%s", err, host.log.String())
	}
	if f.idleRSS, err = settledRSS(host.cmd.Process.Pid); err != nil {
		return err
	}
	if o.instances {
		if err := c.run(ctx, nil, "provider", "start", "httpserver"); err != nil {
			return err
		}
		if err := f.modes(ctx, c, o, dir); err != nil {
			return fmt.Errorf("%w\n%s", err, host.log.String())
		}
		if err := f.measure(ctx); err != nil {
			return err
		}
		f.rows(func(format string, args ...any) { fmt.Printf(format+"\n", args...) })
		return nil
	}
	if o.scale {
		g, err := measureGrowth(ctx, c, o, dir, url, nc, host.cmd.Process.Pid)
		if err != nil {
			return fmt.Errorf("%w\n%s", err, host.log.String())
		}
		g.rows(func(format string, args ...any) { fmt.Printf(format+"\n", args...) })
		return nil
	}
	if o.overload {
		all, err := measureOverload(ctx, c, o, dir, host.cmd.Process.Pid)
		if err != nil {
			return fmt.Errorf("%w\n%s", err, host.log.String())
		}
		overloadRows(all, func(format string, args ...any) { fmt.Printf(format+"\n", args...) })
		return nil
	}
	addr, err := f.startEcho(ctx, c, o)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, host.log.String())
	}
	if err := f.compare(ctx, c, o, addr, url, nc); err != nil {
		return err
	}
	if err := f.memory(ctx, c, host.cmd.Process.Pid); err != nil {
		return err
	}
	if err := f.tinyGo(ctx, c, o, dir); err != nil {
		return fmt.Errorf("%w\n%s", err, host.log.String())
	}
	if err := f.modes(ctx, c, o, dir); err != nil {
		return fmt.Errorf("%w\n%s", err, host.log.String())
	}
	if f.warmCall, err = warmCall(ctx); err != nil {
		return err
	}
	if err := f.measure(ctx); err != nil {
		return err
	}
	text := f.markdown(o)
	fmt.Print(text)
	if o.out == "-" {
		return nil
	}
	return os.WriteFile(o.out, []byte(text), 0o644)
}

func connect(url string) (nc *nats.Conn, err error) {
	err = until(15*time.Second, func() error {
		nc, err = nats.Connect(url)
		return err
	})
	return nc, err
}

func oneHost(ctx context.Context, c cli) error {
	var hosts []any
	if err := c.run(ctx, &hosts, "host", "list"); err != nil {
		return err
	}
	if len(hosts) != 1 {
		return fmt.Errorf("%d hosts", len(hosts))
	}
	return nil
}

// settledRSS waits until the memory of a process no longer shrinks, and returns it.
func settledRSS(pid int) (int64, error) {
	last, err := rss(pid)
	for range 10 {
		if err != nil {
			return 0, err
		}
		time.Sleep(500 * time.Millisecond)
		now, err := rss(pid)
		if err != nil || now >= last-last/100 {
			return min(now, last), err
		}
		last = now
	}
	return last, err
}

// startEcho brings the echo actor behind HTTP and measures the time from the command to the first answer, once with
// nothing compiled yet and once from the cache on disk.
func (f *figures) startEcho(ctx context.Context, c cli, o options) (addr string, err error) {
	port, err := freePort()
	if err != nil {
		return "", err
	}
	addr = fmt.Sprintf("127.0.0.1:%d", port)
	if err := c.run(ctx, nil, "provider", "start", "httpserver"); err != nil {
		return "", err
	}
	module := filepath.Join(o.actors, "echo.wasm")
	first := func() (time.Duration, error) {
		begin := time.Now()
		if err := c.run(ctx, nil, "actor", "start", module, "--max", "64"); err != nil {
			return 0, err
		}
		if err := c.run(ctx, nil, "link", "put", "echo", "httpserver", "address="+addr); err != nil {
			return 0, err
		}
		err := answers(addr)
		return time.Since(begin), err
	}
	if f.firstCold, err = first(); err != nil {
		return "", err
	}
	if err := c.run(ctx, nil, "actor", "stop", "echo"); err != nil {
		return "", err
	}
	f.firstWarm, err = first()
	return addr, err
}

// lowRate is a load at which nothing waits for anything else.
const lowRate = 500

// compare loads the paths in turns.
func (f *figures) compare(ctx context.Context, c cli, o options, weftAddr, natsURL string, nc *nats.Conn) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	bare, bareAddr, err := startBare(self)
	if err != nil {
		return err
	}
	defer bare.stop()
	responder, err := start(nil, self, "-role", "nats", "-nats", natsURL)
	if err != nil {
		return err
	}
	defer responder.stop()
	if err := until(10*time.Second, func() error {
		_, err := nc.Request("bench", []byte(payload), time.Second)
		return err
	}); err != nil {
		return err
	}
	body, want := []byte(payload), []byte(answer)
	for range o.rounds + 1 { // the first round warms up and does not count
		if err := ctx.Err(); err != nil {
			return err
		}
		b, err := closedLoop(bareAddr, "/", body, want, o.conns, o.window)
		if err != nil {
			return fmt.Errorf("bare net/http: %w", err)
		}
		n, err := natsLoop(nc, o.conns, o.window)
		if err != nil {
			return fmt.Errorf("bare NATS: %w", err)
		}
		w, err := closedLoop(weftAddr, "/", body, want, o.conns, o.window)
		if err != nil {
			return fmt.Errorf("weft: %w", err)
		}
		if err := route(ctx, c, weftAddr, "any"); err != nil {
			return err
		}
		far, err := closedLoop(weftAddr, "/", body, want, o.conns, o.window)
		if err != nil {
			return fmt.Errorf("weft over NATS: %w", err)
		}
		if err := route(ctx, c, weftAddr, "prefer-local"); err != nil {
			return err
		}
		f.bareHTTP, f.bareNATS, f.weft, f.overNATS = append(f.bareHTTP, b), append(f.bareNATS, n), append(f.weft, w), append(f.overNATS, far)
		f.localRatio, f.overRatio = append(f.localRatio, w/b), append(f.overRatio, far/b)
	}
	f.bareHTTP, f.bareNATS, f.weft, f.overNATS = f.bareHTTP[1:], f.bareNATS[1:], f.weft[1:], f.overNATS[1:]
	f.localRatio, f.overRatio = f.localRatio[1:], f.overRatio[1:]
	for range o.rounds {
		b, err := openLoop(bareAddr, "/", body, want, 1, lowRate, o.window)
		if err != nil {
			return fmt.Errorf("bare net/http at low load: %w", err)
		}
		w, err := openLoop(weftAddr, "/", body, want, 1, lowRate, o.window)
		if err != nil {
			return fmt.Errorf("weft at low load: %w", err)
		}
		if f.weftLow == nil || w.at(.5)-b.at(.5) < f.weftLow.at(.5)-f.bareLow.at(.5) { // the round that was disturbed least
			f.bareLow, f.weftLow = b, w
		}
	}
	f.bareRate, f.weftRate = median(f.bareHTTP)/2, median(f.weft)/2
	if f.bareLatency, err = openLoop(bareAddr, "/", body, want, o.conns, f.bareRate, o.window); err != nil {
		return fmt.Errorf("bare net/http at half load: %w", err)
	}
	if f.weftLatency, err = openLoop(weftAddr, "/", body, want, o.conns, f.weftRate, o.window); err != nil {
		return fmt.Errorf("weft at half load: %w", err)
	}
	return nil
}

// startBare starts what the paths are compared with.
func startBare(self string) (*child, string, error) {
	port, err := freePort()
	if err != nil {
		return nil, "", err
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	bare, err := start([]string{fmt.Sprintf("BENCH_PORT=%d", port)}, self, "-role", "http")
	if err != nil {
		return nil, "", err
	}
	if err := answers(addr); err != nil {
		bare.stop()
		return nil, "", err
	}
	return bare, addr, nil
}

// answers waits until the echo is served at an address.
func answers(addr string) error {
	return until(20*time.Second, func() error {
		h, err := dial(addr, "/", []byte(payload))
		if err != nil {
			return err
		}
		defer h.conn.Close()
		return h.do([]byte(answer))
	})
}

// tinyGo compares the same actor, built by TinyGo, with net/http.
func (f *figures) tinyGo(ctx context.Context, c cli, o options, dir string) error {
	module, err := os.ReadFile(filepath.Join("host", "internal", "wasm", "testdata", "tinygo", "echo.wasm"))
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "tinygo-echo.wasm")
	if err := os.WriteFile(path, module, 0o600); err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	if err := c.run(ctx, nil, "actor", "start", path, "--max", "64", "--cap", "wasmcloud:httpserver"); err != nil {
		return err
	}
	if err := c.run(ctx, nil, "link", "put", "tinygo-echo", "httpserver", "address="+addr); err != nil {
		return err
	}
	if err := answers(addr); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	bare, bareAddr, err := startBare(self)
	if err != nil {
		return err
	}
	defer bare.stop()
	body, want := []byte(payload), []byte(answer)
	for round := range o.rounds + 1 { // the first round warms up and does not count
		b, err := closedLoop(bareAddr, "/", body, want, o.conns, o.window)
		if err != nil {
			return fmt.Errorf("bare net/http: %w", err)
		}
		w, err := closedLoop(addr, "/", body, want, o.conns, o.window)
		if err != nil {
			return fmt.Errorf("weft, TinyGo: %w", err)
		}
		if round > 0 {
			f.tiny, f.tinyBare, f.tinyRatio = append(f.tiny, w), append(f.tinyBare, b), append(f.tinyRatio, w/b)
		}
	}
	return nil
}

// route changes which way the calls of the echo actor's link take, and waits until it is served again.
func route(ctx context.Context, c cli, addr, way string) error {
	if err := c.run(ctx, nil, "link", "put", "echo", "httpserver", "address="+addr, "weft.route="+way); err != nil {
		return err
	}
	return until(10*time.Second, func() error {
		h, err := dial(addr, "/", []byte(payload))
		if err != nil {
			return err
		}
		defer h.conn.Close()
		return h.do([]byte(answer))
	})
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

// memory asks the host how many instances the load has left, and what it now uses.
func (f *figures) memory(ctx context.Context, c cli, pid int) (err error) {
	if f.loadedRSS, err = rss(pid); err != nil {
		return err
	}
	var actors []struct {
		Name    string  `json:"name"`
		Running float64 `json:"running"`
	}
	if err := c.run(ctx, &actors, "actor", "list"); err != nil {
		return err
	}
	for _, a := range actors {
		if strings.HasPrefix(a.Name, "echo") {
			f.instances += a.Running
		}
	}
	return nil
}
