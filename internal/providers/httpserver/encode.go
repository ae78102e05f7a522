package httpserver

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"

	"github.com/weftlattice/weft/internal/httpfield"
	"github.com/weftlattice/weft/internal/providers/httpserver/internal/http1"
	contract "github.com/weftlattice/weft/lattice/contract/httpserver"
	"github.com/weftlattice/weft/lattice/msgpack"
	"github.com/weftlattice/weft/lattice/trace"
)

// encoder writes requests as contract.Request.Encode does, byte for byte, without the struct in between: each request
// would leave its header behind in maps, slices and strings. Encoders are kept with their buffers; what a call has
// returned from is no longer read.
type encoder struct {
	msgpack.Writer
	fields []field
}

// field is a header that goes to the actor: its name in lower case and one of its values.
type field struct{ name, value string }

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

// net writes a request that net/http has read, up to its body, which is to follow and has so many bytes.
func (e *encoder) net(r *http.Request, x *exchange, path string, body int) {
	connection := r.Header["Connection"]
	for name, values := range r.Header {
		lower := lowerName(name)
		if len(connection) > 0 && httpguts.HeaderValuesContainsToken(connection, lower) {
			continue
		}
		for _, v := range values {
			e.add(lower, v)
		}
	}
	e.head(x, path, r.URL.RawQuery, r.Host)
	e.BinLen(body)
}

// plain writes a plain request.
func (e *encoder) plain(r *http1.Request, x *exchange) {
	for i := range r.Header {
		e.add(r.Header[i].Name, r.Header[i].Value)
	}
	e.head(x, r.Path, r.Query, r.Host)
	e.Bin(r.Body)
}

// add notes a header, unless it is one of the connection or of those that head adds.
func (e *encoder) add(name, value string) {
	if !httpfield.HopByHop(name) && name != "host" && name != trace.ParentHeader && name != trace.StateHeader &&
		!asserted(name) {
		e.fields = append(e.fields, field{name, httpfield.Text(value)})
	}
}

// head writes a request up to its body, with the host, the origin and the trace among the headers, which are ordered by
// name.
func (e *encoder) head(x *exchange, path, query, host string) {
	e.Map(5)
	e.Str("method")
	e.Str(x.method)
	e.Str("path")
	e.Str(path)
	e.Str("queryString")
	e.Str(escapeInvalid(query))
	e.fields = append(e.fields, field{"host", httpfield.Text(host)}, field{trace.ParentHeader, x.trace.Traceparent()},
		field{contract.ForwardedFor, x.from.chain}, field{contract.ForwardedProto, x.from.scheme})
	if x.from.host != "" {
		e.fields = append(e.fields, field{contract.ForwardedHost, x.from.host})
	}
	if x.trace.State != "" {
		e.fields = append(e.fields, field{trace.StateHeader, x.trace.State})
	}
	slices.SortStableFunc(e.fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
	names := 0
	for i := range e.fields {
		if i == 0 || e.fields[i].name != e.fields[i-1].name {
			names++
		}
	}
	e.Str("header")
	e.Map(names)
	for i := 0; i < len(e.fields); {
		end := i + 1
		for end < len(e.fields) && e.fields[end].name == e.fields[i].name {
			end++
		}
		e.Str(e.fields[i].name)
		e.Array(end - i)
		for ; i < end; i++ {
			e.Str(e.fields[i].value)
		}
	}
	e.Str("body")
}

// escapeInvalid is a query whose bytes beyond ASCII are escaped if they are not UTF-8, which a text has to be.
func escapeInvalid(query string) string {
	if utf8.ValidString(query) {
		return query
	}
	b := make([]byte, 0, len(query)+16)
	for i := range len(query) {
		if c := query[i]; c < utf8.RuneSelf {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return string(b)
}

// lowerName is the name of a header in lower case.
func lowerName(name string) string {
	if lower, ok := lowerNames[name]; ok {
		return lower
	}
	return strings.ToLower(name)
}

// lowerNames are the usual names of headers in lower case, which need not be made for each request.
var lowerNames = func() map[string]string {
	m := map[string]string{}
	for _, name := range []string{"Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Authorization",
		"Cache-Control",
		"Connection", "Content-Encoding", "Content-Length", "Content-Type", "Cookie", "Date", "Dnt", "Etag", "Expect",
		"Forwarded", "If-Match",
		"If-Modified-Since", "If-None-Match", "Origin", "Pragma", "Priority", "Range", "Referer", "Sec-Ch-Ua",
		"Sec-Fetch-Dest",
		"Sec-Fetch-Mode", "Sec-Fetch-Site", "Sec-Fetch-User", "Te", "Traceparent", "Tracestate", "Transfer-Encoding",
		"Upgrade",
		"Upgrade-Insecure-Requests", "User-Agent", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
		"X-Real-Ip",
		"X-Request-Id"} {
		m[name] = strings.ToLower(name)
	}
	return m
}()
