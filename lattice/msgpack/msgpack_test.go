package msgpack

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/weftlattice/weft/lattice"
)

func encode(write func(*Writer)) string {
	var w Writer
	write(&w)
	return hex.EncodeToString(w.Bytes())
}

// The bytes are the wire protocol: changing one is a protocol change.
func TestGoldenBytes(t *testing.T) {
	signed := func(n int64) func(*Writer) { return func(w *Writer) { w.Int(n) } }
	unsigned := func(n uint64) func(*Writer) { return func(w *Writer) { w.Uint(n) } }
	for name, c := range map[string]struct {
		write func(*Writer)
		want  string
	}{
		"nil":         {(*Writer).Nil, "c0"},
		"false":       {func(w *Writer) { w.Bool(false) }, "c2"},
		"true":        {func(w *Writer) { w.Bool(true) }, "c3"},
		"int 0":       {signed(0), "00"},
		"int 127":     {signed(127), "7f"},
		"int 128":     {signed(128), "d10080"},
		"int 200":     {signed(200), "d100c8"},
		"int -1":      {signed(-1), "ff"},
		"int -32":     {signed(-32), "e0"},
		"int -33":     {signed(-33), "d0df"},
		"int -128":    {signed(-128), "d080"},
		"int -129":    {signed(-129), "d1ff7f"},
		"int 32767":   {signed(32767), "d17fff"},
		"int 32768":   {signed(32768), "d200008000"},
		"int max32":   {signed(math.MaxInt32), "d27fffffff"},
		"int max32+1": {signed(math.MaxInt32 + 1), "d30000000080000000"},
		"int min":     {signed(math.MinInt64), "d38000000000000000"},
		"uint 0":      {unsigned(0), "00"},
		"uint 127":    {unsigned(127), "7f"},
		"uint 128":    {unsigned(128), "cc80"},
		"uint 200":    {unsigned(200), "ccc8"},
		"uint 256":    {unsigned(256), "cd0100"},
		"uint 65536":  {unsigned(65536), "ce00010000"},
		"uint max":    {unsigned(math.MaxUint64), "cfffffffffffffffff"},
		"float":       {func(w *Writer) { w.Float64(1.5) }, "cb3ff8000000000000"},
		"str":         {func(w *Writer) { w.Str("pong") }, "a4706f6e67"},
		"str 31":      {func(w *Writer) { w.Str(strings.Repeat("a", 31)) }, "bf" + strings.Repeat("61", 31)},
		"str 32":      {func(w *Writer) { w.Str(strings.Repeat("a", 32)) }, "d920" + strings.Repeat("61", 32)},
		"str 256":     {func(w *Writer) { w.Str(strings.Repeat("a", 256)) }, "da0100" + strings.Repeat("61", 256)},
		"str 65536": {func(w *Writer) { w.Str(strings.Repeat("a", 65536)) }, "db00010000" + strings.Repeat("61",
			65536)},
		"bin":         {func(w *Writer) { w.Bin([]byte("hello")) }, "c40568656c6c6f"},
		"bin nil":     {func(w *Writer) { w.Bin(nil) }, "c400"},
		"bin 256":     {func(w *Writer) { w.Bin(make([]byte, 256)) }, "c50100" + strings.Repeat("00", 256)},
		"bin 65536":   {func(w *Writer) { w.Bin(make([]byte, 65536)) }, "c600010000" + strings.Repeat("00", 65536)},
		"array":       {func(w *Writer) { w.Array(15) }, "9f"},
		"array 16":    {func(w *Writer) { w.Array(16) }, "dc0010"},
		"array 65536": {func(w *Writer) { w.Array(65536) }, "dd00010000"},
		"map":         {func(w *Writer) { w.Map(15) }, "8f"},
		"map 16":      {func(w *Writer) { w.Map(16) }, "de0010"},
		"map 65536":   {func(w *Writer) { w.Map(65536) }, "df00010000"},
		"strs":        {func(w *Writer) { w.Strs([]string{"1", "2"}) }, "92a131a132"},
		"strs nil":    {func(w *Writer) { w.Strs(nil) }, "90"},
		"header":      {func(w *Writer) { w.StrsMap(map[string][]string{"x-a": {"1", "2"}}) }, "81a3782d6192a131a132"},
		"header ordered": {func(w *Writer) { w.StrsMap(map[string][]string{"b": nil, "a": {"1"}}) },
			"82a16191a131a16290"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := encode(c.write); got != c.want {
				t.Errorf("wrote %s, want %s", got, c.want)
			}
		})
	}
}

func reader(t *testing.T, h string) *Reader {
	t.Helper()
	b, err := hex.DecodeString(h)
	if err != nil {
		t.Fatal(err)
	}
	return NewReader(b)
}

func TestIntegersInAnyFormat(t *testing.T) {
	for _, h := range []string{"2a", "cc2a", "cd002a", "ce0000002a", "cf000000000000002a", "d02a", "d1002a",
		"d20000002a",
		"d3000000000000002a"} {
		for kind, read := range map[string]func(*Reader) int64{
			"Int":     (*Reader).Int,
			"Int32":   func(r *Reader) int64 { return int64(r.Int32()) },
			"Uint":    func(r *Reader) int64 { return int64(r.Uint()) },
			"Uint32":  func(r *Reader) int64 { return int64(r.Uint32()) },
			"Uint16":  func(r *Reader) int64 { return int64(r.Uint16()) },
			"Float64": func(r *Reader) int64 { return int64(r.Float64()) },
		} {
			r := reader(t, h)
			if got := read(r); got != 42 || r.Finish() != nil {
				t.Errorf("%s of %s = %d, %v; want 42", kind, h, got, r.Err())
			}
		}
	}
	for h, want := range map[string]int64{"ff": -1, "e0": -32, "d080": -128, "d1ff7f": -129,
		"d280000000":         math.MinInt32,
		"d38000000000000000": math.MinInt64} {
		if r := reader(t, h); r.Int() != want || r.Finish() != nil {
			t.Errorf("Int of %s is not %d: %v", h, want, r.Err())
		}
		if r := reader(t, h); r.Float64() != float64(want) || r.Finish() != nil {
			t.Errorf("Float64 of %s is not %d: %v", h, want, r.Err())
		}
	}
	if r := reader(t, "ca3fc00000"); r.Float64() != 1.5 {
		t.Error("float32 1.5 misread")
	}
}

func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		read func(*Reader)
	}{
		"Int of 2^63":          {"cf8000000000000000", func(r *Reader) { r.Int() }},
		"Int32 of 2^31":        {"ce80000000", func(r *Reader) { r.Int32() }},
		"Uint of -1":           {"ff", func(r *Reader) { r.Uint() }},
		"Uint16 of 65536":      {"ce00010000", func(r *Reader) { r.Uint16() }},
		"Uint32 of 2^32":       {"cf0000000100000000", func(r *Reader) { r.Uint32() }},
		"Int of a str":         {"a131", func(r *Reader) { r.Int() }},
		"Bool of an int":       {"01", func(r *Reader) { r.Bool() }},
		"Str of a map":         {"80", func(r *Reader) { r.Str() }},
		"Array of a map":       {"80", func(r *Reader) { r.Array() }},
		"Map of a bool":        {"c3", func(r *Reader) { r.Map() }},
		"nothing":              {"", func(r *Reader) { r.Str() }},
		"truncated length":     {"da01", func(r *Reader) { r.Str() }},
		"truncated string":     {"a56162", func(r *Reader) { r.Str() }},
		"truncated number":     {"d20000", func(r *Reader) { r.Int() }},
		"array of 2^32-1":      {"ddffffffff", func(r *Reader) { r.Strs() }},
		"map of 2^32-1":        {"dfffffffff", func(r *Reader) { r.StrsMap() }},
		"string of 2^32-1":     {"dbffffffff61", func(r *Reader) { r.Str() }},
		"skip reserved":        {"c1", func(r *Reader) { r.Skip() }},
		"skip truncated array": {"93010203"[:6], func(r *Reader) { r.Skip() }},
		"skip truncated ext":   {"c9ffffffff00", func(r *Reader) { r.Skip() }},
		"skip huge nesting":    {strings.Repeat("ddffffffff", 50), func(r *Reader) { r.Skip() }},
		"bytes left over":      {"0102", func(r *Reader) { r.Int() }},
	} {
		t.Run(name, func(t *testing.T) {
			r := reader(t, c.in)
			c.read(r)
			if err := r.Finish(); !errors.Is(err, lattice.ErrInvalid) {
				t.Fatalf("err = %v, want ErrInvalid", err)
			}
			// After an error all reads answer zero.
			if r.Int() != 0 || r.Str() != "" || r.Bin() != nil || r.Bool() || r.Array() != 0 || r.Map() != 0 ||
				r.More() {
				t.Error("a read after an error returned something")
			}
		})
	}
}

func TestNilIsZero(t *testing.T) {
	r := reader(t, strings.Repeat("c0", 10))
	if r.Bool() || r.Int() != 0 || r.Uint() != 0 || r.Str() != "" || r.Bin() != nil || r.Strs() != nil ||
		r.StrsMap() != nil ||
		r.Float64() != 0 {
		t.Error("nil read as something")
	}
	r.Struct([]string{"a"}, func(int) { t.Error("nil has a field") })
	if !r.Nil() || r.Nil() || r.Finish() != nil {
		t.Errorf("Nil: %v", r.Finish())
	}
}

func TestStruct(t *testing.T) {
	type pair struct {
		key   string
		value int64
	}
	decode := func(h string) (p pair, err error) {
		r := reader(t, h)
		r.Struct([]string{"key", "value"}, func(i int) {
			switch i {
			case 0:
				p.key = r.Str()
			case 1:
				p.value = r.Int()
			}
		})
		return p, r.Finish()
	}
	for name, in := range map[string]string{
		"map":             "82a36b6579a161a576616c756507",
		"other order":     "82a576616c756507a36b6579a161",
		"bin key and str": "82c4036b6579c40161a576616c756507",
		"unknown keys":    "84a178938101c0d70000000000000000009102a36b6579a161a17981a17a80a576616c756507",
		"key not text":    "8301a178a36b6579a161a576616c756507",
		"positional":      "92a16107",
		"longer array":    "94a161078180c3c0",
		"last one wins":   "83a36b6579a162a36b6579a161a576616c756507",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := decode(in)
			if err != nil || got != (pair{"a", 7}) {
				t.Errorf("read %+v, %v", got, err)
			}
		})
	}
	if got, err := decode("91a161"); err != nil || got != (pair{key: "a"}) {
		t.Errorf("short array: %+v, %v", got, err)
	}
}

func TestHeaderWithSingleStrings(t *testing.T) {
	r := reader(t, "82a161a131a16292a132a133")
	want := map[string][]string{"a": {"1"}, "b": {"2", "3"}}
	if got := r.StrsMap(); !reflect.DeepEqual(got, want) || r.Finish() != nil {
		t.Errorf("read %v, %v", got, r.Err())
	}
}

// The values of a header share memory; what one name's owner appends must not reach another's.
func TestHeaderValuesAreApart(t *testing.T) {
	var w Writer
	want := map[string][]string{}
	for i := range 100 { // more than the first guess at the room that they need
		name := strings.Repeat("n", i)
		for j := range i % 4 {
			want[name] = append(want[name], strings.Repeat("v", j*i))
		}
		if want[name] == nil {
			want[name] = []string{}
		}
	}
	w.StrsMap(want)
	w.Str("behind")
	r := NewReader(w.Bytes())
	got := r.StrsMap()
	if r.Str() != "behind" || r.Finish() != nil {
		t.Fatal(r.Err())
	}
	for name := range got {
		_ = append(got[name], "overwritten")
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read %v", got)
	}
	for in, want := range map[string]string{"81a161c0": "", "82a161a0c091c0": "", "81c091a162": "b"} {
		r := reader(t, in)
		for name, values := range r.StrsMap() {
			for _, v := range values {
				if v != want {
					t.Errorf("%s: %q has %q", in, name, v)
				}
			}
		}
		if r.Finish() != nil {
			t.Errorf("%s: %v", in, r.Err())
		}
	}
}

func TestBinDoesNotCopyAndCanNotOverwrite(t *testing.T) {
	data := []byte{bin8, 2, 'a', 'b', fixStr | 1, 'c'}
	r := NewReader(data)
	b := r.Bin()
	if &b[0] != &data[2] {
		t.Error("Bin copied")
	}
	_ = append(b, 'X')
	if r.Str() != "c" {
		t.Error("appending to what Bin returned changed the input")
	}
}

// A lying length must not allocate: a million readings of it stay within what the input is worth.
func TestAllocationIsJustified(t *testing.T) {
	lies := [][]byte{
		{array32, 0xff, 0xff, 0xff, 0xff}, {map32, 0x7f, 0xff, 0xff, 0xff, 0xa0, 0xa0}, {str32, 0xff, 0xff, 0xff, 0xf0,
			'a'},
		append([]byte{array32, 0, 1, 0, 0}, bytes.Repeat([]byte{map32, 0, 0, 0xff, 0xff}, 1<<14)...),
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, lie := range lies {
		for range 100 {
			NewReader(lie).Strs()
			NewReader(lie).StrsMap()
			_ = NewReader(lie).Str()
			NewReader(lie).Skip()
		}
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
		t.Errorf("allocated %d bytes", grown)
	}
}

func TestWriterReset(t *testing.T) {
	w := NewWriter(64)
	w.Str("first")
	w.Reset()
	w.Int(1)
	if !bytes.Equal(w.Bytes(), []byte{1}) {
		t.Errorf("after Reset: %x", w.Bytes())
	}
}

// A writer that was made as large as is said never grows, which is what the sizes are for.
func TestSizesHoldWhatIsWritten(t *testing.T) {
	long := strings.Repeat("x", 1<<16)
	for _, list := range [][]string{nil, {""}, {"a", long}, slices.Repeat([]string{long}, 20)} {
		m := map[string][]string{"": nil, "a": list, long: list}
		for _, tc := range []struct {
			size  int
			write func(w *Writer)
		}{
			{StrsSize(list), func(w *Writer) { w.Strs(list) }},
			{StrsMapSize(m), func(w *Writer) { w.StrsMap(m) }},
		} {
			w := NewWriter(tc.size)
			tc.write(w)
			if slack := tc.size - len(w.Bytes()); slack < 0 || slack > 5*(2+len(m)*(2+len(list))) {
				t.Errorf("%d bytes for %d", tc.size, len(w.Bytes()))
			}
		}
	}
}

func BenchmarkReadHeader(b *testing.B) {
	var w Writer
	w.StrsMap(map[string][]string{"accept": {"*/*"}, "host": {"localhost:8080"}, "user-agent": {"curl/8"}})
	b.ReportAllocs()
	for b.Loop() {
		if m := NewReader(w.Bytes()).StrsMap(); len(m) != 3 {
			b.Fatal(m)
		}
	}
}
