package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestBetween(t *testing.T) {
	const before, after = "# Benchmarks\n\nBy hand.\n\n", "\n## Guests\n\nBy hand.\n"
	for name, c := range map[string]struct{ text, want string }{
		"replaced": {before + beginMark + "old\n\n| table |\n" + endMark + after, before + beginMark + "new\n" +
			endMark + after},
		"was empty":      {beginMark + endMark, beginMark + "new\n" + endMark},
		"no markers":     {before + after, ""},
		"no end":         {before + beginMark + after, ""},
		"wrong order":    {before + endMark + beginMark + after, ""},
		"a second begin": {beginMark + endMark + beginMark, ""},
		"a second end":   {beginMark + endMark + endMark, ""},
	} {
		got, err := between(c.text, "new\n")
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q, %v; want %q", name, got, err, c.want)
		}
	}
}

// The file has the markers, and one that lacks them stays as it is.
func TestRewriteFile(t *testing.T) {
	text, err := os.ReadFile("../../docs/benchmarks.md")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "benchmarks.md")
	for _, c := range []struct {
		text string
		ok   bool
	}{{string(text), true}, {"# Benchmarks\n", false}} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := rewriteFile(path, "new\n")
		got, _ := os.ReadFile(path)
		want := c.text
		if c.ok {
			want, _ = between(c.text, "new\n")
		}
		if (err == nil) != c.ok || string(got) != want {
			t.Errorf("%v; wrote %q", err, got)
		}
	}
}

func TestGoals(t *testing.T) {
	for _, c := range []struct {
		goal    goal
		got     float64
		verdict string
	}{
		{atLeast(.5), .5, "yes"}, {atLeast(.5), .75, "yes"}, {atLeast(.5), .486, "**no**, by 0.014"},
		{atMost(80, "µs"), 80, "yes"}, {atMost(80, "µs"), 12, "yes"}, {atMost(80, "µs"), 100, "**no**, by 20 µs"},
		{atMost(.15, ""), .165, "**no**, by 0.015"},
	} {
		if got := (target{got: c.got, goal: c.goal}).verdict(); got != c.verdict {
			t.Errorf("%v of %v: %q, want %q", c.got, c.goal, got, c.verdict)
		}
	}
	if got := atMost(80, "µs").String() + ", " + atLeast(.5).String(); got != "≤ 80 µs, ≥ 0.50" {
		t.Error(got)
	}
}
