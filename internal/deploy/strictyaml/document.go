package strictyaml

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"

	"go.yaml.in/yaml/v3"
)

// MaxBytes is how large a file may be: 1 MiB, as a ConfigMap.
const MaxBytes = 1 << 20

// Document reads the one document of a file, and opens a ConfigMap. holds is what a file is about, for a file that has
// several: "node". It returns nil when there is a problem.
func (w *Walker) Document(data []byte, holds string) *yaml.Node {
	root := w.parse(data, holds)
	if root != nil && isConfigMap(root) {
		return w.configMap(root, data, holds)
	}
	return root
}

// parse reads one YAML document.
func (w *Walker) parse(data []byte, holds string) *yaml.Node {
	whole := func(line int, detail string) *yaml.Node {
		if line > 0 {
			line, _ = w.at(line, 1)
		}
		w.Problems = append(w.Problems, Problem{Line: line, Detail: detail})
		return nil
	}
	if len(data) > MaxBytes {
		return whole(0, fmt.Sprintf("the file is larger than %d bytes", MaxBytes))
	}
	decoder := yaml.NewDecoder(bytes.NewReader(joined(data)))
	var doc, more yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return whole(0, "the file is empty")
	case err != nil:
		return whole(syntaxError(err, data))
	}
	if err := decoder.Decode(&more); err == nil && len(more.Content) > 0 && !IsNull(more.Content[0]) {
		return whole(more.Content[0].Line, "a second document begins here; a file holds one "+holds+", so split it")
	} else if err != nil && !errors.Is(err, io.EOF) {
		return whole(syntaxError(err, data))
	}
	root := Deref(doc.Content[0])
	if IsNull(root) {
		return whole(0, "the file is empty")
	}
	return root
}

// joined is JSON whose strings have no escapes that YAML lacks: that of a slash, and two for a character beyond 16
// bits. Other text stays as it is.
func joined(data []byte) []byte {
	if !bytes.Contains(data, []byte(`\/`)) && !bytes.Contains(data, []byte(`\u`)) || !json.Valid(data) {
		return data
	}
	out := make([]byte, 0, len(data))
	unit := func(at int) rune { // the escape that begins there, 0 for none
		if at+6 > len(data) || data[at] != '\\' || data[at+1] != 'u' {
			return 0
		}
		v, _ := strconv.ParseUint(string(data[at+2:at+6]), 16, 16)
		return rune(v)
	}
	for i := 0; i < len(data); {
		switch r := utf16.DecodeRune(unit(i), unit(min(i+6, len(data)))); {
		case data[i] != '\\':
			out = append(out, data[i])
			i++
		case data[i+1] == '/':
			out = append(out, '/')
			i += 2
		case r != unicode.ReplacementChar:
			out = fmt.Appendf(out, `\U%08X`, r)
			i += 12
		default:
			out = append(out, data[i:i+2]...)
			i += 2
		}
	}
	return out
}

// isConfigMap reports whether the root is a Kubernetes ConfigMap, or at least wrapped as one.
func isConfigMap(root *yaml.Node) bool {
	if root.Kind != yaml.MappingNode {
		return false
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], Deref(root.Content[i+1])
		if key.Value == "kind" && value.Value == "ConfigMap" || key.Value == "data" && value.Kind == yaml.MappingNode {
			return true
		}
	}
	return false
}

// configMap reads the document inside a ConfigMap, which data is the text of.
func (w *Walker) configMap(root *yaml.Node, data []byte, holds string) *yaml.Node {
	ignore := func(*yaml.Node, string) {}
	var inner *yaml.Node
	var at string
	var others []string
	w.Entries(root, "", []Field{
		One("apiVersion", ignore), One("metadata", ignore), One("immutable", ignore),
		One("kind", func(v *yaml.Node, at string) {
			if v.Value != "ConfigMap" {
				w.Bad(v, at, "want ConfigMap, found %s", Describe(v))
			}
		}),
		One("binaryData", func(v *yaml.Node, at string) { w.Bad(v, at, "the file belongs under data") }),
		One("data", func(v *yaml.Node, path string) {
			w.Pairs(v, path, func(key, value *yaml.Node, path string) {
				if !strings.HasSuffix(key.Value, ".yaml") && !strings.HasSuffix(key.Value, ".yml") {
					others = append(others, key.Value)
					return
				}
				if inner != nil {
					w.Bad(key, path, "there is a second file; a ConfigMap holds one %s, so split it", holds)
					return
				}
				inner, at = value, path
			})
		}),
	})
	switch {
	case len(w.Problems) > 0:
	case inner == nil && len(others) > 0:
		w.Bad(root, "data", "none of its keys ends in .yaml: %s", strings.Join(others, ", "))
	case inner == nil:
		w.Bad(root, "data", "there is no file under data; want a key such as config.yaml: |")
	case inner.Kind != yaml.ScalarNode || inner.ShortTag() != "!!str":
		w.Bad(inner, at, "want the file as a block of text (config.yaml: |), found %s", Describe(inner))
	default:
		start := inner.Line
		if inner.Style == yaml.LiteralStyle {
			indent := indentation(data, start, inner.Value)
			w.place = func(line, column int) (int, int) { return start + line, column + indent }
		} else { // places inside cannot be told
			w.place = func(int, int) (int, int) { return start, 0 }
		}
		return w.parse([]byte(inner.Value), holds)
	}
	return nil
}

// indentation returns by how much the text of a block, which begins below a line of data, is indented there.
func indentation(data []byte, line int, block string) int {
	outer := strings.Split(string(data), "\n")
	for i, inner := range strings.Split(block, "\n") {
		if strings.TrimSpace(inner) != "" && line+i < len(outer) {
			return max(0, strings.Index(outer[line+i], inner))
		}
	}
	return 0
}
