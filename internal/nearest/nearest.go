// Package nearest finds the word that was meant by a misspelt one.
package nearest

import (
	"cmp"
	"slices"
	"strings"

	"github.com/weftlattice/weft/lattice"
)

// DidYouMean asks whether one of the Names is meant; it is empty when there are none.
func DidYouMean[S ~string](word S, names []S) string {
	near := Names(word, names)
	if len(near) == 0 {
		return ""
	}
	return lattice.Visible("did you mean " + strings.Join(lattice.Texts(near), " or ") + "?")
}

// Names returns up to three of the names that look like a misspelling of word, begin with it, or, where it is longer
// than two letters, contain it, the likeliest first. Beside a name that is at most one letter off, only those that
// begin with the word may be meant.
func Names[S ~string](meant S, names []S) []S {
	type scored struct {
		name     S
		lower    string
		distance int
	}
	begins := slices.ContainsFunc(names, func(n S) bool {
		return strings.HasPrefix(strings.ToLower(string(n)), strings.ToLower(string(meant)))
	})
	word := strings.ToLower(string(meant))
	var near []scored
	for _, name := range names {
		n := strings.ToLower(string(name))
		d := distance(word, n)
		if n != "" && word != "" && (d <= max(1, len(n)/3) || d == 2 && !begins && sameStart(n, word) ||
			strings.HasPrefix(n, word) || len(word) > 2 && strings.Contains(n, word)) {
			near = append(near, scored{name, n, d})
		}
	}
	slices.SortFunc(near, func(a, b scored) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.name, b.name))
	})
	var out []S
	for _, s := range near {
		if near[0].distance <= 1 && s.distance > near[0].distance && !strings.HasPrefix(s.lower, word) {
			continue
		}
		if !slices.Contains(out, s.name) && len(out) < 3 {
			out = append(out, s.name)
		}
	}
	return out
}

// sameStart reports whether two words begin with the same two letters, as "maks" and "max": those are seldom misspelt.
func sameStart(a, b string) bool { return len(a) > 2 && len(b) > 2 && a[:2] == b[:2] }

// distance counts the letters to insert, delete, replace or swap with their neighbour to turn a into b.
func distance(a, b string) int {
	const limit = 64 // longer words are no misspellings
	if len(a) > limit || len(b) > limit {
		return limit
	}
	rows := [3][limit + 1]int{}
	for j := range len(b) + 1 {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row := &rows[(i+2)%3], &rows[i%3], &rows[(i+1)%3]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := 1
			if a[i-1] == b[j-1] {
				replace = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return rows[(len(a)+1)%3][len(b)]
}
