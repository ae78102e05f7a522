package http1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	const host = "Host: x\r\n"
	long := strings.Repeat("a", maxHead)
	for text, want := range map[string]verdict{
		"GET / HTTP/1.1\r\n" + host + "\r\n":                                                           plain,
		"DELETE /a%2Fb/../(c);d='e'?x=%zz#&\"{} HTTP/1.1\r\n" + host + "\r\n":                          plain,
		"POST / HTTP/1.1\r\n" + host + "Content-Length: 2\r\n\r\nab":                                   plain,
		"POST / HTTP/1.1\r\n" + host + "Content-Length: 0\r\n\r\n":                                     plain,
		"POST / HTTP/1.1\r\n" + host + "Content-Length: 2\r\n\r\nabGET / ":                             plain,
		"GET / HTTP/1.1\r\nHOST:[::1]:80\r\nConnection:  Keep-Alive\t\r\nX-Odd: caf\xe9\r\nX:\r\n\r\n": plain,
		"PROPFIND / HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n":                                 plain,

		"":                                 incomplete,
		"G":                                incomplete,
		"GET / HTTP/1.1\r\n" + host + "\r": incomplete,
		"POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nab":            incomplete,
		"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n": incomplete,

		"GET / HTTP/1.0\r\n" + host + "\r\n":                                              other,
		"GET / HTTP/1.1\r\n\r\n":                                                          other,
		"GET / HTTP/1.1\r\n" + host + host + "\r\n":                                       other,
		"GET / HTTP/1.1\r\nHost: \r\n\r\n":                                                other,
		"GET / HTTP/1.1\r\nHost: a b\r\n\r\n":                                             other,
		"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n":                                             other,
		"GET  / HTTP/1.1\r\n" + host + "\r\n":                                             other,
		"GET / x HTTP/1.1\r\n" + host + "\r\n":                                            other,
		"GET /%zz HTTP/1.1\r\n" + host + "\r\n":                                           other,
		"GET /%a HTTP/1.1\r\n" + host + "\r\n":                                            other,
		"GET /\"a\" HTTP/1.1\r\n" + host + "\r\n":                                         other,
		"GET /\xc3\xa9 HTTP/1.1\r\n" + host + "\r\n":                                      other,
		"GET /?\xc3\xa9 HTTP/1.1\r\n" + host + "\r\n":                                     other,
		"GET http://x/ HTTP/1.1\r\n" + host + "\r\n":                                      other,
		"OPTIONS * HTTP/1.1\r\n" + host + "\r\n":                                          other,
		"CONNECT /x HTTP/1.1\r\n" + host + "\r\n":                                         other,
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n":                                                other,
		"get / HTTP/1.1\r\n" + host + "\r\n":                                              other,
		"GET / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n":       other,
		"GET / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 1\r\n\r\na":   other,
		"GET / HTTP/1.1\r\n" + host + "Content-Length: +1\r\n\r\na":                       other,
		"GET / HTTP/1.1\r\n" + host + "Content-Length: 1, 1\r\n\r\na":                     other,
		"GET / HTTP/1.1\r\n" + host + "Content-Length: 9999999999\r\n\r\na":               other,
		"GET / HTTP/1.1\r\n" + host + "Content-Length: 49153\r\n\r\na":                    other,
		"GET / HTTP/1.1\r\n" + host + "Expect: 100-continue\r\n\r\n":                      other,
		"GET / HTTP/1.1\r\n" + host + "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n": other,
		"GET / HTTP/1.1\r\n" + host + "Connection: X-Hop\r\n\r\n":                         other,
		"GET / HTTP/1.1\r\n" + host + "Connection: keep-alive, close\r\n\r\n":             other,
		"GET / HTTP/1.1\r\n" + host + "Pragma: no-cache\r\n\r\n":                          other,
		"GET / HTTP/1.1\r\n" + host + "X : 1\r\n\r\n":                                     other,
		"GET / HTTP/1.1\r\n" + host + " X: 1\r\n\r\n":                                     other,
		"GET / HTTP/1.1\r\n" + host + "X: 1\r\n 2\r\n\r\n":                                other,
		"GET / HTTP/1.1\r\n" + host + "X: 1\nY: 2\r\n\r\n":                                other,
		"GET / HTTP/1.1\r\n" + host + "X: \x00\r\n\r\n":                                   other,
		"GET / HTTP/1.1\r\n" + host + "X: a\rb\r\n\r\n":                                   other,
		"GET / HTTP/1.1\r\n" + host + "nocolon\r\n\r\n":                                   other,
		"GET / HTTP/1.1\r\n" + host + ": x\r\n\r\n":                                       other,
		"GET / HTTP/1.1\r\n" + host + strings.Repeat("X: 1\r\n", maxFields+1) + "\r\n":    other,
		"GET / HTTP/1.1\r\n" + host + "X: " + long + "\r\n\r\n":                           other,
		"GET / HTTP/1.1\r\n" + host + "X: " + long:                                        other,
		"GET /" + long:             other,
		"\x16\x03\x01\x02\x00\x01": other,
		"\r\n\r\n":                 other,
		"GETGETGETGETGETGETGET":    other,
	} {
		var r Request
		size, v := r.parse([]byte(text), 64<<10)
		if v != want {
			t.Errorf("%.80q: %d, want %d", text, v, want)
		}
		if v == plain {
			same(t, []byte(text), size, &r)
		}
	}
	var r Request
	if _, v := r.parse([]byte("GET / HTTP/1.1\r\nHost: x\r\nX: 12345\r\n\r\n"), 30); v != other {
		t.Errorf("more than the limit of the head: %d", v)
	}
}

// same holds a plain request against what net/http reads.
func same(t *testing.T, b []byte, size int, r *Request) {
	t.Helper()
	in := bufio.NewReader(bytes.NewReader(b))
	want, err := http.ReadRequest(in)
	if err != nil {
		t.Fatalf("%q: net/http says %v", b, err)
	}
	body, err := io.ReadAll(want.Body)
	if err != nil {
		t.Fatalf("%q: net/http says of the body %v", b, err)
	}
	rest, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	if len(rest) != len(b)-size {
		t.Fatalf("%q: %d bytes, net/http takes %d", b, size, len(b)-len(rest))
	}
	if r.Method != want.Method || r.Path != want.URL.EscapedPath() || r.Query != want.URL.RawQuery ||
		r.Host != want.Host || !bytes.Equal(r.Body, body) || r.close != want.Close || want.ProtoMinor != 1 ||
		want.URL.Host != "" || want.URL.Fragment != "" {
		t.Fatalf("%q: %+v, net/http reads %+v", b, r, want)
	}
	header := http.Header{}
	for _, f := range r.Header {
		if f.Name != strings.ToLower(f.Name) {
			t.Fatalf("%q: name %q", b, f.Name)
		}
		header.Add(f.Name, f.Value)
	}
	if len(header) != len(want.Header) {
		t.Fatalf("%q: header %v, net/http reads %v", b, header, want.Header)
	}
	for name, values := range want.Header {
		if !slices.Equal(header[name], values) {
			t.Fatalf("%q: %s %q, net/http reads %q", b, name, header[name], values)
		}
	}
}

// FuzzPlain: what is plain is the same to net/http, and what was plain stays so whatever follows.
func FuzzPlain(f *testing.F) {
	for _, text := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /a%20b?c=d HTTP/1.1\r\nhost: [::1]:80\r\nContent-Length: 2\r\nX: 1\r\nx: \t2 \r\n\r\nab",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HEAD //x/../y HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
		"GET /;a=b:c@d HTTP/1.1\r\nHost: x_y\r\nCookie: a=\"b\"\r\n\r\nGET / HTTP/1.1\r\n",
		"PUT / HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Request
		copied := bytes.Clone(b)
		size, v := r.parse(copied, 64<<10)
		if v != plain {
			return
		}
		same(t, b, size, &r)
		var again Request
		if n, v := again.parse(append(bytes.Clone(b[:size:size]), "\r\n\r\nGET"...), 64<<10); v != plain || n != size {
			t.Fatalf("%q: with something behind it %d, %d bytes of %d", b, v, n, size)
		}
		for i := range size {
			if _, v := again.parse(bytes.Clone(b[:i]), 64<<10); v == plain {
				t.Fatalf("%q is plain after %d bytes of %d", b, i, size)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	text := []byte("POST /process?a=b HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n" +
		"Content-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello")
	var r Request
	b.ReportAllocs()
	for b.Loop() {
		if size, v := r.parse(text, 64<<10); v != plain || size != len(text) {
			b.Fatal(v)
		}
	}
}
