package shape

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/weftlattice/weft/internal/deploy/strictyaml"
	"github.com/weftlattice/weft/lattice"
)

// Schema is a JSON Schema, as encoding/json writes it.
type Schema map[string]any

// Shape describes values of one kind.
type Shape[T any] struct {
	// Read reads a node that is not null, or notes what is wrong with it and returns false, with what could be read.
	Read func(w *strictyaml.Walker, n *yaml.Node, path string) (T, bool)
	// Write returns the node of a value, which Read reads as the same; nil: the value is what holds without one.
	Write  func(v T) *yaml.Node
	Schema Schema
}

// Text is text of at least one and at most most characters. A pattern, where there is one, must match it; want then
// says in words what that means, "a name: letters, digits". It must mean the same in Go and in ECMA-262.
func Text[S ~string](most int, pattern *regexp.Regexp, want string) Shape[S] {
	schema := Schema{"type": "string", "minLength": 1, "maxLength": most}
	if pattern != nil {
		schema["pattern"] = pattern.String()
	}
	return Shape[S]{
		Read: func(w *strictyaml.Walker, n *yaml.Node, path string) (S, bool) {
			s, ok := text(w, n, path)
			switch {
			case !ok:
				return "", false
			case utf8.RuneCountInString(s) > most:
				w.Bad(n, path, "it has more than %d characters", most)
				return "", false
			case pattern != nil && !pattern.MatchString(s):
				w.Bad(n, path, "want %s, found %s", want, strictyaml.Describe(n))
				return S(s), false
			}
			return S(s), true
		},
		Write: func(s S) *yaml.Node {
			if s == "" {
				return nil
			}
			return TextNode(string(s))
		},
		Schema: schema,
	}
}

// text reads text, for which dates are taken, too: JSON has none.
func text(w *strictyaml.Walker, n *yaml.Node, path string) (string, bool) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!timestamp" {
		return n.Value, true
	}
	return w.Text(n, path)
}

// Loose is any text, the empty one, too.
func Loose() Shape[string] {
	return Shape[string]{
		Read: func(w *strictyaml.Walker, n *yaml.Node, path string) (string, bool) {
			if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" {
				return n.Value, true
			}
			return text(w, n, path)
		},
		Write:  TextNode,
		Schema: Schema{"type": "string"},
	}
}

// Word is one of some words.
func Word[S ~string](words ...S) Shape[S] {
	known := make([]string, len(words))
	for i, word := range words {
		known[i] = string(word)
	}
	return Shape[S]{
		Read: func(w *strictyaml.Walker, n *yaml.Node, path string) (S, bool) {
			s, ok := text(w, n, path)
			if ok && !slices.Contains(words, S(s)) {
				w.Bad(n, path, "want %s, found %s%s", either(known), strictyaml.Describe(n), strictyaml.Suggest(s,
					known))
				return "", false
			}
			return S(s), ok
		},
		Write: func(s S) *yaml.Node {
			if s == "" {
				return nil
			}
			return TextNode(string(s))
		},
		Schema: Schema{"enum": known},
	}
}

func either(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// Whole is a whole number within bounds, which are exact as float64.
func Whole[N ~int | ~int64 | ~uint64](low, high N) Shape[N] {
	return Shape[N]{
		Read: func(w *strictyaml.Walker, n *yaml.Node, path string) (N, bool) {
			f, ok := number(n)
			if !ok || f != math.Trunc(f) {
				w.Bad(n, path, "want a whole number, found %s", strictyaml.Describe(n))
				return 0, false
			}
			if f < float64(low) || f > float64(high) {
				w.Bad(n, path, "want a number from %d to %d, found %s", low, high, strictyaml.Describe(n))
				return 0, false
			}
			var v N
			if n.Decode(&v) != nil { // a whole number that is written with a point
				v = N(f)
			}
			return v, true
		},
		Write:  func(v N) *yaml.Node { return scalarNode("!!int", strconv.FormatInt(int64(v), 10)) },
		Schema: Schema{"type": "integer", "minimum": low, "maximum": high},
	}
}

// number reads a number that JSON has, too.
func number(n *yaml.Node) (float64, bool) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" && n.ShortTag() != "!!float" {
		return 0, false
	}
	var f float64
	err := n.Decode(&f)
	return f, err == nil && !math.IsInf(f, 0) && !math.IsNaN(f)
}

// Number is a number.
func Number() Shape[float64] {
	return Shape[float64]{
		Read: func(w *strictyaml.Walker, n *yaml.Node, path string) (float64, bool) {
			f, ok := number(n)
			if !ok {
				w.Bad(n, path, "want a number, found %s", strictyaml.Describe(n))
			}
			return f, ok
		},
		Write: func(v float64) *yaml.Node {
			text := strconv.FormatFloat(v, 'g', -1, 64)
			if strings.Trim(text, "-0123456789") == "" {
				return scalarNode("!!int", text)
			}
			return scalarNode("!!float", text)
		},
		Schema: Schema{"type": "number"},
	}
}

// Truth is true or false.
func Truth() Shape[bool] {
	return Shape[bool]{
		Read: func(w *strictyaml.Walker, n *yaml.Node, path string) (bool, bool) {
			if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" {
				w.Bad(n, path, "want true or false, found %s", strictyaml.Describe(n))
				return false, false
			}
			return strings.EqualFold(n.Value, "true"), true
		},
		Write:  func(v bool) *yaml.Node { return scalarNode("!!bool", strconv.FormatBool(v)) },
		Schema: Schema{"type": "boolean"},
	}
}

var spanPattern = regexp.MustCompile(`^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`)

// Span is a time with its unit, "300ms" or "1h30m". What is out of bounds is a problem that the schema does not know.
func Span(low, high time.Duration) Shape[time.Duration] {
	return Shape[time.Duration]{
		Read: func(w *strictyaml.Walker, n *yaml.Node, path string) (time.Duration, bool) {
			if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" || !spanPattern.MatchString(n.Value) {
				w.Bad(n, path, `want a time such as "30s" or "1h30m", found %s`, strictyaml.Describe(n))
				return 0, false
			}
			d, err := time.ParseDuration(n.Value)
			if err != nil || d < low || d > high {
				w.Unfit(n, path, "want a time from %s to %s, found %s", Time(low), Time(high), strictyaml.Describe(n))
				return 0, false
			}
			return d, true
		},
		Write:  func(d time.Duration) *yaml.Node { return TextNode(Time(d)) },
		Schema: Schema{"type": "string", "pattern": spanPattern.String()},
	}
}

// Time is a time as people write it: "5m", not "5m0s".
func Time(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

var sizePattern = regexp.MustCompile(`^[0-9]+ *([kKmMgGtT][iI]?[bB]?|[bB])?$`)

// Bytes is a size, "64MiB", by lattice.ParseSize, or a number of bytes. What is out of bounds is a problem that the
// schema does not know.
func Bytes(low, high uint64) Shape[uint64] {
	return Shape[uint64]{
		Read: func(w *strictyaml.Walker, n *yaml.Node, path string) (uint64, bool) {
			text, isText := n.Value, n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str"
			f, isNumber := number(n)
			switch {
			case isNumber && f == math.Trunc(f) && f >= 0:
				text = strconv.FormatFloat(f, 'f', 0, 64)
			case !isText || !sizePattern.MatchString(text) || strings.HasSuffix(strings.ToLower(text), "ib") !=
				strings.Contains(strings.ToLower(text), "i"):
				w.Bad(n, path, `want a size such as "64MiB", found %s`, strictyaml.Describe(n))
				return 0, false
			}
			v, err := lattice.ParseSize(text)
			if err != nil || v < low || v > high {
				w.Unfit(n, path, "want a size from %s to %s, found %s", size(low), size(high), strictyaml.Describe(n))
				return 0, false
			}
			return v, true
		},
		Write: func(v uint64) *yaml.Node {
			if v == 0 {
				return nil
			}
			return TextNode(size(v))
		},
		Schema: Schema{"anyOf": []Schema{{"type": "integer", "minimum": 0},
			{"type": "string", "pattern": sizePattern.String()}}},
	}
}

// size is a number of bytes, exactly: with a unit where it is a whole number of that.
func size(n uint64) string {
	text := strings.ReplaceAll(lattice.Size(int64(n)), " ", "")
	if v, err := lattice.ParseSize(text); err == nil && v == n {
		return text
	}
	return strconv.FormatUint(n, 10)
}

// Pointer is a value that may be missing; nil is none.
func Pointer[T any](s Shape[T]) Shape[*T] {
	return Shape[*T]{
		Read: func(w *strictyaml.Walker, n *yaml.Node, path string) (*T, bool) {
			v, ok := s.Read(w, n, path)
			if !ok && isZero(v) {
				return nil, false
			}
			return &v, ok
		},
		Write: func(v *T) *yaml.Node {
			if v == nil {
				return nil
			}
			return s.Write(*v)
		},
		Schema: s.Schema,
	}
}

func scalarNode(tag, value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value}
}

// TextNode is a node of text.
func TextNode(s string) *yaml.Node {
	n := scalarNode("!!str", s)
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r > 0xff }) {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}
