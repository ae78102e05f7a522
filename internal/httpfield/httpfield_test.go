package httpfield_test

import (
	"testing"

	"github.com/weftlattice/weft/internal/httpfield"
)

func TestText(t *testing.T) {
	for in, want := range map[string]string{"": "", "a": "a", "é": "é", "caf\xe9": "café", "\xff\xfe": "ÿþ"} {
		if got := httpfield.Text(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}
