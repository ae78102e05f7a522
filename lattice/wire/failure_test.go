package wire_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

func TestFailure(t *testing.T) {
	f := wire.NewFailure(&lattice.Error{Code: lattice.ErrTrap, Op: "call X", Detail: "panic: boom"})
	f.TraceID, f.Status = "t", 500
	got, err := wire.DecodeFailure(f.Encode())
	if err != nil || !reflect.DeepEqual(got, f) || got.Code != "trap" ||
		got.Message != "call X: guest trapped: panic: boom" {
		t.Fatalf("got %+v, %v, want %+v", got, err, f)
	}
	if _, err := wire.DecodeFailure([]byte(`{"code":"mishap"}`)); !errors.Is(err, lattice.ErrInvalid) {
		t.Errorf("unknown code: %v", err)
	}
	long := wire.NewFailure(errors.New(strings.Repeat("ü", 3000)))
	if n := len(long.Message); n > 2<<10 || n < 2<<10-4 ||
		!utf8.ValidString(long.Message) || strings.ContainsRune(long.Message, utf8.RuneError) {
		t.Errorf("cut to %d bytes: %q", n, long.Message[n-10:])
	}
}

func FuzzDecodeFailure(f *testing.F) {
	f.Add(wire.NewFailure(lattice.ErrBusy).Encode())
	f.Add([]byte(`{"code":"trap","message":"\xff","time":"x"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := wire.DecodeFailure(b)
		if err != nil {
			return
		}
		if len(got.Message) > 2<<10 || got.Bytes() > 2<<10+9*256+256 ||
			!utf8.ValidString(got.Message) {
			t.Fatalf("%d bytes", got.Bytes())
		}
	})
}
