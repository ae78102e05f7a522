package instrument

import (
	"fmt"
	"unicode/utf8"

	"github.com/weftlattice/weft/lattice"
)

// reader decodes from a byte slice. The first error sticks: from then on every method returns zero values, so that
// callers check err once per entry, not once per byte.
type reader struct {
	b    []byte
	off  int
	base int    // where b begins in the module, for error texts
	what string // what b is, for error texts
	err  error

	module *module // whose indices are checked, or nil
	memory bool    // something that was read needs a memory
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = bad("%s at byte %#x: %s", r.what, r.base+r.off, fmt.Sprintf(format, args...))
	}
}

// bad makes the error of this package.
func bad(format string, args ...any) *lattice.Error {
	return &lattice.Error{Code: lattice.ErrBadModule, Op: "read module", Detail: fmt.Sprintf(format, args...)}
}

func (r *reader) left() int { return len(r.b) - r.off }

// more reports whether there is anything left to read.
func (r *reader) more() bool { return r.err == nil && r.off < len(r.b) }

func (r *reader) byte() byte {
	if r.err != nil || r.off >= len(r.b) {
		r.fail("unexpected end")
		return 0
	}
	c := r.b[r.off]
	r.off++
	return c
}

// take returns the next n bytes without copying them.
func (r *reader) take(n uint32) []byte {
	if r.err != nil || uint64(n) > uint64(r.left()) {
		r.fail("unexpected end: %d bytes wanted, %d left", n, r.left())
		return nil
	}
	b := r.b[r.off : r.off+int(n)]
	r.off += int(n)
	return b
}

// u32 reads an unsigned LEB128 of at most 5 bytes.
func (r *reader) u32() uint32 {
	var v uint64
	for shift := 0; shift < 35; shift += 7 {
		c := r.byte()
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			if v > 1<<32-1 {
				r.fail("number exceeds 32 bits")
			}
			return uint32(v)
		}
	}
	r.fail("number longer than 5 bytes")
	return 0
}

// signed reads a signed LEB128 of at most max bytes.
func (r *reader) signed(max int) int64 {
	var v int64
	for i := range max {
		c := r.byte()
		if shift := 7 * i; shift < 64 {
			v |= int64(c&0x7f) << shift
			if c < 0x80 {
				if c&0x40 != 0 && shift+7 < 64 {
					v |= -1 << (shift + 7)
				}
				return v
			}
		}
	}
	r.fail("number longer than %d bytes", max)
	return 0
}

// count reads the length of a vector. Entries take a byte or more each, so a count above what is left is a lie.
func (r *reader) count(of string, max uint32) uint32 {
	n := r.u32()
	switch {
	case r.err != nil:
		return 0
	case n > max:
		r.fail("%d %s, %d allowed", n, of, max)
		return 0
	case uint64(n) > uint64(r.left()):
		r.fail("%d %s do not fit the %d bytes left", n, of, r.left())
		return 0
	}
	return n
}

// name reads a length and that many bytes of UTF-8.
func (r *reader) name() string {
	b := r.take(r.u32())
	if !utf8.Valid(b) {
		r.fail("name is not UTF-8")
		return ""
	}
	return string(b)
}

// end fails unless everything has been read.
func (r *reader) end() {
	if r.err == nil && r.off != len(r.b) {
		r.fail("%d bytes too many", r.left())
	}
}

// appendU32 appends v as unsigned LEB128.
func appendU32(b []byte, v uint32) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// appendBytes appends the length of p and p.
func appendBytes(b, p []byte) []byte { return append(appendU32(b, uint32(len(p))), p...) }
