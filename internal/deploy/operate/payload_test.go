package operate

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/weftlattice/weft/lattice"
)

func TestPayload(t *testing.T) {
	for _, tc := range []struct{ name, in, bytes, out string }{
		{"empty", " ", "", "null"},
		{"null", "null", "\xc0", "null"},
		{"text", `"hi"`, "\xa2hi", `"hi"`},
		{"negative", "-200", "\xd1\xff\x38", "-200"},
		{"unsigned", "200", "\xcc\xc8", "200"},
		{"float", "1.5", "\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00", "1.5"},
		{"object, keys in order", `{"b":[true],"a":1}`, "\x82\xa1a\x01\xa1b\x91\xc3", `{"a":1,"b":[true]}`},
		{"bytes that are text", `{"$bytes":"aGk="}`, "\xc4\x02hi", `"hi"`},
		{"bytes that are none", `{"$bytes":"//8="}`, "\xc4\x02\xff\xff", `"//8="`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			payload, err := PayloadFromJSON(tc.in)
			if err != nil || string(payload) != tc.bytes {
				t.Fatalf("got %x, %v; want %x", payload, err, tc.bytes)
			}
			v, err := PayloadToJSON(payload, false)
			if err != nil {
				t.Fatal(err)
			}
			if out, _ := json.Marshal(v); string(out) != tc.out {
				t.Errorf("got %s, want %s", out, tc.out)
			}
		})
	}
}

func TestPayloadRefused(t *testing.T) {
	for _, in := range []string{"{", "1 2", "hello", `{"$bytes":"?"}`, `{"\udc00":1}`, "\"\xff\"",
		strings.Repeat("[", maxDepth+2) +
			strings.Repeat("]", maxDepth+2)} {
		if _, err := PayloadFromJSON(in); lattice.CodeOf(err) != lattice.ErrInvalid {
			t.Errorf("%.20s: %v", in, err)
		}
	}
	for _, in := range []string{"\x92\x01", "\x01\x01", "\xc1", "\xd4\x01\x01", strings.Repeat("\x91", 1<<20),
		"\x81\x90\x01", "\x81\x80\x01", "\xc6\xff\xff\xff\xff"} {
		if _, err := PayloadToJSON([]byte(in), false); lattice.CodeOf(err) != lattice.ErrInvalid {
			t.Errorf("%.20q: %v", in, err)
		}
	}
}

func FuzzPayloadToJSON(f *testing.F) {
	f.Add([]byte("\x82\xa1a\x01\xa1b\x91\xc3"))
	f.Add([]byte("\xc4\x02\xff\xff"))
	f.Add([]byte("\xdf\xff\xff\xff\xff"))
	f.Add([]byte("\x81\xcb\x7f\xf8\x00\x00\x00\x00\x00\x01\xca\x7f\x80\x00\x00"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		v, err := PayloadToJSON(payload, false)
		if err != nil {
			return
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatalf("%x: %v", payload, err)
		}
		if _, err := PayloadFromJSON(string(text)); err != nil && len(text) < 1000 {
			t.Fatalf("%s: %v", text, err)
		}
	})
}
