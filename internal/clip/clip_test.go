package clip

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTextIsCutBetweenCharactersAndMarked(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		most       int
		want       string
	}{
		{"shorter", "größe", 10, "größe"},
		{"as long as the limit", "größe", 7, "größe"},
		{"longer", "abcdefgh", 7, "abcd..."},
		{"in the middle of two bytes", "abcößxyz", 7, "abc..."},
		{"in the middle of four bytes", "🧶🧶🧶", 10, "🧶..."},
		{"nothing but the mark", "🧶🧶🧶", 5, "..."},
		{"empty", "", 7, ""},
		{"bytes that are no UTF-8", "a\xff\xfeb", 10, "a\uFFFDb"},
		{"which take more room as U+FFFD", "a\xffb\xffc", 8, "a\uFFFDb..."},
		{"only the second half of characters", strings.Repeat("\x80", 20), 9, "\uFFFD..."},
		{"a character that the text itself cuts", "abc\xf0\x9f", 10, "abc\uFFFD"},
	} {
		if got := Text(tt.text, tt.most); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		if got := Text([]byte(tt.text), tt.most); got != tt.want {
			t.Errorf("%s, as bytes: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestPrefixCutsNoCharacter(t *testing.T) {
	for most, want := range []string{"", "", "ö", "ö", "ö", "ö", "ö🧶", "ö🧶a", "ö🧶ab", "ö🧶ab"} {
		if got := Prefix("ö🧶ab", most); got != want {
			t.Errorf("%d bytes: %q, want %q", most, got, want)
		}
	}
	if got := Prefix([]byte("\x80\x80\x80\x80\x80\x80"), 5); len(got) != 5 {
		t.Errorf("of what is no UTF-8: %d bytes, want 5", len(got))
	}
}

func FuzzText(f *testing.F) {
	f.Add("größe 🧶 \xff", 9)
	f.Fuzz(func(t *testing.T, s string, most int) {
		most = len(Mark) + int(uint(most)%64)
		got := Text(s, most)
		if !utf8.ValidString(got) || len(got) > most {
			t.Errorf("%q in %d bytes: %q", s, most, got)
		}
		if valid := utf8.ValidString(s); valid && len(s) <= most && got != s ||
			valid && len(s) > most && !strings.HasPrefix(s, strings.TrimSuffix(got, Mark)) {
			t.Errorf("%q in %d bytes: %q", s, most, got)
		}
	})
}
