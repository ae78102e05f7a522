package stream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/weftlattice/weft/lattice"
)

// What does not keep to the format breaks the stream, and nothing else.
func FuzzReceive(f *testing.F) {
	trailers, _ := encodeTrailers([]Field{{"a", "b"}, {"", ""}})
	f.Add(byte(End), trailers)
	f.Add(byte(Broken), encodeError(lattice.ErrTrap))
	f.Add(byte(Credit), []byte{1, 0, 0, 0})
	f.Add(byte(Data), []byte("bytes"))
	f.Fuzz(func(t *testing.T, kind byte, payload []byte) {
		s := New(Calling, true, func(context.Context, Kind, []byte) error { return nil }, nil)
		for range 3 {
			if err := s.Receive(Kind(kind), payload); err != nil && s.Err() == nil {
				t.Fatal("it goes on after", err)
			}
		}
		for {
			b, err := s.Try(Piece)
			if b == nil || err != nil {
				break
			}
		}
		s.Break(lattice.ErrCanceled)
		if held, _ := s.meter.Held(); held != 0 || s.meter.Open() != 0 {
			t.Fatalf("%d bytes held, %d open", held, s.meter.Open())
		}
	})
}

func TestTrailers(t *testing.T) {
	for _, want := range [][]Field{nil, {{"a", "1"}, {"a", "2"}, {"b", ""}}} {
		b, err := encodeTrailers(want)
		got, err2 := decodeTrailers(b)
		if err != nil || err2 != nil || len(got) != len(want) {
			t.Fatalf("%v: %v, %v, %v", want, got, err, err2)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%v, want %v", got, want)
			}
		}
	}
	_, err := encodeTrailers([]Field{{"a", string(make([]byte, maxTrailers))}})
	if lattice.CodeOf(err) != lattice.ErrTooLarge {
		t.Errorf("too large: %v", err)
	}
}

// More than there is room for breaks the stream: a sender cannot make this end hold more than a window.
func TestMoreThanAWindow(t *testing.T) {
	m := new(Meter)
	s := New(Calling, false, func(context.Context, Kind, []byte) error { return nil }, m)
	for left := Window; left > 0; left -= min(left, Piece) {
		if err := s.Receive(Data, make([]byte, min(left, Piece))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Receive(Data, []byte{1}); lattice.CodeOf(err) != lattice.ErrInvalid || s.Err() == nil {
		t.Errorf("a byte more: %v", err)
	}
	if now, most := m.Held(); now != 0 || most != Window || m.Open() != 0 {
		t.Errorf("%d held, %d at most, %d open", now, most, m.Open())
	}
}

// Bytes that come one by one take about as much as they are.
func TestManySmallFramesShareBlocks(t *testing.T) {
	s := New(Calling, false, func(context.Context, Kind, []byte) error { return nil }, nil)
	for i := range 4000 {
		if err := s.Receive(Data, []byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	total := 0
	for _, b := range s.blocks {
		total += cap(b)
	}
	if total > 8000 {
		t.Errorf("4000 bytes take %d", total)
	}
	var all []byte
	for len(all) < 4000 {
		b, err := s.Try(7)
		if err != nil || len(b) == 0 {
			t.Fatal(err, len(all))
		}
		all = append(all, b...)
	}
	for i := range all {
		if all[i] != byte(i) {
			t.Fatal("wrong byte at", i)
		}
	}
}

// A piece that Next has given does not change while the other end sends on, or the stream breaks.
func TestWhatIsReadStays(t *testing.T) {
	a, b := Pipe(false, nil, nil)
	if err := b.Write(t.Context(), []byte("first")); err != nil {
		t.Fatal(err)
	}
	got, err := a.Next(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if err := b.Write(t.Context(), bytes.Repeat([]byte("x"), Piece)); err != nil {
			t.Fatal(err)
		}
	}
	a.Break(errors.New("enough"))
	if err := b.Write(t.Context(), []byte("y")); err == nil {
		t.Error("it goes on")
	}
	if string(got) != "fir" {
		t.Errorf("%q", got)
	}
	if _, err := a.Next(t.Context(), 3); err == nil || err == io.EOF {
		t.Errorf("a broken stream has the clean end: %v", err)
	}
}

// The reason is cut to what a frame holds, between two characters.
func TestALongReasonOfABrokenStreamIsText(t *testing.T) {
	long := &lattice.Error{Code: lattice.ErrTrap, Detail: "x" + strings.Repeat("ö", maxText)}
	err := decodeError(encodeError(long))
	if text := err.Error(); lattice.CodeOf(err) != lattice.ErrTrap || !utf8.ValidString(text) ||
		!strings.HasSuffix(text, "ö...") {
		t.Errorf("it is %v", err)
	}
}
