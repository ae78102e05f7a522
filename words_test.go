package weft_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestWordsOnTheWireHaveOneHome finds second spellings of the words that processes say to one another.
func TestWordsOnTheWireHaveOneHome(t *testing.T) {
	for word, home := range map[string]string{
		"weft:ready":    "lattice/wire/hostdata.go",
		"weft:reloaded": "lattice/wire/hostdata.go",
		"weft:restart":  "lattice/wire/hostdata.go",
		"Weft-Host":     "lattice/wire/link.go",
		"Weft-Error":    "lattice/wire/link.go",
		"traceparent":   "lattice/trace/trace.go",
		"tracestate":    "lattice/trace/trace.go",
	} {
		// e2e and tests say what others expect to read
		out, _ := exec.Command("grep", "-rF", "--include=*.go", "--exclude=*_test.go", "--exclude-dir=testdata",
			`"`+word+`"`,
			"lattice", "internal", "host", "provider", "actor-sdk", "cmd").Output()
		var files []string
		for line := range strings.Lines(string(out)) {
			if file, text, _ := strings.Cut(line, ":"); !strings.HasPrefix(strings.TrimSpace(text), "//") {
				files = append(files, file)
			}
		}
		if len(files) != 1 || files[0] != home {
			t.Errorf("%q is spelt in %v, want %s alone", word, files, home)
		}
	}
}
