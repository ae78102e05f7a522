package instrument_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/weftlattice/weft/host/internal/instrument"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/lattice"
)

// TestSpec runs the WebAssembly specification's tests, as the engine's module carries them, with and without rewriting:
// each command must have the same outcome.
func TestSpec(t *testing.T) {
	for _, dir := range specDirs(t) {
		paths, _ := filepath.Glob(filepath.Join(dir, "testdata", "*.json"))
		if len(paths) == 0 {
			t.Fatalf("no tests in %s", dir)
		}
		for _, path := range paths {
			name := filepath.Base(dir) + "/" + strings.TrimSuffix(filepath.Base(path), ".json")
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				runSpec(t, path)
			})
		}
	}
}

// specDirs finds the tests in the source of the engine.
func specDirs(t *testing.T) []string {
	t.Helper()
	long.Test(t, "runs the engine's own tests")
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(strings.TrimSpace(string(out)), "internal", "integration_test", "spectest")
	return []string{filepath.Join(root, "v1"), filepath.Join(root, "v2"), filepath.Join(root, "extended-const")}
}

type command struct {
	Type       string `json:"type"`
	Line       int    `json:"line"`
	Name       string `json:"name"`
	As         string `json:"as"`
	Filename   string `json:"filename"`
	ModuleType string `json:"module_type"`
	Action     action `json:"action"`
}

type action struct {
	Type   string     `json:"type"`
	Module string     `json:"module"`
	Field  string     `json:"field"`
	Args   []argument `json:"args"`
}

type argument struct {
	Type     string          `json:"type"`
	LaneType string          `json:"lane_type"`
	Value    json.RawMessage `json:"value"`
}

func runSpec(t *testing.T, path string) {
	var script struct {
		Commands []command `json:"commands"`
	}
	if err := json.Unmarshal(load(t, path), &script); err != nil {
		t.Fatal(err)
	}
	plain, rewritten := newWorld(t, false), newWorld(t, true)
	for n, c := range script.Commands {
		if n+1 < len(script.Commands) && script.Commands[n+1].Type == "register" {
			c.As = script.Commands[n+1].As
		}
		var code []byte
		if c.Filename != "" {
			if c.ModuleType == "text" {
				continue
			}
			code = load(t, filepath.Join(filepath.Dir(path), c.Filename))
		}
		want, got := plain.run(t, c, code), rewritten.run(t, c, code)
		if want != got {
			t.Errorf("line %d, %s %s %s: %s without, %s with", c.Line, c.Type, c.Filename, c.Action.Field, want, got)
		}
	}
}

// world is an engine with the modules of one script.
type world struct {
	rewrites bool
	runtime  wazero.Runtime
	modules  map[string]api.Module
	last     api.Module
}

func newWorld(t *testing.T, rewrites bool) *world {
	w := &world{rewrites: rewrites, modules: map[string]api.Module{}}
	w.runtime = newRuntime(t, wazero.NewRuntimeConfig())
	if _, err := w.runtime.InstantiateWithConfig(t.Context(), load(t, "testdata/spectest.wasm"),
		wazero.NewModuleConfig().WithName("spectest")); err != nil {
		t.Fatal(err)
	}
	return w
}

// run returns the outcome of a command as a text.
func (w *world) run(t *testing.T, c command, code []byte) string {
	switch c.Type {
	case "module", "assert_invalid", "assert_malformed", "assert_unlinkable", "assert_uninstantiable":
		m, err := w.open(t, code, c.As)
		if err != nil {
			if c.Type == "module" {
				w.last = nil
			}
			return "refused"
		}
		if c.Type == "module" {
			w.last, w.modules[c.Name] = m, m
		}
		return "taken"
	case "register": // done with the module, which stands before it
		return ""
	default:
		return w.act(t, c.Action)
	}
}

func (w *world) open(t *testing.T, code []byte, name string) (api.Module, error) {
	if w.rewrites {
		r, err := instrument.Rewrite(code)
		if err != nil {
			if lattice.CodeOf(err) != lattice.ErrBadModule {
				t.Errorf("not a refusal: %v", err)
			}
			return nil, err
		}
		code = r.Wasm
	}
	m, err := w.runtime.InstantiateWithConfig(t.Context(), code,
		wazero.NewModuleConfig().WithName(name).WithStartFunctions())
	if err != nil {
		return nil, err
	}
	if f := m.ExportedFunction(instrument.StartFunc); f != nil {
		if _, err := f.Call(t.Context()); err != nil {
			return nil, errors.Join(err, m.Close(t.Context()))
		}
	}
	return m, nil
}

func (w *world) act(t *testing.T, a action) string {
	m := w.last
	if a.Module != "" {
		m = w.modules[a.Module]
	}
	if m == nil {
		return "no module"
	}
	if a.Type == "get" {
		g := m.ExportedGlobal(a.Field)
		if g == nil {
			return "no global"
		}
		return outcome([]api.ValueType{g.Type()}, []uint64{g.Get()})
	}
	f := m.ExportedFunction(a.Field)
	if f == nil {
		return "no function"
	}
	var args []uint64
	for _, a := range a.Args {
		args = append(args, a.words(t)...)
	}
	out, err := f.Call(t.Context(), args...)
	if err != nil {
		text, _, _ := strings.Cut(err.Error(), "\n")
		return text
	}
	return outcome(f.Definition().ResultTypes(), out)
}

// outcome makes results comparable: a NaN is as good as another, and references are opaque.
func outcome(types []api.ValueType, words []uint64) string {
	var s []string
	for _, t := range types {
		word := words[0]
		words = words[1:]
		switch {
		case t == api.ValueTypeF32 && math.IsNaN(float64(math.Float32frombits(uint32(word)))),
			t == api.ValueTypeF64 && math.IsNaN(math.Float64frombits(word)):
			s = append(s, "nan")
		case t == 0x7b:
			s = append(s, fmt.Sprintf("%x %x", word, words[0]))
			words = words[1:]
		case t == 0x70:
			s = append(s, fmt.Sprint(word == 0))
		default:
			s = append(s, fmt.Sprintf("%x", word))
		}
	}
	return strings.Join(s, ", ")
}

// words returns an argument as the engine takes it.
func (a argument) words(t *testing.T) []uint64 {
	if a.Type != "v128" {
		var s string
		if err := json.Unmarshal(a.Value, &s); err != nil {
			t.Fatal(err)
		}
		return []uint64{number(t, s)}
	}
	var lanes []string
	if err := json.Unmarshal(a.Value, &lanes); err != nil {
		t.Fatal(err)
	}
	var b [2]uint64
	bits := 128 / len(lanes)
	for n, lane := range lanes {
		v := number(t, lane)
		if bits < 64 {
			v &= 1<<bits - 1
		}
		b[n*bits/64] |= v << (n * bits % 64)
	}
	return b[:]
}

func number(t *testing.T, s string) uint64 {
	switch {
	case s == "null":
		return 0
	case strings.HasPrefix(s, "nan"):
		return math.Float64bits(math.NaN())
	}
	v, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		i, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		v = uint64(i)
	}
	return v
}
