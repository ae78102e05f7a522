package operate

import (
	"strings"
	"testing"

	"github.com/weftlattice/weft/lattice"
)

func TestResolve(t *testing.T) {
	all := []Candidate{
		{ID: "MAAAA", Names: []string{"edge-data-processor", "edp"}},
		{ID: "MAABB", Names: []string{"echo"}},
		{ID: "MBBBB", Names: []string{"echo-two"}},
		{ID: "MCCCC", Names: []string{"twin"}},
		{ID: "MDDDD", Names: []string{"twin"}},
		{ID: "MEEEE"},
	}
	for _, tc := range []struct {
		query, want string
		code        lattice.Code
		says        string
	}{
		{query: "MAAAA", want: "MAAAA"},
		{query: "edp", want: "MAAAA"},
		{query: "echo", want: "MAABB"}, // the exact name wins over being the beginning of another
		{query: "ECHO", want: "MAABB"},
		{query: "echo-", want: "MBBBB"},
		{query: "mb", want: "MBBBB"},
		{query: "edge", want: "MAAAA"},
		{query: "MEE", want: "MEEEE"},
		{query: "MAA", code: lattice.ErrInvalid, says: "echo (MAABB), edge-data-processor (MAAAA)"},
		{query: "twin", code: lattice.ErrInvalid, says: "twin (MCCCC), twin (MDDDD)"},
		{query: "ehco", code: lattice.ErrNotFound, says: "did you mean echo"},
		{query: "processor", code: lattice.ErrNotFound, says: "did you mean edge-data-processor"},
		{query: "xyzzy", code: lattice.ErrNotFound, says: "weft actor list"},
		{query: "", code: lattice.ErrNotFound},
	} {
		t.Run(tc.query, func(t *testing.T) {
			got, err := Resolve("actor", tc.query, all)
			if lattice.CodeOf(err) != tc.code || got.ID != tc.want {
				t.Fatalf("got %q, %v; want %q, %v", got.ID, err, tc.want, tc.code)
			}
			if err != nil && !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error %q does not say %q", err, tc.says)
			}
		})
	}
	if _, err := Resolve("actor", "a", nil); !strings.Contains(err.Error(), "there is no actor") {
		t.Errorf("empty lattice: %v", err)
	}
}
