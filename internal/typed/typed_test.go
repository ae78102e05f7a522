package typed_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/weftlattice/weft/internal/typed"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/msgpack"
)

// everything has all kinds of types.
const everything = "func(a: record<yes: bool, n: u64, s: s64, f: f32, d: f64, c: char, t: string, b: list<u8>, " +
	"l: list<tuple<s8, u16>>, v: variant {none, some-text(string), many(list<u32>)}, e: enum {red, green}, " +
	"p: flags {read, write}, o: option<option<u8>>, r: result<_, string>, x: list<u8, 3>, q: result>) -> option<string>"

const everyValue = `{"yes":true,"n":18446744073709551615,"s":-9223372036854775808,"f":1.5,"d":"NaN","c":"é",` +
	`"t":"text","b":"bytes","l":[[-1,65535]],"v":{"many":[1,2]},"e":"green","p":["write"],"o":{"some":null},` +
	`"r":{"err":"no"},"x":"abc","q":{"ok":null}}`

func parse(t testing.TB, text string) *typed.Func {
	t.Helper()
	f, err := typed.ParseFunc(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestTypesAsText(t *testing.T) {
	for _, text := range []string{everything, "func()", "func() -> result<u8>", "func(a: list<list<u8, 4>>)",
		"func(self: borrow<acme:db/store entry>) -> acme:db/store entry"} {
		if got := parse(t, text).String(); got != text {
			t.Errorf("%s, want %s", got, text)
		}
	}
	if h := parse(t, "func(self: borrow<acme:db/store entry>)").Handle; h != "acme:db/store entry" {
		t.Errorf("handle %q", h)
	}
	for _, text := range []string{"", "func(", "func(a: u8", "func(a)", "func(a: )", "func() -> ", "func()x",
		"func(a: list<>)",
		"func(a: list<u8, 0>)", "func(a: list<u8, x>)", "func(a: map<u8>)", "func(a: maybe {x})", "func(a: u8 b: u8)",
		"func(a: " + strings.Repeat("list<", 200), strings.Repeat("x", 1<<20)} {
		if _, err := typed.ParseFunc(text); lattice.CodeOf(err) != lattice.ErrInvalid {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

// A value comes back from JSON and from a payload as it was.
func TestValuesComeBack(t *testing.T) {
	f := parse(t, everything)
	values, err := typed.FromJSON(f, []string{everyValue})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := typed.EncodeParams(f, values, nil)
	if err != nil {
		t.Fatal(err)
	}
	back, err := typed.DecodeParams(f, payload, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(typed.ToJSON(f.Params[0].Type, back[0], false)); got != everyValue {
		t.Errorf("%s\nwant %s", got, everyValue)
	}
	again, _ := typed.EncodeParams(f, back, nil)
	if !bytes.Equal(again, payload) {
		t.Errorf("%x, then %x", payload, again)
	}
}

// The bytes that a call carries. Changing them is a change of the protocol.
func TestPayloadsOfTypedCalls(t *testing.T) {
	for _, c := range []struct{ types, json, want string }{
		{"func(a: record<x: s32, o: option<u8>>)", `{"x":-1}`, "\x91\x82\xa1x\xff\xa1o\xc0"},
		{"func(a: list<u8>)", `"ab"`, "\x91\xc4\x02ab"},
		{"func(a: variant {a, b(u8)})", `"a"`, "\x91\xa1a"},
		{"func(a: variant {a, b(u8)})", `{"b":7}`, "\x91\x81\xa1b\x07"},
		{"func(a: result<u8, string>)", `{"ok":7}`, "\x91\x81\xa2ok\x07"},
		{"func(a: result)", `{"err":null}`, "\x91\x81\xa3err\xc0"},
		{"func(a: flags {r, w})", `["w","r"]`, "\x91\x92\xa1r\xa1w"},
		{"func(a: option<option<u8>>)", `{"some":7}`, "\x91\x81\xa4some\x07"},
		{"func(a: char)", `"é"`, "\x91\xa2é"},
		{"func(a: char)", `"\uD83D\ude00"`, "\x91\xa4😀"},
		{"func(a: string)", `"\\ud800\ufffd"`, "\x91\xa9\\ud800\ufffd"},
		{"func(a: s64)", `300`, "\x91\xcd\x01\x2c"},
	} {
		f := parse(t, c.types)
		values, err := typed.FromJSON(f, []string{c.json})
		if err != nil {
			t.Error(err)
			continue
		}
		if got, _ := typed.EncodeParams(f, values, nil); string(got) != c.want {
			t.Errorf("%s %s: %x, want %x", c.types, c.json, got, c.want)
		}
	}
}

// A payload of values by the hundred thousand, of a type with thousands of labels, is no work of minutes: without an
// index this test takes more than one for each kind. The last of the labels is sent, and fields in the reverse order.
func TestManyValuesOfAWideType(t *testing.T) {
	const wide, many = 6000, 300_000
	labels, fields := make([]string, wide), make([]string, wide)
	for i := range labels {
		labels[i] = fmt.Sprintf("a%d", i)
		fields[i] = labels[i] + ": u8"
	}
	for _, kind := range []string{"enum", "variant"} {
		f := parse(t, "func(a: list<"+kind+" {"+strings.Join(labels, ", ")+"}>)")
		w := msgpack.NewWriter(6 * many)
		w.Array(1)
		w.Array(many)
		for range many {
			w.Str(labels[wide-1])
		}
		values, err := typed.DecodeParams(f, w.Bytes(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if all := values[0].([]any); len(all) != many || all[many-1] != (typed.Case{Case: wide - 1}) {
			t.Errorf("%s: %d values, the last is %v", kind, len(all), all[len(all)-1])
		}
	}
	f := parse(t, "func(a: record<"+strings.Join(fields, ", ")+">)")
	w := msgpack.NewWriter(8 * wide)
	w.Array(1)
	w.Map(wide)
	for i := range wide {
		w.Str(labels[wide-1-i])
		w.Uint(uint64(i & 0x7f))
	}
	values, err := typed.DecodeParams(f, w.Bytes(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if all := values[0].([]any); all[0] != uint8((wide-1)&0x7f) || all[wide-1] != uint8(0) {
		t.Errorf("the first field is %v, the last %v", all[0], all[wide-1])
	}
	if _, err := typed.DecodeParams(f, []byte("\x92\x01\x02"), nil); err == nil || len(err.Error()) > 400 {
		t.Errorf("an error of %d bytes", len(fmt.Sprint(err)))
	}
}

// What is wrong with an argument says where, what is wanted and what is there.
func TestArgumentsOfAnotherType(t *testing.T) {
	for _, c := range []struct{ types, json, want string }{
		{"func(n: u8)", `256`, "n: want u8, found 256"},
		{"func(n: u8)", `-1`, "n: want u8, found -1"},
		{"func(n: u8)", `1.5`, "n: want u8, found 1.5"},
		{"func(n: u8)", `"x"`, `n: want u8, found "x"`},
		{"func(n: s8)", `-129`, "n: want s8, found -129"},
		{"func(n: u64)", `18446744073709551616`, "n: want u64, found 18446744073709551616"},
		{"func(n: s64)", `9223372036854775808`, "n: want s64, found 9223372036854775808"},
		{"func(f: f32)", `1e40`, "f: want f32, found 1e40"},
		{"func(f: f64)", `"nan"`, `f: want f64, found "nan"`},
		{"func(c: char)", `"ab"`, `c: want char, found "ab"`},
		{"func(c: char)", `""`, `c: want char, found ""`},
		{"func(b: bool)", `null`, "b: want bool, found null"},
		{"func(s: string)", `["a"]`, "s: want string, found a list"},
		{"func(s: string)", `"a\ud800"`, `s: \ud800 at byte 2 is half of a character`},
		{"func(s: string)", `"\ud83d\n"`, `s: \ud83d at byte 1 is half of a character`},
		{"func(s: string)", `"\udE00\ud83d"`, `s: \udE00 at byte 1 is half of a character`},
		{"func(s: string)", "\"\xff\"", `s: no JSON: it is not UTF-8; bytes are {"$bytes": "BASE64"}`},
		{"func(o: record<text: string, limit: u32>)", `{"text":"a","limt":1}`,
			"o: no field is called limt; did you mean limit?"},
		{"func(o: record<text: string, limit: u32>)", `{"text":"a"}`, "o: the field limit: u32 is missing"},
		{"func(o: record<text: string>)", `{"text":"a","text":"b"}`, "o: text is there twice"},
		{"func(o: list<record<p: tuple<u8, u8>>>)", `[{"p":[1,2]},{"p":[1,300]}]`, "o[1].p[1]: want u8, found 300"},
		{"func(o: tuple<u8, u8>)", `[1]`, "o: want tuple<u8, u8>, found 1 element"},
		{"func(o: tuple<u8, u8>)", `[1,2,3]`, "o: want tuple<u8, u8>, found more elements"},
		{"func(e: enum {red, green})", `"gren"`, "e: no case is called gren; did you mean green?"},
		{"func(v: variant {a, b(u8)})", `"b"`, `v: the case b has a value: want {"b": u8}`},
		{"func(v: variant {a, b(u8)})", `{"a":1}`, "v.a: the case has no value: want null, found 1"},
		{"func(v: variant {a, b(u8)})", `{"b":1,"a":null}`, "v: two cases, b and a: want one"},
		{"func(v: variant {a, b(u8)})", `{}`, "v: want variant {a, b(u8)}, found an object without a case"},
		{"func(r: result<u8, string>)", `7`, "r: want result<u8, string>, found 7"},
		{"func(o: option<option<u8>>)", `7`, "o: want option<option<u8>>, found 7"},
		{"func(p: flags {read, write})", `["read","read"]`, "p[1]: read is there twice"},
		{"func(p: flags {read, write})", `["reed"]`, "p[0]: no flag is called reed; did you mean read?"},
		{"func(b: list<u8>)", `{"$bytes":"?"}`, "b.$bytes: no base64"},
		{"func(b: list<u8>)", `{"bytes":"?"}`, `b: want list<u8>: text, a list of numbers or {"$bytes": "BASE64"}`},
		{"func(b: list<u8, 3>)", `"ab"`, "b: want list<u8, 3>, found 2 bytes"},
		{"func(b: u8)", `1 2`, "b: more than one JSON value"},
		{"func(b: u8)", ``, "b: the JSON ends too soon"},
		{"func(b: list<u8>)", `[1`, "b: the JSON ends too soon"},
		{"func(a: u8, b: u8)", `1`, "2 arguments wanted, found 1: func(a: u8, b: u8)"},
	} {
		_, err := typed.FromJSON(parse(t, c.types), []string{c.json})
		if lattice.CodeOf(err) != lattice.ErrInvalid || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: %v, want %s", c.types, c.json, err, c.want)
		}
	}
}

// Versions of an interface are the same within a track.
func TestVersionsOfInterfaces(t *testing.T) {
	for pair, want := range map[[2]string]bool{
		{"a:b/c@0.1.0", "a:b/c@0.1.7"}:       true,
		{"a:b/c@0.1.0", "a:b/c@0.2.0"}:       false,
		{"a:b/c@1.0.0", "a:b/c@1.9.0"}:       true,
		{"a:b/c@1.0.0", "a:b/c@2.0.0"}:       false,
		{"a:b/c@0.0.1", "a:b/c@0.0.2"}:       false,
		{"a:b/c@1.0.0-rc", "a:b/c@1.0.0"}:    false,
		{"a:b/c@1.0.0-rc", "a:b/c@1.0.0-rc"}: true,
		{"a:b/c@1.0.0", "a:b/c"}:             true,
		{"a:b/c", "a:b/c@1.0.0"}:             false, // it wants one that has none
		{"a:b/c@1.0.0", "a:b/d@1.0.0"}:       false,
	} {
		if got := typed.Compatible(pair[0], pair[1]); got != want {
			t.Errorf("%v: %v", pair, got)
		}
	}
}

func TestWhyTwoComponentsDoNotFit(t *testing.T) {
	in := []typed.Function{{"acme:edge/filter@0.1.0", "apply", "func(text: string) -> string"}}
	for _, c := range []struct {
		exports []typed.Function
		want    string
	}{
		{[]typed.Function{{"acme:edge/filter@0.1.3", "apply", "func(text: string) -> string"}}, ""},
		{[]typed.Function{{"acme:edge/filter@0.2.0", "apply", "func(text: string) -> string"}},
			"acme:edge/filter@0.1.0#apply is not exported"},
		{[]typed.Function{{"acme:edge/filter@0.1.0", "apply", "func(text: u8)"}},
			"acme:edge/filter@0.1.0#apply is imported as func(text: string) -> string, and exported as func(text: u8)"},
	} {
		if got := typed.Mismatch(in, c.exports, "acme:edge/filter"); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	in[0].Type = "func(of: acme:edge/store entry)"
	if got := typed.Mismatch(in, in, "acme:edge/filter"); !strings.Contains(got, "resource acme:edge/store entry") {
		t.Error(got)
	}
}

func TestSurfaceAsText(t *testing.T) {
	s := typed.Surface{Exports: []typed.Function{{"", "greet", "func()"}, {"a:b/c@0.1.0", "f", "func(x: u8)"}},
		Imports: []typed.Function{{"a:b/d", "[method]r.m", "func(self: borrow<a:b/d r>)"}}}
	if got := typed.ParseSurface(s.Text()); !reflect.DeepEqual(got, s) {
		t.Errorf("%+v\nwant %+v", got, s)
	}
	text, whole := s.Within(60)
	if got := typed.ParseSurface(text); whole || !got.More || len(text) > 60 || len(got.Exports) != 2 ||
		len(got.Imports) != 0 {
		t.Errorf("%q: %+v", text, got)
	}
	side := typed.Side{Name: "B", Surface: text} // what it does not say is not held against it
	if why := typed.Misfit("a:b/d", side, side); why != "" {
		t.Error(why)
	}
	if got := typed.ParseSurface("offers x: func()\n\nexport\n"); len(got.Exports)+len(got.Imports) > 0 {
		t.Errorf("%+v", got)
	}
}

// A payload of any bytes is refused, or is a value whose encoding is read as the same. What it takes is asked for.
func FuzzDecodeParams(f *testing.F) {
	fn := parse(f, everything)
	values, err := typed.FromJSON(fn, []string{everyValue})
	if err != nil {
		f.Fatal(err)
	}
	payload, _ := typed.EncodeParams(fn, values, nil)
	f.Add(payload)
	f.Add([]byte("\x91\xdf\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		asked := int64(0)
		values, err := typed.DecodeParams(fn, payload, func(n int64) error {
			asked += n
			return nil
		})
		if asked > 1<<20+200*int64(len(payload)) {
			t.Errorf("%d bytes for a payload of %d", asked, len(payload))
		}
		if err != nil {
			return
		}
		text := typed.ToJSON(fn.Params[0].Type, values[0], false)
		if !json.Valid(text) {
			t.Fatalf("no JSON: %s", text)
		}
		again, err := typed.FromJSON(fn, []string{string(text)})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		a, _ := typed.EncodeParams(fn, values, nil)
		b, _ := typed.EncodeParams(fn, again, nil)
		if !bytes.Equal(a, b) {
			t.Errorf("%x by JSON becomes %x", a, b)
		}
	})
}

func FuzzParseFunc(f *testing.F) {
	f.Add(everything)
	f.Add("func(a: borrow<x:y/z r>)")
	f.Fuzz(func(t *testing.T, text string) {
		fn, err := typed.ParseFunc(text)
		if err != nil {
			return
		}
		again, err := typed.ParseFunc(fn.String())
		if err != nil || again.String() != fn.String() {
			t.Errorf("%q, then %v %v", fn, again, err)
		}
	})
}

// What is known against a link says who lacks what; what is not known is not held against it.
func TestWhyALinkDoesNotFit(t *testing.T) {
	imports := "import acme:edge/filter@0.1.0#apply: func(text: string)\n"
	exports := "export acme:edge/filter@0.1.4#apply: func(text: string)\n"
	store := "export acme:edge/store@0.1.0#open: func(name: string) -> acme:edge/store entry\n"
	for _, c := range []struct{ contract, from, to, want string }{
		{"acme:edge/filter", imports, exports, ""},
		{"acme:edge/filter", "", exports, ""},
		{"acme:edge/filter", imports, "", ""},
		{"acme:edge/filter", "", "", ""},
		{"acme:edge/filter", imports, store, "B exports no interface acme:edge/filter; did you mean acme:edge/store?"},
		{"acme:edge/filtre", imports, exports,
			"A imports no interface acme:edge/filtre; did you mean acme:edge/filter?"},
		{"acme:edge/store", "", store, "acme:edge/store@0.1.0#open passes the resource acme:edge/store entry, " +
			"which stays in its component"},
		{"acme:edge/filter", imports, strings.ReplaceAll(exports, "string", "u8"), "acme:edge/filter@0.1.0#apply is " +
			"imported as func(text: string), and exported as func(text: u8)"},
	} {
		got := typed.Misfit(lattice.ContractID(c.contract), typed.Side{Name: "A", Surface: c.from},
			typed.Side{Name: "B", Surface: c.to})
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.contract, got, c.want)
		}
	}
}
