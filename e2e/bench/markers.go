package main

import (
	"fmt"
	"os"
	"strings"
)

// What lies between these lines of docs/benchmarks.md is rewritten by a whole run; all else is written by people.
const (
	beginMark = "<!-- make bench writes what follows -->\n"
	endMark   = "<!-- make bench wrote this -->\n"
)

// between puts body between the markers of a text in place of what is there.
func between(text, body string) (string, error) {
	before, rest, found := strings.Cut(text, beginMark)
	_, after, ended := strings.Cut(rest, endMark)
	if !found || !ended || strings.Count(text, beginMark) != 1 || strings.Count(text, endMark) != 1 {
		return "", fmt.Errorf("want the lines %q and %q once each, in this order", strings.TrimSpace(beginMark),
			strings.TrimSpace(endMark))
	}
	return before + beginMark + body + endMark + after, nil
}

func rewriteFile(path, body string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	out, err := between(string(text), body)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(out), 0o644)
}
