// Package httpfield is what HTTP's header fields are in the lattice, for the provider that serves and the one that
// asks.
package httpfield

import (
	"iter"
	"maps"
	"net/http"
	"slices"
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

// All yields each value of each field, in the byte order of the names as they are spelled, and a name's values in their
// order. So what comes of a map is the same each time.
func All[H ~map[string][]string](h H) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for _, name := range Names(h) {
			for _, v := range h[name] {
				if !yield(name, v) {
					return
				}
			}
		}
	}
}

// Names are the names of fields, in their byte order.
func Names[H ~map[string][]string](h H) []string {
	names := slices.AppendSeq(make([]string, 0, len(h)), maps.Keys(h))
	slices.Sort(names)
	return names
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
