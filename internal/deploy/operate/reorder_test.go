package operate

import (
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/lattice/control"
)

// Lines of several hosts come in the order of their times, though one host's arrive later; none waits for longer than
// the window.
func TestLogsOfSeveralHostsComeInOrder(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	var r reorder
	var got []string
	see := func(lines []control.LogLine) {
		for _, l := range lines {
			got = append(got, l.Text)
		}
	}
	for _, l := range []struct {
		text            string
		written, arrive int
	}{{"a1", 0, 5}, {"a2", 20, 25}, {"b1", 10, 60}, {"b2", 20, 61}, {"a3", 70, 75}, {"late", 1, 500},
		{"a4", 480, 501}} {
		see(r.due(at(l.arrive)))
		r.add(control.LogLine{Text: l.text, Time: at(l.written)}, at(l.arrive))
	}
	see(r.due(at(600)))
	if len(got) != 5 {
		t.Errorf("after 100 ms: %v", got)
	}
	see(r.all())
	if text := strings.Join(got, " "); text != "a1 b1 a2 b2 a3 late a4" {
		t.Error(text)
	}
	// A stream without a pause is shown all the same.
	for i := range 10 {
		r.add(control.LogLine{Time: at(i)}, at(100*i))
	}
	if n := len(r.due(at(900))); n != 8 {
		t.Errorf("%d of 10 lines, want those of the first 700 ms", n)
	}
}
