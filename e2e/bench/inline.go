package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
)

// growth are the figures of -scale: httpserver inline, and one host among many others.
type growth struct {
	bare, near, inline []float64 // requests per second, a value per round
	crowded            []crowded
}

// measureGrowth runs both. The host of c has nothing on it yet.
func measureGrowth(ctx context.Context, c cli, o options, dir, url string, nc *nats.Conn, hostPID int) (g growth, err error) {
	addr, err := new(figures).startEcho(ctx, c, o)
	if err != nil {
		return g, err
	}
	self, err := os.Executable()
	if err != nil {
		return g, err
	}
	port, err := freePort()
	if err != nil {
		return g, err
	}
	bareAddr := fmt.Sprintf("127.0.0.1:%d", port)
	bare, err := start([]string{fmt.Sprintf("BENCH_PORT=%d", port)}, self, "-role", "http")
	if err != nil {
		return g, err
	}
	defer bare.stop()
	if err := until(10*time.Second, func() error {
		h, err := dial(bareAddr, "/", []byte(payload))
		if err != nil {
			return err
		}
		defer h.conn.Close()
		return h.do([]byte(answer))
	}); err != nil {
		return g, err
	}
	if err := g.besides(ctx, c, o, dir, url, bareAddr, addr); err != nil {
		return g, err
	}
	var providers []struct {
		PID int `json:"pid"`
	}
	if err := c.run(ctx, &providers, "provider", "list"); err != nil {
		return g, err
	}
	if len(providers) != 1 {
		return g, fmt.Errorf("%d providers, want httpserver alone", len(providers))
	}
	g.crowded, err = scale(ctx, c, o, bareAddr, addr, nc, []int{hostPID, providers[0].PID})
	return g, err
}

// besides loads bare net/http, httpserver as a process and httpserver inline, in turns. The inline one is in a lattice of its
// own, on the same NATS server.
func (g *growth) besides(ctx context.Context, c cli, o options, dir, url, bareAddr, nearAddr string) error {
	in := cli{weft: c.weft, env: []string{"WEFT_DATA_DIR=" + filepath.Join(dir, "inline"), "WEFT_NATS_URL=" + url, "WEFT_LATTICE=inline"}}
	host, err := start(in.env, c.weft, "host", "run", "--http-addr", "127.0.0.1:0", "--inline", "httpserver")
	if err != nil {
		return err
	}
	defer host.stop()
	if err := until(30*time.Second, func() error { return oneHost(ctx, in) }); err != nil {
		return fmt.Errorf("%w\n%s", err, host.log.String())
	}
	inlineAddr, err := new(figures).startEcho(ctx, in, o)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, host.log.String())
	}
	for round := range o.rounds + 1 {
		for _, side := range []struct {
			addr string
			into *[]float64
		}{{bareAddr, &g.bare}, {nearAddr, &g.near}, {inlineAddr, &g.inline}} {
			n, err := closedLoop(side.addr, "/", []byte(payload), []byte(answer), o.conns, o.window)
			if err != nil {
				return fmt.Errorf("%s: %w", side.addr, err)
			}
			if round > 0 { // the first one warms up
				*side.into = append(*side.into, n)
			}
		}
	}
	return nil
}

func (g *growth) rows(p func(string, ...any)) {
	beside := func(v []float64) float64 {
		var ratios []float64
		for i := range v {
			ratios = append(ratios, v[i]/g.bare[i])
		}
		return median(ratios)
	}
	p("| figure | value | beside bare net/http | ratio | target |")
	p("|---|---|---|---|---|")
	p("| HTTP requests/s through the echo actor, httpserver inline | %.0f | %.0f | %.3f | ≥ 0.75 |", median(g.inline), median(g.bare), beside(g.inline))
	p("| the same, httpserver as a process, local channel | %.0f | %.0f | %.3f | ≥ 0.50 |", median(g.near), median(g.bare), beside(g.near))
	p("")
	p("Raw requests/s per round: inline %s; process %s; bare %s.", list(g.inline), list(g.near), list(g.bare))
	p("")
	scaleRows(g.crowded, p)
}
