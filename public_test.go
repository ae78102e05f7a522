package weft_test

import (
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
)

// public are the packages that others may import: the words of a lattice, what its clients need, the two SDKs, and host
// for those who embed one. All else is internal. Whoever adds one here promises to keep it.
var public = strings.Fields(`
	actor-sdk actor-sdk/actortest actor-sdk/keyvalue actor-sdk/log actor-sdk/numbergen
	host
	lattice lattice/msgpack lattice/subject lattice/trace lattice/wire lattice/event
	lattice/contract/core lattice/contract/httpserver lattice/contract/keyvalue lattice/contract/logging lattice/contract/numbergen
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
			t.Errorf("%s can be imported by others; move it to internal/, or add it to the public packages in public_test.go", path)
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
	for _, line := range goList(t, append([]string{"-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}"}, args...)...) {
		path, file, _ := strings.Cut(line, " ")
		exports[path] = file
	}
	imp := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
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
		if p := t.Obj().Pkg(); p != nil && strings.HasPrefix(p.Path(), module) && !slices.Contains(public, strings.TrimPrefix(p.Path(), module)) {
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
