package main

import (
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/weftlattice/weft/lattice"
)

// Text of others — names, messages, logs of guests — gets to the terminal through this file: shown keeps all of it from
// doing more than being shown, and printf, fields and table keep one value from looking like several lines.

// shown writes text for people, without what would steer a terminal: see lattice.Visible. Ends of lines and tabs stay.
type shown struct{ io.Writer }

func (t shown) Write(b []byte) (int, error) {
	if _, err := io.WriteString(t.Writer, lattice.VisibleLines(string(b), "\n\t")); err != nil {
		return 0, err
	}
	return len(b), nil
}

// printf is fmt.Fprintf whose texts stay in their lines. Errors may have several.
func printf(w io.Writer, format string, args ...any) {
	fmt.Fprintf(w, format, inLine(args)...)
}

func inLine(args []any) []any {
	out := make([]any, len(args))
	for i, arg := range args {
		out[i] = arg
		if _, is := arg.(error); is {
			continue
		}
		if s, is := arg.(fmt.Stringer); is {
			out[i] = lattice.Visible(s.String())
		} else if v := reflect.ValueOf(arg); v.Kind() == reflect.String {
			out[i] = lattice.Visible(v.String())
		}
	}
	return out
}

// below shows text of several lines: those after the first are indented, so that they are no lines of ours.
func below(text string) string {
	text = strings.ReplaceAll(strings.TrimSpace(text), "\r\n", "\n")
	return strings.ReplaceAll(text, "\n", "\n    ")
}
