package msgpack

import (
	"encoding/hex"
	"errors"
	"reflect"
	"testing"

	"github.com/weftlattice/weft/lattice"
)

func TestBarePayloads(t *testing.T) {
	for want, got := range map[string][]byte{
		"a4706f6e67": EncodeStr("pong"), "92a161a162": EncodeStrs([]string{"a", "b"}), "90": EncodeStrs(nil),
		"c3": EncodeBool(true), "d100c8": EncodeInt(200), "ccc8": EncodeUint(200),
	} {
		if hex.EncodeToString(got) != want {
			t.Errorf("encoded %x, want %s", got, want)
		}
	}
	if s, err := DecodeStr(EncodeStr("pong")); s != "pong" || err != nil {
		t.Error(s, err)
	}
	if l, err := DecodeStrs(EncodeStrs([]string{"a", "b"})); !reflect.DeepEqual(l, []string{"a", "b"}) || err != nil {
		t.Error(l, err)
	}
	if b, err := DecodeBool(EncodeBool(true)); !b || err != nil {
		t.Error(b, err)
	}
	if n, err := DecodeInt32(EncodeUint(200)); n != 200 || err != nil {
		t.Error(n, err)
	}
	if n, err := DecodeUint32(EncodeInt(200)); n != 200 || err != nil {
		t.Error(n, err)
	}
	// A list that ends early gives no half of it.
	if l, err := DecodeStrs([]byte{0x92, 0xa1, 'a', 0xa1}); l != nil || !errors.Is(err, lattice.ErrInvalid) {
		t.Error(l, err)
	}
}
