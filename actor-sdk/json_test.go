package actor_test

import (
	"encoding/json"
	"reflect"
	"testing"

	actor "github.com/weftlattice/weft/actor-sdk"
)

func equal(a, b any) bool { return reflect.DeepEqual(a, b) }

// FuzzAppendJSONString: what it writes is JSON and means the same string.
func FuzzAppendJSONString(f *testing.F) {
	f.Add("")
	f.Add("plain")
	f.Add("\"\\\n\r\t\x00\x1f\x7f")
	f.Add("ü\xff\xc3 \u2028 😀")
	f.Fuzz(func(t *testing.T, s string) {
		b := actor.AppendJSONString([]byte("x"), s)
		var got string
		if err := json.Unmarshal(b[1:], &got); err != nil || b[0] != 'x' {
			t.Fatalf("%q: %v", b, err)
		}
		if want := string([]rune(s)); got != want {
			t.Errorf("%q means %q, want %q", b, got, want)
		}
	})
}
