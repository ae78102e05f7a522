package strictyaml

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/weftlattice/weft/internal/nearest"
	"github.com/weftlattice/weft/lattice"
)

const (
	maxNodes = 100_000 // visited in one file, aliases counted as often as they are used
	maxDepth = 32
)

// Walker goes through the nodes of a document and collects what is wrong. The zero Walker is ready.
type Walker struct {
	Problems []Problem
	Warnings []Problem
	place    func(line, column int) (int, int) // from the document's to the file's; nil: they are the same
	nodes    int
	unfit    int
}

// Bad notes a problem of a node.
func (w *Walker) Bad(n *yaml.Node, path, format string, args ...any) {
	w.Problems = append(w.Problems, w.problem(n, path, fmt.Sprintf(format, args...)))
}

// Unfit notes a problem of a value whose form is good: it counts as Bad does, and not among Misshapen.
func (w *Walker) Unfit(n *yaml.Node, path, format string, args ...any) {
	w.Bad(n, path, format, args...)
	w.unfit++
}

// Misshapen is how many problems are of the form: unknown fields, wrong types, missing values.
func (w *Walker) Misshapen() int { return len(w.Problems) - w.unfit }

// Warn notes what is worth knowing of a node.
func (w *Walker) Warn(n *yaml.Node, path, format string, args ...any) {
	w.Warnings = append(w.Warnings, w.problem(n, path, fmt.Sprintf(format, args...)))
}

func (w *Walker) problem(n *yaml.Node, path, detail string) Problem {
	line, column := w.Place(n)
	return Problem{line, column, path, detail}
}

// Place returns the line and column of a node in the file, 0 for none.
func (w *Walker) Place(n *yaml.Node) (line, column int) {
	if n == nil || n.Line == 0 {
		return 0, 0
	}
	return w.at(n.Line, n.Column)
}

func (w *Walker) at(line, column int) (int, int) {
	if w.place == nil {
		return line, column
	}
	return w.place(line, column)
}

// Line returns the line of a node in the file, 0 for none.
func (w *Walker) Line(n *yaml.Node) int {
	line, _ := w.Place(n)
	return line
}

// Deref follows aliases.
func Deref(n *yaml.Node) *yaml.Node {
	for range maxDepth {
		if n.Kind != yaml.AliasNode || n.Alias == nil {
			break
		}
		n = n.Alias
	}
	return n
}

// Field is one entry that a map may have.
type Field struct {
	Names []string // the first is the canonical one
	Read  func(value *yaml.Node, path string)
}

// One is a field with one name.
func One(name string, read func(value *yaml.Node, path string)) Field {
	return Field{[]string{name}, read}
}

// Entries reads a map with the given fields. It returns the keys that are there, by canonical name; a null map has
// none.
func (w *Walker) Entries(n *yaml.Node, path string, fields []Field) map[string]*yaml.Node {
	present := map[string]*yaml.Node{}
	w.Pairs(n, path, func(key, value *yaml.Node, at string) {
		name := key.Value
		i := slices.IndexFunc(fields, func(f Field) bool { return slices.Contains(f.Names, name) })
		if i < 0 {
			var known []string
			for _, f := range fields {
				known = append(known, f.Names...)
			}
			w.Bad(key, at, "unknown field%s", Suggest(name, known))
			return
		}
		present[fields[i].Names[0]] = key
		if !IsNull(value) {
			fields[i].Read(value, at)
		}
	})
	return present
}

// Pairs calls visit for each entry of a map, with values' aliases followed.
func (w *Walker) Pairs(n *yaml.Node, path string, visit func(key, value *yaml.Node, path string)) {
	if n = Deref(n); IsNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		w.Bad(n, path, "want a map, found %s", Describe(n))
		return
	}
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if !w.Count(n) {
			return
		}
		key, value := n.Content[i], Deref(n.Content[i+1])
		if key.Kind != yaml.ScalarNode {
			w.Bad(key, path, "want a name, found %s", Describe(Deref(key)))
			continue
		}
		at := Join(path, key.Value)
		if key.ShortTag() == "!!merge" {
			w.Bad(key, at, "merge keys are not supported; write the fields out")
			continue
		}
		if first, ok := seen[key.Value]; ok {
			w.Bad(key, at, "it is given twice, first in line %d", w.Line(first))
			continue
		}
		seen[key.Value] = key
		visit(key, value, at)
	}
}

// Items calls visit for each item of a list. A null list has none; a null item is a mistake, such as a dash left over.
func (w *Walker) Items(n *yaml.Node, path string, visit func(item *yaml.Node, path string)) {
	if n = Deref(n); IsNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		w.Bad(n, path, "want a list, found %s", Describe(n))
		return
	}
	for i, item := range n.Content {
		if !w.Count(n) {
			return
		}
		at := fmt.Sprintf("%s[%d]", path, i)
		if item = Deref(item); IsNull(item) {
			w.Bad(item, at, "is empty; remove the dash, or write the item")
			continue
		}
		visit(item, at)
	}
}

// Count counts the visit of a node, and is false when there were too many, which is a problem: a few lines of aliases
// can mean millions of nodes.
func (w *Walker) Count(n *yaml.Node) bool {
	w.nodes++
	if w.nodes == maxNodes {
		w.Unfit(n, "", "the file has more than %d values, aliases included", maxNodes)
	}
	return w.nodes < maxNodes
}

// Text reads text that is not empty.
func (w *Walker) Text(n *yaml.Node, path string) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" {
		hint := ""
		if n.Kind == yaml.ScalarNode && !IsNull(n) {
			hint = "; put it in quotes"
		}
		w.Bad(n, path, "want text, found %s%s", Describe(n), hint)
		return "", false
	}
	if s := n.Value; s != "" {
		return s, true
	}
	w.Bad(n, path, "it is empty")
	return "", false
}

// Boolean reads true or false, in all spellings of YAML 1.1, and 1 or 0.
func (w *Walker) Boolean(n *yaml.Node, path string) (value, ok bool) {
	if n.Kind == yaml.ScalarNode {
		switch strings.ToLower(n.Value) {
		case "true", "yes", "on", "1":
			return true, true
		case "false", "no", "off", "0":
			return false, true
		}
	}
	w.Bad(n, path, "want true or false, found %s", Describe(n))
	return false, false
}

// Integer reads a whole number within bounds.
func (w *Walker) Integer(n *yaml.Node, path string, low, high int64) (int64, bool) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" {
		w.Bad(n, path, "want a whole number, found %s", Describe(n))
		return 0, false
	}
	var v int64
	if err := n.Decode(&v); err != nil || v < low || v > high {
		w.Bad(n, path, "want a number from %d to %d, found %s", low, high, Describe(n))
		return 0, false
	}
	return v, true
}

// Duration reads milliseconds, or text with a unit.
func (w *Walker) Duration(n *yaml.Node, path string, low, high time.Duration) (time.Duration, bool) {
	var d time.Duration
	switch {
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!int":
		var ms int64
		if n.Decode(&ms) != nil || ms > math.MaxInt64/int64(time.Millisecond) || ms < 0 {
			ms = -1
		}
		d = time.Duration(ms) * time.Millisecond
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str":
		var err error
		if d, err = time.ParseDuration(n.Value); err != nil {
			w.Bad(n, path, `want milliseconds, or text such as "2s", found %s`, Describe(n))
			return 0, false
		}
	default:
		w.Bad(n, path, `want milliseconds, or text such as "2s", found %s`, Describe(n))
		return 0, false
	}
	if d < low || d > high {
		w.Bad(n, path, "want a time from %s to %s, found %s", low, high, Describe(n))
		return 0, false
	}
	return d, true
}

// Texts reads a list of texts, or one text with commas.
func (w *Walker) Texts(n *yaml.Node, path string, visit func(item *yaml.Node, s, path string)) {
	if n.Kind == yaml.ScalarNode {
		if s, ok := w.Text(n, path); ok {
			for part := range strings.SplitSeq(s, ",") {
				if part = strings.TrimSpace(part); part != "" {
					visit(n, part, path)
				}
			}
		}
		return
	}
	w.Items(n, path, func(item *yaml.Node, at string) {
		if s, ok := w.Text(item, at); ok {
			visit(item, s, at)
		}
	})
}

// Values reads a map of settings, each as Value does; null is left out.
func (w *Walker) Values(n *yaml.Node, path string) map[string]string {
	values := map[string]string{}
	w.Pairs(n, path, func(key, value *yaml.Node, at string) {
		if IsNull(value) {
			return
		}
		if text, ok := w.Value(value, at); ok {
			values[key.Value] = text
		}
	})
	return values
}

// Value reads a setting: a scalar as it is written, a map or list as JSON.
func (w *Walker) Value(n *yaml.Node, path string) (string, bool) {
	if n = Deref(n); n.Kind == yaml.ScalarNode {
		return n.Value, w.plain(n, path)
	}
	v, ok := w.json(n, path, 0)
	if !ok {
		return "", false
	}
	text, err := json.Marshal(v)
	return string(text), err == nil
}

// plain refuses scalars of types that have no text of their own.
func (w *Walker) plain(n *yaml.Node, path string) bool {
	switch n.ShortTag() {
	case "!!str", "!!int", "!!float", "!!bool", "!!timestamp":
		return true
	}
	w.Bad(n, path, "want text, a number, true or false, found %s", Describe(n))
	return false
}

// json returns a node as a value that encoding/json can marshal.
func (w *Walker) json(n *yaml.Node, path string, depth int) (any, bool) {
	n = Deref(n)
	if !w.Count(n) {
		return nil, false
	}
	if depth > maxDepth {
		w.Unfit(n, path, "it is nested too deeply")
		return nil, false
	}
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		good := true
		w.Pairs(n, path, func(key, value *yaml.Node, at string) {
			if good {
				m[key.Value], good = w.json(value, at, depth+1)
			}
		})
		return m, good && w.nodes < maxNodes
	case yaml.SequenceNode:
		list := []any{}
		good := true
		w.Items(n, path, func(item *yaml.Node, at string) {
			if good {
				var v any
				v, good = w.json(item, at, depth+1)
				list = append(list, v)
			}
		})
		return list, good && w.nodes < maxNodes
	}
	if IsNull(n) {
		return nil, true
	}
	if !w.plain(n, path) {
		return nil, false
	}
	switch n.ShortTag() {
	case "!!int", "!!float", "!!bool":
		var v any
		if err := n.Decode(&v); err == nil {
			if f, ok := v.(float64); !ok || !math.IsInf(f, 0) && !math.IsNaN(f) {
				return v, true
			}
		}
		w.Bad(n, path, "%s is no JSON value", Describe(n))
		return nil, false
	}
	return n.Value, true
}

// HasKey reports whether a map gives a field a value.
func HasKey(n *yaml.Node, name string) bool {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name && !IsNull(Deref(n.Content[i+1])) {
			return true
		}
	}
	return false
}

// IsNull reports whether a node has no value.
func IsNull(n *yaml.Node) bool {
	return n.Kind == 0 || n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

// Describe says what a node is, for messages.
func Describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a map"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias of itself"
	}
	value := lattice.Printable(n.Value)
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!str":
		return strconv.Quote(value)
	case "!!int", "!!float":
		return "the number " + value
	case "!!bool":
		return value
	case "!!timestamp":
		return "the date " + value
	case "!!binary":
		return "binary data"
	}
	return "a value tagged " + lattice.Printable(n.Tag)
}

// Join returns the path of a field: "providers[0].image".
func Join(path, name string) string {
	name = lattice.Printable(name)
	if path == "" {
		return name
	}
	return path + "." + name
}

// Suggest returns `; did you mean "x"?` for the nearest known name, if one is near.
func Suggest(name string, known []string) string {
	near := nearest.Names(name, known)
	if len(near) == 0 {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", near[0])
}
