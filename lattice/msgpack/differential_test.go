package msgpack

import (
	"bytes"
	"math"
	"reflect"
	"slices"
	"testing"

	library "github.com/vmihailenco/msgpack/v5"
)

// librarySigned is how the host's side writes a declared signed integer with the library.
func librarySigned(e *library.Encoder, n int64) error {
	switch {
	case n >= -32 && n <= math.MaxInt8:
		return e.EncodeInt(n)
	case n >= math.MinInt8 && n <= math.MaxInt8:
		return e.EncodeInt8(int8(n))
	case n >= math.MinInt16 && n <= math.MaxInt16:
		return e.EncodeInt16(int16(n))
	case n >= math.MinInt32 && n <= math.MaxInt32:
		return e.EncodeInt32(int32(n))
	}
	return e.EncodeInt64(n)
}

// FuzzDifferential holds this codec and the library that the host uses together: equal values give equal bytes, and
// each reads what the other wrote.
func FuzzDifferential(f *testing.F) {
	f.Add(int64(0), uint64(0), "", []byte(nil), 0.0, false)
	f.Add(int64(-33), uint64(200), "text", []byte{1, 2}, 1.5, true)
	f.Add(int64(math.MinInt64), uint64(math.MaxUint64), "ÄÖ\xff", make([]byte, 300), math.Inf(-1), true)
	f.Add(int64(math.MaxInt16+1), uint64(math.MaxUint32), string(make([]byte, 33)), make([]byte, 70000), math.NaN(),
		true)
	f.Fuzz(func(t *testing.T, i int64, u uint64, s string, b []byte, d float64, yes bool) {
		if b == nil {
			b = []byte{}
		}
		var ours Writer
		ours.Map(8)
		ours.Str("i")
		ours.Int(i)
		ours.Str("u")
		ours.Uint(u)
		ours.Str("s")
		ours.Str(s)
		ours.Str("b")
		ours.Bin(b)
		ours.Str("d")
		ours.Float64(d)
		ours.Str("y")
		ours.Bool(yes)
		ours.Str("n")
		ours.Nil()
		ours.Str("l")
		ours.Strs([]string{s, "x"})

		var theirs bytes.Buffer
		e := library.NewEncoder(&theirs)
		for _, err := range []error{
			e.EncodeMapLen(8),
			e.EncodeString("i"), librarySigned(e, i),
			e.EncodeString("u"), e.EncodeUint(u),
			e.EncodeString("s"), e.EncodeString(s),
			e.EncodeString("b"), e.EncodeBytes(b),
			e.EncodeString("d"), e.EncodeFloat64(d),
			e.EncodeString("y"), e.EncodeBool(yes),
			e.EncodeString("n"), e.EncodeNil(),
			e.EncodeString("l"), e.EncodeArrayLen(2), e.EncodeString(s), e.EncodeString("x"),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(ours.Bytes(), theirs.Bytes()) {
			t.Fatalf("we write %x\nlibrary %x", ours.Bytes(), theirs.Bytes())
		}

		var got struct {
			I int64    `msgpack:"i"`
			U uint64   `msgpack:"u"`
			S string   `msgpack:"s"`
			B []byte   `msgpack:"b"`
			D float64  `msgpack:"d"`
			Y bool     `msgpack:"y"`
			L []string `msgpack:"l"`
		}
		if err := library.Unmarshal(ours.Bytes(), &got); err != nil {
			t.Fatalf("library cannot read ours: %v", err)
		}
		if got.I != i || got.U != u || got.S != s || !bytes.Equal(got.B, b) || got.Y != yes ||
			math.Float64bits(got.D) != math.Float64bits(d) || !reflect.DeepEqual(got.L, []string{s, "x"}) {
			t.Errorf("library read %+v", got)
		}

		r := NewReader(theirs.Bytes())
		seen := 0
		r.Struct([]string{"i", "u", "s", "b", "d", "y", "n", "l"}, func(field int) {
			seen++
			ok := true
			switch field {
			case 0:
				ok = r.Int() == i
			case 1:
				ok = r.Uint() == u
			case 2:
				ok = r.Str() == s
			case 3:
				ok = bytes.Equal(r.Bin(), b)
			case 4:
				ok = math.Float64bits(r.Float64()) == math.Float64bits(d)
			case 5:
				ok = r.Bool() == yes
			case 6:
				ok = r.Nil()
			case 7:
				ok = reflect.DeepEqual(r.Strs(), []string{s, "x"})
			}
			if !ok {
				t.Errorf("field %d misread", field)
			}
		})
		if err := r.Finish(); err != nil || seen != 8 {
			t.Errorf("read %d fields: %v", seen, err)
		}
	})
}

// FuzzReader feeds foreign bytes to every kind of read.
func FuzzReader(f *testing.F) {
	f.Add([]byte{0x85, 0xa4, 'b', 'o', 'd', 'y', 0xc4, 0x01, 'h'})
	f.Add([]byte{0xdd, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0xdf, 0x00, 0x00, 0x00, 0x01, 0xa1, 'a', 0x91, 0xa1, 'b'})
	f.Add(bytes.Repeat([]byte{0x91}, 1000))
	f.Add([]byte{0xc9, 0xff, 0xff, 0xff, 0xff, 1, 2})
	f.Add([]byte{0xc1})
	f.Fuzz(func(t *testing.T, data []byte) {
		if list := NewReader(data).Strs(); cap(list) > 64+2*len(data) {
			t.Errorf("%d bytes made room for %d strings", len(data), cap(list))
		}
		NewReader(data).StrsMap()
		for _, read := range []func(*Reader){
			func(r *Reader) { r.Bool() }, func(r *Reader) { r.Int() }, func(r *Reader) { r.Uint() },
			func(r *Reader) { r.Int32() }, func(r *Reader) { r.Uint16() }, func(r *Reader) { r.Uint32() },
			func(r *Reader) { r.Float64() }, func(r *Reader) { _ = r.Str() },
			func(r *Reader) { r.Struct([]string{"body", "a"}, func(int) { r.Skip() }) },
		} {
			r := NewReader(data)
			read(r)
			_ = r.Finish()
			if r.pos > len(data) {
				t.Errorf("read %d of %d bytes", r.pos, len(data))
			}
		}
		// Skip accepts what the library's accepts; short inputs only, since the library's recurses.
		if len(data) > 64 {
			return
		}
		r := NewReader(data)
		r.Skip()
		d := library.NewDecoder(bytes.NewReader(data))
		if err := d.Skip(); (err == nil) != (r.Err() == nil) && !slices.ContainsFunc(data, isExt) {
			t.Errorf("skip %x: ours %v, library %v", data, r.Err(), err)
		}
	})
}

// isExt: the library cannot skip extensions of types it was not told of.
func isExt(c byte) bool { return c >= ext8 && c <= ext32 || c >= fixExt1 && c <= fixExt16 }
