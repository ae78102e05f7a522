package main

import (
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/weftlattice/weft/lattice/yamltext"
)

// scalars reads a flat JSON or YAML object; numbers and truth values become text, as they are written.
func scalars(data []byte) (map[string]string, error) {
	var nodes map[string]yaml.Node
	if err := yaml.Unmarshal(data, &nodes); err != nil {
		return nil, yamltext.Explain(err, data)
	}
	out := map[string]string{}
	for k, n := range nodes {
		if n.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("line %d: %s: want text, a number or a truth value", n.Line, k)
		}
		if n.Tag != "!!null" {
			out[k] = n.Value
		}
	}
	return out, nil
}
