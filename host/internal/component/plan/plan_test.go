package plan_test

import (
	enc "encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/weftlattice/weft/host/internal/component/binary"
	"github.com/weftlattice/weft/host/internal/component/plan"
	"github.com/weftlattice/weft/host/internal/component/wit"
	"github.com/weftlattice/weft/lattice"
)

func hello(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("../testdata/hello.wasm")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func planOf(b []byte) (*plan.Plan, error) {
	c, err := binary.Decode(b)
	if err != nil {
		return nil, err
	}
	return plan.Make(c)
}

// A component of Rust is three core modules: its code, and a pair that lets its imports need its memory.
func TestPlanOfAComponent(t *testing.T) {
	p, err := planOf(hello(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Modules) != 3 || len(p.Steps) != 3 || p.Instances != 2 {
		t.Errorf("%d modules, %d steps, %d instances", len(p.Modules), len(p.Steps), p.Instances)
	}
	var used []string
	for _, f := range p.Functions {
		if f.Used && strings.HasPrefix(f.Interface, "wasi:http/types@") {
			used = append(used, f.Name)
		}
	}
	for _, want := range []string{"[method]incoming-request.consume", "[static]response-outparam.set",
		"[method]outgoing-body.write"} {
		if !slices.Contains(used, want) {
			t.Errorf("does not use %s: %q", want, used)
		}
	}
	if len(p.Exports) != 1 || !strings.HasPrefix(p.Exports[0].Name.Text, "wasi:http/incoming-handler@0.2") {
		t.Fatalf("exports %+v", p.Exports)
	}
	handle := plan.Find(p.Exports[0].Items, "handle")
	if handle == nil || handle.Func.Lift == nil || len(handle.Func.Type.Params) != 2 {
		t.Errorf("handle: %+v", handle)
	}
	for n, s := range p.Steps {
		for _, d := range s.Imports {
			if d.Step >= n || d.Step == plan.FromBuiltins && d.Builtin >= len(p.Builtins) {
				t.Errorf("step %d imports %+v, which is not there yet", n, d)
			}
		}
	}
}

// Components may lie within each other, as compositions of compositions do, so deep and no deeper.
func TestComponentsWithinEachOther(t *testing.T) {
	nested := func(depth int) []byte {
		b := small()
		for range depth - 1 {
			outer := append(small(), 4)
			outer = enc.AppendUvarint(outer, uint64(len(b)))
			b = append(append(outer, b...), "\x05\x04\x01\x00\x00\x00"...) // and an instance of it
		}
		return b
	}
	if p, err := planOf(nested(64)); err != nil || p.Instances != 64 {
		t.Errorf("%v", err)
	}
	want := "components within each other: 64 allowed"
	if _, err := planOf(nested(65)); err == nil || !strings.Contains(err.Error(), want) {
		t.Error(err)
	}
}

// small is a component of sections.
func small(sections ...string) []byte {
	b := []byte("\x00asm\x0d\x00\x01\x00")
	for _, s := range sections {
		b = append(append(b, s[0], byte(len(s)-1)), s[1:]...)
	}
	return b
}

func TestComponentsThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"a module":          {[]byte("\x00asm\x01\x00\x00\x00"), "no component"},
		"an old component":  {[]byte("\x00asm\x0a\x00\x01\x00"), "make it anew"},
		"cut short":         {small("\x07\x01")[:10], "unexpected end"},
		"a stream":          {small("\x07\x01\x66\x00"), "WASI 0.3"},
		"an async function": {small("\x07\x01\x43\x00\x01\x00"), "wasm32-wasip2"},
		"WASI 0.3 by name": {small("\x07\x01\x43\x00\x01\x00", "\x00\x01xwasi:http/handler@0.3.0"),
			"built for wasi:http/handler@0.3.0; weft runs 0.2: build for wasm32-wasip2 (type section at byte"},
		"task.return":         {small("\x08\x01\x09\x01\x00\x00"), "canon task.return"},
		"unknown type":        {small("\x07\x01\x50"), "type 0x50 is unknown"},
		"undefined type":      {small("\x07\x01\x70\x05"), "type 5 of 0 is used before it is defined"},
		"undefined component": {small("\x05\x01\x00\x00\x00"), "component 0 of 0"},
		"an empty record":     {small("\x07\x01\x72\x00"), "an empty record"},
		"two fields alike":    {small("\x07\x01\x72\x02\x01a\x7f\x01A\x7f"), `label "A" twice`},
		"two cases alike":     {small("\x07\x01\x71\x02\x01a\x00\x00\x01A\x00\x00"), `label "A" twice`},
		"a component that nobody instantiates": {append(small(), section(4, small("\x07\x01\x70\x05"))...),
			"type 5 of 0 is used before it is defined"},
		"a type that nobody uses": {small("\x07\x01\x42\x01\x04\x00\x01f\x01\x05"),
			"type 5 of 0 is used before it is defined"},
		"a constructor without its resource": {small("\x07\x01\x40\x00\x01\x00",
			"\x0a\x01\x00\x0e[constructor]a\x01\x00"),
			"the import [constructor]a: there is no resource a beside it"},
		"a constructor of something else": {small("\x07\x01\x40\x00\x01\x00",
			"\x0a\x02\x00\x01a\x03\x01\x00\x0e[constructor]a\x01\x00"),
			"the import [constructor]a: it does not return a"},
		"a method that is no function": {small("\x0a\x01\x00\x0b[method]a.b\x03\x01"),
			"names a function, and is a type"},
		"imports that differ by case": {small("\x0a\x02\x00\x01a\x03\x01\x00\x01A\x03\x01"),
			"the import A conflicts with a"},
		"a method like its resource": {small("\x07\x01\x40\x00\x01\x00",
			"\x0a\x02\x00\x01a\x03\x01\x00\x0b[static]a.a\x01\x00"), "the import [static]a.a conflicts with a"},
		"a canonical function of garbage collected types": {small("\x08\x01\x00\x00\x00\x01\x09\x00"),
			"garbage collected types are not supported"},
		"a core type with a typed reference": {small("\x03\x01\x60\x01\x64\x00\x00"),
			"typed function references are not supported"},
		"a core module with a memory of 64 bits": {append(small(), section(1,
			[]byte("\x00asm\x01\x00\x00\x00\x05\x03\x01\x04\x01"))...), "64-bit memory is not supported"},
		"a core module with a global of exceptions": {append(small(), section(1,
			[]byte("\x00asm\x01\x00\x00\x00\x06\x06\x01\x69\x01\xd0\x69\x0b"))...), "exceptions are not supported"},
		"a core module that imports something twice": {append(small(), section(1,
			[]byte(
				"\x00asm\x01\x00\x00\x00\x01\x04\x01\x60\x00\x00\x02\x0d\x02\x01a\x01b\x00\x00\x01a\x01b\x00\x00"))...),
			"imports b from a twice"},
		"another component's resource": {append(small("\x07\x01\x3f\x7f\x00"),
			section(4, small("\x06\x01\x03\x02\x01\x00"))...),
			"an alias of a type of resources that another component has"},
		"a label with _":      {small("\x07\x01\x6e\x01\x03a_b"), "is no label"},
		"33 flags":            {small("\x07\x01\x6e\x21" + strings.Repeat("\x01a", 33)), "twice"},
		"a core module in it": {small("\x01\x00asm"), "no core module"},
		"a root that imports a component": {small("\x07\x01\x41\x00", "\x0a\x01\x00\x01a\x04\x00"),
			"imports a component"},
		"lift without function": {small("\x07\x01\x40\x00\x01\x00", "\x08\x01\x00\x00\x00\x00\x00"),
			"core func 0 of 0"},
	} {
		_, err := planOf(c.file)
		if lattice.CodeOf(err) != lattice.ErrBadModule || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// Components that instantiate each other twice, on each of many levels, would be more than any machine has.
func TestComponentsThatMultiply(t *testing.T) {
	c := small()
	for range 40 { // each has the one before in it, and makes it twice
		c = append(small(), section(4, c)...)
		c = append(c, section(5, []byte{2, 0, 0, 0, 0, 0, 0})...)
	}
	if _, err := planOf(c); err == nil || !strings.Contains(err.Error(), "instances of components") {
		t.Error(err)
	}
	// The same with instances that export the one before twice: what is exported would be shown 2⁴⁰ times.
	instances := []byte{41, 1, 0}
	for i := range byte(40) {
		instances = append(instances, 1, 2, 0, 1, 'a', 5, i, 0, 1, 'b', 5, i)
	}
	c = append(append(small(), section(5, instances)...), section(11, []byte{1, 0, 1, 'x', 5, 40, 0})...)
	if _, err := planOf(c); err == nil || !strings.Contains(err.Error(), "steps to resolve") {
		t.Error(err)
	}
	// The same with types, whose values would be as large.
	types := []byte{45, 0x6f, 2, 0x7d, 0x7d}
	for i := range byte(44) {
		types = append(types, 0x6f, 2, i, i)
	}
	if _, err := planOf(append(small(), section(7, types)...)); err == nil || !strings.Contains(err.Error(),
		"256 MiB") {
		t.Error(err)
	}
}

func section(id byte, body []byte) []byte {
	out := []byte{id}
	for n := len(body); ; n >>= 7 {
		if n < 0x80 {
			out = append(out, byte(n))
			break
		}
		out = append(out, byte(n)|0x80)
	}
	return append(out, body...)
}

// wide is a core module whose world imports so many functions, in two sections that say the same, and that imports the
// last of them.
func wide(told, used int) []byte {
	vector := func(n int, each func(i int) string) []byte {
		b := enc.AppendUvarint(nil, uint64(n))
		for i := range n {
			b = append(b, each(i)...)
		}
		return b
	}
	name := func(i int) string { return fmt.Sprintf("\x06f%05d", i) }
	world := append([]byte("\x41"), vector(told+1, func(i int) string {
		if i == 0 {
			return "\x01\x40\x00\x01\x00" // the type of all functions
		}
		return "\x03\x00" + name(i-1) + "\x01\x00"
	})...)
	types := slices.Concat([]byte("\x01\x41\x02\x01"), world, []byte("\x04\x00\x08acme:a/w\x04\x00"))
	worlds := slices.Concat([]byte("\x00asm\x0d\x00\x01\x00"), section(7, types),
		section(11, []byte("\x01\x00\x01w\x03\x00\x00")), section(0, []byte("\x16wit-component-encoding\x04\x00")))
	told = told - used
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00\x01\x04\x01\x60\x00\x00"),
		section(2, vector(used, func(i int) string { return "\x05$root" + name(told+i) + "\x00\x00" })),
		section(0, append([]byte("\x10component-type:a"), worlds...)),
		section(0, append([]byte("\x10component-type:b"), worlds...)))
}

// What a module's worlds tell of is found among as many functions as a file may have. Where each is looked for among
// all others this takes more than half a minute, and not part of a second.
func TestAModuleOfAWideWorld(t *testing.T) {
	b := wide(48_000, 19_000)
	worlds, err := binary.Worlds(b)
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.MakeModule(b, worlds)
	if err != nil {
		t.Fatal(err)
	}
	if len(worlds) != 2 || len(p.Imports) != 19_000 || len(p.Builtins) != 19_000 || len(p.Untold) != 0 {
		t.Fatalf("%d worlds, %d imports, %d functions, %d are not told of", len(worlds), len(p.Imports),
			len(p.Builtins), len(p.Untold))
	}
	if n := p.Imports[0].Name.Text; n != "f29000" || p.Builtins[0].Func.Import.Name != n {
		t.Errorf("the first import is %s, and its function %s", n, p.Builtins[0].Func.Import.Name)
	}
}

// FuzzMakeModule: whatever worlds a core module carries, it is planned or refused, soon and without a panic.
func FuzzMakeModule(f *testing.F) {
	for _, name := range []string{"hello-module.wasm", "worlds.wasm"} {
		b, err := os.ReadFile("../testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		worlds, err := binary.Worlds(b)
		var p *plan.Plan
		if err == nil {
			p, err = plan.MakeModule(b, worlds)
		}
		if err != nil {
			if lattice.CodeOf(err) != lattice.ErrBadModule {
				t.Fatal(err)
			}
			return
		}
		for _, d := range p.Steps[0].Imports {
			if d.Step != plan.FromPreview1 && (d.Step != plan.FromBuiltins || d.Builtin >= len(p.Builtins)) {
				t.Fatalf("imports %+v", d)
			}
		}
		wit.World(p)
	})
}

// FuzzMake: whatever a file says, it is planned or refused, soon and without a panic.
func FuzzMake(f *testing.F) {
	f.Add(hello(f))
	f.Add(small("\x07\x01\x72\x01\x01a\x7f"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := planOf(b)
		if err != nil {
			if lattice.CodeOf(err) != lattice.ErrBadModule {
				t.Fatal(err)
			}
			return
		}
		for n, s := range p.Steps {
			if len(s.Imports) != len(p.Modules[s.Module].Surface.Imports) {
				t.Fatalf("step %d has %d imports", n, len(s.Imports))
			}
			for _, d := range s.Imports {
				if d.Step >= n || d.Step < 0 && (d.Builtin < 0 || d.Builtin >= len(p.Builtins)) {
					t.Fatalf("step %d imports %+v", n, d)
				}
			}
		}
	})
}

func BenchmarkMake(b *testing.B) {
	file := hello(b)
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		if p, err := planOf(file); err != nil || len(p.Steps) != 3 {
			b.Fatal(err)
		}
	}
}
