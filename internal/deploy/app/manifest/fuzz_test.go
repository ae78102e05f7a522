package manifest_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/weftlattice/weft/internal/deploy/app/manifest"
	"github.com/weftlattice/weft/internal/deploy/strictyaml"
)

// Whatever a file says: it is an application, which is written and read again as the same, or there are problems with
// their places.
func FuzzParse(f *testing.F) {
	for _, dir := range []string{"good", "bad"} {
		files(f, dir, func(_ string, data []byte) { f.Add(data) })
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := manifest.Parse("fuzz.yaml", data)
		var p *strictyaml.Problems
		if err != nil {
			if !errors.As(err, &p) || len(p.List) == 0 || err.Error() == "" {
				t.Fatalf("error %#v", err)
			}
			lines := strings.Count(string(data), "\n") + 1
			for _, problem := range p.List {
				if problem.Line < 0 || problem.Line > lines || problem.Detail == "" {
					t.Errorf("%+v of a file of %d lines", problem, lines)
				}
			}
			return
		}
		text, err := file.App.YAML()
		if err != nil {
			t.Fatal(err)
		}
		again, err := manifest.Parse("again.yaml", text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if !reflect.DeepEqual(again.App, file.App) || again.App.Digest() != file.App.Digest() {
			t.Errorf("read again it is\n%#v, not\n%#v\n%s", again.App, file.App, text)
		}
	})
}

// A file that is too large, too deep, or means too much is refused, and soon.
func TestHugeFiles(t *testing.T) {
	const head = "app: {name: a}\nactors:\n- {name: a, image: a, config: {x: "
	for name, tc := range map[string]struct{ text, want string }{
		"too large": {strings.Repeat("#", manifest.MaxBytes+1), "the file is larger than 1048576 bytes"},
		"deep list": {head + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "}}\n",
			"it is nested too deeply"},
		"deep map": {head + strings.Repeat("{a: ", 4000) + "1" + strings.Repeat("}", 4000) + "}}\n",
			"it is nested too deeply"},
		"very deep":   {head + strings.Repeat("[", 500_000), "it is not YAML: "},
		"many values": {head + "[" + strings.Repeat("1,", 200_000) + "1]}}\n", "the file has more than 100000 values"},
		"many items": {"app: {name: a}\nactors:\n" + strings.Repeat("- 1\n", 200_000),
			"actors: it has 200000 items, and may have at most 1000"},
		"many problems":      {head + "1" + strings.Repeat(", y: [{secret: x}], y: 1", 40_000) + "}}\n", "more"},
		"much of everything": {everything(), "and "},
		"long name":          {"app: {name: " + strings.Repeat("a", 1<<19) + "}\n", "it has more than 64 characters"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := manifest.Parse("a.yaml", []byte(tc.text))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				text := "no error"
				if err != nil {
					text = err.Error()[:min(400, len(err.Error()))]
				}
				t.Errorf("want %q, got %s", tc.want, text)
			}
		})
	}
}

// everything is a file with as many actors, providers, links and routes as there may be, and each wrong.
func everything() string {
	var b strings.Builder
	b.WriteString("app: {name: a}\nactors:\n")
	for i := range 1000 {
		fmt.Fprintf(&b,
			"- {name: a%d, image: 'lattice://a:1', links: [p%d, {to: p1, values: {adress: x}}, p2, a%d, q]}\n", i, i, i)
	}
	b.WriteString("providers:\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "- {name: p%d, image: httpserver, config: {prt: 1}}\n", i)
	}
	b.WriteString("routes:\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "- {path: /, actor: a%d, to: p%d}\n", i, i)
	}
	return b.String()
}
