package operate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weftlattice/weft/internal/nearest"
	"github.com/weftlattice/weft/lattice"
)

// Candidate is something that a person may mean by a name or the beginning of an id.
type Candidate struct {
	ID    string
	Names []string // any number, without order
}

func (c Candidate) String() string {
	if len(c.Names) > 0 && c.Names[0] != "" {
		return lattice.Visible(c.Names[0] + " (" + c.ID + ")")
	}
	return lattice.Visible(c.ID)
}

// minPrefix is how many characters of an id stand for all of it. Fewer fit too much by accident.
const minPrefix = 4

// Resolve finds the candidate that query means: by its id, else by one of its names, else by the beginning of its id,
// of at least four characters; case matters nowhere. The beginning of a name means nothing, since names that begin
// alike are common, and "stop ping" shall not stop "pinger". what is the noun for the errors: lattice.ErrInvalid when
// several fit, naming them, and lattice.ErrNotFound when none does, naming the nearest.
func Resolve(what, query string, all []Candidate) (Candidate, error) {
	for _, way := range []struct {
		fits func(Candidate) bool
		out  string // what tells several apart that fit
	}{
		{func(c Candidate) bool { return c.ID == query }, ""},
		{func(c Candidate) bool { return anyName(c, func(n string) bool { return n == query }) }, "give the id"},
		{func(c Candidate) bool { return anyName(c, func(n string) bool { return strings.EqualFold(n, query) }) },
			"give the name as it is written, or the id"},
		{func(c Candidate) bool { return len(query) >= minPrefix && hasPrefixFold(c.ID, query) },
			"give more of the id"},
	} {
		var hits []Candidate
		for _, c := range all {
			if query != "" && way.fits(c) &&
				!slices.ContainsFunc(hits, func(h Candidate) bool { return h.ID == c.ID }) {
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
		return Candidate{}, &lattice.Error{Code: lattice.ErrInvalid, Op: "find " + what,
			Entity: lattice.Printable(query),
			Detail: "several fit: " + strings.Join(list, ", ") + "; " + way.out}
	}
	return Candidate{}, notFound(what, query, all)
}

func notFound(what, query string, all []Candidate) error {
	var names []string
	short := false // query is the beginning of an id, but too little of it
	for _, c := range all {
		if len(c.Names) == 0 {
			names = append(names, c.ID)
		}
		names = append(names, c.Names...)
		short = short || len(query) > 1 && len(query) < minPrefix && hasPrefixFold(c.ID, query)
	}
	detail := nearest.DidYouMean(query, names)
	switch {
	case len(all) == 0:
		detail = "there is no " + what + " here"
	case short && detail == "":
		detail = fmt.Sprintf("give at least %d characters of an id; see: weft %s list", minPrefix, what)
	case detail == "":
		detail = fmt.Sprintf("see: weft %s list", what)
	}
	return &lattice.Error{Code: lattice.ErrNotFound, Op: "find " + what, Entity: lattice.Printable(query),
		Detail: detail}
}

func anyName(c Candidate, fits func(string) bool) bool {
	return slices.ContainsFunc(c.Names, func(n string) bool { return n != "" && fits(n) })
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
