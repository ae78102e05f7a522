package logging

import (
	"encoding/hex"
	"errors"
	"testing"

	"github.com/weftlattice/weft/lattice"
)

func TestEntry(t *testing.T) {
	e := Entry{Level: Info, Text: "hi"}
	if got := hex.EncodeToString(e.Encode()); got != "82a56c6576656ca4696e666fa474657874a26869" {
		t.Errorf("wrote %s", got)
	}
	if got, err := DecodeEntry(e.Encode()); got != e || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := DecodeEntry([]byte{0x92, 0xa1, 'x', 0xa1, 'y'}); got != (Entry{"x", "y"}) || err != nil {
		t.Errorf("positional: %+v, %v", got, err)
	}
	if _, err := DecodeEntry([]byte{0x81}); !errors.Is(err, lattice.ErrInvalid) {
		t.Errorf("truncated: %v", err)
	}
}

func FuzzDecodeEntry(f *testing.F) {
	f.Add(Entry{Level: Warn, Text: "text"}.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := DecodeEntry(b)
		if err != nil {
			return
		}
		if again, err := DecodeEntry(e.Encode()); err != nil || again != e {
			t.Errorf("%+v came back as %+v, %v", e, again, err)
		}
	})
}
