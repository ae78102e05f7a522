package weft_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestWordsOnTheWireHaveOneHome finds second spellings of the words that processes say to one another.
func TestWordsOnTheWireHaveOneHome(t *testing.T) {
	homes := map[string]string{
		"weft:ready":    "lattice/wire/hostdata.go",
		"weft:reloaded": "lattice/wire/hostdata.go",
		"weft:restart":  "lattice/wire/hostdata.go",
		"Weft-Host":     "lattice/wire/link.go",
		"Weft-Error":    "lattice/wire/link.go",
		"traceparent":   "lattice/trace/trace.go",
		"tracestate":    "lattice/trace/trace.go",
	}
	for word, home := range homes {
		spelt := placesOf(t, regexp.MustCompile(`"`+regexp.QuoteMeta(word)+`"`))
		if len(spelt) != 1 || spelt[0] != home {
			t.Errorf("%q is spelt in %v, want %s alone", word, spelt, home)
		}
	}
}

// TestDeedsHaveOneHome finds code that does by hand what a package does for all.
func TestDeedsHaveOneHome(t *testing.T) {
	for _, deed := range []struct {
		what, code string
		homes      []string
	}{
		{"cutting text to a length", `ToValidUTF8\(.*\[:|utf8\.RuneStart\(`, []string{"internal/clip/clip.go",
			"lattice/contract/httpclient/failure.go", // compiles into guests, and marks nothing
			"lattice/signing/form.go"}},              // asks whether the end was cut
	} {
		found := placesOf(t, regexp.MustCompile(deed.code))
		slices.Sort(deed.homes)
		if !slices.Equal(found, deed.homes) {
			t.Errorf("%s is in %v, want %v", deed.what, found, deed.homes)
		}
	}
}

// placesOf are the files of the product with a line of code that matches, in order. Tests and e2e say what others
// expect to read.
func placesOf(t *testing.T, pattern *regexp.Regexp) (files []string) {
	t.Helper()
	for _, file := range sources(t) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			if !strings.HasPrefix(strings.TrimSpace(line), "//") && pattern.MatchString(line) {
				files = append(files, file)
				break
			}
		}
	}
	return files
}

// sources are the Go files of the product, without tests, in order.
func sources(t *testing.T) (files []string) {
	t.Helper()
	for _, tree := range []string{"actor-sdk", "cmd", "host", "internal", "lattice", "provider"} {
		err := filepath.WalkDir(tree, func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.IsDir() && e.Name() == "testdata" {
				return fs.SkipDir
			}
			if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				files = append(files, filepath.ToSlash(path))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}
