package main

import (
	"context"
	"fmt"
	"time"
)

// lowRate is a load at which nothing waits for anything else, in requests per second.
const lowRate = 500

// measureLatency compares the local channel with a bare server at low load and at half of what each can do.
func measureLatency(ctx context.Context, b *bench, r *report) error {
	l, err := b.open()
	if err != nil {
		return err
	}
	defer l.close()
	bareAddr, err := l.bare()
	if err != nil {
		return err
	}
	c, host, weftAddr, err := l.echoing(ctx, "latency")
	if err != nil {
		return err
	}
	bare, weft := b.http(ctx, "bare net/http", bareAddr), b.http(ctx, "local channel", weftAddr)
	if err := b.inTurns(ctx, bare, weft); err != nil {
		return err
	}
	openAt := func(addr string, n int, rate float64) (latencies, error) {
		return openLoop(addr, "/", []byte(payload), []byte(answer), n, rate, b.window)
	}
	var low, base, added, floor []float64
	for range b.rounds {
		if err := ctx.Err(); err != nil {
			return err
		}
		alone, err := openAt(bareAddr, 1, lowRate)
		if err != nil {
			return fmt.Errorf("bare net/http at low load: %w", err)
		}
		through, err := openAt(weftAddr, 1, lowRate)
		if err != nil {
			return fmt.Errorf("local channel at low load: %w", err)
		}
		bare, err := l.unixRoundTrip()
		if err != nil {
			return fmt.Errorf("bare Unix socket: %w", err)
		}
		floor = append(floor, bare)
		low, base = append(low, micros(through.at(.5))), append(base, micros(alone.at(.5)))
		added = append(added, micros(through.at(.5)-alone.at(.5)))
	}
	r.target(target{figure: fmt.Sprintf("latency that the local channel adds, p50 at low load (one connection, %d/s)",
		lowRate),
		value: fmt.Sprintf("%.0f µs", median(low)), beside: fmt.Sprintf("bare net/http: %.0f µs", median(base)),
		got: median(added), goal: atMost(80, "µs")})
	r.record("a bare Unix socket to another process and back at that rate, p50", fmt.Sprintf("%.0f µs", median(floor)),
		"34 µs on the machine that the target was set on")
	r.record("latency that the local channel adds then, beside that of the bare Unix socket",
		fmt.Sprintf("%.2f", median(ratios(added, floor))),
		"2.35 by the target and that machine's 34 µs")
	half := func(p *path, addr string) (string, error) {
		at, err := openAt(addr, b.conns, median(p.got)/2)
		return fmt.Sprintf("%s: p50 %s, p99 %s at %.0f/s", p.name, round(at.at(.5)), round(at.at(.99)),
			median(p.got)/2), err
	}
	ours, err := half(weft, weftAddr)
	if err != nil {
		return fmt.Errorf("local channel at half load: %w", err)
	}
	theirs, err := half(bare, bareAddr)
	if err != nil {
		return fmt.Errorf("bare net/http at half load: %w", err)
	}
	r.record("latency at half of each one's highest rate", ours, theirs)
	return loaded(ctx, c, host, r)
}

// loaded records the memory of a host after a load, with the instances that it has left.
func loaded(ctx context.Context, c cli, host *node, r *report) error {
	size, err := rss(host.pid())
	if err != nil {
		return err
	}
	var actors []struct {
		Running int `json:"running"`
	}
	if err := c.run(ctx, &actors, "actor", "list"); err != nil {
		return err
	}
	if len(actors) != 1 {
		return fmt.Errorf("%d actors", len(actors))
	}
	r.record("resident memory of a host after a load", fmt.Sprintf("%.1f MiB", mib(size)),
		fmt.Sprintf("%d instances of a stock Go actor", actors[0].Running))
	return nil
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
