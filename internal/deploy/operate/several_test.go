package operate

import (
	"strings"
	"testing"
)

// When a query fits several candidates, the error says what tells those apart: never a name that they share.
func TestSeveralFitSaysWhatTellsThemApart(t *testing.T) {
	all := []Candidate{{"NAAAAAAAA1", []string{"h2"}}, {"NAAAAAAAA2", []string{"h2"}}, {"NBBBBBBBB1", []string{"Web"}},
		{"NBBBBBBBB2", []string{"WEB"}}}
	for query, out := range map[string]string{"h2": "; give the id",
		"web": "; give the name as it is written, or the id", "NAAAAAAAA": "; give more of the id"} {
		if _, err := Resolve("host", query, all); err == nil || !strings.HasSuffix(err.Error(), out) ||
			!strings.Contains(err.Error(), "several fit: ") {
			t.Errorf("%s: %v, want %q at the end", query, err, out)
		}
	}
	if c, err := Resolve("host", "Web", all); err != nil || c.ID != "NBBBBBBBB1" {
		t.Errorf("Web: %v, %v", c, err)
	}
}
