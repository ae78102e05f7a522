package wasm_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
)

const wasiModule = "wasi_snapshot_preview1"

// caller is a guest that calls one function of the host with constant arguments.
type caller struct {
	module, name    string
	params, results []api.ValueType
	args            []uint64
	forever         bool   // it calls without end
	traps           bool   // it traps after the call
	fill            byte   // what is in the upper half of the memory
	data            []byte // what is at the beginning of it
	pages           int
}

// bytes is the module. A call of it answers with the result of the function, four bytes, and leaves its memory as it
// is.
func (c caller) bytes() []byte {
	uleb := func(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }
	sized := func(b []byte) []byte { return append(uleb(len(b)), b...) }
	name := func(s string) []byte { return sized([]byte(s)) }
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	constant := func(v uint64) []byte {
		b := []byte{0x41}
		for v := int64(int32(v)); ; v >>= 7 {
			if low := byte(v & 0x7f); v>>7 == 0 && low&0x40 == 0 || v>>7 == -1 && low&0x40 != 0 {
				return append(b, low)
			}
			b = append(b, byte(v&0x7f)|0x80)
		}
	}
	section := func(id byte, entries ...[]byte) []byte {
		return append([]byte{id}, sized(append(uleb(len(entries)), join(entries...)...))...)
	}
	half := uint64(c.pages) << 15
	code := []byte{0}
	if c.fill != 0 {
		code = join(code, constant(half), constant(uint64(c.fill)), constant(half), []byte{0xfc, 11, 0})
	}
	if c.forever {
		code = append(code, 0x03, 0x40)
	}
	if len(c.results) > 0 && !c.forever {
		code = append(code, constant(0)...) // where the result goes
	}
	for n, a := range c.args {
		if c.params[n] == api.ValueTypeI64 {
			code = append(code, 0x42)
			code = append(code, constant(a)[1:]...)
			continue
		}
		code = append(code, constant(a)...)
	}
	code = append(code, 0x10, 0)
	switch {
	case c.forever && len(c.results) > 0:
		code = append(code, 0x1a, 0x0c, 0, 0x0b)
	case c.forever:
		code = append(code, 0x0c, 0, 0x0b)
	case len(c.results) > 0:
		code = append(code, 0x36, 2, 0)
	}
	if c.traps {
		code = append(code, 0x00)
	}
	if !c.forever {
		code = join(code, constant(0), constant(4), []byte{0x10, 1})
	}
	code = append(code, 0x41, 1, 0x0b)
	function := join([]byte{0x60}, sized(c.params), sized(c.results))
	return join([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, []byte{0x60, 2, 0x7f, 0x7f, 1, 0x7f}, function, []byte{0x60, 2, 0x7f, 0x7f, 0}),
		section(2, join(name(c.module), name(c.name), []byte{0, 1}), join(name("wapc"), name("__guest_response"),
			[]byte{0, 2})),
		section(3, []byte{0}),
		section(5, join([]byte{0}, uleb(c.pages))),
		section(7, join(name("memory"), []byte{2, 0}), join(name("__guest_call"), []byte{0, 2})),
		section(10, sized(code)),
		section(11, join([]byte{0, 0x41, 0, 0x0b}, sized(c.data))))
}

// Every function that a guest can import is one of those that pay for themselves, and those of WASI are all that the
// engine has.
func TestEveryFunctionOfTheHostHasACost(t *testing.T) {
	costs, imports := wasm.Costs(), newEngine(t).Imports()
	if !slices.Equal(slices.Sorted(maps.Keys(costs)), slices.Sorted(maps.Keys(imports))) {
		t.Fatalf("modules with costs %v, modules %v", slices.Sorted(maps.Keys(costs)),
			slices.Sorted(maps.Keys(imports)))
	}
	for module, functions := range imports {
		for name := range functions {
			if costs[module][name] < wasm.LeastCost {
				t.Errorf("%s.%s costs %d", module, name, costs[module][name])
			}
		}
	}
	r, engines := engineWASI(t)
	defer r.Close(t.Context())
	for name, have := range engines.ExportedFunctionDefinitions() {
		if f, ok := imports[wasiModule][name]; !ok || !slices.Equal(f.ParamTypes(), have.ParamTypes()) ||
			!slices.Equal(f.ResultTypes(), have.ResultTypes()) {
			t.Errorf("%s is not as the engine has it", name)
		}
	}
}

// engineWASI is the WASI of the engine itself.
func engineWASI(t *testing.T) (wazero.Runtime, api.Module) {
	t.Helper()
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
	b := r.NewHostModuleBuilder(wasiModule)
	wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(b)
	m, err := b.Instantiate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r, m
}

// What a guest without files learns from WASI is what the engine's own functions would answer it, in the result and in
// memory.
func TestWASIAnswersAsTheEngine(t *testing.T) {
	differ := map[string]string{
		"proc_exit":             "unwinds",
		"clock_time_get":        "the time",
		"random_get":            "random",
		"poll_oneoff":           "TestOneCallOfWASIIsBounded",
		"fd_close":              "streams stay open",
		"fd_renumber":           "streams stay where they are",
		"fd_prestat_get":        "a stream is no folder: the engine answers with one without a name",
		"fd_prestat_dir_name":   "likewise",
		"fd_filestat_set_times": "the engine's own crashes",
	}
	const pages = 1
	data := make([]byte, 4096)
	binary.LittleEndian.PutUint32(data[1024:], 2048) // a vector
	binary.LittleEndian.PutUint32(data[1028:], 16)
	copy(data[2048:], "a-path")
	e := newEngine(t)
	for name, f := range e.Imports()[wasiModule] {
		if differ[name] != "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			compared := 0
			for fd := range uint64(5) {
				for _, rest := range []uint64{1024, 2048, 65530} {
					args := make([]uint64, len(f.ParamTypes()))
					for n := range args {
						switch {
						case n == 0:
							args[n] = fd
						case rest == 1024 && n%2 == 0 || rest == 2048 && n%2 == 1:
							args[n] = 1
						default:
							args[n] = rest
						}
					}
					if strings.HasPrefix(name, "path_") && rest != 2048 && rest != 1024 {
						continue // paths that are not there, or none
					}
					for n := range args { // a path, with its length, wherever one may be
						if strings.HasPrefix(name, "path_") && n > 0 && f.ParamTypes()[n] == api.ValueTypeI32 {
							args[n] = 2048
							if n%2 == int(rest>>11) {
								args[n] = 6
							}
						}
					}
					c := caller{module: wasiModule, name: name, params: f.ParamTypes(), results: f.ResultTypes(),
						args: args, data: data, pages: pages}
					want, wantMemory := askEngine(t, c)
					got, memory := askHost(t, e, c)
					compared++
					// Which of two errors comes first does not matter.
					if got != want && (got == 0 || want == 0) || got == 0 && !bytes.Equal(memory[4:], wantMemory[4:]) {
						t.Errorf("%s%d: %d, the engine answers %d; memory alike: %t", name, args, got, want,
							bytes.Equal(memory[4:], wantMemory[4:]))
					}
				}
			}
			if compared == 0 {
				t.Error("nothing was compared")
			}
		})
	}
}

func askHost(t *testing.T, e *wasm.Engine, c caller) (uint32, []byte) {
	t.Helper()
	m := compile(t, e, c.bytes())
	defer m.Close(t.Context())
	i := instantiate(t, m, wasm.Limits{}, &host{})
	defer i.Close(t.Context())
	b, err := i.Call(t.Context(), "x", nil)
	if err != nil {
		t.Fatalf("%s%d: %v", c.name, c.args, err)
	}
	memory, _ := i.State()
	return binary.LittleEndian.Uint32(b), memory
}

func askEngine(t *testing.T, c caller) (uint32, []byte) {
	t.Helper()
	r, _ := engineWASI(t)
	defer r.Close(t.Context())
	var got []byte
	if _, err := r.NewHostModuleBuilder("wapc").NewFunctionBuilder().WithFunc(func(_ context.Context, m api.Module,
		ptr, n uint32) {
		b, _ := m.Memory().Read(ptr, n)
		got = bytes.Clone(b)
	}).Export("__guest_response").Instantiate(t.Context()); err != nil {
		t.Fatal(err)
	}
	m, err := r.InstantiateWithConfig(t.Context(), c.bytes(), wazero.NewModuleConfig().WithArgs("actor").
		WithWalltime(func() (int64, int32) { return 0, 0 }, 1).WithNanotime(func() int64 { return 0 }, 1).
		WithStdin(bytes.NewReader(nil)).WithStdout(new(bytes.Buffer)).WithStderr(new(bytes.Buffer)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.ExportedFunction("__guest_call").Call(t.Context(), 0, 0); err != nil {
		t.Fatalf("%s%d: %v", c.name, c.args, err)
	}
	memory, _ := m.Memory().Read(0, m.Memory().Size())
	return binary.LittleEndian.Uint32(got), bytes.Clone(memory)
}

// hard is a call that makes a function of the host do as much as it can.
type hard struct {
	name string
	args []uint64
	fill byte
	wapc bool
}

// hards are such calls for a memory of 64 MiB: vectors and the like at its beginning, each of half the memory, and what
// they name in its upper half.
func hards() []hard {
	const half, much = 32 << 20, 500_000
	all := []hard{
		{name: "fd_write", args: []uint64{1, 0, much, 16 << 20}, fill: 'x'},
		{name: "fd_write", args: []uint64{2, 0, much, 16 << 20}, fill: '\n'},
		{name: "fd_write", args: []uint64{1, 0, much, 16 << 20}, fill: 0xff},
		{name: "fd_read", args: []uint64{0, 0, much, 16 << 20}},
		{name: "random_get", args: []uint64{0, 63 << 20}},
		{name: "poll_oneoff", args: []uint64{0, half, 1024, 16 << 20}},
		{name: "poll_oneoff", args: []uint64{0, half, much, 16 << 20}},
		{name: "clock_time_get", args: []uint64{0, 0, 0}},
		{name: "path_open", args: []uint64{0, 0, half, half, 0, 0, 0, 0, 0}, fill: '/'},
		{name: "path_link", args: []uint64{0, 0, half, half, 0, half, half}, fill: '.'},
		{name: "path_symlink", args: []uint64{half, half, 0, half, half}, fill: '/'},
		{name: "fd_readdir", args: []uint64{0, half, half, 0, 0}},
		{name: "sock_send", args: []uint64{0, 0, much, 0, 0}},
		{name: "args_get", args: []uint64{16 << 20, half}},
		{name: "environ_get", args: []uint64{16 << 20, half}},
		{name: "environ_sizes_get", args: []uint64{0, 4}},
		{name: "__guest_request", args: []uint64{16 << 20, half}, wapc: true},
		{name: "__guest_response", args: []uint64{half, half}, wapc: true},
		{name: "__guest_error", args: []uint64{half, half}, fill: 0xff, wapc: true},
		{name: "__console_log", args: []uint64{half, half}, fill: 'x', wapc: true},
		{name: "__console_log", args: []uint64{half, half}, fill: 0xff, wapc: true},
		{name: "__host_call", args: []uint64{half, half, half, half, half, half, half, half}, fill: 'x', wapc: true},
		{name: "__host_call", args: []uint64{half, 1, half, 1, half, 1, half, half}, fill: 'x', wapc: true},
		{name: "__host_response", args: []uint64{half}, wapc: true},
		{name: "__host_error", args: []uint64{half}, wapc: true},
	}
	return all
}

// others adds for each function that has no hard call one whose arguments are all the same.
func others(e *wasm.Engine, all []hard) []hard {
	have := map[string]bool{"proc_exit": true} // it ends the call
	for _, h := range all {
		have[h.name] = true
	}
	for module, functions := range e.Imports() {
		for _, name := range slices.Sorted(maps.Keys(functions)) {
			if have[name] || module == "wasmbus" {
				continue
			}
			h := hard{name: name, wapc: module == "wapc", args: make([]uint64, len(functions[name].ParamTypes()))}
			for n := range h.args {
				h.args[n] = 16 << 20
			}
			all = append(all, h)
		}
	}
	return all
}

func (h hard) String() string { return fmt.Sprintf("%s%d of %#x", h.name, h.args, h.fill) }

// guest calls it for ever.
func (h hard) guest(t testing.TB, e *wasm.Engine) *wasm.Module {
	t.Helper()
	vector := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, 32<<20), 32<<20)
	c := caller{module: wasiModule, name: h.name, args: h.args, fill: h.fill, pages: 1 << 10, forever: true,
		data: bytes.Repeat(vector, 500_000)}
	if h.wapc {
		c.module = "wapc"
	}
	f := e.Imports()[c.module][h.name]
	c.params, c.results = f.ParamTypes(), f.ResultTypes()
	return compile(t, e, c.bytes())
}

// idle is a host that does nothing for its guests.
type idle struct{ spent uint64 }

func (*idle) Streams(lattice.LinkName, lattice.ContractID) bool { return false }

func (*idle) HostCall(context.Context, lattice.LinkName, lattice.ContractID, string, []byte,
	*stream.Caller) ([]byte, error) {
	return make([]byte, 1<<20), nil
}
func (*idle) Reserve(context.Context, int) error       { return nil }
func (h *idle) Spent(fuel uint64)                      { h.spent += fuel }
func (*idle) Log(context.Context, wasm.Source, string) {}

// manyVariables is an environment of 8 MiB.
func manyVariables() map[string]string {
	env := map[string]string{}
	for n := range 1 << 10 {
		env[fmt.Sprint("VARIABLE_", n)] = strings.Repeat("x", 8<<10)
	}
	return env
}

// Whatever function of the host a guest calls, with whatever arguments, the host works no longer for it than it would
// compute by itself, and what the host does is taken from the guest's fuel: a limit that a loop reaches in less than a
// second is reached soon after.
func TestHostFunctionsSpendFuel(t *testing.T) {
	long.Test(t, "lets guests run into their deadlines many times")
	e := newEngine(t)
	const limit = 1 << 30
	for _, h := range others(e, hards()) {
		t.Run(h.String(), func(t *testing.T) {
			s, execution := &idle{}, 2*time.Minute
			if h.name == "poll_oneoff" {
				execution = time.Second // it may sleep
			}
			i, err := h.guest(t, e).Instantiate(t.Context(), wasm.Limits{Fuel: limit, Execution: execution,
				HostCalls: 1 << 30}, s, manyVariables())
			if err != nil {
				t.Fatal(err)
			}
			defer i.Close(t.Context())
			before, from := wasm.Processor(), time.Now()
			_, err = i.Call(t.Context(), "x", make([]byte, 16<<20))
			took := wasm.Processor() - before
			t.Logf("%v of processor for %.3g units, %v in all: %v", took, float64(s.spent), time.Since(from), err)
			if code := lattice.CodeOf(err); code != lattice.ErrFuel &&
				(h.name != "poll_oneoff" || code != lattice.ErrInterrupted) {
				t.Error(err)
			}
			if took > 20*time.Second { // some 0.1 s are meant; the race detector and a busy machine make more of it
				t.Errorf("the host worked for %v", took)
			}
		})
	}
}

// One call reads, writes and waits for no more than a bound, and says how much that was.
func TestOneCallOfWASIIsBounded(t *testing.T) {
	e := newEngine(t)
	ask := func(name string, data []byte, args ...uint64) (result uint32, memory []byte) {
		f := e.Imports()[wasiModule][name]
		return askHost(t, e, caller{module: wasiModule, name: name, params: f.ParamTypes(), results: f.ResultTypes(),
			args: args, data: data, pages: 1 << 10})
	}
	vectors := func(n int, size uint32) []byte {
		return append(make([]byte, 8),
			bytes.Repeat(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, 1<<20), size), n)...)
	}
	for _, r := range []struct {
		count, size, written uint32
	}{{1, 1, 1}, {3, 7, 21}, {wasm.MaxVectors, 1, wasm.MaxVectors}, {2000, 1, wasm.MaxVectors},
		{1, 32 << 20, wasm.MaxTransfer}, {1000, 32 << 20, wasm.MaxTransfer}} {
		result, memory := ask("fd_write", vectors(int(r.count), r.size), 1, 8, uint64(r.count), 4)
		if written := binary.LittleEndian.Uint32(memory[4:]); result != 0 || written != r.written {
			t.Errorf("%d vectors of %d bytes: %d, %d bytes written, want %d", r.count, r.size, result, written,
				r.written)
		}
	}
	if result, _ := ask("fd_write", vectors(4, 1<<26), 1, 8, 4, 4); result != 21 {
		t.Errorf("a vector that is not there: %d", result)
	}

	subscription := func(user, kind byte, what uint64) []byte {
		s := make([]byte, 48)
		s[0], s[8] = user, kind
		if kind == 0 {
			binary.LittleEndian.PutUint64(s[24:], what)
		} else {
			binary.LittleEndian.PutUint32(s[16:], uint32(what))
		}
		return s
	}
	type event struct{ user, errno, kind byte }
	for _, r := range []struct {
		name  string
		subs  [][]byte
		errno uint32
		want  []event
	}{
		{"none", nil, 28, nil},
		{"a clock", [][]byte{subscription(1, 0, 1000)}, 0, []event{{1, 0, 0}}},
		{"the first of two", [][]byte{subscription(1, 0, 1<<63), subscription(2, 0, 1000)}, 0, []event{{2, 0, 0}}},
		{"input before a clock", [][]byte{subscription(1, 0, 1<<63), subscription(2, 1, 0)}, 0, []event{{2, 0, 1}}},
		{"streams", [][]byte{subscription(1, 1, 0), subscription(2, 2, 1), subscription(3, 1, 9)}, 0,
			[]event{{1, 0, 1}, {2, 58, 2}, {3, 8, 1}}},
		{"no such kind", [][]byte{subscription(1, 3, 0)}, 28, nil},
		{"too many", slices.Repeat([][]byte{subscription(1, 0, 0)}, wasm.MaxVectors+1), 28, nil},
	} {
		result, memory := ask("poll_oneoff", append(make([]byte, 8), bytes.Join(r.subs, nil)...), 8, 1<<20,
			uint64(len(r.subs)), 4)
		var got []event
		for e := memory[1<<20:]; len(got) < int(binary.LittleEndian.Uint32(memory[4:])); e = e[32:] {
			got = append(got, event{e[0], e[8], e[10]})
		}
		if result != r.errno || !slices.Equal(got, r.want) {
			t.Errorf("%s: %d, %v; want %d, %v", r.name, result, got, r.errno, r.want)
		}
	}
}
