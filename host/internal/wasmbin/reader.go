// Package wasmbin reads the binary format that WebAssembly modules and components share: numbers, names and vectors.
package wasmbin

import (
	"fmt"
	"unicode/utf8"

	"github.com/weftlattice/weft/lattice"
)

// Reader decodes from a byte slice. The first error sticks: from then on every method returns zero values, so that
// callers check Err once per entry, not once per byte. It is not safe for concurrent use.
type Reader struct {
	B    []byte
	Off  int    // of the next byte in B
	Base int    // where B begins in the file, for error texts
	What string // what B is, for error texts
	Err  error
}

// Fail is the error of what is read: it says where that is.
func (r *Reader) Fail(format string, args ...any) {
	if r.Err == nil {
		r.Err = Bad("%s at byte %#x: %s", r.What, r.Base+r.Off, fmt.Sprintf(format, args...))
	}
}

// Left is how many bytes are left.
func (r *Reader) Left() int { return len(r.B) - r.Off }

// More reports whether there is anything left to read.
func (r *Reader) More() bool { return r.Err == nil && r.Off < len(r.B) }

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if r.Err != nil || r.Off >= len(r.B) {
		r.Fail("unexpected end")
		return 0
	}
	c := r.B[r.Off]
	r.Off++
	return c
}

// Take returns the next n bytes without copying them.
func (r *Reader) Take(n uint32) []byte {
	if r.Err != nil || uint64(n) > uint64(r.Left()) {
		r.Fail("unexpected end: %d bytes wanted, %d left", n, r.Left())
		return nil
	}
	b := r.B[r.Off : r.Off+int(n)]
	r.Off += int(n)
	return b
}

// U32 reads an unsigned LEB128 of at most 5 bytes.
func (r *Reader) U32() uint32 {
	var v uint64
	for shift := 0; shift < 35; shift += 7 {
		c := r.Byte()
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			if v > 1<<32-1 {
				r.Fail("number exceeds 32 bits")
			}
			return uint32(v)
		}
	}
	r.Fail("number longer than 5 bytes")
	return 0
}

// Signed reads a signed LEB128 of at most max bytes.
func (r *Reader) Signed(max int) int64 {
	var v int64
	for i := range max {
		c := r.Byte()
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
	r.Fail("number longer than %d bytes", max)
	return 0
}

// Count reads the length of a vector. Entries take a byte or more each, so a count above what is left is a lie.
func (r *Reader) Count(of string, max uint32) uint32 {
	n := r.U32()
	switch {
	case r.Err != nil:
		return 0
	case n > max:
		r.Fail("%d %s, %d allowed", n, of, max)
		return 0
	case uint64(n) > uint64(r.Left()):
		r.Fail("%d %s do not fit the %d bytes left", n, of, r.Left())
		return 0
	}
	return n
}

// Name reads a length and that many bytes of UTF-8.
func (r *Reader) Name() string {
	b := r.Take(r.U32())
	if !utf8.Valid(b) {
		r.Fail("name is not UTF-8")
		return ""
	}
	return string(b)
}

// End fails unless everything has been read.
func (r *Reader) End() {
	if r.Err == nil && r.Off != len(r.B) {
		r.Fail("%d bytes too many", r.Left())
	}
}

// Instructions of constant expressions that name something.
const (
	GlobalGet = 0x23
	RefFunc   = 0xd2
)

// Constant reads a constant expression with its end, and tells refer of what it names.
func (r *Reader) Constant(refer func(op byte, index uint32)) {
	for r.Err == nil {
		switch op := r.Byte(); op {
		case 0x0b:
			return
		case GlobalGet, RefFunc:
			refer(op, r.U32())
		case 0x41:
			r.Signed(5)
		case 0x42:
			r.Signed(10)
		case 0x43:
			r.Take(4)
		case 0x44:
			r.Take(8)
		case 0x6a, 0x6b, 0x6c, 0x7c, 0x7d, 0x7e: // add, sub, mul
		case 0xd0:
			r.RefType()
		case 0xfd:
			if r.Byte() != 0x0c {
				r.Fail("instruction not allowed in a constant")
			}
			r.Take(16)
		default:
			r.Fail("instruction %#02x not allowed in a constant", op)
		}
	}
}

// RefType reads the type of a reference.
func (r *Reader) RefType() byte {
	t := r.Byte()
	if t != funcRef && t != externRef {
		r.unlike(t, "reference")
	}
	return t
}

// ValueType reads the type of a value.
func (r *Reader) ValueType() byte {
	switch t := r.Byte(); t {
	case 0x7f, 0x7e, 0x7d, 0x7c, 0x7b, funcRef, externRef: // i32, i64, f32, f64, v128
		return t
	default:
		r.unlike(t, "value")
		return 0
	}
}

const (
	funcRef   = 0x70
	externRef = 0x6f
)

// unlike is the error of a type that the engine does not run.
func (r *Reader) unlike(t byte, what string) {
	switch {
	case r.Err != nil:
		return
	case t == 0x63 || t == 0x64:
		r.Off--
		r.Lacks(TypedReferences)
	case t == 0x69 || t == 0x74: // exn, noexn
		r.Off--
		r.Lacks(Exceptions)
	case 0x6a <= t && t <= 0x73: // any, eq, i31, struct, array and none of them
		r.Off--
		r.Lacks(GarbageTypes)
	default:
		r.Off--
		r.Fail("%s type %#02x is unknown", what, t)
	}
}

// Bad makes the error of a file that is not what it should be.
func Bad(format string, args ...any) *lattice.Error {
	return &lattice.Error{Code: lattice.ErrBadModule, Op: "read module", Detail: fmt.Sprintf(format, args...)}
}
