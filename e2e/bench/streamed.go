package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// streamedBytes is how large the answer is that is streamed.
const streamedBytes = 1 << 30

// measureStreams has a component stream a large answer, beside a bare server that does.
func measureStreams(ctx context.Context, b *bench, r *report) error {
	l, err := b.open()
	if err != nil {
		return err
	}
	defer l.close()
	file, err := b.component("stream")
	if err != nil {
		return err
	}
	bareAddr, err := l.bare()
	if err != nil {
		return err
	}
	near, host, err := l.lattice(ctx, "streams")
	if err != nil {
		return err
	}
	provider, err := near.providerPID(ctx)
	if err != nil {
		return err
	}
	inline, inlineHost, err := l.lattice(ctx, "streamsin", "--inline", "httpserver")
	if err != nil {
		return err
	}
	grown := map[string]float64{} // the most that a process has grown by, in MiB
	which := map[string]string{}
	streamed := func(name string, c cli, pids map[string]int) (*path, error) {
		addr, err := c.serve(ctx, file, "stream", []byte("hello\n"), "--cap", "wasmcloud:httpserver")
		if err != nil {
			return nil, err
		}
		return &path{name: name, warm: func() error { _, err := download(ctx, addr, 1<<20, nil); return err },
			load: func() (float64, error) {
				most, err := watchMemory(pids)
				if err != nil {
					return 0, err
				}
				rate, err := download(ctx, addr, streamedBytes, most.look)
				if err == nil {
					err = most.err
				}
				if most.grown > grown[name] {
					grown[name], which[name] = most.grown, most.of
				}
				return rate, err
			}}, nil
	}
	local, err := streamed("1 GiB, local channel", near, map[string]int{"host": host.pid(), "httpserver": provider})
	if err != nil {
		return err
	}
	inside, err := streamed("1 GiB, inline", inline, map[string]int{"host": inlineHost.pid()})
	if err != nil {
		return err
	}
	bare := &path{name: "1 GiB, bare net/http", warm: func() error {
		_, err := download(ctx, bareAddr, 1<<20, nil)
		return err
	}, load: func() (float64, error) { return download(ctx, bareAddr, streamedBytes, nil) }}
	if err := b.inTurns(ctx, bare, local, inside); err != nil {
		return err
	}
	for _, p := range []*path{local, inside} {
		r.target(target{figure: p.name + ", streamed by a component in Rust: throughput",
			value:  fmt.Sprintf("%.0f MB/s", median(p.got)/1e6),
			beside: fmt.Sprintf("bare net/http: %.0f MB/s", median(bare.got)/1e6),
			got:    median(ratios(p.got, bare.got)), goal: atLeast(.5)})
		r.target(target{figure: p.name + ": most growth of either process",
			value: fmt.Sprintf("%.1f MiB, %s", grown[p.name], which[p.name]),
			got:   grown[p.name], goal: atMost(8, " MiB")})
	}
	return nil
}

// download fetches so many bytes, and calls look, which may be nil, again and again. It returns bytes each second.
func download(ctx context.Context, addr string, bytes int64, look func()) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/big?n="+
		strconv.FormatInt(bytes, 10), nil)
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	buf := make([]byte, 256<<10)
	var n, looked int64
	for {
		k, err := resp.Body.Read(buf)
		if n += int64(k); look != nil && n-looked > 32<<20 {
			looked = n
			look()
		}
		if err == io.EOF && n == bytes {
			return float64(n) / time.Since(begin).Seconds(), nil
		}
		if err != nil {
			return 0, fmt.Errorf("%d of %d bytes from %s: %w", n, bytes, addr, err)
		}
	}
}

// memoryWatch is how much more memory processes have than when it began.
type memoryWatch struct {
	pids   map[string]int
	before map[string]int64
	grown  float64 // MiB, the most of any
	of     string  // which one
	err    error
}

func watchMemory(pids map[string]int) (*memoryWatch, error) {
	w := &memoryWatch{pids: pids, before: map[string]int64{}}
	for name, pid := range pids {
		n, err := rss(pid)
		if err != nil {
			return nil, err
		}
		w.before[name] = n
	}
	return w, nil
}

func (w *memoryWatch) look() {
	for name, before := range w.before {
		n, err := rss(w.pids[name])
		if err != nil {
			w.err = err
			return
		}
		if grown := float64(n-before) / (1 << 20); grown > w.grown {
			w.grown, w.of = grown, name
		}
	}
}
