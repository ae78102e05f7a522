package yamltext_test

import (
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/weftlattice/weft/internal/yamltext"
)

// A tab used as indentation gets an error that says so, and in which line; other errors stay as they are.
func TestTabIsNamed(t *testing.T) {
	const tab = ": a tab indents it; YAML is indented with spaces"
	for text, want := range map[string]string{
		"a:\n\tb: 1\n":                     "yaml: line 2" + tab,
		"a: 1\n\tb: 1\n":                   "yaml: line 2" + tab,
		"\ta: 1\n":                         "yaml: line 1" + tab,
		"a:\n  - x\n\t- y\n":               "yaml: line 3" + tab,
		"a:\n  b: 1\n \tc: 2\n":            "yaml: line 3" + tab,
		"a:\tb\nc:\n  d: 1\n\n\n\te: 2\n":  "yaml: line 6" + tab,
		"- \tx: 1\n\ty: 2\n":               "yaml: line 2" + tab,
		"a: |\n\tx\n":                      "yaml: line 2" + tab,
		"a: @x\n":                          "yaml: found character that cannot start any token",
		"a: 1\nb: `x`\nc:\n  - 1\n\n\t# x": "yaml: line 2: found character that cannot start any token",
		"a: [1,\n\t2]\n":                   "<nil>",
	} {
		var v any
		got := "<nil>"
		if err := yamltext.Explain(yaml.Unmarshal([]byte(text), &v), []byte(text)); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
