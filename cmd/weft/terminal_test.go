package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// A table fits 80 columns whatever it holds, without the beginnings of names and ids getting lost; with -o wide all is
// there.
func TestTablesFitTheTerminal(t *testing.T) {
	id := "MBCFOPM6JW2APJLXJD3Z5O4CN7CPYJ2B4FTKLJUR5YR5MITIU7HD3WD5"
	long := strings.Repeat("very", 20) + "-long-name"
	failed := "the provider cannot use the link: listen tcp 192.0.2.1:80: bind: " +
		"cannot assign requested address on this machine"
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
		if text := strings.Join(strings.Fields(out.String()), " "); !strings.Contains(text, "MBCFOPM6 ") ||
			strings.Contains(text, "DIGEST") || n > 1 && !strings.Contains(text, failed) {
			t.Errorf("%d rows:\n%s", n, &out)
		}
	}
	var out bytes.Buffer
	(&app{terminal: terminal{output: formatWide}}).table(&out, headings, rows())
	if text := out.String(); !strings.Contains(text, id) || !strings.Contains(text, long) ||
		!strings.Contains(text, "sha256:abc") || strings.Count(text, "\n") != 4 {
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

// A name with control characters, as others may sign one, neither steers the terminal nor looks like two rows. Programs
// get it whole.
func TestForeignNamesAreShownAndNotObeyed(t *testing.T) {
	const evil, seen = "ev\x1b[31mil\nname\u009b2J", `ev\u001b[31mil\nname\u009b2J`
	for _, format := range []format{formatText, formatWide} {
		var out, errs bytes.Buffer
		a := &app{terminal: terminal{out: &out, err: shown{&errs}, output: format}}
		err := a.print(nil, func(w io.Writer) {
			a.table(w, "NAME STATE", [][]string{{evil, "running"}})
			fields(w, "title", evil)
			printf(w, "started %s\n", evil)
			fmt.Fprintln(w, below(evil))
		})
		if err != nil {
			t.Fatal(err)
		}
		a.say("- host %s is ready", evil)
		a.printError(errors.New("start ev\x1b[31mil"))
		for _, text := range []string{out.String(), errs.String()} {
			if strings.ContainsAny(text, "\x1b\u009b") || strings.Contains(text, "\nname") {
				t.Errorf("%s: %q", format, text)
			}
		}
		if n := strings.Count(out.String(), seen); n != 3 || strings.Count(errs.String(), seen) != 1 {
			t.Errorf("%s: %s%s", format, &out, &errs)
		}
	}
	for _, format := range []format{formatJSON, formatYAML} {
		var out bytes.Buffer
		a := &app{terminal: terminal{out: &out, output: format}}
		if err := a.print(map[string]string{"name": evil}, nil); err != nil {
			t.Fatal(err)
		}
		var got map[string]string
		if err := yaml.Unmarshal(out.Bytes(), &got); err != nil || got["name"] != evil ||
			strings.ContainsAny(out.String(), "\x1b\u009b") {
			t.Errorf("%s: %q, %v", format, out.String(), err)
		}
	}
}
