package core

import (
	"encoding/hex"
	"errors"
	"testing"

	"github.com/weftlattice/weft/lattice"
)

func TestGoldenBytes(t *testing.T) {
	if got := hex.EncodeToString(EncodeHealthRequest()); got != "80" {
		t.Errorf("request is %s", got)
	}
	if got := hex.EncodeToString(Health{Healthy: true}.Encode()); got != "81a76865616c746879c3" {
		t.Errorf("answer is %s", got)
	}
}

func TestHealthRoundTrip(t *testing.T) {
	for _, want := range []Health{{}, {Healthy: true}, {Message: "no disk"}} {
		if got, err := DecodeHealth(want.Encode()); got != want || err != nil {
			t.Errorf("%+v came back as %+v, %v", want, got, err)
		}
	}
	if got, err := DecodeHealth([]byte{0x92, 0xc3, 0xa1, 'm'}); got != (Health{true, "m"}) || err != nil {
		t.Errorf("positional: %+v, %v", got, err)
	}
	if got, err := DecodeHealth([]byte{0x80}); got != (Health{}) || err != nil {
		t.Errorf("empty: %+v, %v", got, err)
	}
	if _, err := DecodeHealth(nil); !errors.Is(err, lattice.ErrInvalid) {
		t.Errorf("nothing: %v", err)
	}
}
