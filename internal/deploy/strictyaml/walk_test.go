package strictyaml_test

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/weftlattice/weft/internal/deploy/strictyaml"
)

// read looks for the field "number" in a file.
func read(text string) []strictyaml.Problem {
	w := new(strictyaml.Walker)
	if root := w.Document([]byte(text), "number"); root != nil {
		w.Entries(root, "", []strictyaml.Field{strictyaml.One("number", func(v *yaml.Node, at string) {
			w.Integer(v, at, 1, 9)
		})})
	}
	return w.Problems
}

// A problem is found where it is: in a file, in JSON, and in the outer file of a ConfigMap, however deep its text lies.
func TestPlace(t *testing.T) {
	for name, tc := range map[string]struct {
		text         string
		line, column int
	}{
		"flow":             {"{number: 12}", 1, 10},
		"block":            {"# first\nnumber:   12\n", 2, 11},
		"JSON":             {"{\n\t\"number\": 12\n}", 2, 12},
		"ConfigMap":        {"kind: ConfigMap\ndata:\n  a.yaml: |\n    # first\n    number: 12\n", 5, 13},
		"deep":             {"kind: ConfigMap\ndata:\n        a.yaml: |\n\n                number: 12\n", 5, 25},
		"indented inside":  {"kind: ConfigMap\ndata:\n  a.yaml: |2\n      number: 12\n", 4, 15},
		"folded":           {"kind: ConfigMap\ndata:\n  a.yaml: >\n    number: 12\n", 3, 0},
		"unknown":          {"numbre: 1\n", 1, 1},
		"by alias":         {"number: &a [1, *a]\n", 1, 9},
		"no map":           {"\n\n- 1\n", 3, 1},
		"second document":  {"number: 1\n---\nnumber: 2\n", 3, 0},
		"as a whole empty": {"# nothing\n", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := read(tc.text)
			if len(p) != 1 || p[0].Line != tc.line || p[0].Column != tc.column {
				t.Errorf("%+v, want one in line %d, column %d", p, tc.line, tc.column)
			}
		})
	}
}

// With columns a problem begins as compilers say it, so that editors find it.
func TestProblemsAreWritten(t *testing.T) {
	list := read("{number: 12, numbre: 1, number: 2}")
	strictyaml.Sort(list)
	want := []string{"number: want a number from 1 to 9, found the number 12",
		`numbre: unknown field; did you mean "number"?`, "number: it is given twice, first in line 1"}
	for _, tc := range []struct {
		problems strictyaml.Problems
		begin    []string
	}{
		{strictyaml.Problems{List: list}, []string{"line 1: ", "line 1: ", "line 1: "}},
		{strictyaml.Problems{List: list, Path: "a.yaml"},
			[]string{"a.yaml: line 1: ", "a.yaml: line 1: ", "a.yaml: line 1: "}},
		{strictyaml.Problems{List: list, Path: "a.yaml", Columns: true},
			[]string{"a.yaml:1:10: ", "a.yaml:1:14: ", "a.yaml:1:25: "}},
		{strictyaml.Problems{List: list, Columns: true}, []string{"1:10: ", "1:14: ", "1:25: "}},
	} {
		lines := strings.Split(tc.problems.Error(), "\n")
		if len(lines) != len(want) {
			t.Fatalf("%q", lines)
		}
		for i, line := range lines {
			if line != tc.begin[i]+want[i] {
				t.Errorf("%s, want %s%s", line, tc.begin[i], want[i])
			}
		}
	}
}
