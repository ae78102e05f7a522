//go:build componentspec

package wasm

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/component/types"
	"github.com/weftlattice/weft/lattice"
)

// specCommand is one of a script, as wasm-tools json-from-wast writes them.
type specCommand struct {
	Type, Filename, Name, Text, Instance, Module string
	ModuleType                                   string `json:"module_type"`
	Line                                         int
	Action                                       *struct {
		Type, Field, Module string
		Args                []specValue
	}
	Expected []specValue
}

type specValue struct {
	Type  string
	Value json.RawMessage
}

// specRun runs one script.
type specRun struct {
	t       *testing.T
	dir     string
	engine  *Engine
	defined map[string]*Module // nil: refused
	missing map[string]*specRow
	last    string
	current *Instance
	refused *specRow // what is current was refused
	rows    []*specRow
}

// specRow is what does not run of a script, for one reason.
type specRow struct {
	script, why                string
	components, results, traps int
}

// row is where what is refused for a reason is counted.
func (r *specRun) row(why string) *specRow {
	why = specFeature(why)
	for _, row := range r.rows {
		if row.why == why {
			return row
		}
	}
	row := &specRow{script: filepath.Base(r.dir), why: why}
	r.rows = append(r.rows, row)
	return row
}

// specFeature is the name of what weft does not run, in an error.
func specFeature(why string) string {
	if _, host, ok := strings.Cut(why, "imports what this host does not have: "); ok {
		return "it imports " + strings.TrimPrefix(host, "#") + ", which no host has"
	}
	why, _, _ = strings.Cut(why, "; ")
	for _, after := range []string{": weft does not run this", ": build "} {
		why, _, _ = strings.Cut(why, after)
	}
	return why[strings.LastIndex(why, ": ")+2:]
}

// TestComponentModelSuite runs the component model's official suite, as JSON and binaries in the folders of
// WEFT_COMPONENT_SUITE. It fails for each component that gives a wrong result, does not trap where it has to, is taken
// though it is invalid, or is not taken although weft refuses no feature of it by name. It writes what it counts into
// the file WEFT_COMPONENT_REPORT, between its marks.
func TestComponentModelSuite(t *testing.T) {
	dir := os.Getenv("WEFT_COMPONENT_SUITE")
	scripts, err := filepath.Glob(filepath.Join(dir, "*", "test.json"))
	if err != nil || dir == "" || len(scripts) == 0 {
		t.Fatalf("no script */test.json in %q (%v); run: make components-spec SUITE=FOLDER", dir, err)
	}
	held, all := map[string]int{}, map[string]int{}
	var rows []*specRow
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		var s struct{ Commands []specCommand }
		if err := json.Unmarshal(text, &s); err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(filepath.Dir(script))
		t.Run(name, func(t *testing.T) {
			engine, err := New(t.Context(), Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer engine.Close(context.Background())
			r := &specRun{t: t, dir: filepath.Dir(script), engine: engine, defined: map[string]*Module{},
				missing: map[string]*specRow{}}
			for _, c := range s.Commands {
				if c.ModuleType == "text" {
					continue // about the text format
				}
				all[c.Type]++
				why := r.command(c)
				if why == "" {
					held[c.Type]++
					continue
				}
				say := t.Errorf
				if why == notRun || strings.HasPrefix(c.Type, "module") && specRefuses(why) {
					say = t.Logf
				}
				say("%s:%d: %s (%s): %s", name, c.Line, c.Type, c.Text, why)
			}
			r.close()
			rows = append(rows, r.rows...)
		})
	}
	kinds := make([]string, 0, len(all))
	for k := range all {
		kinds = append(kinds, k)
	}
	sort.Strings(kinds)
	for _, k := range kinds {
		t.Logf("%-20s %d of %d", k, held[k], all[k])
	}
	if report := os.Getenv("WEFT_COMPONENT_REPORT"); report != "" {
		writeReport(t, report, len(scripts), held, all, rows)
	}
}

// Marks of what is written into the report.
const (
	reportBegin = "<!-- what follows is written by make components-spec -->\n"
	reportEnd   = "<!-- until here -->\n"
)

// writeReport writes what was counted between the marks of a file.
func writeReport(t *testing.T, file string, scripts int, held, all map[string]int, rows []*specRow) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), reportBegin)
	_, after, ended := strings.Cut(rest, reportEnd)
	if !ok || !ended {
		t.Fatalf("%s has no marks %q and %q", file, reportBegin, reportEnd)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nOf %d scripts:\n\n| assertion | right |\n|---|---|\n", reportBegin, scripts)
	for _, k := range [][2]string{{"a component is valid, and is made", "module"},
		{"a component is valid", "module_definition"}, {"an instance can be made", "module_instance"},
		{"a result", "assert_return"}, {"a trap", "assert_trap"},
		{"a file is malformed", "assert_malformed"}, {"a component is invalid", "assert_invalid"}} {
		fmt.Fprintf(&b, "| %s | %d of %d |\n", k[0], held[k[1]], all[k[1]])
	}
	b.WriteString("\n| script | what it uses that weft does not run | components | results | traps |\n" +
		"|---|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %d |\n", r.script, r.why, r.components, r.results, r.traps)
	}
	b.WriteString("\n" + reportEnd)
	if err := os.WriteFile(file, []byte(before+b.String()+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// notRun is of a command about a component that was refused.
const notRun = "the component was refused"

// refusals are words of errors about what weft does not run, and of components that want something of their host.
var refusals = []string{"weft does not run this", "exceptions are not supported", "several memories are not supported",
	"which a host does not provide", "imports what this host does not have"}

// specRefuses reports whether an error is one of refusals.
func specRefuses(why string) bool {
	return slices.ContainsFunc(refusals, func(words string) bool { return strings.Contains(why, words) })
}

func (r *specRun) close() {
	if r.current != nil {
		_ = r.current.Close(context.Background())
		r.current = nil
	}
	r.refused = nil
}

func (r *specRun) compile(c specCommand) (*Module, error) {
	b, err := os.ReadFile(filepath.Join(r.dir, c.Filename))
	if err != nil {
		r.t.Fatal(err)
	}
	return r.engine.compileComponent(context.Background(), b)
}

// command says what did not hold; "": it did.
func (r *specRun) command(c specCommand) string {
	switch c.Type {
	case "module_definition":
		m, err := r.compile(c)
		r.last, r.defined[c.Name], r.missing[c.Name] = c.Name, m, nil
		if err != nil {
			r.missing[c.Name] = r.row(err.Error())
			r.missing[c.Name].components++
			return err.Error()
		}
	case "module":
		r.close()
		m, err := r.compile(c)
		if err != nil {
			r.refused = r.row(err.Error())
			r.refused.components++
			return err.Error()
		}
		return r.instantiate(m)
	case "module_instance":
		r.close()
		if c.Module == "" {
			c.Module = r.last
		}
		if r.defined[c.Module] == nil {
			r.refused = r.missing[c.Module]
			return notRun
		}
		return r.instantiate(r.defined[c.Module])
	case "assert_uninstantiable":
		r.close()
		m, err := r.compile(c)
		if err != nil {
			return err.Error()
		}
		i, err := m.Instantiate(context.Background(), Limits{}, quiet{}, nil)
		if err == nil {
			_ = i.Close(context.Background())
		}
		if lattice.CodeOf(err) != lattice.ErrTrap {
			return fmt.Sprintf("%v, want a trap", err)
		}
	case "assert_invalid", "assert_malformed", "assert_unlinkable":
		if m, err := r.compile(c); err == nil {
			_ = m.Close(context.Background())
			return "it is taken"
		}
	case "assert_return":
		want := c.Expected
		if r.current == nil {
			r.refused.results++
			return notRun
		}
		got, f, err := r.invoke(c)
		if err != nil {
			return err.Error()
		}
		if len(want) == 0 {
			return ""
		}
		v, err := specGo(want[0], f.Result)
		if err != nil {
			return err.Error()
		}
		if !reflect.DeepEqual(v, got) {
			return fmt.Sprintf("got %#v, want %#v", got, v)
		}
	case "assert_trap":
		if r.current == nil {
			r.refused.traps++
			return notRun
		}
		// Which words a trap is told with is not said by the specification.
		if _, _, err := r.invoke(c); lattice.CodeOf(err) != lattice.ErrTrap {
			return fmt.Sprintf("%v, want a trap", err)
		}
	default:
		return "unknown command"
	}
	return ""
}

func (r *specRun) instantiate(m *Module) string {
	i, err := m.Instantiate(context.Background(), Limits{}, quiet{}, nil)
	if err != nil {
		return err.Error()
	}
	r.current = i
	return ""
}

func (r *specRun) invoke(c specCommand) (any, *types.Func, error) {
	f := r.current.template.module.component.export(c.Action.Field)
	if f == nil {
		return nil, nil, fmt.Errorf("no export %s", c.Action.Field)
	}
	args := make([]any, len(c.Action.Args))
	for i, a := range c.Action.Args {
		v, err := specGo(a, f.Type.Params[i].Type)
		if err != nil {
			return nil, nil, err
		}
		args[i] = v
	}
	got, err := r.current.invoke(context.Background(), c.Action.Field, args)
	return got, f.Type, err
}

// specGo makes a value as in package abi.
func specGo(v specValue, t *types.Type) (any, error) {
	var text string
	_ = json.Unmarshal(v.Value, &text)
	n, _ := strconv.ParseInt(text, 10, 64)
	u, _ := strconv.ParseUint(text, 10, 64)
	one := func(raw json.RawMessage, t *types.Type) (any, error) {
		if t == nil || string(raw) == "null" || len(raw) == 0 {
			return nil, nil
		}
		var inner specValue
		if err := json.Unmarshal(raw, &inner); err != nil {
			return nil, err
		}
		return specGo(inner, t)
	}
	label := func(l string) uint32 {
		return uint32(slices.IndexFunc(t.Cases, func(c types.Case) bool { return c.Label == l }))
	}
	switch v.Type {
	case "bool":
		return string(v.Value) == "true", nil
	case "s8":
		return int8(n), nil
	case "s16":
		return int16(n), nil
	case "s32":
		return int32(n), nil
	case "s64":
		return n, nil
	case "u8":
		return uint8(u), nil
	case "u16":
		return uint16(u), nil
	case "u32":
		return uint32(u), nil
	case "u64":
		return u, nil
	case "f32":
		return math.Float32frombits(uint32(u)), nil
	case "f64":
		return math.Float64frombits(u), nil
	case "char":
		c, _ := utf8.DecodeRuneInString(text)
		return c, nil
	case "string":
		return text, nil
	case "list", "tuple":
		var parts []specValue
		if err := json.Unmarshal(v.Value, &parts); err != nil {
			return nil, err
		}
		all := make([]any, len(parts))
		for i, p := range parts {
			inner := t.Element
			if v.Type == "tuple" {
				inner = t.Fields[i].Type
			}
			var err error
			if all[i], err = specGo(p, inner); err != nil {
				return nil, err
			}
		}
		if t.Kind == types.List && t.Element.Kind == types.U8 {
			b := make([]byte, len(all))
			for i, x := range all {
				b[i] = x.(byte)
			}
			return b, nil
		}
		return all, nil
	case "record":
		var parts [][2]json.RawMessage
		if err := json.Unmarshal(v.Value, &parts); err != nil {
			return nil, err
		}
		all := make([]any, len(parts))
		for i, p := range parts {
			var err error
			if all[i], err = one(p[1], t.Fields[i].Type); err != nil {
				return nil, err
			}
		}
		return all, nil
	case "variant":
		var c struct {
			Case    string
			Payload json.RawMessage
		}
		if err := json.Unmarshal(v.Value, &c); err != nil {
			return nil, err
		}
		at := label(c.Case)
		inner, err := one(c.Payload, t.Cases[at].Type)
		return abi.Variant{Case: at, Value: inner}, err
	case "enum":
		return abi.Variant{Case: label(text)}, nil
	case "flags":
		var labels []string
		if err := json.Unmarshal(v.Value, &labels); err != nil {
			return nil, err
		}
		var bits uint32
		for _, l := range labels {
			bits |= 1 << slices.Index(t.Labels, l)
		}
		return bits, nil
	case "option":
		if string(v.Value) == "null" {
			return abi.Variant{}, nil
		}
		inner, err := one(v.Value, t.Cases[1].Type)
		return abi.Variant{Case: 1, Value: inner}, err
	case "result":
		var both map[string]json.RawMessage
		if err := json.Unmarshal(v.Value, &both); err != nil {
			return nil, err
		}
		for i, name := range []string{"Ok", "Err"} {
			if raw, ok := both[name]; ok {
				inner, err := one(raw, t.Cases[i].Type)
				return abi.Variant{Case: uint32(i), Value: inner}, err
			}
		}
	}
	return nil, fmt.Errorf("a value of the type %s", v.Type)
}
