package wasm_test

import (
	"os"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/weftlattice/weft/e2e/rustlike"
	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
)

// BenchmarkRestore compares what it takes to have an instance that no call has touched: the engine's plain
// instantiation of the module as it is, with its initialisation and closing; ours; one from the snapshot; and one that
// is restored after a call, the cost of which "call" shows by itself.
func BenchmarkRestore(b *testing.B) {
	for name, guest := range map[string]struct {
		code      []byte
		operation string
	}{
		"rustlike": {rustlike.Module([]byte("hello")), "x"},
		"go":       {loadReseeding(b), "Test.Echo"},
	} {
		b.Run(name+"/wazero", func(b *testing.B) { plainly(b, guest.code) })
		m := compile(b, newEngine(b), guest.code)
		b.Run(name+"/anew", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				i, err := m.Instantiate(b.Context(), wasm.Limits{}, &host{}, nil)
				if err != nil {
					b.Fatal(err)
				}
				_ = i.Close(b.Context())
			}
		})
		t := template(b, m, &host{})
		first, err := t.Instantiate(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if why := t.Anew(); why != "" {
			b.Logf("%s: no snapshot: %s", name, why)
			continue
		}
		b.Run(name+"/snapshot", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				i, err := t.Instantiate(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				_ = i.Close(b.Context())
			}
		})
		b.Run(name+"/call", func(b *testing.B) {
			for b.Loop() {
				if _, err := first.Call(b.Context(), guest.operation, []byte("payload")); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/callrestore", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := first.Call(b.Context(), guest.operation, []byte("payload")); err != nil {
					b.Fatal(err)
				}
				if err := first.Restore(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRestoreComponent is BenchmarkRestore for components: the one in Rust, and the one in JavaScript that
// WEFT_BENCH_JS names.
func BenchmarkRestoreComponent(b *testing.B) {
	get := httpserver.Request{Method: "GET", Path: "/", Header: httpserver.Header{"host": {"localhost"}}}
	components := map[string][]byte{"component": component(b)}
	if file := os.Getenv("WEFT_BENCH_JS"); file != "" {
		code, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		components["javascript"] = code
	}
	for name, code := range components {
		b.Run(name+"/wazero", func(b *testing.B) {
			r := wazero.NewRuntime(b.Context())
			defer r.Close(b.Context())
			instantiate, err := wasm.PlainComponent(b.Context(), r, code)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			defer metered(b)()
			for b.Loop() {
				if err := instantiate(); err != nil {
					b.Fatal(err)
				}
			}
		})
		t := template(b, compile(b, newEngine(b), code), &host{})
		first, err := t.Instantiate(b.Context())
		if err != nil || t.Anew() != "" {
			b.Fatal(err, t.Anew())
		}
		call := func(b *testing.B) {
			if _, err := first.Call(b.Context(), httpserver.HandleRequest, get.Encode()); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(name+"/snapshot", func(b *testing.B) {
			b.ReportAllocs()
			defer metered(b)()
			for b.Loop() {
				i, err := t.Instantiate(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				_ = i.Close(b.Context())
			}
		})
		if err := first.Restore(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.Run(name+"/call", func(b *testing.B) {
			if name == "javascript" {
				b.Skip("it serves one call alone")
			}
			defer metered(b)()
			for b.Loop() {
				call(b)
			}
		})
		b.Run(name+"/callrestore", func(b *testing.B) {
			b.ReportAllocs()
			defer metered(b)()
			for b.Loop() {
				call(b)
				if err := first.Restore(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// metered reports the processor time of the process between its call and that of what it returns.
func metered(b *testing.B) func() {
	begin := wasm.Processor()
	return func() { b.ReportMetric(float64(wasm.Processor()-begin)/float64(b.N), "cpu-ns/op") }
}

// BenchmarkColdComponent is the way of a component from compiled code on disk to its first answer, in a process whose
// engine is new.
func BenchmarkColdComponent(b *testing.B) {
	get := httpserver.Request{Method: "GET", Path: "/"}
	dir := b.TempDir()
	begin := func() {
		e, err := wasm.New(b.Context(), wasm.Config{CacheDir: dir})
		if err != nil {
			b.Fatal(err)
		}
		m, err := e.Compile(b.Context(), component(b))
		if err != nil {
			b.Fatal(err)
		}
		i, err := m.Template(wasm.Limits{}, &host{}, nil).Instantiate(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := i.Call(b.Context(), httpserver.HandleRequest, get.Encode()); err != nil {
			b.Fatal(err)
		}
		if err := e.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	begin() // compiles it
	for b.Loop() {
		begin()
	}
}

// plainly is what a program does that uses the engine with its defaults.
func plainly(b *testing.B, code []byte) {
	r := wazero.NewRuntime(b.Context())
	defer r.Close(b.Context())
	wasi_snapshot_preview1.MustInstantiate(b.Context(), r)
	abi := r.NewHostModuleBuilder("wasmbus")
	for _, name := range []string{"__guest_request", "__guest_response", "__guest_error", "__console_log"} {
		abi.NewFunctionBuilder().WithFunc(func(uint32, uint32) {}).Export(name)
	}
	for _, name := range []string{"__host_response", "__host_error"} {
		abi.NewFunctionBuilder().WithFunc(func(uint32) {}).Export(name)
	}
	for _, name := range []string{"__host_response_len", "__host_error_len"} {
		abi.NewFunctionBuilder().WithFunc(func() uint32 { return 0 }).Export(name)
	}
	abi.NewFunctionBuilder().WithFunc(func(_, _, _, _, _, _, _, _ uint32) uint32 { return 0 }).Export("__host_call")
	if _, err := abi.Instantiate(b.Context()); err != nil {
		b.Fatal(err)
	}
	m, err := r.CompileModule(b.Context(), code)
	if err != nil {
		b.Fatal(err)
	}
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions(
		"_initialize").WithSysNanotime().WithSysWalltime()
	b.ReportAllocs()
	for b.Loop() {
		i, err := r.InstantiateModule(b.Context(), m, config)
		if err != nil {
			b.Fatal(err)
		}
		_ = i.Close(b.Context())
	}
}

func template(t testing.TB, m *wasm.Module, h wasm.Host) *wasm.Template {
	t.Helper()
	tmpl := m.Template(wasm.Limits{}, h, nil)
	t.Cleanup(tmpl.Close)
	return tmpl
}
