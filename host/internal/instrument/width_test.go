package instrument_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/weftlattice/weft/host/internal/instrument"
	"github.com/weftlattice/weft/lattice"
)

// What is written in few bytes but wide is refused with the function, what is too large, the bound and the way out.
// Each row is a size that is still taken, and one that is not.
func TestWidth(t *testing.T) {
	repeat := func(s string, n int) string { return strings.Repeat(s, n) }
	i32s := func(n int) string { return uleb(n) + repeat("\x7f", n) }
	// wide has the types () -> (), of 1000 values in and out, and of 1000 values out.
	wide := func(globals int, bodies ...string) []byte {
		types := "\x03\x60\x00\x00" + "\x60" + i32s(1000) + i32s(1000) + "\x60\x00" + i32s(1000)
		code := uleb(len(bodies))
		for _, b := range bodies {
			code += uleb(len(b)+1) + b + "\x0b"
		}
		global := ""
		if globals > 0 {
			global = uleb(globals) + repeat("\x7f\x01\x41\x00\x0b", globals)
		}
		sections := [][]byte{module(1, types, 3, uleb(len(bodies))+repeat("\x00", len(bodies)))}
		if global != "" {
			sections = append(sections, module(6, global)[8:])
		}
		return bytes.Join(append(sections, module(10, code)[8:]), nil)
	}
	for name, r := range map[string]struct {
		make       func(n int) []byte
		good, much int
		words      string
	}{
		"calls": {func(n int) []byte { return wide(0, "\x00"+repeat("\x11\x01\x00", n)) }, 500, 501,
			"function 0 passes 1002000 values by its calls and branches, 1000000 allowed; " +
				"hand structures over by memory"},
		"the known one": {func(n int) []byte { return wide(0, "\x00"+repeat("\x11\x01\x00", n)) }, 1, 20_000,
			"function 0 passes 40000000 values"},
		"blocks": {func(n int) []byte { return wide(0, "\x00"+repeat("\x02\x02\x00\x0b", n)) }, 500, 501,
			"function 0 passes 1002000 values"},
		"branches": {func(n int) []byte { return wide(0, "\x00\x02\x02"+repeat("\x0c\x00", n)+"\x0b") }, 998,
			1000, "function 0 passes 1002000 values"},
		"branch table": {func(n int) []byte { return wide(0, "\x00\x02\x02\x0e"+uleb(n)+repeat("\x00", n+1)+"\x0b") },
			997, 1000, "function 0 passes 1003000 values"},
		"mutable globals": {func(n int) []byte { return wide(n, "\x00"+repeat("\x10\x00", 4000)) }, 995, 996,
			"function 0 reads 4004000 mutable globals again after its calls, 4000000 allowed"},
		"mutable globals of all": {func(n int) []byte {
			bodies := make([]string, n)
			for i := range bodies {
				bodies[i] = "\x00" + repeat("\x10\x00", 4000)
			}
			return wide(995, bodies...)
		}, 25, 26, "the functions up to 25 read 104000000 mutable globals again after calls, 100000000 allowed"},
		"module": {func(n int) []byte {
			bodies := make([]string, n)
			for i := range bodies {
				bodies[i] = "\x00" + repeat("\x02\x02\x00\x0b", 500)
			}
			return wide(0, bodies...)
		}, 10, 11, "the calls and branches of the functions up to 10 pass 11000000 values, 10000000 allowed"},
		"locals and branches": {func(n int) []byte {
			return wide(0, "\x01"+uleb(n)+"\x7f"+repeat("\x02\x40\x0b",
				4000))
		}, 1000, 1001, "function 0 has 1001 locals and 4000 branches"},
		"many locals": {func(n int) []byte {
			return wide(0, "\x01"+uleb(n)+"\x7f"+repeat("\x02\x40\x0b",
				10))
		}, 20_000, 20_001, "function 0 has 20001 locals and 10 branches"},
		"functions and globals": {func(n int) []byte {
			bodies := make([]string, 11_000)
			for i := range bodies {
				bodies[i] = "\x00"
			}
			return wide(n, bodies...)
		}, 97_612, 97_613, "11000 functions and 97613 globals"},
	} {
		if _, err := instrument.Rewrite(r.make(r.good)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_, err := instrument.Rewrite(r.make(r.much))
		if lattice.CodeOf(err) != lattice.ErrBadModule || !strings.Contains(err.Error(), r.words) {
			t.Errorf("%s: too much is answered by %v", name, err)
		}
	}
}
