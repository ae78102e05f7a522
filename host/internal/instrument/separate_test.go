package instrument_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/weftlattice/weft/host/internal/instrument"
)

func separate(t testing.TB, wasm []byte) *instrument.Separated {
	t.Helper()
	s, err := instrument.Separate(rewrite(t, wasm))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The data and the mutable globals are out; the engine takes the rest.
func TestSeparate(t *testing.T) {
	s := separate(t, load(t, "../wasm/testdata/state.wasm"))
	var data []string
	for _, d := range s.Data {
		data = append(data, string(d.Bytes))
	}
	if s.Opaque != "" || !slices.Equal(data, []string{"first", "second", "at the end"}) ||
		s.Data[2].Offset(nil) != 131060 {
		t.Errorf("%q %q %v", s.Opaque, data, s.Data)
	}
	r := newRuntime(t, wazero.NewRuntimeConfig())
	c, err := r.CompileModule(t.Context(), s.Wasm)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Globals) < 4 || !strings.HasPrefix(s.Globals[0], instrument.ReservedPrefix) {
		t.Errorf("globals %q", s.Globals)
	}
	if c.ExportedMemories()["memory"] == nil || c.ExportedFunctions()["__guest_call"] == nil {
		t.Error("exports are gone")
	}
}

// A module that is linked when it is instantiated imports where its data belongs, and has globals after those that it
// imports.
func TestSeparateAModuleThatIsLinked(t *testing.T) {
	s := separate(t, module(
		2, "\x03\x01m\x04base\x03\x7f\x00\x01m\x05other\x03\x7f\x01\x01m\x03mem\x02\x01\x00\x02",
		6, "\x01\x7f\x01\x41\x07\x0b",
		11, "\x02\x00\x23\x00\x0b\x01x\x00\x41\x06\x41\x02\x23\x00\x6a\x6c\x41\x01\x6b\x0b\x01y"))
	if s.Opaque != "" || len(s.Data) != 2 {
		t.Fatalf("%q, %d segments", s.Opaque, len(s.Data))
	}
	base := func(name string) uint32 {
		if name != "__weft_global_0" {
			t.Errorf("it asks for %s", name)
		}
		return 100
	}
	if a, b := s.Data[0].Offset(base), s.Data[1].Offset(base); a != 100 || b != 611 {
		t.Errorf("the segments belong to %d and %d, want 100 and 611", a, b)
	}
	if !slices.Equal(s.Globals, []string{"__weft_global_2"}) {
		t.Errorf("globals %q", s.Globals)
	}
	unbounded, err := instrument.Unbounded(s.Wasm)
	if err != nil {
		t.Fatal(err)
	}
	r := newRuntime(t, wazero.NewRuntimeConfig())
	c, err := r.CompileModule(t.Context(), unbounded)
	if err != nil {
		t.Fatal(err)
	}
	if _, bounded := c.ImportedMemories()[0].Max(); bounded {
		t.Error("the memory that it imports is bounded")
	}
}

func TestOpaque(t *testing.T) {
	table := []any{4, "\x01\x70\x00\x01"}
	with := func(code string, more ...any) []byte {
		sections := append([]any{1, "\x01\x60\x00\x00", 3, "\x01\x00"}, more...)
		return module(append(sections, 10, "\x01"+string(rune(len(code)+2))+"\x00"+code+"\x0b")...)
	}
	for name, c := range map[string]struct {
		code []byte
		want string
	}{
		"table.set":     {with("\x41\x00\xd0\x70\x26\x00", table...), "changes a table"},
		"table.grow":    {with("\xd0\x70\x41\x01\xfc\x0f\x00\x1a", table...), "changes a table"},
		"overlong":      {with("\xd0\x70\x41\x01\xfc\x8f\x00\x00\x1a", table...), "changes a table"},
		"reference":     {module(6, "\x01\x70\x01\xd0\x70\x0b"), "reference"},
		"vector":        {module(6, "\x01\x7b\x01\xfd\x0c"+strings.Repeat("\x00", 16)+"\x0b"), "vector"},
		"not computed":  {module(5, "\x01\x00\x01", 11, "\x01\x00\x43\x00\x00\x00\x00\x0b\x01x"), "no constant"},
		"half computed": {module(5, "\x01\x00\x01", 11, "\x01\x00\x41\x01\x6a\x0b\x01x"), "no constant"},
		"two results":   {module(5, "\x01\x00\x01", 11, "\x01\x00\x41\x01\x41\x01\x0b\x01x"), "no constant"},
		"a changing base": {module(5, "\x01\x00\x01", 6, "\x01\x7f\x01\x41\x00\x0b", 11,
			"\x01\x00\x23\x00\x0b\x01x"), "no constant"},
		"many":        {module(6, "\x81\x80\x01"+strings.Repeat("\x7f\x01\x41\x00\x0b", 16385)), "more than 16384"},
		"constant v":  {module(6, "\x01\x7b\x00\xfd\x0c"+strings.Repeat("\x00", 16)+"\x0b"), ""},
		"passive":     {module(5, "\x01\x00\x01", 11, "\x01\x01\x01x"), ""},
		"nothing":     {module(), ""},
		"a plain one": {with("", table...), ""},
	} {
		s := separate(t, c.code)
		if !strings.Contains(s.Opaque, c.want) || c.want == "" && s.Opaque != "" {
			t.Errorf("%s: %q", name, s.Opaque)
		}
		if s.Opaque != "" && (s.Data != nil || s.Globals != nil) {
			t.Errorf("%s: opaque, but with parts", name)
		}
	}
}

func FuzzSeparate(f *testing.F) {
	for _, pattern := range []string{"testdata/*.wasm", "../wasm/testdata/*.wasm"} {
		paths, _ := filepath.Glob(pattern)
		for _, path := range paths {
			f.Add(load(f, path))
		}
	}
	r := newRuntime(f, wazero.NewRuntimeConfig())
	f.Fuzz(func(t *testing.T, wasm []byte) {
		out, err := instrument.Rewrite(wasm)
		if err != nil {
			return
		}
		s, err := instrument.Separate(out.Wasm)
		if err != nil {
			t.Fatalf("what Rewrite made is not understood: %v", err)
		}
		before, err := r.CompileModule(t.Context(), out.Wasm)
		if err != nil {
			return
		}
		defer before.Close(t.Context())
		after, err := r.CompileModule(t.Context(), s.Wasm)
		if err != nil {
			t.Fatalf("the engine takes the input, but not the output: %v", err)
		}
		_ = after.Close(t.Context())
	})
}
