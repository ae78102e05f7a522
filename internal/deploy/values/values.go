// Package values reads the values that people give to actors, providers and links: as key=value on the command line,
// and as JSON or YAML in files. What cannot be read is a usage.Error that names the flag.
package values

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/weftlattice/weft/internal/deploy/localfile"
	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/internal/yamltext"
	"github.com/weftlattice/weft/lattice"
)

// maxBytes is how large a file of values may be.
const maxBytes = 1 << 20

// Pairs reads key=value. what is the flag or the word for the errors; a key that is given twice is one. It returns nil
// for no pairs.
func Pairs(what string, list []string) (map[string]string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	out := map[string]string{}
	for _, item := range list {
		k, v, ok := strings.Cut(item, "=")
		if !ok || k == "" {
			return nil, usage.Errorf("%s %q: want key=value", what, item)
		}
		if _, twice := out[k]; twice {
			return nil, usage.Errorf("%s %s is given twice", what, k)
		}
		out[k] = v
	}
	return out, nil
}

// Actor joins what --config was given: key=value, or the name of a flat JSON or YAML file, "-" being stdin. A pair wins
// over a file, and a later file over an earlier one.
func Actor(list []string, stdin io.Reader) (map[string]string, error) {
	var given []string
	all := map[string]string{}
	for _, item := range list {
		if !isFile(item) {
			given = append(given, item)
			continue
		}
		data, err := localfile.Input(item, stdin, maxBytes)
		if lattice.CodeOf(err) == lattice.ErrNotFound {
			return nil, usage.Errorf("--config %q: want key=value, or a file; there is no such file", item)
		}
		if err != nil {
			return nil, err
		}
		values, err := flat(data)
		if err != nil {
			return nil, usage.Errorf("--config %s: %w", item, err)
		}
		maps.Copy(all, values)
	}
	values, err := Pairs("--config", given)
	maps.Copy(all, values)
	return all, err
}

// Files are the items of a list for Actor that name files.
func Files(list []string) []string {
	var files []string
	for _, item := range list {
		if isFile(item) {
			files = append(files, item)
		}
	}
	return files
}

func isFile(item string) bool { return !strings.Contains(item, "=") }

// Link joins the values of a file, when it is named, with those of pairs, which win. "-" is stdin.
func Link(pairs []string, file string, stdin io.Reader) (map[string]string, error) {
	values := map[string]string{}
	if file != "" {
		data, err := localfile.Input(file, stdin, maxBytes)
		if err != nil {
			return nil, err
		}
		if values, err = flat(data); err != nil {
			return nil, usage.Errorf("--values %s: %w", file, err)
		}
	}
	given, err := Pairs("value", pairs)
	maps.Copy(values, given)
	return values, err
}

// Provider reads the configuration of a provider, which is JSON itself, or the name of a JSON or YAML file, and returns
// it as JSON. Empty stays empty. "-" is stdin.
func Provider(value string, stdin io.Reader) (string, error) {
	if value == "" || strings.HasPrefix(strings.TrimSpace(value), "{") {
		if value != "" && !json.Valid([]byte(value)) {
			return "", usage.Errorf("--config: the JSON is malformed")
		}
		return value, nil
	}
	data, err := localfile.Input(value, stdin, maxBytes)
	if err != nil {
		return "", err
	}
	if json.Valid(data) {
		return string(data), nil
	}
	var v map[string]any
	if err := yaml.Unmarshal(data, &v); err != nil {
		return "", usage.Errorf("--config %s: neither JSON nor YAML: %w", value, yamltext.Explain(err, data))
	}
	out, err := json.Marshal(v)
	return string(out), err
}

// flat reads a flat JSON or YAML object; numbers and truth values become text, as they are written.
func flat(data []byte) (map[string]string, error) {
	var nodes map[string]yaml.Node
	if err := yaml.Unmarshal(data, &nodes); err != nil {
		return nil, yamltext.Explain(err, data)
	}
	out := map[string]string{}
	for _, k := range slices.Sorted(maps.Keys(nodes)) {
		n := nodes[k]
		if n.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("line %d: %s: want text, a number or a truth value", n.Line, k)
		}
		if n.Tag != "!!null" {
			out[k] = n.Value
		}
	}
	return out, nil
}
