package attack

import (
	"bytes"
	"strings"
	"testing"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
)

// Modules that are legal, or nearly, but large in one respect: each is refused with the name of what is too large, or
// runs.
func TestHostileModules(t *testing.T) {
	r := newRig(t)
	for _, h := range []struct {
		name  string
		make  func(m *module)
		code  lattice.Code // 0: it runs
		words string
	}{
		{"a million functions", func(m *module) {
			for range 1_000_000 {
				m.function([]byte{0})
			}
		}, lattice.ErrBadModule, "1000001 entries in section function, 200000 allowed"},
		{"many functions", func(m *module) {
			for range 50_000 {
				m.function([]byte{0})
			}
		}, 0, ""},
		{"a nest of a million blocks", func(m *module) {
			m.function([]byte{0}, bytes.Repeat([]byte{opBlock, void}, 1_000_000),
				bytes.Repeat([]byte{opEnd}, 1_000_000))
		}, lattice.ErrBadModule, "too many branches to compile"},
		{"thirty nests of 20000 blocks", func(m *module) { // compiled in minutes before there was a bound
			for range 30 {
				m.function([]byte{0}, bytes.Repeat([]byte{opBlock, void}, 19_990), bytes.Repeat([]byte{opEnd}, 19_990))
			}
		}, lattice.ErrBadModule, "too many branches to compile"},
		{"a nest of loops", func(m *module) {
			m.function([]byte{0}, bytes.Repeat([]byte{opLoop, void}, 1000), bytes.Repeat([]byte{opEnd}, 1000))
		}, lattice.ErrBadModule, "more than 200 nested loops"},
		{"100000 branches in a row", func(m *module) {
			m.function([]byte{0}, bytes.Repeat([]byte{opBlock, void, opConst, 0, opBrIf, 0, opEnd}, 100_000))
		}, lattice.ErrBadModule, "too many branches to compile"},
		{"a br_table of 7 million targets", func(m *module) {
			m.function([]byte{0}, []byte{opConst, 0, opBrTable}, uleb(7_000_000), make([]byte, 7_000_001))
		}, lattice.ErrBadModule, "too many branches to compile"},
		{"8 million calls", func(m *module) {
			for range 100 {
				m.function([]byte{0}, bytes.Repeat([]byte{opCall, 1}, 80_000))
			}
		}, lattice.ErrBadModule, "more than 2000000 call instructions"},
		// 48 KiB that took 5 GiB before there was a bound
		{"20000 calls of 1000 parameters and 1000 results", func(m *module) {
			m.types = append(m.types, join([]byte{0x60}, uleb(1000), bytes.Repeat([]byte{i32}, 1000), uleb(1000),
				bytes.Repeat([]byte{i32}, 1000)))
			m.tables = [][]byte{join([]byte{0x70, 0}, uleb(1))}
			m.function([]byte{0}, bytes.Repeat([]byte{opConst, 0}, 1000),
				bytes.Repeat(join([]byte{opConst, 0, opCallIndirect}, uleb(uint64(len(m.types)-1)), []byte{0}),
					20_000), bytes.Repeat([]byte{opDrop}, 1000))
		}, lattice.ErrBadModule, "by its calls and branches, 1000000 allowed; hand structures over by memory"},
		{"50000 loads whose bounds are known in 14000 blocks", func(m *module) { // 0.5 MiB that takes 4 GiB
			m.function([]byte{1, 1, i32}, bytes.Repeat([]byte{opLocalGet, 0, opConst, 1, opAdd, opLoad, 2, 0, opDrop},
				50_000),
				bytes.Repeat([]byte{opBlock, void, opLocalGet, 0, opBrIf, 0, opEnd}, 14_000))
		}, lattice.ErrBadModule, "MiB of memory; --compile-memory of the host allows more"},
		{"a table of 4 G elements", func(m *module) { m.tables = [][]byte{join([]byte{0x70, 0}, uleb(1<<32-1))} },
			lattice.ErrBadModule, "table of 4294967295 elements, 1048576 allowed"},
		{"tables as large as is allowed",
			func(m *module) { m.tables = times(4, join([]byte{0x70, 0}, uleb(1<<20))...) }, 0, ""},
		{"15 million table elements", func(m *module) {
			m.tables = [][]byte{join([]byte{0x70, 0}, uleb(1<<20))}
			m.elements = times(15, join([]byte{0, opConst, 0, opEnd}, uleb(1<<20), make([]byte, 1<<20))...)
		}, lattice.ErrBadModule, "section element has 15728746 bytes, 2097152 allowed"},
		{"a custom section of 60 MiB", func(m *module) { m.custom = make([]byte, 60<<20) }, 0, ""},
		{"a module of 70 MiB", func(m *module) { m.custom = make([]byte, 70<<20) }, lattice.ErrBadModule,
			"67108864 allowed"},
		{"a memory of 4 GiB at the start", func(m *module) { m.memory = join([]byte{0}, uleb(65536)) },
			lattice.ErrMemory, "begins with 4294967296 bytes of memory, its limit is 67108864"},
		{"a data segment of 40 MiB that is never used",
			func(m *module) { m.data = [][]byte{join([]byte{1}, sized(make([]byte, 40<<20)))} }, 0, ""},
		{"a million data segments", func(m *module) { m.data = times(1_000_000, 1, 0) }, lattice.ErrBadModule,
			"1000000 entries in section data, 100000 allowed"},
		{"data outside of the memory", func(m *module) {
			m.data = [][]byte{join([]byte{0, opConst}, uleb(0x0fffffff), []byte{opEnd}, sized([]byte("x")))}
		}, lattice.ErrBadModule, "lie outside of the memory of 65536"},
		{"a million globals", func(m *module) { m.globals = times(1_000_000, i32, 1, opConst, 0, opEnd) },
			lattice.ErrBadModule, "entries in section global, 100000 allowed"},
		{"a million types", func(m *module) { m.types = append(m.types, times(999_998, 0x60, 1, i32, 0)...) },
			lattice.ErrBadModule, "1000000 entries in section type, 50000 allowed"},
		{"30000 types of 1000 parameters", func(m *module) {
			m.types = append(m.types, times(30_000, join([]byte{0x60}, uleb(1000), bytes.Repeat([]byte{i32}, 1000),
				[]byte{0})...)...)
		}, lattice.ErrBadModule, "section type has"},
		{"a million imports", func(m *module) {
			m.imports = times(1_000_000, join(name("wapc"), name("__console_log"), []byte{0, typeVoid})...)
		}, lattice.ErrBadModule, "1000000 entries in section import, 10000 allowed"},
		{"a million exports", func(m *module) {
			for i := range 999_998 {
				m.exports = append(m.exports, join(sized(letters(i)), []byte{0, 0}))
			}
		}, lattice.ErrBadModule, "1000000 entries in section export, 100000 allowed"},
		{"4 G locals", func(m *module) { m.function(join([]byte{1}, uleb(1<<32-1), []byte{i32})) },
			lattice.ErrBadModule, "4294967295 locals in a function"},
		{"50000 locals in each of 79 functions", func(m *module) {
			for range 79 {
				m.function(join([]byte{1}, uleb(50_000), []byte{0x7e}))
			}
		}, 0, ""},
		{"a function of 7 MiB", func(m *module) {
			m.function([]byte{0}, bytes.Repeat([]byte{opConst, 0, opDrop},
				2_500_000))
		}, 0, ""},
	} {
		r.attack(h.name, func(t *testing.T) {
			m := newModule()
			h.make(m)
			ref, id := r.module(h.name, m.bytes())
			code, text := r.start(ref)
			if code != h.code || !strings.Contains(text, h.words) {
				t.Errorf("%s: %s; want %s and %q", code.Name(), text, h.code.Name(), h.words)
			}
			if code == 0 {
				if err := r.ctl.StopActor(t.Context(), control.StopActorRequest{ActorID: id,
					HostID: r.ID}); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// letters spells a number below a million with the letters from A to Z and some signs after it.
func letters(i int) []byte {
	return []byte{'A' + byte(i&31), 'A' + byte(i>>5&31), 'A' + byte(i>>10&31), 'A' + byte(i>>15&31)}
}
