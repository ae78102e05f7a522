package scaffold

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/weftlattice/weft/lattice"
)

func TestParse(t *testing.T) {
	p, err := parse([]byte("name: shop-cart\nversion: 1.2.3-rc.1\nrevision: 7\ncall_alias: shop/cart_2\n" +
		"capabilities: [wasmcloud:httpserver, 'wasmcloud:builtin:logging']\ntags:\n  - retail\n"))
	want := &Project{Name: "shop-cart", Version: "1.2.3-rc.1", Revision: 7, CallAlias: "shop/cart_2",
		Capabilities: []lattice.ContractID{"wasmcloud:httpserver", "wasmcloud:builtin:logging"},
		Tags:         []string{"retail"}}
	if err != nil || !reflect.DeepEqual(p, want) {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := parse([]byte("name: x")); err != nil || p.Version != defaultVersion {
		t.Errorf("least file: %+v, %v", p, err)
	}
}

func TestParseNamesTheLine(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                          {"name is missing"},
		"# only a comment":                          {"name is missing"},
		"version: 1.0.0":                            {"name is missing"},
		"name: x\ncolour: red":                      {"line 2: field colour is not known"},
		"name: x\nrevision: soon":                   {"line 2: cannot unmarshal !!str `soon` into int32"},
		"name: x\nrevision: -1":                     {"line 2: revision -1 is negative"},
		"name: x\nrevision: 3000000000":             {"line 2: cannot unmarshal"},
		"name: [x]":                                 {"line 1: cannot unmarshal"},
		"name: Shop Cart":                           {"line 1: name \"Shop Cart\""},
		"name: x\n\nversion: a b":                   {"line 3: version"},
		"name: x\ncall_alias: Shop-Cart":            {"line 2: call_alias", `"shop_cart"`},
		"name: x\ncapabilities: keyvalue":           {"line 2: cannot unmarshal"},
		"name: x\ncapabilities:\n- a:b\n- keyvalue": {"line 4: capability \"keyvalue\""},
		"name: x\ncapabilities:\n- a:b\n- a:b":      {"line 4: capability \"a:b\" appears twice"},
		"name: x\ntags: ['']":                       {"line 2: tag"},
		"name: X\nrevision: -1":                     {"line 1: name", "line 2: revision"},
		"name: x\nname: y":                          {"already defined"},
		"name: x\n---\nname: y":                     {"more than one document"},
		"- x":                                       {"line 1: "},
		"name: x\n\tversion: x":                     {"line 2: a tab indents it"},
		"name: 'x":                                  {"found unexpected end of stream"},
	} {
		_, err := parse([]byte(text))
		if err == nil {
			t.Errorf("%q: accepted", text)
			continue
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q: %v; want it to say %q", text, err, w)
			}
		}
		if strings.Contains(err.Error(), "scaffold.") {
			t.Errorf("%q: %v names our types", text, err)
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(dir); !errors.Is(err, lattice.ErrNotFound) {
		t.Errorf("no file: %v", err)
	}
	file := filepath.Join(dir, ProjectFile)
	if err := os.WriteFile(file, []byte("name: x\ncolour: red\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); !errors.Is(err, lattice.ErrInvalid) || !strings.Contains(err.Error(), file) {
		t.Errorf("bad file: %v", err)
	}
	if err := os.WriteFile(file, []byte("name: x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, file} {
		if p, err := Load(path); err != nil || p.Name != "x" {
			t.Errorf("%s: %+v, %v", path, p, err)
		}
	}
}

// The examples' own files are right.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../../actor-sdk/examples/*/" + ProjectFile)
	if err != nil || len(files) < 5 {
		t.Fatalf("found %v, %v", files, err)
	}
	for _, file := range files {
		if p, err := Load(file); err != nil || p.Name != filepath.Base(filepath.Dir(file)) {
			t.Errorf("%s: %+v, %v", file, p, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("name: x\ncapabilities: [a:b]\n"))
	f.Add([]byte("name: &a x\ntags: [*a, *a]\n"))
	f.Add([]byte("- x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, err := parse(data); err == nil && CheckName(p.Name) != nil {
			t.Errorf("accepted the name %q", p.Name)
		}
	})
}
