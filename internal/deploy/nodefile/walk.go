package nodefile

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

// walker goes through the nodes of a document and collects what is wrong.
type walker struct {
	problems []Problem
	warnings []Problem
	lineOf   func(int) int // from the document's lines to the file's
	nodes    int
}

func (w *walker) bad(n *yaml.Node, path, format string, args ...any) {
	w.problems = append(w.problems, Problem{w.line(n), path, fmt.Sprintf(format, args...)})
}

func (w *walker) warn(n *yaml.Node, path, format string, args ...any) {
	w.warnings = append(w.warnings, Problem{w.line(n), path, fmt.Sprintf(format, args...)})
}

func (w *walker) line(n *yaml.Node) int {
	if n == nil {
		return 0
	}
	return w.lineOf(n.Line)
}

// deref follows aliases.
func deref(n *yaml.Node) *yaml.Node {
	for range maxDepth {
		if n.Kind != yaml.AliasNode || n.Alias == nil {
			break
		}
		n = n.Alias
	}
	return n
}

// field is one entry that a map may have.
type field struct {
	names []string // the first is the canonical one
	read  func(value *yaml.Node, path string)
}

func one(name string, read func(*yaml.Node, string)) field { return field{[]string{name}, read} }

// entries reads a map with the given fields. It returns the keys that are there, by canonical name; a null map has
// none.
func (w *walker) entries(n *yaml.Node, path string, fields []field) map[string]*yaml.Node {
	present := map[string]*yaml.Node{}
	w.pairs(n, path, func(key, value *yaml.Node, at string) {
		name := key.Value
		i := slices.IndexFunc(fields, func(f field) bool { return slices.Contains(f.names, name) })
		if i < 0 {
			var known []string
			for _, f := range fields {
				known = append(known, f.names...)
			}
			w.bad(key, at, "unknown field%s", suggest(name, known))
			return
		}
		present[fields[i].names[0]] = key
		if !isNull(value) {
			fields[i].read(value, at)
		}
	})
	return present
}

// pairs calls visit for each entry of a map, with values' aliases followed.
func (w *walker) pairs(n *yaml.Node, path string, visit func(key, value *yaml.Node, path string)) {
	if n = deref(n); isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		w.bad(n, path, "want a map, found %s", describe(n))
		return
	}
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if !w.count(n) {
			return
		}
		key, value := n.Content[i], deref(n.Content[i+1])
		if key.Kind != yaml.ScalarNode {
			w.bad(key, path, "want a name, found %s", describe(deref(key)))
			continue
		}
		at := join(path, key.Value)
		if key.ShortTag() == "!!merge" {
			w.bad(key, at, "merge keys are not supported; write the fields out")
			continue
		}
		if first, ok := seen[key.Value]; ok {
			w.bad(key, at, "it is given twice, first in line %d", w.line(first))
			continue
		}
		seen[key.Value] = key
		visit(key, value, at)
	}
}

// items calls visit for each item of a list. A null list has none; a null item is a mistake, such as a dash left over.
func (w *walker) items(n *yaml.Node, path string, visit func(item *yaml.Node, path string)) {
	if n = deref(n); isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		w.bad(n, path, "want a list, found %s", describe(n))
		return
	}
	for i, item := range n.Content {
		if !w.count(n) {
			return
		}
		at := fmt.Sprintf("%s[%d]", path, i)
		if item = deref(item); isNull(item) {
			w.bad(item, at, "is empty; remove the dash, or write the item")
			continue
		}
		visit(item, at)
	}
}

// count bounds the work: a few lines of aliases can mean millions of nodes.
func (w *walker) count(n *yaml.Node) bool {
	w.nodes++
	if w.nodes == maxNodes {
		w.bad(n, "", "the file has more than %d values, aliases included", maxNodes)
	}
	return w.nodes < maxNodes
}

func (w *walker) text(n *yaml.Node, path string) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" {
		hint := ""
		if n.Kind == yaml.ScalarNode && !isNull(n) {
			hint = "; put it in quotes"
		}
		w.bad(n, path, "want text, found %s%s", describe(n), hint)
		return "", false
	}
	if s := n.Value; s != "" {
		return s, true
	}
	w.bad(n, path, "it is empty")
	return "", false
}

func (w *walker) boolean(n *yaml.Node, path string) (value, ok bool) {
	if n.Kind == yaml.ScalarNode {
		switch strings.ToLower(n.Value) {
		case "true", "yes", "on", "1":
			return true, true
		case "false", "no", "off", "0":
			return false, true
		}
	}
	w.bad(n, path, "want true or false, found %s", describe(n))
	return false, false
}

func (w *walker) integer(n *yaml.Node, path string, low, high int64) (int64, bool) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" {
		w.bad(n, path, "want a whole number, found %s", describe(n))
		return 0, false
	}
	var v int64
	if err := n.Decode(&v); err != nil || v < low || v > high {
		w.bad(n, path, "want a number from %d to %d, found %s", low, high, describe(n))
		return 0, false
	}
	return v, true
}

// duration reads milliseconds, or text with a unit.
func (w *walker) duration(n *yaml.Node, path string, low, high time.Duration) (time.Duration, bool) {
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
			w.bad(n, path, `want milliseconds, or text such as "2s", found %s`, describe(n))
			return 0, false
		}
	default:
		w.bad(n, path, `want milliseconds, or text such as "2s", found %s`, describe(n))
		return 0, false
	}
	if d < low || d > high {
		w.bad(n, path, "want a time from %s to %s, found %s", low, high, describe(n))
		return 0, false
	}
	return d, true
}

// texts reads a list of texts, or one text with commas.
func (w *walker) texts(n *yaml.Node, path string, visit func(item *yaml.Node, s, path string)) {
	if n.Kind == yaml.ScalarNode {
		if s, ok := w.text(n, path); ok {
			for part := range strings.SplitSeq(s, ",") {
				if part = strings.TrimSpace(part); part != "" {
					visit(n, part, path)
				}
			}
		}
		return
	}
	w.items(n, path, func(item *yaml.Node, at string) {
		if s, ok := w.text(item, at); ok {
			visit(item, s, at)
		}
	})
}

// values reads a map of settings: scalars as they are written, maps and lists as JSON, null left out.
func (w *walker) values(n *yaml.Node, path string) map[string]string {
	values := map[string]string{}
	w.pairs(n, path, func(key, value *yaml.Node, at string) {
		switch {
		case isNull(value):
		case value.Kind == yaml.ScalarNode:
			if w.plain(value, at) {
				values[key.Value] = value.Value
			}
		default:
			v, ok := w.json(value, at, 0)
			if !ok {
				return
			}
			if text, err := json.Marshal(v); err == nil {
				values[key.Value] = string(text)
			}
		}
	})
	return values
}

// plain refuses scalars of types that have no text of their own.
func (w *walker) plain(n *yaml.Node, path string) bool {
	switch n.ShortTag() {
	case "!!str", "!!int", "!!float", "!!bool", "!!timestamp":
		return true
	}
	w.bad(n, path, "want text, a number, true or false, found %s", describe(n))
	return false
}

// json returns a node as a value that encoding/json can marshal.
func (w *walker) json(n *yaml.Node, path string, depth int) (any, bool) {
	n = deref(n)
	if !w.count(n) {
		return nil, false
	}
	if depth > maxDepth {
		w.bad(n, path, "it is nested too deeply")
		return nil, false
	}
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		good := true
		w.pairs(n, path, func(key, value *yaml.Node, at string) {
			if good {
				m[key.Value], good = w.json(value, at, depth+1)
			}
		})
		return m, good
	case yaml.SequenceNode:
		list := []any{}
		good := true
		w.items(n, path, func(item *yaml.Node, at string) {
			if good {
				var v any
				v, good = w.json(item, at, depth+1)
				list = append(list, v)
			}
		})
		return list, good
	}
	if isNull(n) {
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
		w.bad(n, path, "%s is no JSON value", describe(n))
		return nil, false
	}
	return n.Value, true
}

func isNull(n *yaml.Node) bool {
	return n.Kind == 0 || n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

// describe says what a node is, for messages.
func describe(n *yaml.Node) string {
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

func join(path, name string) string {
	name = lattice.Printable(name)
	if path == "" {
		return name
	}
	return path + "." + name
}

// suggest returns `; did you mean "x"?` for the nearest known name, if one is near.
func suggest(name string, known []string) string {
	near := nearest.Names(name, known)
	if len(near) == 0 {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", near[0])
}
