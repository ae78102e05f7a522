package operate

import (
	"strings"
	"testing"

	"github.com/weftlattice/weft/lattice"
)

// TestStopPingDoesNotStopPinger: a name is meant whole, an id by four characters or more.
func TestStopPingDoesNotStopPinger(t *testing.T) {
	all := []Candidate{
		{ID: "MAAAAXY", Names: []string{"edge-data-processor", "edp"}},
		{ID: "MAAAABB", Names: []string{"echo"}},
		{ID: "MBBBB", Names: []string{"echo-two"}},
		{ID: "MCCCC", Names: []string{"twin"}},
		{ID: "MDDDD", Names: []string{"twin"}},
		{ID: "MEEEE"},
		{ID: "MFFFF", Names: []string{"pinger"}},
	}
	for _, tc := range []struct {
		query, want string
		code        lattice.Code
		says        string
	}{
		{query: "MAAAAXY", want: "MAAAAXY"},
		{query: "edp", want: "MAAAAXY"},
		{query: "echo", want: "MAAAABB"},
		{query: "ECHO", want: "MAAAABB"},
		{query: "mbbb", want: "MBBBB"},
		{query: "MEEE", want: "MEEEE"},
		{query: "pinger", want: "MFFFF"},
		{query: "p", code: lattice.ErrNotFound, says: "did you mean pinger?"},
		{query: "ping", code: lattice.ErrNotFound, says: "did you mean pinger?"},
		{query: "echo-", code: lattice.ErrNotFound, says: "did you mean echo or echo-two?"},
		{query: "edge", code: lattice.ErrNotFound, says: "did you mean edge-data-processor?"},
		{query: "MFF", code: lattice.ErrNotFound, says: "at least 4 characters of an id"},
		{query: "MAAA", code: lattice.ErrInvalid, says: "several fit: echo (MAAAABB), edge-data-processor (MAAAAXY)"},
		{query: "twin", code: lattice.ErrInvalid, says: "several fit: twin (MCCCC), twin (MDDDD)"},
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
