package manifest

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/weftlattice/weft/internal/deploy/strictyaml"
	"github.com/weftlattice/weft/lattice"
)

// place is where something is in a document: names of fields, and positions in lists.
type place []any

// at is a place below another one.
func (p place) at(parts ...any) place { return append(p[:len(p):len(p)], parts...) }

// String returns "actors[0].links[1].to".
func (p place) String() string {
	var b strings.Builder
	for _, part := range p {
		switch part := part.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", part)
		default:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(lattice.Printable(fmt.Sprint(part)))
		}
	}
	return b.String()
}

// find returns the node at a place, and that of its name; where there is none, those of the nearest place above. found
// says whether it is there.
func find(root *yaml.Node, p place) (name, value *yaml.Node, found bool) {
	if root == nil {
		return nil, nil, false
	}
	value = strictyaml.Deref(root)
	name = value
	for _, part := range p {
		var next *yaml.Node
		switch part := part.(type) {
		case int:
			if value.Kind == yaml.SequenceNode && part < len(value.Content) {
				next = strictyaml.Deref(value.Content[part])
				name = next
			}
		default:
			for i := 0; value.Kind == yaml.MappingNode && i+1 < len(value.Content); i += 2 {
				if value.Content[i].Value == fmt.Sprint(part) {
					name, next = value.Content[i], strictyaml.Deref(value.Content[i+1])
					break
				}
			}
		}
		if next == nil {
			return name, value, false
		}
		value = next
	}
	return name, value, true
}
