package httpserver

import (
	"bytes"
	"reflect"
	"slices"
	"testing"
)

// header collects what a head yields.
func (h *ResponseHead) header() Header {
	var m Header
	for name, value := range h.Fields {
		if m == nil {
			m = Header{}
		}
		m[name] = append(m[name], value)
	}
	return m
}

func TestHeads(t *testing.T) {
	body := bytes.Repeat([]byte("b"), 70_000)
	q := Request{Method: "PUT", Path: "/p", Query: "q", Header: Header{"a": {"b"}}}
	head := q.EncodeHead(len(body))
	q.Body = body
	if !bytes.Equal(append(head, body...), q.Encode()) {
		t.Error("head and body are not the request")
	}
	p := Response{StatusCode: 200, Header: Header{"a": {"b", "c"}, "none": {}}, Body: body}
	all := p.Encode()
	want := Header{"a": {"b", "c"}}
	for n := range len(all) {
		got, at, ok := DecodeResponseHead(all[:n], int64(len(all)))
		if want := n >= len(all)-len(body); ok != want {
			t.Fatalf("%d of %d bytes: %v", n, len(all), ok)
		}
		if ok && (at != len(all)-len(body) || got.StatusCode != 200 || !reflect.DeepEqual(got.header(), want)) {
			t.Fatalf("%d bytes: %+v at %d", n, got, at)
		}
	}
	if _, _, ok := DecodeResponseHead(all, int64(len(all))+1); ok {
		t.Error("something follows the body")
	}
	if h := p.Head(); h.StatusCode != 200 || !reflect.DeepEqual(h.header(), want) {
		t.Errorf("head %+v", h)
	}
	for range (&ResponseHead{decoded: want}).Fields {
		break // must be possible
	}
}

// sameHead holds the head of b against DecodeResponse.
func sameHead(t *testing.T, b []byte) {
	t.Helper()
	h, at, ok := DecodeResponseHead(b, int64(len(b)))
	if !ok {
		return
	}
	want, err := DecodeResponse(b)
	if err != nil {
		t.Fatalf("%x: a head of what is no response: %v", b, err)
	}
	got := h.header()
	for name, values := range want.Header {
		// A name that comes twice has the values of both here, and of the last in a map.
		if all := got[name]; len(all) < len(values) || !slices.Equal(all[len(all)-len(values):], values) {
			t.Fatalf("%x: header %v, want %v", b, got, want.Header)
		}
		delete(got, name)
	}
	for name, values := range got {
		t.Fatalf("%x: header %q %q out of nothing", b, name, values)
	}
	if h.StatusCode != want.StatusCode || !bytes.Equal(b[at:], want.Body) {
		t.Fatalf("%x: head %+v at %d, want %+v", b, h, at, want)
	}
}

func responses(t testing.TB) [][]byte {
	return [][]byte{
		recordedResponse(t),
		(&Response{StatusCode: 299, Header: Header{"X-A": {"1", "2"}, "b": {""}}, Body: make([]byte, 300)}).Encode(),
		// one text for an array
		cat(t, "0x83", "0xaa", "statusCode", "0x07", "0xa6", "header", "0x81a161a162", "0xa4", "body", "0xa2", "hi"),
		cat(t, "0x83", "0xaa", "statusCode", "0x07", "0xa6", "header", "0x82a16191a162a16191a163", "0xa4", "body",
			"0xa0"), // a name twice
		// nils
		cat(t, "0x83", "0xaa", "statusCode", "0x07", "0xa6", "header", "0x81a16191c0", "0xa4", "body", "0xc0"),
		// positional
		cat(t, "0x93", "0xccc8", "0xc0", "0xc402", "hi"),
		// twice
		cat(t, "0x83", "0xa6", "header", "0x81a16191a162", "0xa6", "header", "0x81a17891a179", "0xa4", "body", "0xa0"),
		cat(t, "0x83", "0xa4", "body", "0xa0", "0xa6", "header", "0x80", "0xaa", "statusCode", "0x07"), // body first
	}
}

func TestHeadIsThatOfTheResponse(t *testing.T) {
	for _, b := range responses(t) {
		sameHead(t, b)
	}
}

func FuzzHead(f *testing.F) {
	for _, b := range responses(f) {
		f.Add(b)
	}
	f.Fuzz(sameHead)
}

// A header that had to be decoded has the same order each time, also of names that differ in case alone.
func TestADecodedHeadHasOneOrder(t *testing.T) {
	p := Response{Header: Header{"set-cookie": {"3"}, "Set-Cookie": {"1", "2"}, "a": {"0"}, "SET-COOKIE": {"0"}}}
	h := p.Head()
	want := []string{"SET-COOKIE 0", "Set-Cookie 1", "Set-Cookie 2", "a 0", "set-cookie 3"}
	for range 20 {
		var got []string
		for name, value := range h.Fields {
			got = append(got, name+" "+value)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q, want %q", got, want)
		}
	}
}
