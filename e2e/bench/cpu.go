package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/google/pprof/profile"
)

// cpuWindow is how long processors are profiled, at Go's 100 samples a second, at least.
const cpuWindow = 10 * time.Second

// profiled is a process of the path from HTTP to the actor.
type profiled struct {
	name, pprof string // where its profiles are
	pid         int
	profile     *profile.Profile
	perRequest  float64 // seconds of processor, by /proc
	allocs      float64 // objects per request
	bytes       float64 // allocated per request
}

// measureCPU splits the processor time of a request over the local channel, by profiles of host and httpserver.
func measureCPU(ctx context.Context, b *bench, r *report) error {
	l, err := b.open()
	if err != nil {
		return err
	}
	defer l.close()
	c, host, addr, err := l.echoing(ctx, "cpu", "--pprof")
	if err != nil {
		return err
	}
	provider, err := c.providerPID(ctx)
	if err != nil {
		return err
	}
	both := []*profiled{
		{name: "host", pprof: "http://" + host.HTTPAddr + "/debug/pprof/", pid: host.pid()},
		{name: "httpserver", pprof: "http://" + host.HTTPAddr + "/debug/providers/httpserver/pprof/", pid: provider},
	}
	if err := b.warm(addr, []byte(answer)); err != nil {
		return err
	}
	if err := b.counts(ctx, addr, both); err != nil {
		return err
	}
	rate, err := b.profiles(ctx, addr, both)
	if err != nil {
		return err
	}
	total, objects, size := 0.0, 0.0, 0.0
	for _, p := range both {
		total, objects, size = total+p.perRequest, objects+p.allocs, size+p.bytes
		r.record("allocations per request, local channel, "+p.name, fmt.Sprintf("%.1f", p.allocs),
			fmt.Sprintf("%.0f bytes", p.bytes))
	}
	r.record("processor time of a request, local channel, stock Go", fmt.Sprintf("%.1f µs", total*1e6),
		fmt.Sprintf("host %.1f µs, httpserver %.1f µs", both[0].perRequest*1e6, both[1].perRequest*1e6))
	partRows(both, r)
	if b.flame == "" {
		return nil
	}
	title := fmt.Sprintf("Processor time of one request over the local channel: %.1f µs (%s, commit %s, "+
		"%.0f requests/s while profiled)", total*1e6, cpu(), commit(), rate)
	return os.WriteFile(b.flame, flameSVG(title, flameOf(both)), 0o644)
}

// counts measures processor time and allocations per request, without profiling.
func (b *bench) counts(ctx context.Context, addr string, all []*profiled) error {
	at := func() (values [][3]float64, err error) {
		for _, p := range all {
			cpu, err := processorTime([]int{p.pid})
			if err != nil {
				return nil, err
			}
			objects, size, err := mallocs(ctx, p.pprof)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.name, err)
			}
			values = append(values, [3]float64{cpu, objects, size})
		}
		return values, nil
	}
	before, err := at()
	if err != nil {
		return err
	}
	n, _, err := b.drive(ctx, addr, []byte(answer), max(b.window, cpuWindow/2))
	if err != nil {
		return err
	}
	after, err := at()
	if err != nil {
		return err
	}
	for i, p := range all {
		p.perRequest = (after[i][0] - before[i][0]) / float64(n)
		p.allocs = (after[i][1] - before[i][1]) / float64(n)
		p.bytes = (after[i][2] - before[i][2]) / float64(n)
	}
	return nil
}

// profiles takes a profile of each while the path is under load. It returns the requests per second meanwhile.
func (b *bench) profiles(ctx context.Context, addr string, all []*profiled) (rate float64, err error) {
	window := max(b.window, cpuWindow)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make(chan error, len(all))
	for _, p := range all {
		go func() {
			body, err := get(ctx, fmt.Sprintf("%sprofile?seconds=%d", p.pprof, int(window.Seconds())-1))
			if err == nil {
				p.profile, err = profile.ParseData(body)
			}
			if err != nil {
				err = fmt.Errorf("profile of %s: %w", p.name, err)
			}
			errs <- err
		}()
	}
	rate, err = b.loadFor(ctx, addr, []byte(answer), window)
	if err != nil {
		cancel()
	}
	for range all {
		if e := <-errs; err == nil {
			err = e
		}
	}
	return rate, err
}

var memStats = regexp.MustCompile(`(?m)^# (Mallocs|TotalAlloc) = (\d+)$`)

// mallocs reads how many objects, of how many bytes, a process has allocated since it started.
func mallocs(ctx context.Context, pprof string) (objects, size float64, err error) {
	text, err := get(ctx, pprof+"heap?debug=1")
	if err != nil {
		return 0, 0, err
	}
	found := map[string]float64{}
	for _, m := range memStats.FindAllSubmatch(text, -1) {
		if found[string(m[1])], err = strconv.ParseFloat(string(m[2]), 64); err != nil {
			return 0, 0, err
		}
	}
	if len(found) != 2 {
		return 0, 0, fmt.Errorf("no Mallocs and TotalAlloc in the heap's profile, but %v",
			slices.Collect(maps.Keys(found)))
	}
	return found["Mallocs"], found["TotalAlloc"], nil
}

func get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.200s", url, res.Status, body)
	}
	return body, err
}
