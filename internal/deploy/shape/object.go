package shape

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/weftlattice/weft/internal/deploy/strictyaml"
)

// Field is an entry of an object of type T.
type Field[T any] struct {
	name     string
	required bool
	read     func(w *strictyaml.Walker, n *yaml.Node, path string, into *T)
	write    func(from *T) *yaml.Node
	schema   Schema
}

// Required is a field that must be there. at says where its value is kept, doc what it means, for people.
func Required[T, V any](name string, at func(*T) *V, s Shape[V], doc string) Field[T] {
	f := Optional(name, at, s, doc)
	f.required = true
	return f
}

// Optional is a field that may be left out; what the blank object says holds then.
func Optional[T, V any](name string, at func(*T) *V, s Shape[V], doc string) Field[T] {
	schema := maps.Clone(s.Schema)
	schema["description"] = doc
	return Field[T]{
		name: name,
		read: func(w *strictyaml.Walker, n *yaml.Node, path string, into *T) {
			// of a value that is wrong, what could be read is kept, for further checks; if nothing could, the default
			if v, ok := s.Read(w, n, path); ok || !isZero(v) {
				*at(into) = v
			}
		},
		write:  func(from *T) *yaml.Node { return s.Write(*at(from)) },
		schema: schema,
	}
}

// Rule is about which fields of an object go together.
type Rule struct {
	check  func(w *strictyaml.Walker, n *yaml.Node, path string, given []string)
	names  []string
	schema Schema
}

// AtMostOne says that of some fields one may be given.
func AtMostOne(names ...string) Rule {
	var pairs []Schema
	for i, a := range names {
		for _, b := range names[i+1:] {
			pairs = append(pairs, Schema{"required": []string{a, b}})
		}
	}
	return Rule{names: names, schema: Schema{"not": Schema{"anyOf": pairs}}, check: tooMany}
}

// OneOf says that of some fields one must be given, and no more.
func OneOf(names ...string) Rule {
	var each []Schema
	for _, name := range names {
		each = append(each, Schema{"required": []string{name}})
	}
	return Rule{names: names, schema: Schema{"oneOf": each},
		check: func(w *strictyaml.Walker, n *yaml.Node, path string, given []string) {
			if len(given) == 0 {
				w.Bad(n, path, "want %s", either(names))
			}
			tooMany(w, n, path, given)
		}}
}

func tooMany(w *strictyaml.Walker, n *yaml.Node, path string, given []string) {
	if len(given) > 1 {
		w.Bad(n, path, "%s exclude each other", strings.Join(given[:len(given)-1], ", ")+" and "+given[len(given)-1])
	}
}

// Object is a map with known fields, in the order in which they are written. blank makes one without any.
func Object[T any](blank func() T, fields []Field[T], rules ...Rule) Shape[T] {
	properties, required := Schema{}, []string{}
	empty := blank()
	defaults := map[string]*yaml.Node{}
	for _, f := range fields {
		defaults[f.name] = f.write(&empty)
		properties[f.name] = f.schema
		if f.required {
			required = append(required, f.name)
		} else if d := defaults[f.name]; d != nil {
			f.schema["default"] = Plain(d)
		}
	}
	schema := Schema{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		schema["required"] = required
	}
	var all []Schema
	for _, r := range rules {
		all = append(all, r.schema)
	}
	if len(all) > 0 {
		schema["allOf"] = all
	}
	return Shape[T]{
		Read: func(w *strictyaml.Walker, n *yaml.Node, path string) (T, bool) {
			n = strictyaml.Deref(n)
			v, before := blank(), len(w.Problems)
			list := make([]strictyaml.Field, len(fields))
			for i, f := range fields {
				list[i] = strictyaml.One(f.name, func(n *yaml.Node, path string) { f.read(w, n, path, &v) })
			}
			keys := w.Entries(n, path, list)
			if n.Kind != yaml.MappingNode {
				return v, false
			}
			for _, f := range fields {
				key, given := keys[f.name], keys[f.name] != nil
				switch {
				case given && !strictyaml.HasKey(n, f.name):
					w.Bad(key, strictyaml.Join(path, f.name), "it has no value; give one, or leave it out")
				case f.required && !given:
					w.Bad(n, path, "%s is missing", f.name)
				}
			}
			for _, r := range rules {
				var given []string
				for _, name := range r.names {
					if keys[name] != nil {
						given = append(given, name)
					}
				}
				r.check(w, n, path, given)
			}
			return v, len(w.Problems) == before
		},
		Write: func(v T) *yaml.Node {
			n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
			for _, f := range fields {
				value := f.write(&v)
				if value != nil && (f.required || !same(value, defaults[f.name])) {
					n.Content = append(n.Content, TextNode(f.name), value)
				}
			}
			return n
		},
		Schema: schema,
	}
}

// MaxItems is how many items a list may have.
const MaxItems = 1000

// List is a list of at most MaxItems; an empty one is nil.
func List[T any](s Shape[T]) Shape[[]T] {
	kept := KeptList(s)
	return Shape[[]T]{
		Read: func(w *strictyaml.Walker, n *yaml.Node, path string) ([]T, bool) {
			list, ok := kept.Read(w, n, path)
			if len(list) == 0 {
				list = nil
			}
			return list, ok
		},
		Write:  kept.Write,
		Schema: kept.Schema,
	}
}

// KeptList is a list of at most MaxItems for which an empty one, and nil, which is none, are different things.
func KeptList[T any](s Shape[T]) Shape[[]T] {
	return Shape[[]T]{
		Read: func(w *strictyaml.Walker, n *yaml.Node, path string) ([]T, bool) {
			list, before := []T{}, len(w.Problems)
			if len(n.Content) > MaxItems && n.Kind == yaml.SequenceNode {
				w.Bad(n, path, "it has %d items, and may have at most %d", len(n.Content), MaxItems)
				return nil, false
			}
			w.Items(n, path, func(item *yaml.Node, path string) {
				v, _ := s.Read(w, item, path)
				list = append(list, v)
			})
			return list, len(w.Problems) == before
		},
		Write: func(list []T) *yaml.Node {
			if list == nil {
				return nil
			}
			n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
			for _, v := range list {
				n.Content = append(n.Content, s.Write(v))
			}
			return n
		},
		Schema: Schema{"type": "array", "items": s.Schema, "maxItems": MaxItems},
	}
}

// Map is a map with any keys; an empty one is nil.
func Map[T any](s Shape[T]) Shape[map[string]T] {
	return Shape[map[string]T]{
		Read: func(w *strictyaml.Walker, n *yaml.Node, path string) (map[string]T, bool) {
			all, before := map[string]T{}, len(w.Problems)
			w.Pairs(n, path, func(key, value *yaml.Node, path string) {
				switch {
				case key.Value == "":
					w.Bad(key, path, "the name is empty")
				case strictyaml.IsNull(value):
					w.Bad(key, path, "it has no value; give one, or leave it out")
				default:
					all[key.Value], _ = s.Read(w, value, path)
				}
			})
			if len(all) == 0 {
				all = nil
			}
			return all, len(w.Problems) == before
		},
		Write: func(all map[string]T) *yaml.Node {
			if len(all) == 0 {
				return nil
			}
			n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
			for _, name := range slices.Sorted(maps.Keys(all)) {
				n.Content = append(n.Content, TextNode(name), s.Write(all[name]))
			}
			return n
		},
		Schema: Schema{"type": "object", "propertyNames": Schema{"minLength": 1}, "additionalProperties": s.Schema},
	}
}

// Either is a value of two forms. reads says of a node, and writes of a value, whether it is of the first one.
func Either[T any](first, second Shape[T], reads func(*yaml.Node) bool, writes func(T) bool) Shape[T] {
	return Shape[T]{
		Read: func(w *strictyaml.Walker, n *yaml.Node, path string) (T, bool) {
			if reads(n) {
				return first.Read(w, n, path)
			}
			return second.Read(w, n, path)
		},
		Write: func(v T) *yaml.Node {
			if writes(v) {
				return first.Write(v)
			}
			return second.Write(v)
		},
		Schema: Schema{"anyOf": []Schema{first.Schema, second.Schema}},
	}
}

// Convert is a shape whose values are kept as another type.
func Convert[A, B any](s Shape[A], to func(A) B, from func(B) A) Shape[B] {
	return Shape[B]{
		Read: func(w *strictyaml.Walker, n *yaml.Node, path string) (B, bool) {
			v, ok := s.Read(w, n, path)
			return to(v), ok
		},
		Write:  func(v B) *yaml.Node { return s.Write(from(v)) },
		Schema: s.Schema,
	}
}

func isZero[T any](v T) bool { return reflect.ValueOf(&v).Elem().IsZero() }

// same reports whether two nodes say the same.
func same(a, b *yaml.Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Kind == b.Kind && a.Tag == b.Tag && a.Value == b.Value && slices.EqualFunc(a.Content, b.Content, same)
}

// Plain is a node that a Shape has written, as a value for encoding/json.
func Plain(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		all := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			all[n.Content[i].Value] = Plain(n.Content[i+1])
		}
		return all
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			list[i] = Plain(item)
		}
		return list
	}
	if n.Tag == "!!str" {
		return n.Value
	}
	return json.RawMessage(n.Value) // numbers and truths are JSON as they are
}

// Encode is a node as the text of a YAML file, indented by two.
func Encode(n *yaml.Node) ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(n); err != nil {
		return nil, fmt.Errorf("write YAML: %w", err)
	}
	return b.Bytes(), e.Close()
}
