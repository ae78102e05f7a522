package weft_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// widest is how many columns a line may have. A tab goes to the next multiple of four, as most editors show it.
const widest = 120

// Code, comments and documents are read beside each other and in reviews, where longer lines break or are cut. Rows of
// Markdown tables may be longer: Markdown has no way to break them. Only sources that people write are looked at: not
// recordings and seeds, and not the sources of test guests in other languages. The checked-in guests hold their lines'
// numbers.
func TestNoLineIsWiderThan120Columns(t *testing.T) {
	lines := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{".git", "bin"}, path) || d.Name() == "fuzz" {
				return fs.SkipDir
			}
			return nil
		}
		ext := filepath.Ext(path)
		if ext != ".go" && ext != ".md" && ext != ".sh" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		n := 0
		for line := range strings.Lines(string(text)) {
			n++
			if ext == ".md" && strings.HasPrefix(strings.TrimSpace(line), "|") {
				continue
			}
			if w := columns(strings.TrimSuffix(line, "\n")); w > widest {
				t.Errorf("%s:%d has %d columns, %d allowed; break it: %s", path, n, w, widest, strings.TrimSpace(line))
			}
		}
		lines += n
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if lines < 100_000 {
		t.Errorf("%d lines seen: the search is wrong", lines)
	}
}

// columns is how wide a line is on a screen.
func columns(line string) int {
	n := 0
	for _, r := range line {
		if n++; r == '\t' {
			n += 3 - (n-1)%4
		}
	}
	return n
}

func TestColumnsCountTabsAsFour(t *testing.T) {
	for line, want := range map[string]int{"": 0, "abc": 3, "\t": 4, "\tx": 5, "ab\tx": 5, "abc\tx": 5, "abcd\tx": 9,
		"é": 1} {
		if got := columns(line); got != want {
			t.Errorf("%q has %d columns, want %d", line, got, want)
		}
	}
}
