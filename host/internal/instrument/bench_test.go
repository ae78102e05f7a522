package instrument_test

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/weftlattice/weft/host/internal/instrument"
	"github.com/weftlattice/weft/internal/latticetest/long"
)

// buildGo compiles a stock Go guest.
func buildGo(t testing.TB, dir string) []byte {
	t.Helper()
	long.Test(t, "builds a guest with Go")
	path := filepath.Join(t.TempDir(), "guest.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-o", path, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return load(t, path)
}

// worker is a guest whose exports do work: each takes how often, and returns a result.
func worker(t testing.TB, wasm []byte) api.Module {
	t.Helper()
	r := newRuntime(t, wazero.NewRuntimeConfig())
	wasi_snapshot_preview1.MustInstantiate(t.Context(), r)
	m := start(t, r, wasm)
	if f := m.ExportedFunction("_initialize"); f != nil {
		if _, err := f.Call(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// placements is how often each guest is compiled. Where machine code comes to lie makes up to half of a small loop's
// time.
const placements = 3

// BenchmarkGuest tells the speed of work with interruption on, beside that without: "ratio" is of the best of many
// short runs in turns, since the machine may be busy with other things, at the best of some places of the code.
func BenchmarkGuest(b *testing.B) {
	for _, guest := range guests(b) {
		var plain, checked [placements]api.Module
		rewritten := rewrite(b, guest.wasm)
		for n := range placements {
			plain[n], checked[n] = worker(b, guest.wasm), worker(b, rewritten)
		}
		var names []string
		for name, f := range plain[0].ExportedFunctionDefinitions() {
			if len(f.ParamTypes()) == 1 && len(f.ResultTypes()) == 1 && f.ResultTypes()[0] == api.ValueTypeI64 {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		product := 1.0
		for _, name := range names {
			b.Run(guest.name+"/"+name, func(b *testing.B) {
				best := [2]time.Duration{math.MaxInt64, math.MaxInt64}
				var results [2]uint64
				var fuel uint64 // of the last run
				n := uint64(1)
				for b.Loop() {
					for round := range 70 * placements {
						place := round % placements
						before := spent(checked[place])
						for i, m := range []api.Module{plain[place], checked[place]} {
							began := time.Now()
							out, err := m.ExportedFunction(name).Call(b.Context(), n)
							took := time.Since(began)
							if err != nil {
								b.Fatal(err)
							}
							if round >= placements {
								best[i] = min(best[i], took)
							}
							results[i] = out[0]
						}
						fuel = spent(checked[place]) - before
						if results[0] != results[1] {
							b.Fatalf("%d without, %d with", results[0], results[1])
						}
					}
				}
				ratio := float64(best[0]) / float64(best[1])
				product *= ratio
				b.ReportMetric(ratio, "ratio")
				b.ReportMetric(float64(best[0].Microseconds()), "µs-plain")
				b.ReportMetric(float64(fuel)/float64(best[1].Nanoseconds()), "fuel/ns")
				b.ReportMetric(0, "ns/op")
			})
		}
		b.Run(guest.name+"/mean", func(b *testing.B) {
			for b.Loop() {
			}
			b.ReportMetric(math.Pow(product, 1/float64(len(names))), "ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// spent is the fuel that a guest has spent.
func spent(m api.Module) uint64 {
	return m.ExportedGlobal(instrument.HandedGlobal).Get() - uint64(
		int64(int32(m.ExportedGlobal(instrument.LeftGlobal).Get())))
}

type guest struct {
	name string
	wasm []byte
}

func guests(t testing.TB) []guest {
	g := []guest{{"wat", load(t, "testdata/work.wasm")}, {"rust", load(t, "testdata/rustguest/guest.wasm")},
		{"go", buildGo(t, "testdata/goguest")}}
	if path := os.Getenv("WEFT_BENCH_GUEST"); path != "" {
		g = append(g, guest{"extra", load(t, path)})
	}
	return g
}
