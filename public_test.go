package weft_test

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// public are the packages that others may import: the words of a lattice, what its clients need, the two SDKs, and host
// for those who embed one. All else is internal. Whoever adds one here promises to keep it.
var public = strings.Fields(`
	actor-sdk actor-sdk/actortest actor-sdk/httpclient actor-sdk/keyvalue actor-sdk/log actor-sdk/numbergen
	host
	lattice lattice/msgpack lattice/subject lattice/trace lattice/wire lattice/event
	lattice/contract/core lattice/contract/httpclient lattice/contract/httpserver lattice/contract/keyvalue
	lattice/contract/logging lattice/contract/numbergen
	lattice/artifact lattice/control lattice/linkvalue lattice/oci lattice/policy lattice/signing lattice/store
	provider provider/providertest`)

func TestOnlyListedPackagesArePublic(t *testing.T) {
	var found []string
	for _, line := range goList(t, "-f", "{{.Name}} {{.ImportPath}}", "./...") {
		name, path, _ := strings.Cut(line, " ")
		path, inside := strings.CutPrefix(path, module)
		internal := strings.Contains("/"+path+"/", "/internal/")
		if !inside || name == "main" || internal || strings.HasPrefix(path+"/", "e2e/") {
			continue // the root carries the sources of the SDK; what is left of e2e cannot be of use elsewhere
		}
		found = append(found, path)
		if !slices.Contains(public, path) {
			t.Errorf("%s can be imported by others; move it to internal/, or add it to the public packages in "+
				"public_test.go", path)
		}
	}
	for _, path := range public {
		if !slices.Contains(found, path) {
			t.Errorf("%s is listed as public, and there is no such package", path)
		}
	}
}

// Types of internal packages cannot be named by those who import a public one, and so neither made nor stored.
func TestPublicSignaturesNameNoInternalType(t *testing.T) {
	var args []string
	for _, path := range public {
		args = append(args, "./"+path)
	}
	exports := map[string]string{}
	for _, line := range goList(t, append([]string{"-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}"},
		args...)...) {
		path, file, _ := strings.Cut(line, " ")
		exports[path] = file
	}
	imp := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser,
		error) {
		return os.Open(exports[path])
	})
	for _, path := range public {
		pkg, err := imp.Import(module + path)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range pkg.Scope().Names() {
			if o := pkg.Scope().Lookup(name); o.Exported() {
				s := signature{t: t, of: path, seen: map[types.Type]bool{}}
				s.object(o)
			}
		}
	}
}

// signature goes through the types that an exported object shows.
type signature struct {
	t    *testing.T
	of   string
	seen map[types.Type]bool
}

func (s signature) object(o types.Object) {
	s.walk(o.Type(), o.Name())
	named, ok := types.Unalias(o.Type()).(*types.Named)
	if _, isType := o.(*types.TypeName); !isType || !ok {
		return
	}
	s.walk(named.Underlying(), o.Name())
	for m := range named.Methods() {
		if m.Exported() {
			s.walk(m.Type(), o.Name()+"."+m.Name())
		}
	}
}

// walk visits the types that t names, not what lies behind those names.
func (s signature) walk(t types.Type, at string) {
	if s.seen[t] {
		return
	}
	s.seen[t] = true
	switch t := t.(type) {
	case *types.Alias:
		s.walk(types.Unalias(t), at)
	case *types.Named:
		if p := t.Obj().Pkg(); p != nil && strings.HasPrefix(p.Path(), module) &&
			!slices.Contains(public, strings.TrimPrefix(p.Path(), module)) {
			s.t.Errorf("%s: %s names %s.%s, which those who import it cannot", s.of, at, p.Path(), t.Obj().Name())
		}
		for arg := range t.TypeArgs().Types() {
			s.walk(arg, at)
		}
		for param := range t.TypeParams().TypeParams() {
			s.walk(param.Constraint(), at)
		}
	case *types.Map:
		s.walk(t.Key(), at)
		s.walk(t.Elem(), at)
	case *types.Signature:
		s.tuple(t.Params(), at)
		s.tuple(t.Results(), at)
		for param := range t.TypeParams().TypeParams() {
			s.walk(param.Constraint(), at)
		}
	case *types.Struct:
		for f := range t.Fields() {
			if f.Exported() {
				s.walk(f.Type(), at+"."+f.Name())
			}
		}
	case *types.Interface:
		for m := range t.Methods() {
			s.walk(m.Type(), at+"."+m.Name())
		}
	case interface{ Elem() types.Type }: // pointer, slice, array, channel
		s.walk(t.Elem(), at)
	}
}

func (s signature) tuple(vars *types.Tuple, at string) {
	for v := range vars.Variables() {
		s.walk(v.Type(), at)
	}
}

// Each public package says in doc.go what it is for, and shows it by examples that run.
func TestPublicPackagesShowTheirUse(t *testing.T) {
	for _, path := range public {
		if err := explained(path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if err := shown(path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func explained(path string) error {
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(path, "doc.go"), nil,
		parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		return fmt.Errorf("it has no doc.go that explains it: %w", err)
	}
	if text := f.Doc.Text(); !strings.HasPrefix(text, "Package "+f.Name.Name) || strings.Count(text, "\n") < 4 {
		return fmt.Errorf("doc.go does not explain it")
	}
	return nil
}

func shown(path string) error {
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(path, "example_test.go"), nil, parser.ParseComments)
	if err != nil {
		return fmt.Errorf("it has no example_test.go that shows its use: %w", err)
	}
	if !strings.HasSuffix(f.Name.Name, "_test") {
		return fmt.Errorf("example_test.go is inside the package; others do not see what it sees")
	}
	runs := slices.ContainsFunc(doc.Examples([]*ast.File{f}...), func(e *doc.Example) bool { return e.Output != "" })
	if !runs {
		return fmt.Errorf("no Example in example_test.go has an Output, so that none runs")
	}
	return nil
}
