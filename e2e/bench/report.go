package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// warmCall runs the runtime's own benchmark of a call into a warm instance.
func warmCall(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkCall$", "./host/internal/wasm")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go test -bench: %w\n%s", err, out)
	}
	lines := regexp.MustCompile(`(?m)^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+([\d.]+) ns/op`).FindAllStringSubmatch(string(out), -1)
	var parts []string
	for _, l := range lines {
		parts = append(parts, fmt.Sprintf("%s ns with %s bytes", l[2], strings.TrimPrefix(strings.TrimPrefix(l[1], "Call"), "/")))
	}
	if len(parts) == 0 {
		return "", fmt.Errorf("no benchmark in the output:\n%s", out)
	}
	return strings.Join(parts, ", "), nil
}

func (f *figures) markdown(o options) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	bare, bus, weft := median(f.bareHTTP), median(f.bareNATS), median(f.weft)
	p("# Benchmarks")
	p("")
	p("Made by `make bench` (`e2e/bench`) on %s, commit %s: %s, %d cores, %s.", time.Now().UTC().Format("2006-01-02"), commit(), cpu(), runtime.NumCPU(), runtime.Version())
	p("The machine is shared, so only ratios within one run mean something. %d connections, %d rounds of %s each in turns, medians.", o.conns, o.rounds, o.window)
	p("Load generator, NATS server, host and provider share the cores. Every answer is checked; a wrong one ends the run.")
	p("")
	p("The path: HTTP → httpserver (a process) → local channel → host (another process) → echo actor and back, which is stock Go where nothing else is said; over NATS")
	p("(`weft.route=any`) the same with signed invocations through the server. Ratios to net/http are medians of those of each round.")
	p("")
	p("| figure | value | beside | ratio |")
	p("|---|---|---|---|")
	far := median(f.overNATS)
	p("| HTTP requests/s through the echo actor (stock Go), local channel | %.0f | bare net/http answering the same bytes: %.0f | %.3f |", weft, bare, median(f.localRatio))
	p("| HTTP requests/s through the echo actor (TinyGo), local channel | %.0f | bare net/http: %.0f | %.3f |", median(f.tiny), median(f.tinyBare), median(f.tinyRatio))
	p("| the same with the actor in stock Go over NATS with signatures | %.0f | bare net/http: %.0f | %.3f |", far, bare, median(f.overRatio))
	p("| the same over NATS with signatures | %.0f | bare NATS request-reply, %d in flight: %.0f | %.3f |", far, o.conns, bus, far/bus)
	p("| p50 at low load, stock Go (one connection, %d/s, open loop), local channel | %s | bare net/http: %s; added %s | %.1f |", lowRate, round(f.weftLow.at(.5)), round(f.bareLow.at(.5)), round(f.weftLow.at(.5)-f.bareLow.at(.5)), ratio(f.weftLow.at(.5), f.bareLow.at(.5)))
	p("| p50 at half of that load (%.0f/s, open loop) | %s | bare net/http at half of its own (%.0f/s): %s | %.1f |", f.weftRate, round(f.weftLatency.at(.5)), f.bareRate, round(f.bareLatency.at(.5)), ratio(f.weftLatency.at(.5), f.bareLatency.at(.5)))
	p("| p99 at half of that load | %s | %s | %.1f |", round(f.weftLatency.at(.99)), round(f.bareLatency.at(.99)), ratio(f.weftLatency.at(.99), f.bareLatency.at(.99)))
	p("| from `actor start` to the first HTTP answer, nothing compiled | %s | the same with compiled code on disk: %s | %.1f |", round(f.firstCold), round(f.firstWarm), ratio(f.firstCold, f.firstWarm))
	p("")
	p("| figure | value | limit |")
	p("|---|---|---|")
	p("| resident memory of an idle host | %.1f MiB | 80 MiB |", mib(f.idleRSS))
	if f.instances > 0 {
		p("| the same after the load, with %.0f instances of a stock Go actor | %.1f MiB, %.1f MiB each | |", f.instances, mib(f.loadedRSS), mib(f.loadedRSS-f.idleRSS)/f.instances)
	}
	p("| size of the binary | %.1f MB | 50 MB |", float64(f.binary)/1e6)
	p("| warm call into an instance (`BenchmarkCall`, host/internal/wasm) | %s | |", f.warmCall)
	p("")
	f.rows(p)
	p("")
	p("Raw requests/s per round: local channel %s, TinyGo %s; over NATS %s; bare net/http %s; bare NATS %s.", list(f.weft), list(f.tiny), list(f.overNATS), list(f.bareHTTP), list(f.bareNATS))
	return b.String()
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(max(b, 1)) }

func mib(n int64) float64 { return float64(n) / (1 << 20) }

func round(d time.Duration) time.Duration {
	if d > 10*time.Millisecond {
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Microsecond)
}

func list(v []float64) string {
	var s []string
	for _, x := range v {
		s = append(s, fmt.Sprintf("%.0f", x))
	}
	return strings.Join(s, ", ")
}

func commit() string {
	out, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func cpu() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		if m := regexp.MustCompile(`model name\s*:\s*(.+)`).FindSubmatch(b); m != nil {
			return string(m[1])
		}
	}
	return runtime.GOARCH
}
