package msgpack

import (
	"encoding/binary"
	"math"
	"strconv"

	"github.com/weftlattice/weft/lattice"
)

// Reader takes msgpack values from the front of a buffer, one call each. Not safe for concurrent use.
//
// Foreign input can neither make it panic nor allocate more than a small multiple of the input: a length is believed
// only as far as bytes are there to fill it.
type Reader struct {
	data []byte
	pos  int
	err  error
}

// NewReader reads data, which must not change while the reader or what Bin returned is in use.
func NewReader(data []byte) *Reader { return &Reader{data: data} }

// Err returns the first error, which wraps lattice.ErrInvalid.
func (r *Reader) Err() error { return r.err }

// Finish returns the first error; bytes that nobody read are one.
func (r *Reader) Finish() error {
	if r.err == nil && r.pos < len(r.data) {
		r.Fail("unread bytes follow the value")
	}
	return r.err
}

// More reports whether there is anything left to read; false after an error.
func (r *Reader) More() bool { return r.err == nil && r.pos < len(r.data) }

// Nil takes a nil if one comes next and reports whether it did.
func (r *Reader) Nil() bool {
	if r.More() && r.data[r.pos] == codeNil {
		r.pos++
		return true
	}
	return false
}

// Bool reads a bool; nil is false.
func (r *Reader) Bool() bool {
	switch c := r.code(); c {
	case codeYes:
		return true
	case codeNo, codeNil:
		return false
	default:
		r.unexpected("bool", c)
		return false
	}
}

// Int reads an integer in any format; nil is 0. One above the largest int64 is an error.
func (r *Reader) Int() int64 {
	n, negative := r.integer()
	if !negative && n > math.MaxInt64 {
		r.Fail("integer out of range")
		return 0
	}
	return int64(n)
}

// Int32 is Int with the bounds of an int32.
func (r *Reader) Int32() int32 {
	n := r.Int()
	if n < math.MinInt32 || n > math.MaxInt32 {
		r.Fail("integer out of range")
		return 0
	}
	return int32(n)
}

// Uint reads an integer in any format; nil is 0. A negative one is an error.
func (r *Reader) Uint() uint64 {
	n, negative := r.integer()
	if negative {
		r.Fail("integer out of range")
		return 0
	}
	return n
}

// Uint32 is Uint with the bound of a uint32.
func (r *Reader) Uint32() uint32 {
	n := r.Uint()
	if n > math.MaxUint32 {
		r.Fail("integer out of range")
		return 0
	}
	return uint32(n)
}

// Uint16 is Uint with the bound of a uint16.
func (r *Reader) Uint16() uint16 {
	n := r.Uint()
	if n > math.MaxUint16 {
		r.Fail("integer out of range")
		return 0
	}
	return uint16(n)
}

// Float64 reads a float of either size or an integer; nil is 0.
func (r *Reader) Float64() float64 {
	if r.More() {
		switch r.data[r.pos] {
		case float32f:
			r.pos++
			return float64(math.Float32frombits(uint32(r.number(4))))
		case float64f:
			r.pos++
			return math.Float64frombits(r.number(8))
		}
	}
	n, negative := r.integer()
	if negative {
		return float64(int64(n))
	}
	return float64(n)
}

// Str reads a str or bin as a string; nil is "".
func (r *Reader) Str() string { return string(r.Bin()) }

// Bin reads a bin or str without copying it: the result is part of the reader's buffer. nil is nil.
func (r *Reader) Bin() []byte {
	if r.Nil() {
		return nil
	}
	return r.take(r.BinLen())
}

// BinLen reads the header of a bin or str and returns its length; nil is 0. The bytes need not be in the buffer.
func (r *Reader) BinLen() int {
	switch c := r.code(); {
	case c == codeNil:
	case c&0xe0 == fixStr:
		return int(c & 0x1f)
	case c == bin8 || c == str8:
		return int(r.number(1))
	case c == bin16 || c == str16:
		return int(r.number(2))
	case c == bin32 || c == str32:
		if n := r.number(4); n <= math.MaxInt32 { // an int has 32 bits in a guest
			return int(n)
		}
		r.Fail("bytes too long")
	default:
		r.unexpected("str or bin", c)
	}
	return 0
}

// Read is the number of bytes that have been read.
func (r *Reader) Read() int { return r.pos }

// Array reads the header of an array and returns the number of its elements, which is never more than there are bytes
// left; nil is 0. The elements follow.
func (r *Reader) Array() int {
	c := r.code()
	n := 0
	switch {
	case c == codeNil:
	case c&0xf0 == fixArray:
		n = int(c & 0x0f)
	case c == array16:
		n = r.size(2)
	case c == array32:
		n = r.size(4)
	default:
		r.unexpected("array", c)
	}
	return r.justified(n, 1)
}

// Map reads the header of a map and returns the number of its pairs, which is never more than half the bytes left; nil
// is 0. Key and value of each follow.
func (r *Reader) Map() int {
	c := r.code()
	n := 0
	switch {
	case c == codeNil:
	case c&0xf0 == fixMap:
		n = int(c & 0x0f)
	case c == map16:
		n = r.size(2)
	case c == map32:
		n = r.size(4)
	default:
		r.unexpected("map", c)
	}
	return r.justified(n, 2)
}

// Strs reads an array of strings; nil and empty are nil.
func (r *Reader) Strs() []string {
	n := r.Array()
	if n == 0 {
		return nil
	}
	list := make([]string, 0, min(n, 64))
	for ; n > 0 && r.err == nil; n-- {
		list = append(list, r.Str())
	}
	return list
}

// StrsMap reads a map of strings to string arrays; nil and empty are nil. A single string stands for an array of one.
// The strings share one piece of memory, and so do the arrays, since a header of many small ones comes with every
// request.
func (r *Reader) StrsMap() map[string][]string {
	start := r.pos
	n := r.Map()
	if n == 0 {
		return nil
	}
	ahead := Reader{data: r.data, pos: start}
	if ahead.Skip(); ahead.err != nil {
		r.err = ahead.err
		return nil
	}
	text := string(r.data[start:ahead.pos])
	str := func() string {
		b := r.Bin()
		if r.err != nil {
			return ""
		}
		end := r.pos - start // a nil has no bytes and ends here, too
		return text[end-len(b) : end]
	}
	m := make(map[string][]string, min(n, 64))
	all := make([]string, 0, min(n, 64))
	for ; n > 0 && r.err == nil; n-- {
		k, first, values := str(), len(all), 1
		if !r.NextIsText() {
			values = r.Array()
		}
		for ; values > 0 && r.err == nil; values-- {
			all = append(all, str())
		}
		m[k] = all[first:len(all):len(all)]
	}
	return m
}

// Struct reads a struct: a map with the names as keys, or an array of the values in the order of names. It calls field
// with the index of each name that is there; field must read exactly one value. Keys without a name, and array
// elements beyond the last, are skipped; nil is a struct without fields.
func (r *Reader) Struct(names []string, field func(i int)) {
	if r.NextIsArray() {
		n := r.Array()
		for i := 0; i < n && r.err == nil; i++ {
			if i < len(names) {
				field(i)
			} else {
				r.Skip()
			}
		}
		return
	}
	for n := r.Map(); n > 0 && r.err == nil; n-- {
		if i := r.name(names); i >= 0 {
			field(i)
		} else {
			r.Skip()
		}
	}
}

// name reads a key and finds it in names; -1 when it is none of them, or no text.
func (r *Reader) name(names []string) int {
	if !r.NextIsText() {
		r.Skip()
		return -1
	}
	key := r.Bin()
	for i, name := range names {
		if string(key) == name {
			return i
		}
	}
	return -1
}

// Skip passes over one value of any kind and depth, in time proportional to its bytes and without recursion.
func (r *Reader) Skip() {
	for open := 1; open > 0 && r.err == nil; open-- {
		c := r.code()
		switch {
		case c < fixMap, c >= negFix, c == codeNil, c == codeNo, c == codeYes:
		case c&0xf0 == fixMap:
			open += 2 * int(c&0x0f)
		case c&0xf0 == fixArray:
			open += int(c & 0x0f)
		case c&0xe0 == fixStr:
			r.take(int(c & 0x1f))
		case c == bin8 || c == str8:
			r.take(r.size(1))
		case c == bin16 || c == str16:
			r.take(r.size(2))
		case c == bin32 || c == str32:
			r.take(r.size(4))
		case c == ext8:
			r.take(r.size(1) + 1)
		case c == ext16:
			r.take(r.size(2) + 1)
		case c == ext32:
			r.take(r.size(4))
			r.take(1)
		case c >= fixExt1 && c <= fixExt16:
			r.take(1 + 1<<(c-fixExt1))
		case c == uint8f || c == int8f:
			r.take(1)
		case c == uint16f || c == int16f:
			r.take(2)
		case c == uint32f || c == int32f || c == float32f:
			r.take(4)
		case c == uint64f || c == int64f || c == float64f:
			r.take(8)
		case c == array16:
			open += r.justified(r.size(2), 1)
		case c == array32:
			open += r.justified(r.size(4), 1)
		case c == map16:
			open += 2 * r.justified(r.size(2), 2)
		case c == map32:
			open += 2 * r.justified(r.size(4), 2)
		default: // 0xc1
			r.unexpected("a value", c)
		}
		if open-1 > len(r.data)-r.pos { // each open value is a byte at least
			r.Fail("unexpected end")
		}
	}
}

// integer reads an integer in any format, a negative one in two's complement.
func (r *Reader) integer() (n uint64, negative bool) {
	c := r.code()
	var signed int64
	switch {
	case c <= 0x7f:
		return uint64(c), false
	case c >= negFix:
		signed = int64(int8(c))
	case c == codeNil:
	case c >= uint8f && c <= uint64f:
		return r.number(1 << (c - uint8f)), false
	case c == int8f:
		signed = int64(int8(r.number(1)))
	case c == int16f:
		signed = int64(int16(r.number(2)))
	case c == int32f:
		signed = int64(int32(r.number(4)))
	case c == int64f:
		signed = int64(r.number(8))
	default:
		r.unexpected("integer", c)
	}
	return uint64(signed), signed < 0
}

// code takes the format byte of the next value; nil after an error.
func (r *Reader) code() byte {
	if !r.More() {
		r.Fail("unexpected end")
		return codeNil
	}
	r.pos++
	return r.data[r.pos-1]
}

// number takes a big-endian number of 1, 2, 4 or 8 bytes.
func (r *Reader) number(bytes int) uint64 {
	b := r.take(bytes)
	switch {
	case b == nil:
		return 0
	case bytes == 1:
		return uint64(b[0])
	case bytes == 2:
		return uint64(binary.BigEndian.Uint16(b))
	case bytes == 4:
		return uint64(binary.BigEndian.Uint32(b))
	}
	return binary.BigEndian.Uint64(b)
}

// size takes a length and refuses one that exceeds what is left. The check comes before the conversion, since an int
// has 32 bits in a guest.
func (r *Reader) size(bytes int) int {
	n := r.number(bytes)
	if n > uint64(len(r.data)-r.pos) {
		r.Fail("unexpected end")
		return 0
	}
	return int(n)
}

// take passes n bytes and returns them; nil when so many are not there.
func (r *Reader) take(n int) []byte {
	if r.err != nil {
		return nil
	}
	if n > len(r.data)-r.pos {
		r.Fail("unexpected end")
		return nil
	}
	b := r.data[r.pos : r.pos+n : r.pos+n]
	r.pos += n
	return b
}

// justified returns n if that many elements of at least width bytes can follow.
func (r *Reader) justified(n, width int) int {
	if r.err == nil && n > (len(r.data)-r.pos)/width {
		r.Fail("unexpected end")
	}
	if r.err != nil {
		return 0
	}
	return n
}

// NextIsArray reports whether an array comes next.
func (r *Reader) NextIsArray() bool {
	if !r.More() {
		return false
	}
	c := r.data[r.pos]
	return c&0xf0 == fixArray || c == array16 || c == array32
}

// NextIsText reports whether a str or bin comes next.
func (r *Reader) NextIsText() bool {
	if !r.More() {
		return false
	}
	c := r.data[r.pos]
	return c&0xe0 == fixStr || c >= str8 && c <= str32 || c >= bin8 && c <= bin32
}

func (r *Reader) unexpected(want string, found byte) {
	const hex = "0123456789abcdef"
	r.Fail("want " + want + ", found format 0x" + string([]byte{hex[found>>4], hex[found&15]}))
}

// Fail makes what was found wrong with the value just read the error, if there is none yet.
func (r *Reader) Fail(what string) {
	if r.err == nil {
		r.err = &lattice.Error{Code: lattice.ErrInvalid, Op: "decode msgpack",
			Detail: what + " at byte " + strconv.Itoa(r.pos)}
	}
}
