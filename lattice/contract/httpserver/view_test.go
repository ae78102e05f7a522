package httpserver

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/weftlattice/weft/lattice"
)

// sameView holds a view of b against DecodeRequest, which is what it must agree with.
func sameView(t *testing.T, b []byte) {
	t.Helper()
	want, wantErr := DecodeRequest(b)
	var v View
	err := v.Decode(b)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%x: %v, DecodeRequest: %v", b, err, wantErr)
	}
	if err != nil {
		if !errors.Is(err, lattice.ErrInvalid) {
			t.Fatalf("%x: %v", b, err)
		}
		return
	}
	if v.Method != want.Method || v.Path != want.Path || v.Query != want.Query || !bytes.Equal(v.Body, want.Body) ||
		(v.Body == nil) != (want.Body == nil) {
		t.Fatalf("%x: %+v, want %+v", b, v, want)
	}
	for name := range want.Header {
		if v.HeaderValue(name) != want.Header.Get(name) {
			t.Fatalf("%x: %q is %q, want %q", b, name, v.HeaderValue(name), want.Header.Get(name))
		}
	}
	if v.HeaderValue("no such name") != "" || !reflect.DeepEqual(v.Header(), want.Header) ||
		!reflect.DeepEqual(v.Header(), want.Header) {
		t.Fatalf("%x: header %v, want %v", b, v.Header(), want.Header)
	}
	for name := range want.Header { // now decoded
		if v.HeaderValue(name) != want.Header.Get(name) {
			t.Fatalf("%x: %q is %q, want %q", b, name, v.HeaderValue(name), want.Header.Get(name))
		}
	}
}

func views(t testing.TB) [][]byte {
	many := Header{}
	for i := range 40 {
		many[strings.Repeat("n", i)] = []string{strings.Repeat("v", 10*i), "2"}
	}
	list := [][]byte{
		recordedRequest(t),
		(&Request{Method: "GET", Path: "/", Header: Header{"x-none": {}, "x-one": {""}}}).Encode(),
		(&Request{Method: "POST", Path: "/" + strings.Repeat("p", 300), Query: strings.Repeat("q", 40), Header: many,
			Body: make([]byte, 70_000)}).Encode(),
		(&Request{Method: "POST", Path: "/", Header: Header{"long": {strings.Repeat("v", 70_000)}},
			Body: make([]byte, 300)}).Encode(),
		cat(t, "0x95", "0xa3", "GET", "0xa1", "/", "0xa0", "0x80", "0xc0"),       // positional
		cat(t, "0x82", "0xa4", "path", "0xa1", "a", "0xa4", "path", "0xa1", "b"), // twice
		cat(t, "0x82", "0xa4", "path", "0xc0", "0xa4", "body", "0xa2", "hi"),     // nil, text for bytes
		cat(t, "0x81", "0xa6", "header", "0x81a161a162"),                         // one text for an array
		cat(t, "0x81", "0xa6", "header", "0x82a16191a162a16191a163"),             // a name twice
		cat(t, "0x81", "0xa6", "header", "0x81a1619191a162"),                     // nested: no header
		// nil value, nothing, too much
		cat(t, "0x81", "0xa6", "header", "0x81a16191c0"), cat(t, "0x80"), cat(t, "0x8000"),
		nil,
	}
	return list
}

func TestViewAgreesWithDecodeRequest(t *testing.T) {
	for _, b := range views(t) {
		sameView(t, b)
		for n := range min(len(b), 400) { // cut off, and with a wrong byte
			sameView(t, b[:n])
			wrong := bytes.Clone(b)
			wrong[n] ^= 0x11
			sameView(t, wrong)
		}
	}
	// What providers send takes the short way.
	for i, b := range views(t)[:2] {
		if v := new(View); !v.plain(b) {
			t.Errorf("request %d is not plain", i)
		}
	}
}

func FuzzView(f *testing.F) {
	for _, b := range views(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { sameView(t, b) })
}
