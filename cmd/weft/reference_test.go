package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// docs/reference.md is what the program says of itself now.
func TestReferenceIsUpToDate(t *testing.T) {
	var now bytes.Buffer
	writeReference(&now, rootCmd(&app{terminal: terminal{output: formatText}}))
	file, err := os.ReadFile("../../docs/reference.md")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(now.Bytes(), file) {
		return
	}
	old, fresh := strings.Split(string(file), "\n"), strings.Split(now.String(), "\n")
	for i, line := range fresh {
		if i >= len(old) || old[i] != line {
			t.Fatalf("line %d is out of date; make the file again: go run ./cmd/weft reference > "+
				"docs/reference.md\nwant %s", i+1, line)
		}
	}
	t.Fatal("it has lines that are not true any more; make the file again: go run ./cmd/weft reference > " +
		"docs/reference.md")
}

// Every variable that the command line reads stands in the reference, whether a flag has it or the code asks for it.
func TestReferenceHasEveryVariable(t *testing.T) {
	text, err := os.ReadFile("../../docs/reference.md")
	if err != nil {
		t.Fatal(err)
	}
	var sources []string
	for _, dir := range []string{".", "../../internal/deploy/environ"} {
		found, err := filepath.Glob(dir + "/*.go")
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v", dir, err)
		}
		sources = append(sources, found...)
	}
	variable, found := regexp.MustCompile(`"((?:WASMCLOUD|WASH|NATS|WEFT|XDG)_[A-Z_]*[A-Z])"`), 0
	for _, source := range sources {
		code, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range variable.FindAllStringSubmatch(string(code), -1) {
			found++
			if !strings.HasSuffix(source, "_test.go") && !bytes.Contains(text, []byte(m[1])) {
				t.Errorf("%s reads %s, which the reference lacks", source, m[1])
			}
		}
	}
	if found < 40 {
		t.Errorf("%d variables found in the code: the search is wrong", found)
	}
}
