package instrument_test

import (
	"os"
	"testing"

	"github.com/weftlattice/weft/host/internal/instrument"
)

// BenchmarkRewrite tells how fast a stock Go guest is rewritten, or the module that WEFT_BENCH_GUEST names, and how
// much larger it gets.
func BenchmarkRewrite(b *testing.B) {
	var code []byte
	if path := os.Getenv("WEFT_BENCH_GUEST"); path != "" {
		code = load(b, path)
	} else {
		code = buildGo(b, "testdata/goguest")
	}
	b.SetBytes(int64(len(code)))
	b.ReportAllocs()
	var out int
	for b.Loop() {
		r, err := instrument.Rewrite(code)
		if err != nil {
			b.Fatal(err)
		}
		out = len(r.Wasm)
	}
	b.ReportMetric(float64(out)/float64(len(code)), "size-ratio")
}
