package httpclient

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/lattice"
)

func fromHex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The golden bytes of POST https://a.example/x?y, x-a: 1, 2, body "hi", and of its answer. Note headers and header.
const (
	asked = "84" + "a66d6574686f64" + "a4504f5354" + "a375726c" + "b568747470733a2f2f612e6578616d706c652f783f79" +
		"a768656164657273" + "81a3782d61" + "92a131a132" + "a4626f6479" + "c4026869"
	answered = "83" + "aa737461747573436f6465" + "ccc8" + "a6686561646572" + "81a3782d62" + "91a133" + "a4626f6479" +
		"c4026f6b"
)

func TestGoldenRequest(t *testing.T) {
	want := &Request{Method: "POST", URL: "https://a.example/x?y", Header: Header{"x-a": {"1", "2"}},
		Body: []byte("hi")}
	got, err := DecodeRequest(fromHex(t, asked))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("read %+v, %v", got, err)
	}
	if hex.EncodeToString(want.Encode()) != asked {
		t.Errorf("wrote %x", want.Encode())
	}
}

func TestGoldenResponse(t *testing.T) {
	want := &Response{StatusCode: 200, Header: Header{"x-b": {"3"}}, Body: []byte("ok")}
	got, err := DecodeResponse(fromHex(t, answered))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("read %+v, %v", got, err)
	}
	if hex.EncodeToString(want.Encode()) != answered {
		t.Errorf("wrote %x", want.Encode())
	}
}

// Times are further keys, which software that does not know them passes over.
func TestTimesTravel(t *testing.T) {
	want := &Request{Method: "GET", URL: "http://a", Header: Header{}, Connect: time.Second,
		BetweenBytes: 300 * time.Millisecond}
	got, err := DecodeRequest(want.Encode())
	if err != nil || got.Connect != want.Connect || got.FirstByte != 0 || got.BetweenBytes != want.BetweenBytes {
		t.Errorf("%+v, %v", got, err)
	}
	var w = append([]byte{0x81, 0xae}, "connectTimeout"...)
	w = append(w, 0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	if got, err := DecodeRequest(w); err != nil || got.Connect != 1<<63-1 {
		t.Errorf("the longest time is %+v, %v", got, err)
	}
	if _, err := DecodeRequest([]byte{0xa1, 'x'}); !errors.Is(err, lattice.ErrInvalid) {
		t.Errorf("no struct: %v", err)
	}
}

func TestFailuresAreReadFromTexts(t *testing.T) {
	for _, want := range []*Failure{
		{DNSError, -1, "NXDOMAIN", "no such host: a.example"},
		{TLSAlertReceived, 40, "handshake failure", "x"},
		{ResponseBodySize, 1048577, "", "more than: allowed"},
		{RequestDenied, -1, "", ""},
	} {
		for _, before := range []string{"", "denied by policy: ", "call M…: unavailable: "} {
			if got, ok := ParseFailure(before + want.Error()); !ok || *got != *want {
				t.Errorf("%q: %+v, %v", before+want.Error(), got, ok)
			}
		}
	}
	for _, text := range []string{"", "busy", "DNS-error", "DNS-error(x: y", "dns-error: x", "a DNS-error: x",
		"DNS-error(x) y"} {
		if f, ok := ParseFailure(text); ok {
			t.Errorf("%q is read as %+v", text, f)
		}
	}
	if got, ok := ParseFailure((&Failure{Name: DNSError, Number: -1, Word: "a)b\nc"}).Error()); !ok ||
		got.Word != "a_b_c" {
		t.Errorf("a word that would end its brackets is %+v", got)
	}
}

// A text that keeps beginning failures which do not end is read in one go, and words have an end.
func TestReadingAFailureIsNoWork(t *testing.T) {
	if f, ok := ParseFailure(strings.Repeat(DNSError+"(: ", 2<<20)); ok {
		t.Errorf("it is read as %+v", f)
	}
	long := &Failure{Name: DNSError, Number: 7, Word: strings.Repeat("é", maxWord), Text: "x"}
	got, ok := ParseFailure(long.Error())
	if !ok || got.Number != 7 || !strings.HasPrefix(long.Word, got.Word) || len(got.Word) < maxWord-40 ||
		got.Text != "x" {
		t.Errorf("a long word is %+v", got)
	}
}

func FuzzRequest(f *testing.F) {
	f.Add(fromHex(f, asked))
	f.Add([]byte{0x84})
	f.Add((&Request{Connect: 1, FirstByte: 2, BetweenBytes: 3}).Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := DecodeRequest(b)
		if err != nil {
			return
		}
		again, err := DecodeRequest(q.Encode())
		if err != nil || !bytes.Equal(again.Encode(), q.Encode()) {
			t.Errorf("%+v came back as %+v, %v", q, again, err)
		}
	})
}

func FuzzFailure(f *testing.F) {
	f.Add("unavailable: DNS-error(12 NXDOMAIN): x")
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := ParseFailure(s)
		if !ok {
			return
		}
		if again, ok := ParseFailure(got.Error()); !ok || again.Error() != got.Error() || again.Name != got.Name {
			t.Errorf("%+v came back as %+v", got, again)
		}
	})
}
