package channel

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/weftlattice/weft/lattice"
)

// An error is cut to what a frame holds, between two characters.
func TestALongErrorIsText(t *testing.T) {
	err := answered(&lattice.Error{Code: lattice.ErrTrap, Detail: "x" + strings.Repeat("ö", segment)})
	if text := err.Error(); lattice.CodeOf(err) != lattice.ErrTrap || !utf8.ValidString(text) ||
		!strings.HasSuffix(text, "ö...") {
		t.Errorf("%d bytes that end in %q", len(text), text[len(text)-8:])
	}
}
