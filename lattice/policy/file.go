package policy

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/weftlattice/weft/internal/yamltext"
	"github.com/weftlattice/weft/lattice"
)

// What a file of rules may hold at the most.
const (
	maxFileBytes = 1 << 20
	maxRules     = 10_000
	maxPatterns  = 1000 // of one condition
)

// FileError is all that is wrong with a file of rules, one problem a line, each with its line number. It is
// lattice.ErrInvalid.
type FileError struct{ Problems []string }

func (e *FileError) Error() string { return strings.Join(e.Problems, "\n") }

// Is makes a *FileError lattice.ErrInvalid.
func (e *FileError) Is(target error) bool { return target == lattice.ErrInvalid }

// condition is a field of a rule that restricts it, with the actions for which it means something.
type condition struct {
	list    func(*Rule) *[]string
	actions []Action
}

var (
	calls     = []Action{PerformInvocation}
	providers = []Action{StartProvider, PerformInvocation}
)

var conditions = map[string]condition{
	"issuer":    {func(r *Rule) *[]string { return &r.Issuer }, Actions},
	"actor":     {func(r *Rule) *[]string { return &r.Actor }, []Action{StartActor, PerformInvocation}},
	"provider":  {func(r *Rule) *[]string { return &r.Provider }, providers},
	"contract":  {func(r *Rule) *[]string { return &r.Contract }, providers},
	"link":      {func(r *Rule) *[]string { return &r.Link }, providers},
	"operation": {func(r *Rule) *[]string { return &r.Operation }, calls},
	"origin":    {func(r *Rule) *[]string { return &r.Origin }, calls},
	"target":    {func(r *Rule) *[]string { return &r.Target }, Actions},
}

// Parse reads a file of rules. It is strict: whatever it does not know is an error, since a rule that is read otherwise
// than it was meant is worse than none. The error is a *FileError.
func Parse(data []byte) (*Rules, error) {
	if len(data) > maxFileBytes {
		return nil, &FileError{[]string{fmt.Sprintf("the file has %d bytes, the limit is %d", len(data), maxFileBytes)}}
	}
	f := &file{rules: &Rules{}}
	var doc yaml.Node
	if err := decode(data, &doc); err != nil {
		return nil, &FileError{[]string{syntax(yamltext.Explain(err, data))}}
	}
	if len(doc.Content) == 0 {
		return nil, &FileError{[]string{"the file is empty; it has to say at least default: allow or default: deny"}}
	}
	f.read(doc.Content[0])
	if len(f.problems) > 0 {
		slices.SortStableFunc(f.problems, func(a, b problem) int { return a.line - b.line })
		e := &FileError{}
		for _, p := range f.problems {
			e.Problems = append(e.Problems, fmt.Sprintf("line %d: %s", p.line, p.text))
		}
		return nil, e
	}
	return f.rules, nil
}

// decode reads the only document of a file.
func decode(data []byte, doc *yaml.Node) error {
	d := yaml.NewDecoder(strings.NewReader(string(data)))
	if err := d.Decode(doc); err != nil {
		if err.Error() == "EOF" {
			return nil
		}
		return err
	}
	var more yaml.Node
	if err := d.Decode(&more); err == nil {
		return fmt.Errorf("yaml: line %d: a second document begins; a file has one", more.Line)
	} else if err.Error() != "EOF" {
		return err
	}
	return nil
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

func syntax(err error) string {
	text := err.Error()
	m := yamlLine.FindStringSubmatch(text)
	if m == nil {
		return "it is not YAML: " + text
	}
	line, rest := 1, text[len(m[0]):]
	if m[1] != "" {
		line, _ = strconv.Atoi(m[1])
	}
	return fmt.Sprintf("line %d: %s", line, rest)
}

type problem struct {
	line int
	text string
}

// file collects what a file says and what is wrong with it.
type file struct {
	rules    *Rules
	problems []problem
}

func (f *file) bad(n *yaml.Node, format string, args ...any) {
	if len(f.problems) < 100 {
		f.problems = append(f.problems, problem{n.Line, fmt.Sprintf(format, args...)})
	}
}

// pairs visits the entries of a map, each key once. Aliases and merge keys are refused: rules are to be read as
// written.
func (f *file) pairs(n *yaml.Node, what string, visit func(key, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		f.bad(n, "%s: want a map of fields", what)
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode || key.ShortTag() == "!!merge":
			f.bad(key, "%s: want a plain name of a field", what)
		case value.Kind == yaml.AliasNode:
			f.bad(value, "%s: aliases are not supported; write it out", key.Value)
		case seen[key.Value] > 0:
			f.bad(key, "%s is given twice, first in line %d", lattice.Printable(key.Value), seen[key.Value])
		default:
			visit(key, value)
		}
		seen[key.Value] = max(seen[key.Value], key.Line)
	}
}

func (f *file) read(n *yaml.Node) {
	said := false
	f.pairs(n, "the file", func(key, value *yaml.Node) {
		switch key.Value {
		case "default":
			said = true
			switch value.Value {
			case "allow", "deny":
				f.rules.Permit = value.Value == "allow"
			default:
				f.bad(value, "default: want allow or deny")
			}
		case "rules":
			if value.Kind != yaml.SequenceNode {
				f.bad(value, "rules: want a list")
				return
			}
			if len(value.Content) > maxRules {
				f.bad(value, "rules: there are %d, the limit is %d", len(value.Content), maxRules)
				return
			}
			for i, item := range value.Content {
				f.rule(item, i+1)
			}
		default:
			f.bad(key, "unknown field %q; want default and rules", lattice.Printable(key.Value))
		}
	})
	if !said && n.Kind == yaml.MappingNode {
		f.bad(n, "default is missing; say default: deny or default: allow")
	}
}

func (f *file) rule(n *yaml.Node, index int) {
	what := fmt.Sprintf("rule %d", index)
	r := Rule{Line: n.Line}
	var effect *yaml.Node
	given := map[string]*yaml.Node{}
	f.pairs(n, what, func(key, value *yaml.Node) {
		c, isCondition := conditions[key.Value]
		switch {
		case key.Value == "name":
			r.Name, _ = f.text(value, "name")
		case key.Value == "allow" || key.Value == "deny":
			if effect != nil {
				f.bad(key, "%s: both allow and deny; want one of them", what)
				return
			}
			effect, r.Permit = key, key.Value == "allow"
			r.Actions = f.actions(value, key.Value)
		case key.Value == "labels":
			r.Labels = f.labels(value)
		case isCondition:
			given[key.Value] = key
			*c.list(&r) = f.patterns(value, key.Value)
		default:
			f.bad(key, "%s: unknown field %q; want allow or deny, name, labels, %s", what, lattice.Printable(key.Value),
				strings.Join(slices.Sorted(maps.Keys(conditions)), ", "))
		}
	})
	if effect == nil && n.Kind == yaml.MappingNode {
		f.bad(n, "%s: want allow or deny with a list of actions: %s, or all", what, words(Actions))
	}
	for name, key := range given {
		for _, a := range r.Actions {
			if !slices.Contains(conditions[name].actions, a) {
				f.bad(key, "%s: %s means nothing for %s; make a rule of its own for %s", what, name, a,
					words(conditions[name].actions))
				break
			}
		}
	}
	f.rules.List = append(f.rules.List, r)
}

func words(actions []Action) string {
	var out []string
	for _, a := range actions {
		out = append(out, string(a))
	}
	return strings.Join(out, ", ")
}

func (f *file) actions(n *yaml.Node, name string) (out []Action) {
	for _, item := range f.items(n, name) {
		s, ok := f.text(item, name)
		switch {
		case !ok:
		case s == "all":
			out = append(out, Actions...)
		case known(s):
			out = append(out, Action(s))
		default:
			f.bad(item, "%s: unknown action %q; want %s, or all", name, lattice.Printable(s), words(Actions))
		}
	}
	return out
}

// patterns reads one pattern or a list. An empty list would match everything, which nobody means, and is refused.
func (f *file) patterns(n *yaml.Node, name string) (out []string) {
	for _, item := range f.items(n, name) {
		if s, ok := f.text(item, name); ok {
			out = append(out, s)
		}
	}
	return out
}

// items are those of a list, or the one value in place of a list.
func (f *file) items(n *yaml.Node, name string) []*yaml.Node {
	switch {
	case n.Kind == yaml.ScalarNode:
		return []*yaml.Node{n}
	case n.Kind != yaml.SequenceNode:
		f.bad(n, "%s: want text or a list of texts", name)
	case len(n.Content) == 0:
		f.bad(n, "%s: the list is empty; leave the field out or name something", name)
	case len(n.Content) > maxPatterns:
		f.bad(n, "%s: %d items, the limit is %d", name, len(n.Content), maxPatterns)
	default:
		return n.Content
	}
	return nil
}

// text reads text. Numbers and truth values in YAML's sense are refused, but for labels.
func (f *file) text(n *yaml.Node, name string) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" || n.Value == "" {
		hint := ""
		if n.Kind == yaml.ScalarNode && n.Value != "" {
			hint = "; put it in quotes"
		}
		f.bad(n, "%s: want text%s", name, hint)
		return "", false
	}
	return n.Value, true
}

func (f *file) labels(n *yaml.Node) map[string]string {
	out := map[string]string{}
	f.pairs(n, "labels", func(key, value *yaml.Node) {
		if s, ok := f.text(value, "labels: "+lattice.Printable(key.Value)); ok {
			out[key.Value] = s
		}
	})
	if len(out) == 0 && n.Kind == yaml.MappingNode && len(n.Content) == 0 {
		f.bad(n, "labels: there are none; leave the field out or name one")
	}
	return out
}
