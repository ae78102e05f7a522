package event

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weftlattice/weft/lattice/subject"
)

// Every constant that names an event is in Names.
func TestNamesAreAllNames(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "data.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Name") {
			return true
		}
		switch v := spec.Values[0].(type) {
		case *ast.BasicLit:
			text, _ := strconv.Unquote(v.Value)
			want = append(want, text)
		case *ast.SelectorExpr:
			want = append(want, map[string]string{"EventHostStopped": subject.EventHostStopped,
				"EventHostHeartbeat": subject.EventHostHeartbeat,
				"EventHostLost":      subject.EventHostLost}[v.Sel.Name])
		}
		return true
	})
	if len(want) < 20 || !slices.Equal(Names(), want) {
		t.Errorf("%q\nwant %q", Names(), want)
	}
}
