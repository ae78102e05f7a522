package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// measureStart measures the time from a command to the first HTTP answer, with nothing compiled and from the cache on
// disk, the size of things, and the cost of a call into a warm instance.
func measureStart(ctx context.Context, b *bench, r *report) error {
	l, err := b.open()
	if err != nil {
		return err
	}
	defer l.close()
	c, err := l.operator("start")
	if err != nil {
		return err
	}
	host, err := l.host(ctx, c)
	if err != nil {
		return err
	}
	idle, err := settledRSS(host.pid())
	if err != nil {
		return err
	}
	r.target(target{figure: "resident memory of an idle host", got: mib(idle), goal: atMost(80, "MiB")})
	info, err := os.Stat(b.weft)
	if err != nil {
		return err
	}
	r.target(target{figure: "size of the binary", got: float64(info.Size()) / 1e6, goal: atMost(50, "MB")})
	if err := c.run(ctx, nil, "provider", "start", "httpserver"); err != nil {
		return err
	}
	var took [2]time.Duration
	for i := range took {
		begin := time.Now()
		if _, err := c.serve(ctx, b.echo(), "echo", []byte(answer)); err != nil {
			return err
		}
		took[i] = time.Since(begin)
		if err := c.run(ctx, nil, "actor", "stop", "echo"); err != nil {
			return err
		}
	}
	r.record("from `actor start` to the first HTTP answer, stock Go, nothing compiled", round(took[0]).String(),
		"compiled code on disk: "+round(took[1]).String())
	calls, err := goBench(ctx, "./host/internal/wasm", "-bench", "^BenchmarkCall$")
	if err != nil {
		return err
	}
	for _, one := range calls {
		r.record("call of a warm instance (`BenchmarkCall`), "+one.name+" bytes",
			fmt.Sprintf("%.0f ns", one.values["ns/op"]), "")
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
