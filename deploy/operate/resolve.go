package operate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/weftlattice/weft/lattice"
)

// Candidate is something that a person may mean by a name or the beginning of an id.
type Candidate struct {
	ID    string
	Names []string // any number, without order
}

func (c Candidate) String() string {
	if len(c.Names) > 0 && c.Names[0] != "" {
		return c.Names[0] + " (" + c.ID + ")"
	}
	return c.ID
}

// Resolve finds the candidate that query means: by its id, else by one of its names, else by the beginning of its id,
// else by the beginning of a name; case matters in none of them. what is the noun for the errors: lattice.ErrInvalid
// when several fit, naming them, and lattice.ErrNotFound when none does, naming similar ones.
func Resolve(what, query string, all []Candidate) (Candidate, error) {
	for _, fits := range []func(Candidate) bool{
		func(c Candidate) bool { return c.ID == query },
		func(c Candidate) bool { return anyName(c, func(n string) bool { return n == query }) },
		func(c Candidate) bool { return anyName(c, func(n string) bool { return strings.EqualFold(n, query) }) },
		func(c Candidate) bool { return hasPrefixFold(c.ID, query) },
		func(c Candidate) bool { return anyName(c, func(n string) bool { return hasPrefixFold(n, query) }) },
	} {
		var hits []Candidate
		for _, c := range all {
			if query != "" && fits(c) && !slices.ContainsFunc(hits, func(h Candidate) bool { return h.ID == c.ID }) {
				hits = append(hits, c)
			}
		}
		switch len(hits) {
		case 0:
			continue
		case 1:
			return hits[0], nil
		}
		var list []string
		for _, h := range hits {
			list = append(list, h.String())
		}
		slices.Sort(list)
		return Candidate{}, &lattice.Error{Code: lattice.ErrInvalid, Op: "find " + what, Entity: lattice.Printable(query),
			Detail: "several fit: " + strings.Join(list, ", ")}
	}
	return Candidate{}, notFound(what, query, all)
}

func notFound(what, query string, all []Candidate) error {
	var names []string
	for _, c := range all {
		if len(c.Names) == 0 {
			names = append(names, c.ID)
		}
		names = append(names, c.Names...)
	}
	detail := DidYouMean(query, names)
	switch {
	case len(all) == 0:
		detail = "there is no " + what + " in this lattice"
	case detail == "":
		detail = fmt.Sprintf("see: weft %s list", what)
	}
	return &lattice.Error{Code: lattice.ErrNotFound, Op: "find " + what, Entity: lattice.Printable(query), Detail: detail}
}

// DidYouMean asks whether one of the Nearest names is meant; it is empty when there are none.
func DidYouMean(word string, names []string) string {
	near := Nearest(word, names)
	if len(near) == 0 {
		return ""
	}
	return "did you mean " + strings.Join(near, " or ") + "?"
}

func anyName(c Candidate, fits func(string) bool) bool {
	return slices.ContainsFunc(c.Names, func(n string) bool { return n != "" && fits(n) })
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// Nearest returns up to three of the names that look like a misspelling of word, the likeliest first.
func Nearest(word string, names []string) []string {
	type scored struct {
		name     string
		distance int
	}
	word = strings.ToLower(word)
	var near []scored
	for _, n := range names {
		d := distance(word, strings.ToLower(n))
		if n != "" && (d <= max(1, len(n)/3) || len(word) > 2 && strings.Contains(strings.ToLower(n), word)) {
			near = append(near, scored{n, d})
		}
	}
	slices.SortFunc(near, func(a, b scored) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.name, b.name))
	})
	var out []string
	for _, s := range near {
		if !slices.Contains(out, s.name) && len(out) < 3 {
			out = append(out, s.name)
		}
	}
	return out
}

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
