package strictyaml

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weftlattice/weft/lattice"
)

// Problem is one thing wrong, or worth knowing, in a file.
type Problem struct {
	Line   int    // from 1; 0 is the file as a whole
	Column int    // from 1, in characters; 0 where it is not known
	Field  string // "providers[0].image"; empty for the file as a whole
	Detail string
}

// String returns "line 3: providers[0].image: detail".
func (p Problem) String() string {
	if p.Line > 0 {
		return fmt.Sprintf("line %d: %s", p.Line, p.text())
	}
	return p.text()
}

func (p Problem) text() string {
	if p.Field == "" {
		return p.Detail
	}
	return p.Field + ": " + p.Detail
}

// Problems is the error for a file: everything that is wrong with it, by line. It is lattice.ErrInvalid.
type Problems struct {
	Path    string // of the file; may be empty
	List    []Problem
	Columns bool // whether Error tells columns, too, as "app.yaml:3:11: actors[0].image: detail"
}

// maxTold is how many problems Error lists.
const maxTold = 100

// Error lists the problems, one a line: the first 100, and how many more there are.
func (p *Problems) Error() string {
	var lines []string
	for _, problem := range p.List[:min(len(p.List), maxTold)] {
		lines = append(lines, p.line(problem))
	}
	if more := len(p.List) - maxTold; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "\n")
}

func (p *Problems) line(problem Problem) string {
	var where strings.Builder
	if p.Path != "" {
		where.WriteString(p.Path + ":")
	}
	switch {
	case !p.Columns && p.Path == "":
		return problem.String()
	case !p.Columns:
		return where.String() + " " + problem.String()
	case problem.Line > 0 && problem.Column > 0:
		fmt.Fprintf(&where, "%d:%d:", problem.Line, problem.Column)
	case problem.Line > 0:
		fmt.Fprintf(&where, "%d:", problem.Line)
	}
	return strings.TrimPrefix(where.String()+" "+problem.text(), " ")
}

// Is makes a *Problems lattice.ErrInvalid.
func (p *Problems) Is(target error) bool { return target == lattice.ErrInvalid }

// Sort puts problems in the order of the file.
func Sort(list []Problem) {
	slices.SortStableFunc(list, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// DetailOf returns what exactly is wrong, without the operation, which the field says better.
func DetailOf(err error) string {
	var e *lattice.Error
	if errors.As(err, &e) && e.Detail != "" {
		return e.Detail
	}
	return err.Error()
}
