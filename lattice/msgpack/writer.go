package msgpack

import (
	"encoding/binary"
	"math"
	"slices"
)

// Writer appends msgpack values to a buffer. The zero value is ready. Not safe for concurrent use. It does not check
// that as many elements follow a header as it announced.
type Writer struct {
	buf []byte
}

// NewWriter returns a writer with room for size bytes; it grows past them when it must.
func NewWriter(size int) *Writer { return &Writer{buf: make([]byte, 0, size)} }

// Bytes returns what was written. It stays valid until the next write or Reset.
func (w *Writer) Bytes() []byte { return w.buf }

// Reset empties the writer and keeps its memory.
func (w *Writer) Reset() { w.buf = w.buf[:0] }

// Nil writes nil.
func (w *Writer) Nil() { w.buf = append(w.buf, codeNil) }

// Bool writes true or false.
func (w *Writer) Bool(b bool) {
	if b {
		w.buf = append(w.buf, codeYes)
	} else {
		w.buf = append(w.buf, codeNo)
	}
}

// Int writes an integer that is declared signed.
func (w *Writer) Int(n int64) {
	switch {
	case n >= -32 && n <= math.MaxInt8:
		w.buf = append(w.buf, byte(n))
	case n >= math.MinInt8 && n <= math.MaxInt8:
		w.buf = append(w.buf, int8f, byte(n))
	case n >= math.MinInt16 && n <= math.MaxInt16:
		w.sized16(int16f, uint16(n))
	case n >= math.MinInt32 && n <= math.MaxInt32:
		w.sized32(int32f, uint32(n))
	default:
		w.buf = binary.BigEndian.AppendUint64(append(w.buf, int64f), uint64(n))
	}
}

// Uint writes an integer that is declared unsigned.
func (w *Writer) Uint(n uint64) {
	switch {
	case n <= math.MaxInt8:
		w.buf = append(w.buf, byte(n))
	case n <= math.MaxUint8:
		w.buf = append(w.buf, uint8f, byte(n))
	case n <= math.MaxUint16:
		w.sized16(uint16f, uint16(n))
	case n <= math.MaxUint32:
		w.sized32(uint32f, uint32(n))
	default:
		w.buf = binary.BigEndian.AppendUint64(append(w.buf, uint64f), n)
	}
}

// Float64 writes a float in eight bytes, whatever its value.
func (w *Writer) Float64(f float64) {
	w.buf = binary.BigEndian.AppendUint64(append(w.buf, float64f), math.Float64bits(f))
}

// Str writes a string.
func (w *Writer) Str(s string) {
	if len(s) < 32 {
		w.buf = append(w.buf, fixStr|byte(len(s)))
	} else {
		w.length(str8, str16, str32, len(s))
	}
	w.buf = append(w.buf, s...)
}

// Bin writes bytes; nil and empty are both written as empty, never as nil.
func (w *Writer) Bin(b []byte) {
	w.length(bin8, bin16, bin32, len(b))
	w.buf = append(w.buf, b...)
}

// Raw appends what is msgpack already.
func (w *Writer) Raw(encoded string) { w.buf = append(w.buf, encoded...) }

// BinLen announces bytes of which somebody else writes n behind what this writer holds.
func (w *Writer) BinLen(n int) { w.length(bin8, bin16, bin32, n) }

// Room appends n bytes, whose content is left to the caller, and returns them. They stay valid until the next write.
func (w *Writer) Room(n int) []byte {
	w.buf = slices.Grow(w.buf, n)[:len(w.buf)+n]
	return w.buf[len(w.buf)-n:]
}

// Array announces an array of n values. The elements follow.
func (w *Writer) Array(n int) {
	if n < 16 {
		w.buf = append(w.buf, fixArray|byte(n))
	} else {
		w.length(0, array16, array32, n)
	}
}

// Map announces a map of n pairs. Key and value of each follow.
func (w *Writer) Map(n int) {
	if n < 16 {
		w.buf = append(w.buf, fixMap|byte(n))
	} else {
		w.length(0, map16, map32, n)
	}
}

// Strs writes an array of strings; nil is written as the empty array.
func (w *Writer) Strs(list []string) {
	w.Array(len(list))
	for _, s := range list {
		w.Str(s)
	}
}

// StrsSize is how many bytes Strs writes at the most, for NewWriter.
func StrsSize(list []string) int {
	const header = 5
	size := header
	for _, s := range list {
		size += header + len(s)
	}
	return size
}

// StrsMapSize is how many bytes StrsMap writes at the most, for NewWriter.
func StrsMapSize(m map[string][]string) int {
	const header = 5
	size := header
	for k, v := range m {
		size += header + len(k) + StrsSize(v)
	}
	return size
}

// StrsMap writes a map of strings to string arrays, such as an HTTP header, in the order of its keys, so that equal
// maps give equal bytes.
func (w *Writer) StrsMap(m map[string][]string) {
	w.Map(len(m))
	switch len(m) {
	case 0:
		return
	case 1:
		for k, v := range m {
			w.Str(k)
			w.Strs(v)
		}
		return
	}
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		w.Str(k)
		w.Strs(m[k])
	}
}

// length writes a header of one, two or four length bytes; code8 is 0 where the format has no one-byte length.
func (w *Writer) length(code8, code16, code32 byte, n int) {
	switch {
	case n <= math.MaxUint8 && code8 != 0:
		w.buf = append(w.buf, code8, byte(n))
	case n <= math.MaxUint16:
		w.sized16(code16, uint16(n))
	default:
		w.sized32(code32, uint32(n))
	}
}

func (w *Writer) sized16(code byte, n uint16) {
	w.buf = binary.BigEndian.AppendUint16(append(w.buf, code), n)
}

func (w *Writer) sized32(code byte, n uint32) {
	w.buf = binary.BigEndian.AppendUint32(append(w.buf, code), n)
}
