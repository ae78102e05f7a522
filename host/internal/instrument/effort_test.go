package instrument_test

import (
	"strings"
	"testing"

	"github.com/weftlattice/weft/host/internal/instrument"
	"github.com/weftlattice/weft/lattice"
)

// What takes the engine too long is refused before it begins. Each row is a size that is still taken, and one that is
// not.
func TestEffort(t *testing.T) {
	uleb := func(v int) string {
		var b []byte
		for ; v >= 0x80; v >>= 7 {
			b = append(b, byte(v)|0x80)
		}
		return string(append(b, byte(v)))
	}
	function := func(code string) []byte {
		f := "\x00" + code + "\x0b"
		return module(1, "\x01\x60\x00\x00", 3, "\x01\x00", 10, "\x01"+uleb(len(f))+f)
	}
	entries := func(id int, entry string) func(n int) []byte {
		return func(n int) []byte { return module(id, uleb(n)+strings.Repeat(entry, n)) }
	}
	for name, r := range map[string]struct {
		make       func(n int) []byte
		good, much int
		words      string
	}{
		"conditional branches": {func(n int) []byte {
			return function(strings.Repeat("\x02\x40\x41\x00\x0d\x00\x0b",
				n))
		}, 15_000, 16_000, "branches"},
		"ifs": {func(n int) []byte { return function(strings.Repeat("\x41\x00\x04\x40\x05\x0b", n)) },
			15_000, 16_000, "branches"},
		"loops": {func(n int) []byte { return function(strings.Repeat("\x03\x40\x0b", n)) }, 7_900,
			8_000, "branches"},
		"returns": {func(n int) []byte { return function(strings.Repeat("\x0f", n)) }, 31_600, 31_601,
			"branches"},
		"branch table": {func(n int) []byte {
			return function("\x41\x00\x0e" + uleb(n) + strings.Repeat("\x00",
				n+1))
		}, 31_000, 32_000, "branches"},
		"calls": {func(n int) []byte { // twenty functions of 100 000, and one
			f := "\x00" + strings.Repeat("\x10\x00", 100_000) + "\x0b"
			last := "\x00" + strings.Repeat("\x10\x00", n-2_000_000) + "\x0b"
			return module(1, "\x01\x60\x00\x00", 3, "\x15"+strings.Repeat("\x00", 21), 10,
				"\x15"+strings.Repeat(uleb(len(f))+f, 20)+uleb(len(last))+last)
		}, 2_000_000, 2_000_001, "call instructions"},
		"branches of all functions": {func(n int) []byte {
			f := "\x00" + strings.Repeat("\x02\x40\x0b", 10_000) + "\x0b"
			return module(1, "\x01\x60\x00\x00", 3, uleb(n)+strings.Repeat("\x00", n), 10,
				uleb(n)+strings.Repeat(uleb(len(f))+f, n))
		}, 100, 101, "exceed 10000000000 at the function 100"},
		"types": {entries(1, "\x60\x00\x00"), 50_000, 50_001, "section type"},
		"parameters": {func(n int) []byte {
			return module(1, uleb(n)+strings.Repeat("\x60"+uleb(1000)+strings.Repeat("\x7f", 1000)+"\x00", n))
		}, 1_000, 1_050, "section type has"},
		"globals":  {entries(6, "\x7f\x01\x41\x00\x0b"), 100_000, 100_001, "section global"},
		"segments": {entries(11, "\x01\x00"), 100_000, 100_001, "section data"},
		"elements": {func(n int) []byte {
			return module(1, "\x01\x60\x00\x00", 3, "\x01\x00", 4, "\x01\x70\x00\x01", 9,
				"\x01\x00\x41\x00\x0b"+uleb(n)+strings.Repeat("\x00", n), 10, "\x01\x02\x00\x0b")
		}, 1 << 20, 2 << 20, "element"},
	} {
		if _, err := instrument.Rewrite(r.make(r.good)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_, err := instrument.Rewrite(r.make(r.much))
		if lattice.CodeOf(err) != lattice.ErrBadModule || !strings.Contains(err.Error(), r.words) {
			t.Errorf("%s: too much is answered by %v", name, err)
		}
	}
	functions := module(1, "\x01\x60\x00\x00", 3, uleb(200_001)+strings.Repeat("\x00", 200_001))
	if _, err := instrument.Rewrite(functions); lattice.CodeOf(err) != lattice.ErrBadModule ||
		!strings.Contains(err.Error(), "200000") {
		t.Error(err)
	}
}
