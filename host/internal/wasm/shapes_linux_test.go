package wasm_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/internal/latticetest/shape"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
)

// What a shape may take, with room for a machine that does other things, too.
const (
	shapeMemory    = 1 << 30          // the compiler's process, and no more than it is told
	shapeCPU       = 20 * time.Second // the same
	shapeExecution = 100 * time.Millisecond
	shapeCall      = 2 * time.Second // processor time of a call, until it has been interrupted
	shapeHost      = 512 << 20       // what the host's own process has in memory at any time
	shapeLog       = 4 << 20         // bytes of log from one call
	shapeGuest     = 16 << 20        // the guest's memory
)

// TestShapes makes modules of all instructions, wide types, many locals, nests, tables and calls of the host's
// functions with extreme arguments, compiles and calls them. None may take more than its memory, time or log, and none
// may end the compiler or the host in another way than by a refusal that says why. WEFT_SHAPES says how long to go on,
// WEFT_SHAPES_SEED where to begin, and WEFT_SHAPES_BYTES how large they may be; by default 200 shapes of up to 64 KiB
// are tried, 20 of them under the race detector.
func TestShapes(t *testing.T) {
	long.Test(t, "compiles generated modules")
	seed, most, enough := uint64(1), 64<<10, func(n int) bool { return n >= 200 }
	if raced {
		enough = func(n int) bool { return n >= 20 }
	}
	if s := os.Getenv("WEFT_SHAPES_BYTES"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		most = n
	}
	if s := os.Getenv("WEFT_SHAPES_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed, enough = n, func(n int) bool { return n >= 1 }
	}
	if s := os.Getenv("WEFT_SHAPES"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatal(err)
		}
		end := time.Now().Add(d)
		enough = func(int) bool { return time.Now().After(end) }
	}
	record := filepath.Join(t.TempDir(), "usage")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := &shapes{engine: withCompiler(t, wasm.Config{Compiler: []string{self, measuredArg, record},
		CompileMemory: shapeMemory, CompileCPU: shapeCPU}),
		record: record, answers: map[string]int{}}
	n := 0
	for ; !enough(n) && !t.Failed(); n++ {
		r.try(t, seed+uint64(n), most)
	}
	t.Logf("%d shapes from seed %d: %v", n, seed, r.answers)
	t.Logf("dearest to compile: %v of processor (seed %d), %d MiB (seed %d); per KiB, of those above 4 KiB: "+
		"%v (seed %d), %.1f MiB (seed %d)",
		r.cpu.most, r.cpu.seed, r.rss.most>>20, r.rss.seed, r.cpuKiB.most, r.cpuKiB.seed,
		float64(r.rssKiB.most)/(1<<20), r.rssKiB.seed)
	t.Logf("dearest to read: %v of processor in the host (seed %d); to call: %v (seed %d), %d bytes of log (seed %d)",
		r.read.most, r.read.seed, r.call.most, r.call.seed, r.log.most, r.log.seed)
}

// What shapes import is all that the host has.
func TestShapesCallAllOfTheHost(t *testing.T) {
	have := map[string]string{}
	for module, functions := range newEngine(t).Imports() {
		for name, f := range functions {
			have[module+"."+name] = fmt.Sprintf("%x %x", f.ParamTypes(), f.ResultTypes())
		}
	}
	want, types := map[string]string{}, strings.NewReplacer("i", "7f", "l", "7e")
	for _, f := range shape.HostFunctions {
		for _, module := range []string{f.Module, strings.Replace(f.Module, "wapc", "wasmbus", 1)} {
			want[module+"."+f.Name] = types.Replace(f.Params) + " " + types.Replace(f.Results)
		}
	}
	if !maps.Equal(have, want) {
		t.Errorf("the host has\n%v\nand shapes call\n%v", have, want)
	}
}

// shapes is what has been learnt.
type shapes struct {
	engine  *wasm.Engine
	record  string
	answers map[string]int

	cpu, cpuKiB, read, call dearest[time.Duration]
	rss, rssKiB, log        dearest[int64]
}

// dearest is the most of something and where it was seen.
type dearest[T time.Duration | int64] struct {
	most T
	seed uint64
}

func (d *dearest[T]) see(v T, seed uint64) {
	if v > d.most {
		d.most, d.seed = v, seed
	}
}

// measuredArg makes the test binary a compiler that leaves what it used in a file.
const measuredArg = "be-the-measured-compiler"

func init() {
	compilerMains[measuredArg] = func(args []string) int { return measuredCompiler(args[0], args[1:]) }
}

// compilerUsage is what a compiler used.
type compilerUsage struct {
	CPU time.Duration
	RSS int64 // bytes, at the most
}

func measuredCompiler(record string, args []string) int {
	code := wasm.CompilerMain(args, os.Stdin, os.Stdout)
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	b, err := json.Marshal(compilerUsage{time.Duration(u.Utime.Nano() + u.Stime.Nano()), u.Maxrss << 10})
	if err == nil {
		err = os.WriteFile(record, b, 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// try makes the shape of a seed and does all with it that a host does.
func (r *shapes) try(t *testing.T, seed uint64, most int) {
	code := shape.Module(seed, most)
	fail := func(format string, args ...any) {
		t.Helper()
		path := filepath.Join(os.TempDir(), fmt.Sprintf("weft-shape-%d.wasm", seed))
		_ = os.WriteFile(path, code, 0o600)
		t.Errorf("seed %d (%d bytes, in %s): %s", seed, len(code), path, fmt.Sprintf(format, args...))
	}
	_ = os.Remove(r.record)
	before := wasm.Processor()
	module, err := r.engine.Compile(t.Context(), code)
	used := wasm.Processor() - before
	var compiler compilerUsage
	if b, err := os.ReadFile(r.record); err == nil {
		if err := json.Unmarshal(b, &compiler); err != nil {
			t.Fatal(err)
		}
		r.cpu.see(compiler.CPU, seed)
		r.rss.see(compiler.RSS, seed)
		if kib := int64(len(code)) >> 10; kib >= 4 {
			r.cpuKiB.see(compiler.CPU/time.Duration(kib), seed)
			r.rssKiB.see(compiler.RSS/kib, seed)
		}
		if !raced && compiler.RSS > shapeMemory+64<<20 { // the detector takes several times as much
			fail("the compiler had %d MiB in memory", compiler.RSS>>20)
		}
	}
	if err != nil {
		r.refused(err, fail)
		r.read.see(used, seed)
		if limit := 2*time.Second + time.Duration(len(code))*10*time.Microsecond; used > limit {
			fail("to refuse it took the host %v", used)
		}
		return
	}
	defer module.Close(context.Background())
	h := &counting{}
	i, err := module.Instantiate(t.Context(), wasm.Limits{MemoryBytes: shapeGuest, Execution: shapeExecution}, h, nil)
	if err != nil {
		r.answers["not begun: "+lattice.CodeOf(err).Name()]++
		return
	}
	before = wasm.Processor()
	_, err = i.Call(t.Context(), "Shape.Call", []byte("payload"))
	used = wasm.Processor() - before
	_ = i.Close(context.Background())
	name := "called"
	if err != nil {
		name = lattice.CodeOf(err).Name()
	}
	r.answers[name]++
	r.call.see(used, seed)
	r.log.see(h.bytes.Load(), seed)
	if used > shapeCall {
		fail("a call took %v of processor: %v", used, err)
	}
	if n := h.bytes.Load(); n > shapeLog {
		fail("a call logged %d bytes", n)
	}
	if rss, _ := resident(t); !raced && rss*1024 > shapeHost {
		fail("the host has %.0f MiB in memory", rss/1024)
	}
}

// refused looks at why a module was refused: it must be valid, so only for a bound that has a name.
func (r *shapes) refused(err error, fail func(string, ...any)) {
	text := err.Error()
	for _, words := range []string{"by its calls and branches", "too many branches", "too much to compile together",
		"MiB of memory", "of processor time",
		"call instructions", "pass", "locals in a function", "nested", "function of"} {
		if lattice.CodeOf(err) == lattice.ErrBadModule && strings.Contains(text, words) {
			r.answers["refused: "+words]++
			return
		}
	}
	fail("refused: %v", err)
}

// counting is a host that counts what is logged.
type counting struct {
	bytes atomic.Int64
}

func (*counting) Reserve(context.Context, int) error                { return nil }
func (*counting) Spent(uint64)                                      {}
func (*counting) Streams(lattice.LinkName, lattice.ContractID) bool { return false }

func (*counting) HostCall(context.Context, lattice.LinkName, lattice.ContractID, string, []byte,
	*stream.Caller) ([]byte, error) {
	return []byte("response"), nil
}
func (c *counting) Log(_ context.Context, _ wasm.Source, text string) { c.bytes.Add(int64(len(text))) }
