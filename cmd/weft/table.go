package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/weftlattice/weft/lattice"
)

// How wide tables are, unless -o wide wants all.
const (
	tableWidth = 80
	cellMin    = 6 // no cell is cut below it; one in the last column goes below its row when it has five times as much
)

// table writes aligned columns under upper-case headings, in lines of tableWidth characters at most: a heading that
// ends in ~ is of ids, which are cut to their beginning, one that begins with + is shown with -o wide only, and what
// does not fit in the last column goes on in lines below. Where all this does not do, the widest cells are cut, but for
// those of a heading that ends in !. With -o wide all is there.
func (t *terminal) table(w io.Writer, headings string, rows [][]string) {
	wide := t.output == formatWide
	var head []string
	whole := map[int]bool{} // columns that are not cut
	shown := make([][]string, len(rows))
	for i, h := range strings.Fields(headings) {
		if strings.HasPrefix(h, "+") && !wide {
			continue
		}
		whole[len(head)] = strings.HasSuffix(h, "!")
		head = append(head, strings.Trim(h, "+~!"))
		for n, row := range rows {
			cell := row[i]
			if strings.HasSuffix(h, "~") && !wide {
				cell = short(cell)
			}
			shown[n] = append(shown[n], or(lattice.Visible(cell), "-"))
		}
	}
	below := make([]string, len(rows))
	if !wide {
		fit(append([][]string{head}, shown...), whole, below)
	}
	var aligned bytes.Buffer
	aligner := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{head}, shown...) {
		fmt.Fprintln(aligner, strings.Join(row, "\t"))
	}
	_ = aligner.Flush()
	n := -1 // the headings come first
	for line := range strings.Lines(aligned.String()) {
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
		if n >= 0 {
			for _, more := range wrap(below[n], tableWidth-4) {
				fmt.Fprintln(w, "    "+more)
			}
		}
		n++
	}
}

// fit makes rows, the headings first, narrow enough. below takes what is too much in the last column, by row without
// the headings.
func fit(rows [][]string, whole map[int]bool, below []string) {
	widths := func() (list []int, sum int) {
		list = make([]int, len(rows[0]))
		for _, row := range rows {
			for i, cell := range row {
				list[i] = max(list[i], utf8.RuneCountInString(cell))
			}
		}
		for _, n := range list {
			sum += n + 2
		}
		return list, sum - 2
	}
	list, sum := widths()
	last := len(list) - 1
	if room := tableWidth - (sum - list[last]); sum > tableWidth && list[last] > 5*cellMin {
		for n, row := range rows[1:] {
			if utf8.RuneCountInString(row[last]) > max(room, len(rows[0][last])) {
				below[n], row[last] = row[last], ""
			}
		}
	}
	for list, sum = widths(); sum > tableWidth; list, sum = widths() {
		widest := -1
		for i, n := range list {
			if n > cellMin && !whole[i] && (widest < 0 || n > list[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		for _, row := range rows {
			if cell := []rune(row[widest]); len(cell) == list[widest] {
				row[widest] = string(cell[:len(cell)-2]) + "…"
			}
		}
	}
}

// wrap cuts text between words into lines of at most width characters.
func wrap(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if utf8.RuneCountInString(word) > width { // an address, a path: it stays in one piece
			if line != "" {
				lines = append(lines, line)
			}
			lines, line = append(lines, word), ""
			continue
		}
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// cells are the values of a row, as people see them.
func cells(values ...any) []string {
	row := make([]string, len(values))
	for i, v := range values {
		row[i] = fmt.Sprint(v)
	}
	return row
}

// fields writes "name: value" lines, aligned, leaving out empty values.
func fields(w io.Writer, pairs ...any) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	all := cells(pairs...)
	for i := 0; i+1 < len(all); i += 2 {
		if all[i+1] != "" {
			fmt.Fprintf(t, "%s:\t%s\n", lattice.Visible(all[i]), lattice.Visible(all[i+1]))
		}
	}
	_ = t.Flush()
}
