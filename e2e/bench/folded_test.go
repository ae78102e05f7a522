package main

import "testing"

// The report's paragraphs keep to the width of docs/benchmarks.md, and its tables stay tables.
func TestReportFoldsParagraphsAndNoTables(t *testing.T) {
	text := "one two three four\n| a row | of a table |\nshort\n\nµµµµµ µµµµµ\nlonger-than-any-line fits\n"
	want := "one two\nthree four\n| a row | of a table |\nshort\n\nµµµµµ\nµµµµµ\nlonger-than-any-line\nfits\n"
	if got := folded(text, 10); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
