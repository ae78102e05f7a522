package wasm_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"testing"

	"github.com/weftlattice/weft/e2e/rustlike"
	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
)

// BenchmarkIdle makes 5,000 instances, of a component 1,000, and reports the memory that each keeps resident: as it is
// made, after a call, and restored after that call. Pss counts a page that several instances share once, as the
// system's memory does; Rss counts it for each of them. It reads /proc, and so needs Linux.
func BenchmarkIdle(b *testing.B) {
	get := httpserver.Request{Method: "GET", Path: "/"}
	for name, g := range map[string]struct {
		code      []byte
		operation string
		payload   []byte
		instances int
	}{
		"rustlike":  {rustlike.Module([]byte("hello")), "x", []byte("payload"), 5000},
		"component": {component(b), httpserver.HandleRequest, get.Encode(), 1000},
	} {
		instances := g.instances
		tmpl := template(b, compile(b, newEngine(b), g.code), &host{})
		all := make([]*wasm.Instance, 0, instances)
		release := func() {
			for _, i := range all {
				_ = i.Close(context.Background())
			}
			all = all[:0]
		}
		b.Cleanup(release)
		measure := func(state string, each func(*wasm.Instance)) {
			b.Run(name+"/"+state, func(b *testing.B) {
				for b.Loop() {
					release()
					rss, pss := resident(b)
					for range instances {
						i, err := tmpl.Instantiate(b.Context())
						if err != nil {
							b.Fatal(err)
						}
						all = append(all, i)
						each(i)
					}
					rssAfter, pssAfter := resident(b)
					b.ReportMetric((rssAfter-rss)/float64(instances), "KiB-Rss/instance")
					b.ReportMetric((pssAfter-pss)/float64(instances), "KiB-Pss/instance")
				}
			})
		}
		call := func(i *wasm.Instance) {
			if _, err := i.Call(b.Context(), g.operation, g.payload); err != nil {
				b.Fatal(err)
			}
		}
		measure("made", func(*wasm.Instance) {})
		measure("called", call)
		measure("restored", func(i *wasm.Instance) {
			call(i)
			if err := i.Restore(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// resident is the memory of this process in KiB, after a collection.
func resident(b testing.TB) (rss, pss float64) {
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		b.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		_, _ = fmt.Sscanf(string(line), "Rss: %f kB", &rss)
		_, _ = fmt.Sscanf(string(line), "Pss: %f kB", &pss)
	}
	if rss == 0 || pss == 0 {
		b.Fatalf("no Rss and Pss in /proc/self/smaps_rollup:\n%s", text)
	}
	return rss, pss
}
