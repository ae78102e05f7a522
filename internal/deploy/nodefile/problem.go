package nodefile

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weftlattice/weft/lattice"
)

// Problem is one thing wrong, or worth knowing, in a file.
type Problem struct {
	Line   int    // from 1; 0 is the file as a whole
	Field  string // "providers[0].image"; empty for the file as a whole
	Detail string
}

// String returns "line 3: providers[0].image: detail".
func (p Problem) String() string {
	s := p.Detail
	if p.Field != "" {
		s = p.Field + ": " + s
	}
	if p.Line > 0 {
		s = fmt.Sprintf("line %d: %s", p.Line, s)
	}
	return s
}

// Problems is the error for a file: everything that is wrong with it, by line. It is lattice.ErrInvalid.
type Problems struct {
	Path string // of the file; may be empty
	List []Problem
}

// Error lists the problems, one a line.
func (p *Problems) Error() string {
	var b strings.Builder
	for i, problem := range p.List {
		if i > 0 {
			b.WriteByte('\n')
		}
		if p.Path != "" {
			b.WriteString(p.Path + ": ")
		}
		b.WriteString(problem.String())
	}
	return b.String()
}

// Is makes a *Problems lattice.ErrInvalid.
func (p *Problems) Is(target error) bool { return target == lattice.ErrInvalid }

func byLine(a, b Problem) int { return a.Line - b.Line }

func (p *Problems) sort() { slices.SortStableFunc(p.List, byLine) }

// detailOf returns what exactly is wrong, without the operation, which the field says better.
func detailOf(err error) string {
	var e *lattice.Error
	if errors.As(err, &e) && e.Detail != "" {
		return e.Detail
	}
	return err.Error()
}
