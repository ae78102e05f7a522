package numbergen

import (
	"encoding/hex"
	"errors"
	"testing"

	"github.com/weftlattice/weft/lattice"
)

func TestRange(t *testing.T) {
	// As the randogenlogger actor sends it.
	if got := hex.EncodeToString(Range{0, 100}.Encode()); got != "82a36d696e00a36d617864" {
		t.Errorf("wrote %s", got)
	}
	for _, want := range []Range{{}, {1, 200}, {0, 1<<32 - 1}} {
		if got, err := DecodeRange(want.Encode()); got != want || err != nil {
			t.Errorf("%+v came back as %+v, %v", want, got, err)
		}
	}
	if got, err := DecodeRange([]byte{0x92, 0x01, 0xd1, 0x00, 0xc8}); got != (Range{1, 200}) || err != nil {
		t.Errorf("positional: %+v, %v", got, err)
	}
	if _, err := DecodeRange([]byte{0x81, 0xa3, 'm', 'i', 'n', 0xff}); !errors.Is(err, lattice.ErrInvalid) {
		t.Errorf("negative: %v", err)
	}
}

func FuzzDecodeRange(f *testing.F) {
	f.Add(Range{1, 1 << 31}.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := DecodeRange(b)
		if err != nil {
			return
		}
		if again, err := DecodeRange(g.Encode()); err != nil || again != g {
			t.Errorf("%+v came back as %+v, %v", g, again, err)
		}
	})
}
