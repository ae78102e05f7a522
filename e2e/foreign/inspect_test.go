//go:build foreign

package foreign

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// weft inspect tells the world of a component as wasm-tools does: the same interfaces, types and functions, by the same
// names. Of core modules it tells what they use alone, so that those are not compared.
func TestInspectTellsAWorldAsWasmToolsDoes(t *testing.T) {
	r := newRig(t)
	files, err := filepath.Glob("../../host/internal/component/testdata/*.wasm")
	if err != nil {
		t.Fatal(err)
	}
	edge, err := filepath.Glob("../../host/internal/component/testdata/edge/*.wasm")
	if err != nil || len(edge) == 0 {
		t.Fatal("no components", err)
	}
	for _, file := range append(files, edge...) {
		switch filepath.Base(file) {
		case "hello-module.wasm", "worlds.wasm", "snapshot.wasm": // core modules
			continue
		case "codec.wasm": // it exports functions of types that have no WIT
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			r := r.in(t)
			path, err := filepath.Abs(file)
			if err != nil {
				t.Fatal(err)
			}
			ours := facesOf(r.cli("inspect", path))
			theirs := facesOf(r.run("", nil, "wasm-tools", "component", "wit", path))
			for _, name := range slices.Concat(keys(ours), keys(theirs)) {
				if !slices.Equal(ours[name], theirs[name]) {
					t.Errorf("%s:\n%s\nwasm-tools:\n%s", name, strings.Join(ours[name], "\n"),
						strings.Join(theirs[name], "\n"))
				}
			}
		})
	}
}

func keys(m map[string][]string) (all []string) {
	for k := range m {
		all = append(all, k)
	}
	return all
}

var (
	packageLine = regexp.MustCompile(`^package ([^@;{ ]+)(@[^;{ ]+)?`)
	faceLine    = regexp.MustCompile(`^interface (\S+) \{`)
	inlineLine  = regexp.MustCompile(`^(?:import|export) (\S+): interface \{`)
)

// facesOf are the sorted lines of each interface in a text of WIT, but for those that begin with use: the two write
// them otherwise.
func facesOf(text string) map[string][]string {
	faces := map[string][]string{}
	var in, version, face string
	depth := 0
	for line := range strings.Lines(text) {
		line = strings.ReplaceAll(strings.TrimSpace(line), "%", "")
		if m := packageLine.FindStringSubmatch(line); m != nil {
			in, version = m[1], m[2]
		}
		m := faceLine.FindStringSubmatch(line)
		inline := inlineLine.FindStringSubmatch(line)
		switch {
		case depth == 0 && m != nil:
			face, depth = in+"/"+m[1]+version, 1
		case depth == 0 && inline != nil:
			face, depth = inline[1], 1
		case depth == 0:
		default:
			depth += strings.Count(line, "{") - strings.Count(line, "}")
			known := slices.Contains(faces[face], line) // of an interface that is imported and exported
			if depth > 0 && line != "" && line != "}" && !strings.HasPrefix(line, "use ") && !known {
				faces[face] = append(faces[face], line)
			}
		}
	}
	for _, lines := range faces {
		slices.Sort(lines)
	}
	return faces
}
