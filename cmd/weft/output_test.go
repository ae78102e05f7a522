package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// A table fits 80 columns whatever it holds, without the beginnings of names and ids getting lost; with -o wide all is there.
func TestTablesFitTheTerminal(t *testing.T) {
	id := "MBCFOPM6JW2APJLXJD3Z5O4CN7CPYJ2B4FTKLJUR5YR5MITIU7HD3WD5"
	long := strings.Repeat("very", 20) + "-long-name"
	failed := "the provider can not use the link: listen tcp 192.0.2.1:80: bind: cannot assign requested address on this machine"
	const headings = "NAME ID~ CONTRACT LINK HOST STATE +DIGEST ERROR"
	rows := func() [][]string {
		return [][]string{
			{"httpserver", id, "wasmcloud:httpserver", "default", "idle-grove-0990", "running", "sha256:abc", ""},
			{long, id, "wasmcloud:keyvalue", "default", "edge-1", "failed", "", failed},
			{"x", id, long, long, long, "running", "", "a\tb\nc"},
		}
	}
	for _, n := range []int{1, 2, 3} {
		var out bytes.Buffer
		new(app).table(&out, headings, rows()[:n])
		for line := range strings.Lines(out.String()) {
			if width := utf8.RuneCountInString(strings.TrimRight(line, "\n")); width > tableWidth {
				t.Errorf("%d rows: %d columns: %s", n, width, line)
			}
		}
		if text := strings.Join(strings.Fields(out.String()), " "); !strings.Contains(text, "MBCFOPM6 ") || strings.Contains(text, "DIGEST") || n > 1 && !strings.Contains(text, failed) {
			t.Errorf("%d rows:\n%s", n, &out)
		}
	}
	var out bytes.Buffer
	(&app{output: formatWide}).table(&out, headings, rows())
	if text := out.String(); !strings.Contains(text, id) || !strings.Contains(text, long) || !strings.Contains(text, "sha256:abc") || strings.Count(text, "\n") != 4 {
		t.Errorf("wide:\n%s", text)
	}
}

func TestWrap(t *testing.T) {
	got := wrap("one two three "+strings.Repeat("x", 12)+" four", 8)
	if want := []string{"one two", "three", strings.Repeat("x", 12), "four"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if wrap(" ", 8) != nil {
		t.Error("lines of nothing")
	}
}
