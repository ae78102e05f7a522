// Package yamltext words the errors of YAML files for the people who write them.
package yamltext

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var lineOf = regexp.MustCompile(`^yaml: line (\d+): `)

// Explain returns the parser's error about data, or, where a tab indents a line, one that says so in the same form,
// "yaml: line 2: ...". The parser names the line before, or none, and speaks of characters that start no token.
func Explain(err error, data []byte) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	first := 1
	if m := lineOf.FindStringSubmatch(text); m != nil {
		first, _ = strconv.Atoi(m[1])
	}
	last := first + 1
	switch {
	case strings.Contains(text, "tab character"):
		last = bytes.Count(data, []byte("\n")) + 1
	case !strings.Contains(text, "cannot start any token"):
		return err
	}
	for i, line := range bytes.Split(data, []byte("\n")) {
		indent := line[:len(line)-len(bytes.TrimLeft(line, " \t"))]
		if n := i + 1; n >= first && n <= last && bytes.ContainsRune(indent, '\t') {
			return fmt.Errorf("yaml: line %d: a tab indents it; YAML is indented with spaces", n)
		}
	}
	return err
}
