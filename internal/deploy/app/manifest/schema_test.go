package manifest_test

import (
	"encoding/json"
	"maps"
	"math"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/weftlattice/weft/internal/deploy/app/manifest"
)

// validator knows as much of JSON Schema as ours has. Keywords that it does not know fail the test.
type validator struct {
	t        testing.TB
	defs     map[string]any
	patterns map[string]*regexp.Regexp
}

func newValidator(t testing.TB) (v validator, schema map[string]any) {
	t.Helper()
	if err := json.Unmarshal(manifest.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	return validator{t, schema["$defs"].(map[string]any), map[string]*regexp.Regexp{}}, schema
}

func (v validator) valid(schema, value any) bool {
	if b, ok := schema.(bool); ok {
		return b
	}
	s := schema.(map[string]any)
	good := true
	for keyword, arg := range s {
		good = v.keyword(s, keyword, arg, value) && good
	}
	return good
}

func (v validator) keyword(s map[string]any, keyword string, arg, value any) bool {
	text, isText := value.(string)
	number, isNumber := value.(float64)
	object, isObject := value.(map[string]any)
	list, isList := value.([]any)
	count := func(in any) (n int) {
		for _, one := range in.([]any) {
			if v.valid(one, value) {
				n++
			}
		}
		return n
	}
	switch keyword {
	case "$schema", "$defs", "title", "description", "default":
		return true
	case "$ref":
		return v.valid(v.defs[strings.TrimPrefix(arg.(string), "#/$defs/")], value)
	case "type":
		types, ok := arg.([]any)
		if !ok {
			types = []any{arg}
		}
		return slices.ContainsFunc(types, func(t any) bool { return isOf(t.(string), value) })
	case "enum":
		return slices.Contains(arg.([]any), value)
	case "minLength":
		return !isText || utf8.RuneCountInString(text) >= int(arg.(float64))
	case "maxLength":
		return !isText || utf8.RuneCountInString(text) <= int(arg.(float64))
	case "pattern":
		pattern := arg.(string)
		if v.patterns[pattern] == nil {
			v.patterns[pattern] = regexp.MustCompile(pattern)
		}
		return !isText || v.patterns[pattern].MatchString(text)
	case "minimum":
		return !isNumber || number >= arg.(float64)
	case "maximum":
		return !isNumber || number <= arg.(float64)
	case "required":
		return !isObject || !slices.ContainsFunc(arg.([]any), func(name any) bool {
			_, ok := object[name.(string)]
			return !ok
		})
	case "properties":
		for name, one := range arg.(map[string]any) {
			if field, ok := object[name]; ok && !v.valid(one, field) {
				return false
			}
		}
		return true
	case "additionalProperties":
		known, _ := s["properties"].(map[string]any)
		for name, field := range object {
			if _, ok := known[name]; !ok && !v.valid(arg, field) {
				return false
			}
		}
		return true
	case "propertyNames":
		for name := range object {
			if !v.valid(arg, name) {
				return false
			}
		}
		return true
	case "items":
		return !isList || !slices.ContainsFunc(list, func(item any) bool { return !v.valid(arg, item) })
	case "maxItems":
		return !isList || len(list) <= int(arg.(float64))
	case "not":
		return !v.valid(arg, value)
	case "anyOf":
		return count(arg) > 0
	case "oneOf":
		return count(arg) == 1
	case "allOf":
		return count(arg) == len(arg.([]any))
	}
	v.t.Fatalf("the schema has a keyword that this test does not know: %s", keyword)
	return false
}

func isOf(kind string, value any) bool {
	switch value := value.(type) {
	case nil:
		return kind == "null"
	case bool:
		return kind == "boolean"
	case string:
		return kind == "string"
	case float64:
		return kind == "number" || kind == "integer" && value == math.Trunc(value)
	case []any:
		return kind == "array"
	case map[string]any:
		return kind == "object"
	}
	return false
}

// plain is YAML as JSON; false: it is something that JSON has not.
func plain(n *yaml.Node) (any, bool) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch n.Kind {
	case yaml.MappingNode:
		all := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			v, ok := plain(n.Content[i+1])
			if _, twice := all[n.Content[i].Value]; twice || !ok {
				return nil, false
			}
			all[n.Content[i].Value] = v
		}
		return all, true
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			v, ok := plain(item)
			if !ok {
				return nil, false
			}
			list = append(list, v)
		}
		return list, true
	}
	switch n.ShortTag() {
	case "!!null":
		return nil, true
	case "!!str", "!!timestamp":
		return n.Value, true
	case "!!bool":
		return n.Value == "true", true
	case "!!int", "!!float":
		var f float64
		err := n.Decode(&f)
		return f, err == nil && !math.IsInf(f, 0) && !math.IsNaN(f)
	}
	return nil, false
}

// The schema takes what the reader takes, and refuses what has a wrong form to the reader: each good and each bad file.
// What only the reader knows, such as names that are not there, the schema takes.
func TestSchemaAgreesAboutFiles(t *testing.T) {
	v, schema := newValidator(t)
	looked := 0
	for _, dir := range []string{"good", "bad"} {
		files(t, dir, func(path string, data []byte) {
			var doc yaml.Node
			if yaml.Unmarshal(data, &doc) != nil || len(doc.Content) == 0 {
				return
			}
			if f, err := manifest.Parse(path, data); err == nil && f.Format != manifest.Weft ||
				strings.Contains(path, "configmap") || strings.Contains(path, "merge") || strings.Contains(path,
				"cycle") ||
				strings.Contains(path, "bomb") || strings.Contains(path, "documents") || strings.Contains(path,
				"syntax") {
				return
			}
			value, ok := plain(doc.Content[0])
			if !ok {
				return
			}
			looked++
			if valid, misshapen := v.valid(schema, value), manifest.Misshapen(data); valid != (misshapen == 0) {
				t.Errorf("%s: by the schema valid: %v; to the reader %d problems of form", filepath.Base(path), valid,
					misshapen)
			}
		})
	}
	if looked < 20 {
		t.Errorf("looked at %d files", looked)
	}
}

// Thousands of files that are a little wrong: the schema and the reader agree about each of them.
func TestSchemaAgreesAboutMutations(t *testing.T) {
	v, schema := newValidator(t)
	var seeds []any
	files(t, "good", func(path string, data []byte) {
		var doc yaml.Node
		if f, err := manifest.Parse(path, data); err == nil && f.Format == manifest.Weft && !strings.Contains(path,
			"map") {
			if yaml.Unmarshal(data, &doc) == nil {
				if value, ok := plain(doc.Content[0]); ok {
					seeds = append(seeds, value)
				}
			}
		}
	})
	const seed = 20
	rng := rand.New(rand.NewPCG(seed, 0))
	tries := 2000
	if testing.Short() {
		tries = 400
	}
	refused := 0
	for i := range tries {
		value := clone(seeds[rng.IntN(len(seeds))])
		for range 1 + rng.IntN(2) {
			value = mutate(rng, value, value)
		}
		data, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		valid, misshapen := v.valid(schema, value), manifest.Misshapen(data)
		if !valid {
			refused++
		}
		if valid != (misshapen == 0) {
			_, err := manifest.Parse("", data)
			t.Fatalf("try %d of seed %d: by the schema valid: %v; to the reader %d problems of form\n%v\n%s", i, seed,
				valid,
				misshapen, err, data)
		}
	}
	if refused < tries/4 || refused > tries*19/20 {
		t.Errorf("%d of %d refused: the mutations test little", refused, tries)
	}
}

func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		all := maps.Clone(v)
		for name, one := range all {
			all[name] = clone(one)
		}
		return all
	case []any:
		list := slices.Clone(v)
		for i, one := range list {
			list[i] = clone(one)
		}
		return list
	}
	return v
}

// oddities are values that are right somewhere and wrong elsewhere.
var oddities = []any{nil, true, 0.0, 1.0, -1.0, 1.5, 3e9, "", "x", "a b", "30s", "-1s", "0s", "64MiB", "64Mi",
	"forever",
	"canary", "default", "100", "http://a", "/x", []any{}, map[string]any{}, []any{"kv"}, []any{nil}, []any{1.0},
	map[string]any{"a": "b"}, map[string]any{"secret": "x"}, map[string]any{"secret": 1.0},
	map[string]any{"a": map[string]any{"secret": "x"}}, map[string]any{"to": "kv"}, map[string]any{"a": nil},
	map[string]any{"": "x"}, []any{map[string]any{"weight": 10.0}}}

// mutate changes one thing somewhere in v.
func mutate(rng *rand.Rand, v, root any) any {
	odd := func() any {
		if rng.IntN(4) == 0 {
			return clone(anywhere(rng, root))
		}
		return clone(oddities[rng.IntN(len(oddities))])
	}
	switch v := v.(type) {
	case map[string]any:
		names := slices.Sorted(maps.Keys(v))
		if len(names) == 0 || rng.IntN(12) == 0 {
			v[[]string{"x", "secret", "name", "each", "weight"}[rng.IntN(5)]] = odd()
			return v
		}
		name := names[rng.IntN(len(names))]
		switch rng.IntN(10) {
		case 0:
			delete(v, name)
		case 1:
			v[name+"s"] = v[name]
			delete(v, name)
		case 2:
			v[name] = odd()
		default:
			v[name] = mutate(rng, v[name], root)
		}
		return v
	case []any:
		if len(v) == 0 || rng.IntN(8) == 0 {
			return append(v, odd())
		}
		i := rng.IntN(len(v))
		v[i] = mutate(rng, v[i], root)
		return v
	}
	return odd()
}

func anywhere(rng *rand.Rand, v any) any {
	for rng.IntN(4) > 0 {
		switch inner := v.(type) {
		case map[string]any:
			names := slices.Sorted(maps.Keys(inner))
			if len(names) == 0 {
				return v
			}
			v = inner[names[rng.IntN(len(names))]]
		case []any:
			if len(inner) == 0 {
				return v
			}
			v = inner[rng.IntN(len(inner))]
		default:
			return v
		}
	}
	return v
}
