package weft_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// names are what the documents may mention: all that the sources declare.
type names struct {
	root     string
	paths    map[string]bool            // files and folders, from the root
	suffixes map[string]bool            // the same, from any folder on their way
	tests    map[string][]string        // tests, fuzz targets and benchmarks, with their folders
	packages map[string]map[string]bool // by name and by folder: what a package declares at its top
	members  map[string]map[string]bool // by name of a type: its fields and methods
	literals map[string]bool            // string literals of Go as they are, paths of imports among them
	uses     map[string]bool            // what Go selects, as in runtime.Gosched
	comments []comment
	words    map[string]bool            // identifiers of Go, words of its literals, words of all other sources
	targets  map[string]bool            // of the Makefile
	commands map[string]map[string]bool // "weft host run" and its flags, "--name" and "-n"
	flags    map[string]bool            // of all commands
	headings map[string][]string        // by file
}

// comment is a comment of Go in one line.
type comment struct {
	file string
	line int
	text string
}

var (
	word     = regexp.MustCompile(`[A-Za-z0-9_]+(?:-[A-Za-z0-9_]+)*`)
	testName = regexp.MustCompile(`^(?:Test|Fuzz|Benchmark)[A-Z]\w*$`)
	target   = regexp.MustCompile(`(?m)^([a-z0-9-]+):`)
	heading  = regexp.MustCompile(`(?m)^#+ (.*)$`)
)

// hidden are commands that help and docs/reference.md do not show, since weft runs them itself.
var hidden = []string{"weft provider run", "weft host compiler", "weft reference", "weft help"}

// readNames reads the project below root.
func readNames(root string) (*names, error) {
	n := &names{root: root, paths: map[string]bool{}, suffixes: map[string]bool{}, tests: map[string][]string{},
		packages: map[string]map[string]bool{}, members: map[string]map[string]bool{}, literals: map[string]bool{},
		uses:  map[string]bool{},
		words: map[string]bool{}, targets: map[string]bool{}, commands: map[string]map[string]bool{},
		flags: map[string]bool{}, headings: map[string][]string{}}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		if rel = filepath.ToSlash(rel); rel == ".git" || rel == "bin" {
			return skip(d)
		}
		n.addPath(rel)
		if d.IsDir() {
			return nil
		}
		return n.addFile(file, rel)
	})
	if err != nil {
		return nil, err
	}
	return n, n.addReference()
}

// skip leaves out a folder with all below it, or a file; in a work tree .git is one.
func skip(d fs.DirEntry) error {
	if d.IsDir() {
		return fs.SkipDir
	}
	return nil
}

func (n *names) addPath(rel string) {
	n.paths[rel] = true
	for rest := rel; ; {
		n.suffixes[rest] = true
		_, after, more := strings.Cut(rest, "/")
		if !more {
			return
		}
		rest = after
	}
}

func (n *names) addFile(file, rel string) error {
	switch ext := path.Ext(rel); {
	case strings.HasPrefix(rel, "docs_"):
		return nil // the exceptions are no proof that something exists
	case ext == ".go":
		return n.addGo(file, path.Dir(rel))
	case slices.Contains([]string{".wasm", ".svg", ".gz", ".sum"}, ext):
		return nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if path.Ext(rel) == ".md" {
		for _, m := range heading.FindAllStringSubmatch(string(text), -1) {
			n.headings[rel] = append(n.headings[rel], m[1])
		}
		return nil
	}
	n.addWords(string(text))
	if rel == "Makefile" {
		for _, m := range target.FindAllStringSubmatch(string(text), -1) {
			n.targets[m[1]] = true
		}
	}
	return nil
}

func (n *names) addWords(text string) {
	for _, w := range word.FindAllString(text, -1) {
		n.words[w] = true
	}
}

func (n *names) addGo(file, folder string) error {
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, file, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	for _, key := range []string{f.Name.Name, folder} {
		if n.packages[key] == nil {
			n.packages[key] = map[string]bool{}
		}
	}
	declare := func(name string) { n.packages[f.Name.Name][name], n.packages[folder][name] = true, true }
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv != nil {
				n.addMember(baseType(d.Recv.List[0].Type), d.Name.Name)
				continue
			}
			declare(d.Name.Name)
			if testName.MatchString(d.Name.Name) && strings.HasSuffix(file, "_test.go") {
				n.tests[d.Name.Name] = append(n.tests[d.Name.Name], folder)
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					declare(s.Name.Name)
					n.addMembers(s)
				case *ast.ValueSpec:
					for _, name := range s.Names {
						declare(name.Name)
					}
				}
			}
		}
	}
	for _, c := range f.Comments {
		n.comments = append(n.comments, comment{file, set.Position(c.Pos()).Line,
			strings.Join(strings.Fields(c.Text()), " ")})
	}
	ast.Inspect(f, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.SelectorExpr:
			if x, ok := node.X.(*ast.Ident); ok {
				n.uses[x.Name+"."+node.Sel.Name] = true
			}
		case *ast.Ident:
			n.words[node.Name] = true
		case *ast.BasicLit:
			if node.Kind == token.STRING {
				n.addLiteral(node.Value)
			}
		}
		return true
	})
	return nil
}

func (n *names) addLiteral(quoted string) {
	text, err := strconv.Unquote(quoted)
	if err != nil {
		return
	}
	n.literals[text] = true
	n.addWords(text)
}

// addMembers notes the fields of a struct and the methods of an interface.
func (n *names) addMembers(s *ast.TypeSpec) {
	var list *ast.FieldList
	switch t := s.Type.(type) {
	case *ast.StructType:
		list = t.Fields
	case *ast.InterfaceType:
		list = t.Methods
	default:
		return
	}
	for _, field := range list.List {
		for _, name := range field.Names {
			n.addMember(s.Name.Name, name.Name)
		}
		if len(field.Names) == 0 {
			n.addMember(s.Name.Name, baseType(field.Type))
		}
	}
}

func (n *names) addMember(typ, name string) {
	if n.members[typ] == nil {
		n.members[typ] = map[string]bool{}
	}
	n.members[typ][name] = true
}

// baseType is the name of a type without stars, package and parameters.
func baseType(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return baseType(e.X)
	case *ast.IndexExpr:
		return baseType(e.X)
	case *ast.IndexListExpr:
		return baseType(e.X)
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// addReference takes commands, flags and variables from docs/reference.md, which a test of cmd/weft keeps true.
func (n *names) addReference() error {
	text, err := os.ReadFile(filepath.Join(n.root, "docs", "reference.md"))
	if err != nil {
		return err
	}
	all, current := map[string]bool{"--help": true, "-h": true}, ""
	row := regexp.MustCompile("^\\| (?:`(-\\w)`, )?`(--[a-z0-9-]+)`")
	for _, line := range strings.Split(string(text), "\n") {
		if name, ok := strings.CutPrefix(line, "## "); ok {
			current = name
			if strings.HasPrefix(name, "weft ") {
				n.commands[name] = map[string]bool{}
			}
		}
		m := row.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		for _, flag := range slices.DeleteFunc(m[1:], func(s string) bool { return s == "" }) {
			n.flags[flag] = true
			if of := n.commands[current]; of != nil {
				of[flag] = true
			} else {
				all[flag] = true
			}
		}
	}
	n.addWords(string(text))
	for _, name := range hidden {
		n.commands[name] = map[string]bool{}
	}
	for _, flags := range n.commands {
		for flag := range all {
			flags[flag] = true
		}
	}
	return nil
}
