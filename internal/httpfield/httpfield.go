// Package httpfield is what HTTP's header fields are in the lattice, for the provider that serves and the one that
// asks.
package httpfield

import "unicode/utf8"

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
