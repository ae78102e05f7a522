package linkvalue

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/weftlattice/weft/internal/nearest"
	"github.com/weftlattice/weft/lattice"
)

// Table is what a provider's links may say. It is not changed once made, and safe for concurrent use.
type Table struct {
	Provider string // its name: "httpserver"
	Contract lattice.ContractID
	Fields   []Field
	// Config names fields that hold further values, as a JSON object, and as one in base64; they may be empty.
	Config, ConfigBase64 string
	together             func(Settings) error // what concerns several values
}

// Field is one value.
type Field struct {
	Name    string
	Also    []string // other names of the same
	Kind    Kind
	Default string // as a link would say it; empty is none
	Unset   string // in words, what holds without a value, where Default does not say it
	Doc     string
	// Missed is what to tell who leaves it out, of a value without which a link is of no use; empty for all others.
	Missed string
	// Refused says why a value that other software knows is not taken; empty for all others.
	Refused string
}

// Settings are values as they were read: text, numbers, truth values, spans of time. They may hold secrets: never log
// them.
type Settings map[string]any

// String tells the names only.
func (s Settings) String() string {
	return "Settings{" + strings.Join(slices.Sorted(maps.Keys(s)), ", ") + "}"
}

// GoString is String.
func (s Settings) GoString() string { return s.String() }

// Given reports whether a value is set, or has a default.
func (s Settings) Given(name string) bool { return s[name] != nil }

// Text returns a value of a kind that is read as text; "" without one.
func (s Settings) Text(name string) string { v, _ := s[name].(string); return v }

// Number returns a Number, Size or Port; 0 without one.
func (s Settings) Number(name string) int64 { v, _ := s[name].(int64); return v }

// Truth returns a Truth; false without one.
func (s Settings) Truth(name string) bool { v, _ := s[name].(bool); return v }

// Span returns a Span; 0 without one.
func (s Settings) Span(name string) time.Duration { v, _ := s[name].(time.Duration); return v }

// Names lists the values that links may have, sorted, without those that are refused.
func (t *Table) Names() []string {
	var names []string
	for _, f := range t.Fields {
		if f.Refused == "" {
			names = append(names, f.Name)
		}
	}
	slices.Sort(names)
	return names
}

// find returns the field of a name; case does not count.
func (t *Table) find(name string) *Field {
	for i, f := range t.Fields {
		if strings.EqualFold(f.Name, name) ||
			slices.ContainsFunc(f.Also, func(a string) bool { return strings.EqualFold(a, name) }) {
			return &t.Fields[i]
		}
	}
	return nil
}

// Problem is what is wrong with one value of a link.
type Problem struct {
	Name   string // as it was given; of one that several values make together, the first
	Detail string
}

// Check reads values and returns everything that is wrong with them, in the order of the names; empty when they are
// good. What only the provider can know, as whether a file is there or a port is free, is not looked at.
func (t *Table) Check(values Values) []Problem {
	_, problems := t.read(values)
	return problems
}

// Missing says which values a link lacks without which it is of no use.
func (t *Table) Missing(values Values) (missing []string) {
	s, _ := t.read(values)
	for _, f := range t.Fields {
		if _, set := s[f.Name]; f.Missed != "" && !set {
			missing = append(missing, f.Missed)
		}
	}
	return missing
}

// Read reads the values of a link over defaults, which are usually the configuration of the process. Empty values count
// as not set. Errors are lattice.ErrInvalid and name every value that is wrong.
func (t *Table) Read(values, defaults Values) (Settings, error) {
	s, problems := t.read(values, defaults)
	return s, Join(problems)
}

// Defaults reads the configuration of a process, a JSON object. Errors are lattice.ErrInvalid.
func (t *Table) Defaults(configJSON string) (Values, error) {
	values, err := ParseConfig(configJSON)
	if err == nil {
		err = Join(t.Check(values))
	}
	return values, err
}

// Join makes one error of problems; nil when there are none.
func Join(problems []Problem) error {
	var errs []error
	for _, p := range problems {
		errs = append(errs, &lattice.Error{Code: lattice.ErrInvalid, Op: "read link value", Entity: p.Name,
			Detail: p.Detail})
	}
	return errors.Join(errs...)
}

// read lays values over each other, the first ones over the others, and reads them.
func (t *Table) read(layers ...Values) (Settings, []Problem) {
	var problems []Problem
	merged, given := map[string]string{}, map[string]string{} // by field, and the name that was given
	for _, layer := range layers {
		for _, l := range t.expand(layer, &problems) {
			own := map[string]string{} // of this layer: how a field was called
			for _, name := range slices.Sorted(maps.Keys(l)) {
				f := t.find(name)
				switch {
				case f == nil:
					problems = append(problems, t.unknown(name))
				case l[name] == "":
				case f.Refused != "":
					problems = append(problems, Problem{name, "not supported; " + f.Refused})
				case own[f.Name] != "" && l[own[f.Name]] != l[name]:
					problems = append(problems, Problem{name, "it is the same setting as " + own[f.Name] +
						", and says something else"})
				case own[f.Name] == "":
					own[f.Name] = name
					if _, set := merged[f.Name]; !set {
						merged[f.Name], given[f.Name] = l[name], lattice.Printable(name)
					}
				}
			}
		}
	}
	s := Settings{}
	for _, f := range t.Fields {
		text, set := merged[f.Name]
		if f.Refused != "" || !set && f.Default == "" {
			continue
		}
		if !set {
			text = f.Default
		}
		if !f.Kind.exact() {
			text = strings.TrimSpace(text)
		}
		if text == "" {
			continue
		}
		v, err := f.Kind.parse(text)
		if err != nil {
			problems = append(problems, Problem{given[f.Name], f.Kind.problem(text, err)})
			continue
		}
		s[f.Name] = v
	}
	if t.together != nil && len(problems) == 0 {
		var e *lattice.Error
		if err := t.together(s); errors.As(err, &e) {
			problems = append(problems, Problem{cmp.Or(given[e.Entity], e.Entity), e.Detail})
		}
	}
	slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Compare(a.Name, b.Name) })
	return s, problems
}

// exact reports whether space around a value belongs to it.
func (k Kind) exact() bool { return k.Name == "text" || k.hide || k.Name == "path" }

// expand returns a layer's own values, then those that its configuration fields hold.
func (t *Table) expand(layer Values, problems *[]Problem) []Values {
	var text, name string
	own := Values{}
	for n, v := range layer {
		f := t.find(n)
		switch {
		case f == nil || v == "" || f.Name != t.Config && f.Name != t.ConfigBase64:
			own[n] = v
		case text != "":
			*problems = append(*problems, Problem{lattice.Printable(n), "it and " + name + " exclude each other"})
		case f.Name == t.ConfigBase64:
			name = lattice.Printable(n)
			raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(v), "="))
			if err != nil {
				*problems = append(*problems, Problem{name, "not base64"})
			}
			text = string(raw)
		default:
			name, text = lattice.Printable(n), v
		}
	}
	if text == "" {
		return []Values{own}
	}
	inner, err := ParseConfig(text)
	var e *lattice.Error
	if errors.As(err, &e) {
		*problems = append(*problems, Problem{name, e.Detail})
	}
	for _, n := range []string{t.Config, t.ConfigBase64} {
		if v, _ := inner.Lookup(n); v != "" {
			*problems = append(*problems, Problem{name, "there is another " + n + " in it"})
		}
	}
	return []Values{own, inner}
}

func (t *Table) unknown(name string) Problem {
	p := Problem{lattice.Printable(name), t.Provider + " knows no such value"}
	var all []string
	for _, f := range t.Fields {
		if f.Refused == "" {
			all = append(append(all, f.Name), f.Also...)
		}
	}
	if hint := nearest.DidYouMean(name, all); hint != "" {
		p.Detail += "; " + hint
	} else {
		p.Detail += "; there are " + strings.Join(t.Names(), ", ")
	}
	return p
}

// Markdown is the table for people.
func (t *Table) Markdown() string {
	var b strings.Builder
	b.WriteString("| value | default | meaning |\n|---|---|---|\n")
	for _, f := range t.Fields {
		if f.Refused != "" {
			continue
		}
		names := "`" + f.Name + "`"
		if len(f.Also) > 0 {
			names += " (`" + strings.Join(f.Also, "`, `") + "`)"
		}
		def := cmp.Or(f.Unset, "none")
		if f.Default != "" {
			def = "`" + f.Default + "`"
		}
		doc := f.Doc
		if len(f.Kind.Words) > 0 && f.Kind.Name == "word" {
			doc += ": `" + strings.Join(f.Kind.Words, "` or `") + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", names, def, doc)
	}
	return b.String()
}
