package operate

import (
	"slices"
	"time"

	"github.com/weftlattice/weft/lattice/control"
)

// reorderWindow is how long a line waits for earlier ones that other hosts send. A person at a terminal does not notice
// it.
const reorderWindow = 200 * time.Millisecond

// reorder gives lines in the order of their times, as far as they come within reorderWindow of each other.
type reorder struct {
	lines []arrived // by time
}

type arrived struct {
	control.LogLine
	at time.Time
}

func (r *reorder) add(line control.LogLine, now time.Time) {
	i, _ := slices.BinarySearchFunc(r.lines, line.Time, func(l arrived, t time.Time) int {
		if l.Time.After(t) {
			return 1
		}
		return -1 // the same time: after those that came before
	})
	r.lines = slices.Insert(r.lines, i, arrived{line, now})
}

// due takes out the lines that have waited for long enough, with all that are earlier.
func (r *reorder) due(now time.Time) []control.LogLine {
	n := 0
	for i, l := range r.lines {
		if now.Sub(l.at) >= reorderWindow {
			n = i + 1
		}
	}
	return r.take(n)
}

// all takes out all lines.
func (r *reorder) all() []control.LogLine { return r.take(len(r.lines)) }

func (r *reorder) take(n int) []control.LogLine {
	var out []control.LogLine
	for _, l := range r.lines[:n] {
		out = append(out, l.LogLine)
	}
	r.lines = slices.Delete(r.lines, 0, n)
	return out
}
