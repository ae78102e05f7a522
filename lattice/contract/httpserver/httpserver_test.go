package httpserver

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/weftlattice/weft/lattice"
)

// cat joins literal text and hex (marked by a leading 0x) to bytes.
func cat(t testing.TB, parts ...string) []byte {
	t.Helper()
	var b []byte
	for _, p := range parts {
		if h, ok := strings.CutPrefix(p, "0x"); ok {
			raw, err := hex.DecodeString(h)
			if err != nil {
				t.Fatal(err)
			}
			b = append(b, raw...)
		} else {
			b = append(b, p...)
		}
	}
	return b
}

// What a Rust client sent to the echo actor, and what that answered.
func recordedRequest(t testing.TB) []byte {
	return cat(t, "0x85", "0xa4", "body", "0xc405", "hello", "0xa6", "header", "0x81a3", "x-a", "0x92a131a132",
		"0xa6", "method", "0xa3", "GET", "0xa4", "path", "0xa4", "/foo", "0xab", "queryString", "0xa3", "a=b")
}

const echoed = `{"body":[104,101,108,108,111],"method":"GET","path":"/foo","query_string":"a=b"}`

func recordedResponse(t testing.TB) []byte {
	return cat(t, "0x83", "0xaa", "statusCode", "0xccc8", "0xa6", "header", "0x80", "0xa4", "body", "0xc450", echoed)
}

func TestRecordedRequest(t *testing.T) {
	want := &Request{Method: "GET", Path: "/foo", Query: "a=b", Header: Header{"x-a": {"1", "2"}},
		Body: []byte("hello")}
	got, err := DecodeRequest(recordedRequest(t))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("read %+v, %v", got, err)
	}
	// Ours has the same fields in the order of their declaration.
	ours := cat(t, "0x85", "0xa6", "method", "0xa3", "GET", "0xa4", "path", "0xa4", "/foo", "0xab", "queryString",
		"0xa3", "a=b",
		"0xa6", "header", "0x81a3", "x-a", "0x92a131a132", "0xa4", "body", "0xc405", "hello")
	if !bytes.Equal(got.Encode(), ours) {
		t.Errorf("wrote %q", got.Encode())
	}
}

func TestRecordedResponse(t *testing.T) {
	want := &Response{StatusCode: 200, Body: []byte(echoed)}
	got, err := DecodeResponse(recordedResponse(t))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("read %+v, %v", got, err)
	}
	if !bytes.Equal(got.Encode(), recordedResponse(t)) {
		t.Errorf("wrote %q", got.Encode())
	}
}

func TestOtherSpellings(t *testing.T) {
	want := &Request{Method: "GET", Path: "/"}
	for name, in := range map[string][]byte{
		"missing fields": cat(t, "0x82", "0xa6", "method", "0xa3", "GET", "0xa4", "path", "0xa1", "/"),
		"nil fields": cat(t, "0x85", "0xa6", "method", "0xa3", "GET", "0xa4", "path", "0xa1", "/", "0xa4", "body",
			"0xc0",
			"0xa6", "header", "0xc0", "0xab", "queryString", "0xc0"),
		"positional": cat(t, "0x95", "0xa3", "GET", "0xa1", "/", "0xa0", "0x80", "0xc0"),
		"unknown": cat(t, "0x83", "0xa6", "method", "0xa3", "GET", "0xa1", "x", "0x81a17991c3", "0xa4", "path",
			"0xa1", "/"),
	} {
		if got, err := DecodeRequest(in); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if got, err := DecodeRequest(cat(t, "0x81", "0xa4", "body", "0xa2", "hi")); err != nil || string(got.Body) != "hi" {
		t.Errorf("body as str: %+v, %v", got, err)
	}
	if got, err := DecodeResponse(cat(t, "0x81", "0xaa", "statusCode", "0xd100c8")); err != nil ||
		got.StatusCode != 200 {
		t.Errorf("signed status: %+v, %v", got, err)
	}
	for name, in := range map[string][]byte{
		"nothing": nil, "no struct": cat(t, "0xa1", "x"), "status -1": cat(t, "0x81", "0xaa", "statusCode", "0xff"),
		"status 65536": cat(t, "0x81", "0xaa", "statusCode", "0xce00010000"),
	} {
		if got, err := DecodeResponse(in); !errors.Is(err, lattice.ErrInvalid) || got != nil {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestHeader(t *testing.T) {
	h := Header{}
	h.Set("Content-Type", "text/plain")
	h.Add("X-A", "1")
	h.Add("x-a", "2")
	if !reflect.DeepEqual(h, Header{"content-type": {"text/plain"}, "x-a": {"1", "2"}}) {
		t.Errorf("header %v", h)
	}
	if h.Get("CONTENT-TYPE") != "text/plain" || h.Get("X-a") != "1" || h.Get("none") != "" ||
		Header(nil).Get("x") != "" {
		t.Error("Get misread")
	}
}

func FuzzRequest(f *testing.F) {
	f.Add(recordedRequest(f))
	f.Add(recordedResponse(f))
	f.Add([]byte{0x95, 0xa1, 'G', 0xa1, '/', 0xa0, 0x80, 0xc0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if q, err := DecodeRequest(b); err == nil {
			again, err := DecodeRequest(q.Encode())
			if err != nil || !bytes.Equal(again.Encode(), q.Encode()) || again.Path != q.Path ||
				!bytes.Equal(again.Body, q.Body) {
				t.Errorf("%+v came back as %+v, %v", q, again, err)
			}
		}
		if p, err := DecodeResponse(b); err == nil {
			again, err := DecodeResponse(p.Encode())
			if err != nil || !bytes.Equal(again.Encode(), p.Encode()) || again.StatusCode != p.StatusCode {
				t.Errorf("%+v came back as %+v, %v", p, again, err)
			}
		}
	})
}

func BenchmarkRequest(b *testing.B) {
	for name, body := range map[string]int{"empty": 0, "64KiB": 64 << 10} {
		b.Run(name, func(b *testing.B) {
			q := &Request{Method: "POST", Path: "/process", Body: make([]byte, body), Header: Header{
				"host": {"localhost:8080"}, "user-agent": {"curl/8"}, "accept": {"*/*"}}}
			b.ReportAllocs()
			for b.Loop() {
				got, err := DecodeRequest(q.Encode())
				if err != nil || len(got.Body) != body {
					b.Fatal(err)
				}
			}
		})
	}
}
