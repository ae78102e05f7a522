// Package clip cuts text that others wrote to a number of bytes, for errors, logs and messages.
package clip

import (
	"strings"
	"unicode/utf8"
)

// Mark ends what Text cut.
const Mark = "..."

// Text returns s as UTF-8 of at most most bytes, which is len(Mark) or more. Bytes that are no UTF-8 become U+FFFD. A
// text that was cut ends in Mark. It looks at the first most bytes only, so s may be of any length.
func Text[S ~string | ~[]byte](s S, most int) string {
	text := strings.ToValidUTF8(string(Prefix(s, most)), "\uFFFD")
	if len(s) <= most && len(text) <= most {
		return text
	}
	return Prefix(text, most-len(Mark)) + Mark
}

// Prefix returns the beginning of s, at most most bytes of it, and cuts no character in two. Bytes that are no UTF-8
// stay as they are.
func Prefix[S ~string | ~[]byte](s S, most int) S {
	if len(s) <= most {
		return s
	}
	for n := most; n >= 0 && most-n < utf8.UTFMax; n-- {
		if utf8.RuneStart(s[n]) {
			return s[:n]
		}
	}
	return s[:most] // it is no UTF-8
}
