package main

import (
	"fmt"
	"maps"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/internal/yamltext"
	"github.com/weftlattice/weft/lattice"
)

// configHelp tells of the flags that configValues reads.
const configHelp = "key=value in the actor's environment, or a JSON or YAML file of such; may be repeated"

// configValues joins what --config was given: key=value, or the name of a flat JSON or YAML file. A pair wins over a
// file, and a later file over an earlier one.
func configValues(a *app, list []string) (map[string]string, error) {
	var given []string
	all := map[string]string{}
	for _, item := range list {
		if strings.Contains(item, "=") {
			given = append(given, item)
			continue
		}
		data, err := a.readInput(item, 1<<20)
		if lattice.CodeOf(err) == lattice.ErrNotFound {
			return nil, usage.Errorf("--config %q: want key=value, or a file; there is no such file", item)
		}
		if err != nil {
			return nil, err
		}
		values, err := scalars(data)
		if err != nil {
			return nil, usage.Errorf("--config %s: %w", item, err)
		}
		maps.Copy(all, values)
	}
	values, err := pairs("--config", given)
	maps.Copy(all, values)
	return all, err
}

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
