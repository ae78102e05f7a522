// Package httpfield is what HTTP's header fields are in the lattice, for the provider that serves and the one that
// asks.
package httpfield

import (
	"net/http"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"
)

// Text is the value of a field as text: HTTP has bytes, which are UTF-8 as they are, and ISO 8859-1 otherwise.
func Text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	b := make([]byte, 0, len(s)+16)
	for i := range len(s) {
		b = utf8.AppendRune(b, rune(s[i]))
	}
	return string(b)
}

var hopByHop = map[string]bool{"connection": true, "keep-alive": true, "proxy-connection": true, "te": true,
	"trailer": true, "transfer-encoding": true, "upgrade": true}

// HopByHop reports whether a field, named in lower case, is of a connection and not of a message.
func HopByHop(name string) bool { return hopByHop[name] }

// AllowedTrailer reports whether a field may follow a body (RFC 9110, section 6.5.1).
func AllowedTrailer(name, value string) bool {
	lower := strings.ToLower(name)
	return httpguts.ValidHeaderFieldName(name) && httpguts.ValidHeaderFieldValue(value) && !HopByHop(lower) &&
		httpguts.ValidTrailerHeader(http.CanonicalHeaderKey(name))
}
