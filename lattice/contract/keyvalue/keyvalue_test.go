package keyvalue

import (
	"encoding/hex"
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/weftlattice/weft/lattice"
)

func TestGoldenBytes(t *testing.T) {
	for name, c := range map[string]struct {
		got  []byte
		want string
	}{
		// As the kvcounter actor sends it.
		"Increment": {IncrementRequest{"counter::foo", 1}.Encode(),
			"82a36b6579ac636f756e7465723a3a666f6fa576616c756501"},
		// value is an i32: written in signed formats, also above 127
		"Increment 200": {IncrementRequest{"k", 200}.Encode(), "82a36b6579a16ba576616c7565d100c8"},
		"Get":           {GetResponse{"v", true}.Encode(), "82a576616c7565a176a6657869737473c3"},
		"Get nothing":   {GetResponse{}.Encode(), "82a576616c7565a0a6657869737473c2"},
		// expires is a u32: written in unsigned formats
		"Set": {SetRequest{"k", "v", 200}.Encode(), "83a36b6579a16ba576616c7565a176a765787069726573ccc8"},
		// every key is sent, also when it is zero: some providers have no defaults
		"Set for ever": {SetRequest{"k", "v", 0}.Encode(), "83a36b6579a16ba576616c7565a176a76578706972657300"},
		"ListAdd":      {ListItem{"l", "v"}.Encode(), "82a86c6973744e616d65a16ca576616c7565a176"},
		"SetAdd":       {SetItem{"s", "v"}.Encode(), "82a77365744e616d65a173a576616c7565a176"},
		"ListRange":    {RangeRequest{"l", 0, -1}.Encode(), "83a86c6973744e616d65a16ca5737461727400a473746f70ff"},
		// Operations beyond the contract.
		"Increment64": {Increment64Request{"k", 1 << 32}.Encode(), "82a36b6579a16ba576616c7565d30000000100000000"},
		"Swap": {SwapRequest{"k", "", false, "n"}.Encode(),
			"84a36b6579a16ba36f6c64a0a6657869737473c2a36e6577a16e"},
		"Swapped": {SwapResponse{false, "v", true}.Encode(), "83a773776170706564c2a576616c7565a176a6657869737473c3"},
		"Keys":    {KeysRequest{1 << 40, 0}.Encode(), "82a6637572736f72cf0000010000000000a56c696d697400"},
		"KeyList": {KeysResponse{[]string{"a"}, 0}.Encode(), "82a46b65797391a161a6637572736f7200"},
	} {
		if got := hex.EncodeToString(c.got); got != c.want {
			t.Errorf("%s: wrote %s, want %s", name, got, c.want)
		}
	}
}

func roundTrip[T interface{ Encode() []byte }](t *testing.T, decode func([]byte) (T, error), values ...T) {
	t.Helper()
	for _, want := range values {
		if got, err := decode(want.Encode()); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v came back as %+v, %v", want, got, err)
		}
	}
	if _, err := decode([]byte{0xa1}); !errors.Is(err, lattice.ErrInvalid) {
		t.Errorf("truncated %T: %v", *new(T), err)
	}
	if got, err := decode([]byte{0x80}); err != nil || !reflect.DeepEqual(got, *new(T)) {
		t.Errorf("empty struct is %+v, %v", got, err)
	}
}

func TestRoundTrips(t *testing.T) {
	roundTrip(t, DecodeIncrementRequest, IncrementRequest{}, IncrementRequest{"k", -1 << 31},
		IncrementRequest{"k", 1<<31 - 1})
	roundTrip(t, DecodeGetResponse, GetResponse{}, GetResponse{"v", true})
	roundTrip(t, DecodeSetRequest, SetRequest{}, SetRequest{"k", "v", 1<<32 - 1})
	roundTrip(t, DecodeListItem, ListItem{}, ListItem{"l", "v"})
	roundTrip(t, DecodeSetItem, SetItem{}, SetItem{"s", "v"})
	roundTrip(t, DecodeRangeRequest, RangeRequest{}, RangeRequest{"l", -5, 200})
	roundTrip(t, DecodeIncrement64Request, Increment64Request{"k", -1 << 63}, Increment64Request{"k", 1<<63 - 1})
	roundTrip(t, DecodeSwapRequest, SwapRequest{}, SwapRequest{"k", "\xff", true, "n"})
	roundTrip(t, DecodeSwapResponse, SwapResponse{}, SwapResponse{true, "v", true})
	roundTrip(t, DecodeKeysRequest, KeysRequest{}, KeysRequest{1<<64 - 1, 1<<32 - 1})
	roundTrip(t, DecodeKeysResponse, KeysResponse{[]string{"a", ""}, 1<<64 - 1})
}

func TestPositional(t *testing.T) {
	if got, err := DecodeSetRequest([]byte{0x93, 0xa1, 'k', 0xa1, 'v', 0x07}); err != nil ||
		got != (SetRequest{"k", "v", 7}) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := DecodeRangeRequest([]byte{0x93, 0xa1, 'l', 0x01, 0xcc, 0xc8}); err != nil ||
		got != (RangeRequest{"l", 1, 200}) {
		t.Errorf("%+v, %v", got, err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(IncrementRequest{"counter::foo", 1}.Encode())
	f.Add(SetRequest{"k", "v", 300}.Encode())
	f.Add(RangeRequest{"l", 0, -1}.Encode())
	f.Add([]byte{0x93, 0xa1, 'k', 0xa1, 'v', 0x07})
	f.Fuzz(func(t *testing.T, b []byte) {
		same(t, DecodeIncrementRequest, b)
		same(t, DecodeGetResponse, b)
		same(t, DecodeSetRequest, b)
		same(t, DecodeListItem, b)
		same(t, DecodeSetItem, b)
		same(t, DecodeRangeRequest, b)
		same(t, DecodeIncrement64Request, b)
		same(t, DecodeSwapRequest, b)
		same(t, DecodeSwapResponse, b)
		same(t, DecodeKeysRequest, b)
		if p, err := DecodeKeysResponse(b); err == nil {
			if again, err := DecodeKeysResponse(p.Encode()); err != nil || !slices.Equal(again.Keys, p.Keys) ||
				again.Cursor != p.Cursor {
				t.Errorf("%+v came back as %+v, %v", p, again, err)
			}
		}
	})
}

// same: what can be read comes back from its own encoding.
func same[T interface {
	comparable
	Encode() []byte
}](t *testing.T, decode func([]byte) (T, error), b []byte) {
	v, err := decode(b)
	if err != nil {
		return
	}
	if again, err := decode(v.Encode()); err != nil || again != v {
		t.Errorf("%+v came back as %+v, %v", v, again, err)
	}
}
