package httpclient

import (
	"context"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/weftlattice/weft/internal/clip"
	"github.com/weftlattice/weft/internal/httpfield"
	contract "github.com/weftlattice/weft/lattice/contract/httpclient"
	"github.com/weftlattice/weft/lattice/trace"
)

// fieldCost is what a field counts for besides its name and value, as in HTTP/2.
const fieldCost = 32

// secret are fields that never go to another origin than the one that they were meant for.
var secret = []string{"Authorization", "Cookie", "Cookie2", "Www-Authenticate", "Proxy-Authorization"}

// requestHeader is the header of a request as it is sent: without the fields of a connection, and without Host, which
// would name another site than the URL that was judged. Content-Length has to be right, and is then net/http's: length,
// which is negative when the body follows and nobody says how long it is.
func (s *settings) requestHeader(ctx context.Context, q *contract.Request, follows bool) (h http.Header, length int64,
	err error) {
	h = http.Header{"User-Agent": nil} // none, rather than that of net/http
	connection := []string{}
	size := int64(0)
	names := httpfield.Names(q.Header) // so that values of a name that is spelled in several ways have an order
	for _, name := range names {
		values := q.Header[name]
		if strings.EqualFold(name, "connection") {
			connection = append(connection, values...)
		}
		good := httpguts.ValidHeaderFieldName(name)
		for _, v := range values {
			size += int64(len(name) + len(v) + fieldCost)
			good = good && httpguts.ValidHeaderFieldValue(v)
		}
		if !good {
			return nil, 0, contract.Fail(contract.ProtocolError, "the header %q is none that HTTP allows",
				clip.Text(name, maxShown))
		}
	}
	if size > s.headerBytes {
		return nil, 0, contract.Sized(contract.RequestHeaderSize, size,
			"a header of %d bytes; see max_header_bytes", size)
	}
	if length = int64(len(q.Body)); follows {
		length = -1
	}
	for _, name := range names {
		values := q.Header[name]
		lower := strings.ToLower(name)
		switch {
		case lower == "host" || httpfield.HopByHop(lower) || strings.HasPrefix(lower, "proxy-") ||
			lower == "http2-settings" || httpguts.HeaderValuesContainsToken(connection, lower):
		case lower == "content-length":
			for _, v := range values {
				n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 63)
				switch said := int64(n); {
				case err != nil || length >= 0 && length != said || said < int64(len(q.Body)):
					return nil, 0, contract.Sized(contract.RequestBodySize, int64(len(q.Body)),
						"content-length says %q, and the body has %d bytes", clip.Text(v, maxShown), len(q.Body))
				case said > s.requestBytes:
					return nil, 0, s.requestTooLarge(said)
				default:
					length = said
				}
			}
		default:
			key := textproto.CanonicalMIMEHeaderKey(name)
			h[key] = append(h[key], values...)
		}
	}
	if tc, ok := trace.From(ctx); ok && s.trace && h.Get(trace.ParentHeader) == "" {
		child := tc.Child()
		h.Set(trace.ParentHeader, child.Traceparent())
		if h.Del(trace.StateHeader); child.State != "" {
			h.Set(trace.StateHeader, child.State)
		}
	}
	return h, length, nil
}

// requestTooLarge is the error of a request whose body has so many bytes.
func (s *settings) requestTooLarge(bytes int64) error {
	return contract.Sized(contract.RequestBodySize, bytes,
		"a body of %d bytes, and the link allows %d; see max_request_bytes", bytes, s.requestBytes)
}

// maxShown is how many bytes of a name or a value errors repeat.
const maxShown = 100

// responseHeader is the header of a response as actors get it.
func responseHeader(from http.Header) contract.Header {
	h := contract.Header{}
	connection := from["Connection"]
	for name, values := range from {
		lower := strings.ToLower(name)
		if httpfield.HopByHop(lower) || httpguts.HeaderValuesContainsToken(connection, lower) {
			continue
		}
		for _, v := range values {
			h[lower] = append(h[lower], httpfield.Text(v))
		}
	}
	return h
}
