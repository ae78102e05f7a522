package wasi

import (
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weftlattice/weft/host/internal/component/face"
	"github.com/weftlattice/weft/lattice"
)

// No interface is in two families.
func TestFamiliesShareNoInterface(t *testing.T) {
	seen := map[string]bool{}
	for folder := range families {
		for name := range interfacesOf(folder) {
			if seen[name] {
				t.Errorf("%s is in two families", name)
			}
			seen[name] = true
		}
	}
}

// A folder that says what types it has is one of the families.
func TestEveryFolderIsAFamily(t *testing.T) {
	files, err := fs.Glob(types, "*/types.txt")
	if err != nil || len(files) != len(families) {
		t.Errorf("%q, %v, of %d families", files, err, len(families))
	}
}

// What has a type has an implementation, or a reason why none is ever called.
func TestEveryFunctionIsImplemented(t *testing.T) {
	for folder, f := range families {
		for name, i := range interfacesOf(folder) {
			for function := range i.Shapes {
				if _, ok := f.Functions[name][function]; !ok && f.Absent == "" {
					t.Errorf("%s#%s has no implementation", name, function)
				}
			}
		}
	}
}

// row is a row of the documentation's table: interfaces, with braces and a star, and then what a guest finds.
var row = regexp.MustCompile("^\\| `([^`]+)`((?:, `[^`]+`)*) \\|")

// The table in docs/components.md lists the interfaces that exist, and no others.
func TestDocumentationListsWhatExists(t *testing.T) {
	text, err := os.ReadFile("../../../../docs/components.md")
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for line := range strings.Lines(string(text)) {
		m := row.FindString(line)
		if m == "" || !strings.Contains(m, ":") {
			continue
		}
		for _, name := range strings.Split(strings.Trim(m, "| "), ", ") {
			told = append(told, braces(strings.Trim(name, "`"))...)
		}
	}
	for _, name := range Names() {
		if !slices.ContainsFunc(told, func(pattern string) bool { return matches(pattern, name) }) {
			t.Errorf("docs/components.md does not list %s", name)
		}
	}
	for _, pattern := range told {
		if !slices.ContainsFunc(Names(), func(name string) bool { return matches(pattern, name) }) {
			t.Errorf("docs/components.md lists %s, which does not exist", pattern)
		}
	}
}

// braces are the names that a{b,c}d stands for.
func braces(name string) []string {
	before, rest, ok := strings.Cut(name, "{")
	if !ok {
		return []string{name}
	}
	inner, after, _ := strings.Cut(rest, "}")
	var all []string
	for _, each := range strings.Split(inner, ",") {
		all = append(all, before+each+after)
	}
	return all
}

// matches reports whether a name of the table, of the track 0.2 where it says none, is an interface's.
func matches(pattern, name string) bool {
	if pattern == name {
		return true
	}
	if !strings.Contains(pattern, "@") {
		pattern += "@0.2"
	}
	before, after, star := strings.Cut(pattern, "*")
	return pattern == name || star && strings.HasPrefix(name, before) && strings.HasSuffix(name, after)
}

// What goes out by a contract needs it granted, in every version.
func TestContracts(t *testing.T) {
	for name, want := range map[string]lattice.ContractID{"wasi:keyvalue/store@0.2.0-draft2": "wasmcloud:keyvalue",
		"wasi:logging/logging": "wasmcloud:builtin:logging", "wasi:http/types@0.2.0": ""} {
		if got := Contract(name); got != want {
			t.Errorf("%s needs %q, want %q", name, got, want)
		}
	}
}

func TestTracks(t *testing.T) {
	for version, want := range map[string]string{
		"wasi:io/poll@0.2.0":                  "wasi:io/poll@0.2",
		"wasi:io/poll@0.2":                    "wasi:io/poll@0.2",
		"wasi:io/poll@0.2.12":                 "wasi:io/poll@0.2",
		"wasi:io/poll@0.3.0":                  "wasi:io/poll@0.3",
		"wasi:io/poll@0.2.0-rc.1":             "wasi:io/poll@0.2.0-rc.1",
		"wasi:http/types@0.2.0-rc-2023-10-18": "wasi:http/types@0.2.0-rc-2023-10-18",
		"acme:a/b@0.0.3":                      "acme:a/b@0.0.3",
		"acme:a/b@10.0.0":                     "acme:a/b@10",
		"acme:a/b@1.4.0":                      "acme:a/b@1",
		"acme:a/b@11.0.0":                     "acme:a/b@11",
		"acme:a/b":                            "acme:a/b",
		"":                                    "",
	} {
		if got := face.Track(version); got != want {
			t.Errorf("%s: %s, want %s", version, got, want)
		}
	}
}

// What is missing is told with what to do about it.
func TestWaysOut(t *testing.T) {
	for name, want := range map[string]string{
		"wasi:http/types@0.2.99":  "",
		"wasi:http/types@0.3.0":   "built for wasi:http/types@0.3.0; weft runs 0.2: build for wasm32-wasip2",
		"wasi:http/handler@0.3.0": "built for wasi:http/handler@0.3.0; weft runs 0.2: build for wasm32-wasip2",
		"wasi:io/poll@0.2.0-rc-1": "built for wasi:io/poll@0.2.0-rc-1; weft runs 0.2, 0.2.0-rc-2023-10-18",
		"fermyon:spin/variables@2.0.0": "weft has none of Spin's own interfaces (fermyon:spin): " +
			"use wasi:http, wasi:keyvalue and wasi:config",
		"wasi:blobstore/container": "weft has nothing of wasi:blobstore",
		"acme:edge/filter":         "",
	} {
		if got := WayOut(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
