package httpserver

import (
	"net/http"
	"slices"
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"

	"github.com/weftlattice/weft/lattice/msgpack"
	"github.com/weftlattice/weft/lattice/trace"
)

// encoder writes requests as contract.Request.Encode does, byte for byte, without the struct in between: each request would
// leave its header behind in maps, slices and strings. Encoders are kept with their buffers; what a call has returned from
// is no longer read.
type encoder struct {
	msgpack.Writer
	fields []field
}

// field is a header that goes to the actor.
type field struct {
	name   string // lower case
	values []string
	one    [1]string // of those that are made here
}

var encoders = sync.Pool{New: func() any { return new(encoder) }}

// maxKeptBuffer is the largest buffer that is kept for the next request.
const maxKeptBuffer = 256 << 10

func newEncoder() *encoder {
	e := encoders.Get().(*encoder)
	e.Reset()
	return e
}

// free keeps the encoder for another request.
func (e *encoder) free() {
	clear(e.fields)
	e.fields = e.fields[:0]
	if cap(e.Bytes()) <= maxKeptBuffer {
		encoders.Put(e)
	}
}

// head writes a request up to its body, which is to follow and has so many bytes.
func (e *encoder) head(r *http.Request, tc trace.Context, body int) {
	e.Map(5)
	e.Str("method")
	e.Str(strings.ToUpper(r.Method))
	e.Str("path")
	e.Str(r.URL.EscapedPath())
	e.Str("queryString")
	e.Str(strings.ToValidUTF8(r.URL.RawQuery, "?"))
	e.Str("header")
	e.header(r, tc)
	e.Str("body")
	e.BinLen(body)
}

// header writes the header as actors see it: names in lower case, values of printable ASCII only, the host and the trace
// among them, ordered by name.
func (e *encoder) header(r *http.Request, tc trace.Context) {
	connection := r.Header["Connection"]
	for name, values := range r.Header {
		lower, ok := lowerNames[name]
		if !ok {
			lower = strings.ToLower(name)
		}
		switch {
		case hopByHop[lower] || lower == "host" || lower == "traceparent" || lower == "tracestate":
			continue
		case len(connection) > 0 && httpguts.HeaderValuesContainsToken(connection, lower):
			continue
		}
		if values = printableOnly(values); len(values) > 0 {
			e.fields = append(e.fields, field{name: lower, values: values})
		}
	}
	e.add("host", strings.ToValidUTF8(r.Host, "?"))
	e.add("traceparent", tc.Traceparent())
	if tc.State != "" {
		e.add("tracestate", tc.State)
	}
	slices.SortFunc(e.fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
	e.Map(len(e.fields))
	for i := range e.fields {
		f := &e.fields[i]
		e.Str(f.name)
		if f.values == nil {
			e.Strs(f.one[:])
		} else {
			e.Strs(f.values)
		}
	}
}

func (e *encoder) add(name, value string) {
	e.fields = append(e.fields, field{name: name, one: [1]string{value}})
}

// printableOnly returns the values that are printable; the list itself when all are.
func printableOnly(values []string) []string {
	for i, v := range values {
		if printable(v) {
			continue
		}
		kept := append([]string(nil), values[:i]...)
		for _, v := range values[i:] {
			if printable(v) {
				kept = append(kept, v)
			}
		}
		return kept
	}
	return values
}

func printable(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < ' ' || c > '~') && c != '\t' {
			return false
		}
	}
	return true
}

// hopByHop are headers of a connection, not of a message.
var hopByHop = map[string]bool{"connection": true, "keep-alive": true, "proxy-connection": true, "te": true, "trailer": true,
	"transfer-encoding": true, "upgrade": true}

// lowerNames are the usual names of headers in lower case, which need not be made for each request.
var lowerNames = func() map[string]string {
	m := map[string]string{}
	for _, name := range []string{"Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Authorization", "Cache-Control",
		"Connection", "Content-Encoding", "Content-Length", "Content-Type", "Cookie", "Date", "Dnt", "Etag", "Expect", "Forwarded", "If-Match",
		"If-Modified-Since", "If-None-Match", "Origin", "Pragma", "Priority", "Range", "Referer", "Sec-Ch-Ua", "Sec-Fetch-Dest",
		"Sec-Fetch-Mode", "Sec-Fetch-Site", "Sec-Fetch-User", "Te", "Traceparent", "Tracestate", "Transfer-Encoding", "Upgrade",
		"Upgrade-Insecure-Requests", "User-Agent", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip",
		"X-Request-Id"} {
		m[name] = strings.ToLower(name)
	}
	return m
}()
