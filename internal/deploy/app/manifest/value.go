package manifest

import (
	"go.yaml.in/yaml/v3"

	"github.com/weftlattice/weft/internal/deploy/shape"
	"github.com/weftlattice/weft/internal/deploy/strictyaml"
)

// secretShape is {secret: NAME}.
var secretShape = shape.Object(func() Value { return Value{} }, []shape.Field[Value]{
	shape.Required("secret", func(v *Value) *SecretName { return &v.Secret }, secretName,
		"the name of a secret, which is listed under secrets"),
})

// plainSchema is what a value may be without secrets: any JSON but null, in which no map has a field "secret".
var plainSchema = shape.Schema{"anyOf": []shape.Schema{
	{"type": []string{"string", "number", "boolean"}},
	{"type": "array", "items": shape.Schema{"$ref": "#/$defs/plain"}},
	{"type": "object", "properties": shape.Schema{"secret": false},
		"additionalProperties": shape.Schema{"anyOf": []shape.Schema{{"$ref": "#/$defs/plain"}, {"type": "null"}}}},
}}

// values are settings: each a scalar, kept as it is written, a map or list, kept as JSON, or a secret.
var values = shape.Map(shape.Shape[Value]{
	Read: func(w *strictyaml.Walker, n *yaml.Node, path string) (Value, bool) {
		if n.Kind == yaml.MappingNode && field(n, "secret") != nil {
			return secretShape.Read(w, n, path)
		}
		text, ok := w.Value(n, path)
		return Value{Text: text}, ok && noSecret(w, n, path)
	},
	Write: func(v Value) *yaml.Node {
		if v.Secret != "" {
			return secretShape.Write(v)
		}
		return shape.TextNode(v.Text)
	},
	Schema: shape.Schema{"anyOf": []shape.Schema{secretShape.Schema, {"$ref": "#/$defs/plain"}}},
})

// noSecret refuses secrets inside of a value, which nothing would put in. The value is no cycle.
func noSecret(w *strictyaml.Walker, n *yaml.Node, path string) bool {
	n = strictyaml.Deref(n)
	good := w.Count(n)
	for i := 0; good && i < len(n.Content); i++ {
		at := path
		if n.Kind == yaml.MappingNode {
			name := n.Content[i]
			i++
			if at = strictyaml.Join(path, name.Value); name.Value == "secret" {
				w.Bad(name, at, "a secret is a whole value, {secret: NAME}, not a part of one")
				return false
			}
		}
		good = noSecret(w, n.Content[i], at)
	}
	return good
}

// field returns the value of a map's field, nil without it.
func field(n *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}

// secretsIn lists the secrets that values name, each with the value's name.
func secretsIn(values map[string]Value) map[string]SecretName {
	all := map[string]SecretName{}
	for name, v := range values {
		if v.Secret != "" {
			all[name] = v.Secret
		}
	}
	return all
}
