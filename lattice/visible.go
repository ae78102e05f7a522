package lattice

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Visible makes foreign text fit for one line of a terminal: what would move the cursor, change colours or turn the
// direction of writing is shown as an escape (\n, \u001b, \u202e), and so are bytes that are no UTF-8 (\xff). Other
// text, of any script, stays as it is. JSON means the same afterwards. See Printable, which shortens as well.
func Visible(s string) string { return VisibleLines(s, "") }

// VisibleLines is Visible for text whose structure is ours: the characters of kept, such as "\n\t", stay.
func VisibleLines(s, kept string) string {
	safe := true
	for i := 0; i < len(s) && safe; i++ {
		safe = s[i] >= ' ' && s[i] < 0x7f || strings.IndexByte(kept, s[i]) >= 0
	}
	if safe { // nearly all text is
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case r == '\n' && !strings.ContainsRune(kept, r):
			b.WriteString(`\n`)
		case acts(r) && !strings.ContainsRune(kept, r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(s[:size])
		}
		s = s[size:]
	}
	return b.String()
}

// acts reports whether a terminal may do something at r instead of showing it: control characters (C0, DEL, C1),
// separators of lines, and what turns the direction of writing.
func acts(r rune) bool {
	return unicode.IsControl(r) || r == 0x2028 || r == 0x2029 || r >= 0x202a && r <= 0x202e || r >= 0x2066 &&
		r <= 0x2069
}

// CheckName refuses text that people shall see as a name and that Visible would change. what says what it names. It is
// ErrInvalid.
func CheckName(what, s string) error {
	if seen := Visible(s); seen != s {
		return &Error{Code: ErrInvalid, Op: "check " + what, Entity: Printable(seen),
			Detail: "it has control characters or bytes that are no UTF-8; leave them out"}
	}
	return nil
}
