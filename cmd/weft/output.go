package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"go.yaml.in/yaml/v3"
)

// format is the value of --output.
type format string

const (
	formatText format = "text"
	formatJSON format = "json"
	formatYAML format = "yaml"
)

func (f *format) String() string { return string(*f) }
func (f *format) Type() string   { return "text|json|yaml" }
func (f *format) Set(s string) error {
	switch format(s) {
	case formatText, formatJSON, formatYAML:
		*f = format(s)
		return nil
	}
	return errors.New("want text, json or yaml")
}

// print shows one result: v as JSON or YAML, or what text writes.
func (a *app) print(v any, text func(w io.Writer)) error {
	if a.output == formatText {
		text(a.out)
		return nil
	}
	return a.encode(v, "  ")
}

// printEach is print for one item of a stream: a line of JSON, a YAML document, or lines of text.
func (a *app) printEach(v any, text func(w io.Writer)) error {
	if a.output == formatYAML {
		fmt.Fprintln(a.out, "---")
	}
	if a.output == formatText {
		text(a.out)
		return nil
	}
	return a.encode(v, "")
}

func (a *app) encode(v any, indent string) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return err
	}
	if a.output == formatYAML {
		// JSON is YAML: reading it as such keeps names and order.
		var node yaml.Node
		if err := yaml.Unmarshal(buf.Bytes(), &node); err != nil {
			return err
		}
		blockStyle(&node)
		text, err := yaml.Marshal(&node)
		if err != nil {
			return err
		}
		buf.Reset()
		buf.Write(text)
	}
	_, err := a.out.Write(buf.Bytes())
	return err
}

func blockStyle(n *yaml.Node) {
	if len(n.Content) > 0 || n.Kind == yaml.ScalarNode {
		n.Style = 0
	}
	for _, c := range n.Content {
		blockStyle(c)
	}
}

// printError shows an error in the chosen format.
func (a *app) printError(err error) {
	var silent silentError
	if errors.As(err, &silent) {
		return
	}
	if a.output == formatText {
		fmt.Fprintf(a.err, "weft: %s\n", err)
		return
	}
	type detail struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	line, _ := json.Marshal(struct {
		Success bool   `json:"success"`
		Error   detail `json:"error"`
	}{false, detail{errorWord(err), err.Error()}})
	fmt.Fprintf(a.err, "%s\n", line)
}

// table writes aligned columns under upper-case headings.
func table(w io.Writer, headings string, rows [][]string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(strings.Fields(headings), "\t"))
	for _, r := range rows {
		for i, cell := range r {
			if cell == "" {
				r[i] = "-"
			}
		}
		fmt.Fprintln(t, strings.Join(r, "\t"))
	}
	_ = t.Flush()
}

// fields writes "name: value" lines, aligned, leaving out empty values.
func fields(w io.Writer, pairs ...string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			fmt.Fprintf(t, "%s:\t%s\n", pairs[i], pairs[i+1])
		}
	}
	_ = t.Flush()
}
