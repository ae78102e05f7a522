package nodefile

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// isConfigMap reports whether the root is a Kubernetes ConfigMap, or at least wrapped as one.
func isConfigMap(root *yaml.Node) bool {
	if root.Kind != yaml.MappingNode {
		return false
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], deref(root.Content[i+1])
		if key.Value == "kind" && value.Value == "ConfigMap" || key.Value == "data" && value.Kind == yaml.MappingNode {
			return true
		}
	}
	return false
}

// configMap reads the file inside a ConfigMap.
func (w *walker) configMap(f *File, root *yaml.Node) {
	ignore := func(*yaml.Node, string) {}
	var inner *yaml.Node
	var at string
	var others []string
	w.entries(root, "", []field{
		one("apiVersion", ignore), one("metadata", ignore), one("immutable", ignore),
		one("kind", func(v *yaml.Node, at string) {
			if v.Value != "ConfigMap" {
				w.bad(v, at, "want ConfigMap, found %s", describe(v))
			}
		}),
		one("binaryData", func(v *yaml.Node, at string) { w.bad(v, at, "the file belongs under data") }),
		one("data", func(v *yaml.Node, path string) {
			w.pairs(v, path, func(key, value *yaml.Node, path string) {
				if !strings.HasSuffix(key.Value, ".yaml") && !strings.HasSuffix(key.Value, ".yml") {
					others = append(others, key.Value)
					return
				}
				if inner != nil {
					w.bad(key, path, "there is a second file; a ConfigMap holds one node, so split it")
					return
				}
				inner, at = value, path
			})
		}),
	})
	switch {
	case len(w.problems) > 0:
	case inner == nil && len(others) > 0:
		w.bad(root, "data", "none of its keys ends in .yaml: %s", strings.Join(others, ", "))
	case inner == nil:
		w.bad(root, "data", "there is no file under data; want a key such as config.yaml: |")
	case inner.Kind != yaml.ScalarNode || inner.ShortTag() != "!!str":
		w.bad(inner, at, "want the file as a block of text (config.yaml: |), found %s", describe(inner))
	default:
		outer, start := w.lineOf, inner.Line
		if inner.Style == yaml.LiteralStyle {
			w.lineOf = func(line int) int { return outer(start + line) }
		} else { // lines inside cannot be told
			w.lineOf = func(int) int { return outer(start) }
		}
		w.document(f, []byte(inner.Value), false)
	}
}
