package instrument_test

import (
	"bytes"
	"context"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/weftlattice/weft/host/internal/instrument"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/lattice"
)

func load(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.FromSlash(path))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func rewrite(t testing.TB, wasm []byte) []byte {
	t.Helper()
	before := bytes.Clone(wasm)
	r, err := instrument.Rewrite(wasm)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, wasm) {
		t.Fatal("the input was changed")
	}
	return r.Wasm
}

func newRuntime(t testing.TB, config wazero.RuntimeConfig) wazero.Runtime {
	t.Helper()
	r := wazero.NewRuntimeWithConfig(t.Context(),
		config.WithCoreFeatures(api.CoreFeaturesV2|experimental.CoreFeaturesExtendedConst))
	t.Cleanup(func() { _ = r.Close(context.Background()) })
	return r
}

// start instantiates a module and runs its start function, wherever that is.
func start(t testing.TB, r wazero.Runtime, wasm []byte) api.Module {
	t.Helper()
	m, err := r.InstantiateWithConfig(t.Context(), wasm, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		t.Fatal(err)
	}
	if f := m.ExportedFunction(instrument.StartFunc); f != nil {
		if _, err := f.Call(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func TestSameResults(t *testing.T) {
	code := load(t, "testdata/features.wasm")
	var guests []api.Module
	for _, wasm := range [][]byte{code, rewrite(t, code)} {
		r := newRuntime(t, wazero.NewRuntimeConfig())
		if _, err := r.InstantiateWithConfig(t.Context(), load(t, "testdata/env.wasm"),
			wazero.NewModuleConfig().WithName("env")); err != nil {
			t.Fatal(err)
		}
		guests = append(guests, start(t, r, wasm))
	}
	for name := range guests[0].ExportedFunctionDefinitions() {
		for _, n := range []uint64{0, 1, 2, 5, 200, 0x1ff, 5000, 0xffff, 0x7fffffff, 0xffffffff} {
			want, wantErr := guests[0].ExportedFunction(name).Call(t.Context(), n)
			got, gotErr := guests[1].ExportedFunction(name).Call(t.Context(), n)
			if (wantErr == nil) != (gotErr == nil) || len(got) != len(want) || (len(got) == 1 && got[0] != want[0]) {
				t.Errorf("%s(%d): %v, %v without, %v, %v with", name, n, want, wantErr, got, gotErr)
			}
			if name != "tables" && wantErr != nil {
				t.Errorf("%s(%d) compares errors only: %v", name, n, wantErr)
			}
		}
	}
}

func TestFlagStopsTheGuest(t *testing.T) {
	m := start(t, newRuntime(t, wazero.NewRuntimeConfig()), rewrite(t, load(t, "testdata/loops.wasm")))
	flag := m.ExportedGlobal(instrument.StopGlobal).(api.MutableGlobal)
	for _, name := range []string{"empty", "sum", "call"} {
		for _, raised := range []uint64{0, 1} {
			flag.Set(raised)
			_, err := m.ExportedFunction(name).Call(t.Context(), 100_000)
			if stopped := err != nil && strings.Contains(err.Error(), "unreachable"); stopped != (raised == 1) {
				t.Errorf("%s with the flag %d: %v", name, raised, err)
			}
		}
	}
}

// The names in a trap's trace survive, and so do custom sections, but for those that would lie.
func TestCustomSections(t *testing.T) {
	custom := func(name, body string) []byte {
		s := string(rune(len(name))) + name + body
		return append([]byte{0, byte(len(s))}, s...)
	}
	in := []byte("\x00asm\x01\x00\x00\x00")
	for _, name := range []string{"jwt", ".debug_info", "linking", "reloc.CODE", "producers", "sourceMappingURL",
		"external_debug_info",
		"metadata.code.branch_hint"} {
		in = append(in, custom(name, "BODY")...)
	}
	in = append(in, custom("name", "\x00\x02\x01m\x01\x04\x01\x00\x01f\x02\x01\x00")...)
	in = append(in, custom("name", "\x00\x02\x01n")...)
	out := string(rewrite(t, in))
	for name, want := range map[string]bool{"jwtBODY": true, "producersBODY": true, "debug": false, "linking": false,
		"reloc":         false,
		"sourceMapping": false, "external": false, "metadata": false,
		"\x04name\x00\x02\x01m\x01\x04\x01\x00\x01f": true, "\x01n": false} {
		if strings.Contains(out, name) != want {
			t.Errorf("%q kept: %v", name, !want)
		}
	}
	malformed := append([]byte("\x00asm\x01\x00\x00\x00"), custom("name", "\x01\x05\xff\xff\xff\xff\x0f")...)
	if bytes.Contains(rewrite(t, malformed), []byte("name")) {
		t.Error("a malformed name section was kept")
	}
}

// module assembles sections: id, body.
func module(sections ...any) []byte {
	b := []byte("\x00asm\x01\x00\x00\x00")
	for i := 0; i < len(sections); i += 2 {
		body := sections[i+1].(string)
		b = append(b, byte(sections[i].(int)))
		n := uint32(len(body))
		for ; n >= 0x80; n >>= 7 {
			b = append(b, byte(n)|0x80)
		}
		b = append(append(b, byte(n)), body...)
	}
	return b
}

// body assembles a module with one function of the code given.
func body(code string) []byte {
	f := "\x00" + code + "\x0b"
	return module(1, "\x01\x60\x00\x00", 3, "\x01\x00", 10, "\x01"+uleb(len(f))+f)
}

// uleb is a number below 2 million as the format writes it, in three bytes.
func uleb(n int) string { return string([]byte{byte(n) | 0x80, byte(n>>7) | 0x80, byte(n>>14) & 0x7f}) }

func TestRefuses(t *testing.T) {
	for name, r := range map[string]struct {
		wasm   []byte
		detail string
	}{
		"reserved export":      {module(7, "\x01\x0b__weft_stop\x03\x00"), "reserved"},
		"order":                {module(3, "\x00", 1, "\x00"), "out of order"},
		"twice":                {module(1, "\x00", 1, "\x00"), "out of order"},
		"types without bodies": {module(1, "\xff\xff\xff\xff\x0f"), "4294967295 types"},
		"imports":              {module(2, "\x80\x80\x04"), "do not fit"},
		"functions":            {module(3, "\xff\xff\xff\x7f"), "functions"},
		"parameters":           {module(1, "\x01\x60\xff\xff\x7f"), "parameters"},
		"locals": {module(1, "\x01\x60\x00\x00", 3, "\x01\x00", 10,
			"\x01\x08\x01\xff\xff\xff\xff\x0f\x7f\x0b"), "locals"},
		"table":           {module(4, "\x01\x70\x00\xff\xff\xff\x3f"), "elements"},
		"five tables":     {module(4, "\x05"+strings.Repeat("\x70\x00\x00", 5)), "5 tables"},
		"elements":        {module(4, "\x01\x70\x00\x01", 9, "\x01\x00\x41\x00\x0b\xff\xff\x3f"), "elements"},
		"data":            {module(5, "\x01\x00\x01", 11, "\x01\x00\x41\x00\x0b\xff\xff\x3f"), "unexpected end"},
		"two memories":    {module(5, "\x02\x00\x01\x00\x01"), "several memories"},
		"shared memory":   {module(5, "\x01\x03\x01\x02"), "threads"},
		"memory64":        {module(5, "\x01\x04\x01"), "64-bit"},
		"tag":             {module(13, "\x00"), "exceptions"},
		"unknown section": {module(14, ""), "unknown section"},
		"typed reference": {module(1, "\x01\x60\x01\x64\x00\x00"), "typed function references"},
		"exnref":          {module(1, "\x01\x60\x01\x69\x00\x00"), "exceptions"},
		"anyref":          {module(1, "\x01\x60\x01\x6e\x00\x00"), "garbage collected"},
		"unknown type":    {module(1, "\x01\x60\x01\x41\x00\x00"), "value type 0x41 is unknown"},
		"array type":      {module(1, "\x01\x5e\x7f\x00"), "garbage collected"},
		"start with parameters": {module(1, "\x01\x60\x01\x7f\x00", 3, "\x01\x00", 8, "\x00", 10, "\x01\x02\x00\x0b"),
			"start function"},
		"functions, no code": {module(1, "\x01\x60\x00\x00", 3, "\x01\x00"), "without code"},
		"body too short": {module(1, "\x01\x60\x00\x00", 3, "\x01\x00", 10, "\x01\x04\x00\x02\x40\x0b"),
			"unexpected end"},
		"body too long": {module(1, "\x01\x60\x00\x00", 3, "\x01\x00", 10, "\x01\x04\x00\x0b\x01\x0b"),
			"bytes too many"},
		"branch targets":       {body("\x0e\xff\xff\xff\xff\x0f"), "branch targets"},
		"tail call":            {body("\x12\x00"), "tail calls"},
		"call_ref":             {body("\x14\x00"), "typed function references"},
		"try_table":            {body("\x1f\x40\x00\x0b"), "exceptions"},
		"atomics":              {body("\xfe\x03\x00"), "threads"},
		"struct.new":           {body("\xfb\x00\x00"), "garbage collected"},
		"relaxed simd":         {body("\xfd\x80\x02"), "relaxed SIMD"},
		"overlong simd":        {body("\xfd\x83\x03\x40\x0b"), "relaxed SIMD"}, // would hide a loop
		"second memory":        {body("\x28\x40\x01\x00"), "several memories"},
		"nesting":              {body(strings.Repeat("\x02\x40", 20_001)), "nested blocks"},
		"loops":                {body(strings.Repeat("\x03\x40", 201)), "nested loops"},
		"memory, but none":     {body("\x3f\x00\x1a"), "a memory is used"},
		"data, but no memory":  {module(11, "\x01\x00\x41\x00\x0b\x00"), "a memory is used"},
		"helper's type":        {body("\x03\x02\x0b"), "type 2 does not exist"},
		"helper":               {body("\x10\x01"), "function 1 does not exist"},
		"hidden global":        {body("\x23\x00\x1a"), "global 0 does not exist"},
		"hidden local":         {body("\x20\x00\x1a"), "local 0 does not exist"},
		"undeclared reference": {body("\xd2\x00\x1a"), "not declared"},
		"large memory.init": {module(1, "\x01\x60\x00\x00", 3, "\x01\x00", 5, "\x01\x00\x01", 12, "\x01",
			10, "\x01\x0c\x00\x41\x00\x41\x00\x41\x00\xfc\x08\x00\x00\x0b", 11,
			"\x01\x01\x81\x80\x80\x04"+strings.Repeat("x", 8<<20+1)), "memory.init"},
		"sections": {module(sections(10_001)...), "sections"},
	} {
		_, err := instrument.Rewrite(r.wasm)
		if lattice.CodeOf(err) != lattice.ErrBadModule || !strings.Contains(err.Error(), r.detail) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func sections(n int) []any {
	var s []any
	for range n {
		s = append(s, 0, "\x01x")
	}
	return s
}

// The engine bears what the bounds let through.
func TestBoundsProtectTheEngine(t *testing.T) {
	long.Test(t, "runs many modules")
	r := newRuntime(t, wazero.NewRuntimeConfig())
	depth, loops := instrument.MaxNesting-1, instrument.MaxLoopNesting
	for name, wasm := range map[string][]byte{
		"nested blocks":   body(strings.Repeat("\x02\x40", depth) + strings.Repeat("\x0b", depth)),
		"nested loops":    body(strings.Repeat("\x03\x40", loops) + strings.Repeat("\x0b", loops)),
		"unbounded table": module(4, "\x01\x70\x00\x01"),
	} {
		m, err := r.CompileModule(t.Context(), rewrite(t, wasm))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_ = m.Close(t.Context())
	}
}

func TestModulesWithoutSections(t *testing.T) {
	r := newRuntime(t, wazero.NewRuntimeConfig())
	for name, wasm := range map[string][]byte{
		"nothing":       module(),
		"only a loop":   body("\x03\x40\x0b"),
		"empty ones":    module(1, "\x00", 3, "\x00", 10, "\x00"),
		"memory only":   module(5, "\x01\x00\x01"),
		"custom at end": module(5, "\x01\x00\x01", 0, "\x01x"),
	} {
		out := rewrite(t, wasm)
		if m := start(t, r, out); m.ExportedGlobal(instrument.StopGlobal) == nil {
			t.Errorf("%s: no flag", name)
		}
		if _, err := instrument.Rewrite(out); err == nil {
			t.Errorf("%s: rewritten twice", name)
		}
	}
}

func FuzzRewrite(f *testing.F) {
	for _, pattern := range []string{"testdata/*.wasm", "../wasm/testdata/*.wasm"} {
		paths, _ := filepath.Glob(pattern)
		for _, path := range paths {
			f.Add(load(f, path))
		}
	}
	f.Add(body("\x03\x40\x0b"))
	for seed := range uint64(20) {
		f.Add(dispatcher(rand.New(rand.NewPCG(seed, 2))))
	}
	r := newRuntime(f, wazero.NewRuntimeConfig())
	f.Fuzz(func(t *testing.T, wasm []byte) {
		out, err := instrument.Rewrite(wasm)
		if err != nil {
			if lattice.CodeOf(err) != lattice.ErrBadModule {
				t.Fatal(err)
			}
			return
		}
		before, err := r.CompileModule(t.Context(), wasm)
		after, afterErr := r.CompileModule(t.Context(), out.Wasm)
		if err != nil && strings.Contains(err.Error(), "custom section") {
			return // the names were malformed, and are gone
		}
		if (err == nil) != (afterErr == nil) {
			t.Fatalf("the engine says of the input: %v; of the output: %v", err, afterErr)
		}
		if err != nil {
			return
		}
		defer before.Close(t.Context())
		defer after.Close(t.Context())
		if len(out.Imports) == 0 && out.MemoryPages < 100 {
			sameResults(t, r, before, after)
		}
	})
}

// sameResults calls each function that is exported, with small numbers, as long as the calls end by themselves.
func sameResults(t *testing.T, r wazero.Runtime, before, after wazero.CompiledModule) {
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions()
	checked, err := r.InstantiateModule(t.Context(), after, config)
	if err != nil || checked.ExportedFunction(instrument.StartFunc) != nil {
		return
	}
	defer checked.Close(t.Context())
	plain, err := r.InstantiateModule(t.Context(), before, config)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close(t.Context())
	limit, handed := checked.ExportedGlobal(instrument.LimitGlobal).(api.MutableGlobal),
		checked.ExportedGlobal(instrument.HandedGlobal)
	left := checked.ExportedGlobal(instrument.LeftGlobal).(api.MutableGlobal)
	for _, name := range slices.Sorted(maps.Keys(before.ExportedFunctions())) {
		f := checked.ExportedFunction(name)
		args := make([]uint64, len(f.Definition().ParamTypes()))
		for n, p := range f.Definition().ParamTypes() {
			if p == api.ValueTypeI32 || p == api.ValueTypeI64 {
				args[n] = uint64(n + 3)
			} else if p != api.ValueTypeF32 && p != api.ValueTypeF64 {
				return
			}
		}
		limit.Set(handed.Get() + 1<<20)
		left.Set(0) // the first payment finds the budget spent
		got, gotErr := f.Call(t.Context(), args...)
		if gotErr != nil && (strings.Contains(gotErr.Error(), "stack overflow") || handed.Get() > limit.Get()) {
			return // it would not have ended, or has used the stack in its own way
		}
		want, wantErr := plain.ExportedFunction(name).Call(t.Context(), args...)
		if (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("%s: %v without, %v with", name, wantErr, gotErr)
		}
		if gotErr != nil {
			continue
		}
		if a, b := outcome(f.Definition().ResultTypes(), want), outcome(f.Definition().ResultTypes(), got); a != b {
			t.Fatalf("%s: %s without, %s with", name, a, b)
		}
	}
}

// BenchmarkTurn tells what a turn of a loop costs plain, with the checks, and with the engine's own way.
func BenchmarkTurn(b *testing.B) {
	code := load(b, "testdata/loops.wasm")
	config := wazero.NewRuntimeConfig()
	const turns = 10_000_000
	for _, loop := range []string{"empty", "sum", "call"} {
		for _, way := range []struct {
			name   string
			wasm   []byte
			config wazero.RuntimeConfig
		}{
			{"plain", code, config},
			{"checked", rewrite(b, code), config},
			{"CloseOnContextDone", code, config.WithCloseOnContextDone(true)},
		} {
			b.Run(loop+"/"+way.name, func(b *testing.B) {
				f := start(b, newRuntime(b, way.config), way.wasm).ExportedFunction(loop)
				ctx, cancel := context.WithCancel(b.Context())
				defer cancel()
				for b.Loop() {
					if _, err := f.Call(ctx, turns); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/turns, "ns/turn")
			})
		}
	}
}
