package lattice_test

import (
	"testing"
	"unicode/utf8"

	"github.com/weftlattice/weft/lattice"
)

func TestForeignTextCannotSteerATerminal(t *testing.T) {
	for text, want := range map[string]string{
		"plain":                  "plain",
		"größe 名 🧶":              "größe 名 🧶",
		"ev\x1b[31mil\nname":     `ev\u001b[31mil\nname`,
		"\r\t\a\x7f":             `\u000d\u0009\u0007\u007f`,
		"\u009b31m":              `\u009b31m`, // CSI in one character
		"\x9b31m":                `\x9b31m`,   // and in one byte
		"a\u202eb\u2066c\u2028d": `a\u202eb\u2066c\u2028d`,
	} {
		if got := lattice.Visible(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
		if err := lattice.CheckName("name", text); (err == nil) != (text == want) || err != nil &&
			lattice.CodeOf(err) != lattice.ErrInvalid {
			t.Errorf("%q as a name: %v", text, err)
		}
	}
	if got := lattice.VisibleLines("a\n\tb\x1b", "\n\t"); got != "a\n\tb\\u001b" {
		t.Errorf("%q", got)
	}
}

func FuzzVisible(f *testing.F) {
	f.Add("ev\x1b[31mil\n\u009b\xff名")
	f.Fuzz(func(t *testing.T, s string) {
		got := lattice.Visible(s)
		if !utf8.ValidString(got) || lattice.Visible(got) != got {
			t.Errorf("%q: %q", s, got)
		}
		for _, r := range got {
			if r < ' ' || r >= 0x7f && r < 0xa0 {
				t.Errorf("%q: %q", s, got)
			}
		}
	})
}
