package scaffold

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/weftlattice/weft/internal/deploy/localfile"
	"github.com/weftlattice/weft/internal/yamltext"
	"github.com/weftlattice/weft/lattice"
)

// ProjectFile is the name of the file that describes an actor, beside its sources or its module.
const ProjectFile = "actor.yaml"

// Project is what an actor's signed claims say about it, apart from keys and hash.
type Project struct {
	Name     string `yaml:"name"`     // required: lower-case letters, digits, hyphens; at most 63
	Version  string `yaml:"version"`  // shown to people; default "0.1.0"
	Revision int32  `yaml:"revision"` // has to grow with each release; default 0
	// other actors may call it by this, as in "shop/cart"; default none
	CallAlias string `yaml:"call_alias"`
	// contract ids that it may use or serve, as "wasmcloud:keyvalue"
	Capabilities []lattice.ContractID `yaml:"capabilities"`
	Tags         []string             `yaml:"tags"` // for people and tools
}

// defaultVersion is the version of a project that names none.
const defaultVersion = "0.1.0"

var (
	nameForm  = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)
	aliasForm = regexp.MustCompile(`^[a-z0-9_/]+$`)
)

// Load reads a project file, or the one in a folder. Unknown fields, wrong types and bad values are lattice.ErrInvalid,
// all of them in one error, each with its line; no file is lattice.ErrNotFound.
func Load(path string) (*Project, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, ProjectFile)
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, &lattice.Error{Code: lattice.ErrNotFound, Op: "load project", Entity: path, Detail: "no such file"}
	}
	if err != nil {
		return nil, localfile.Error("load project", path, err)
	}
	p, err := parse(data)
	if err != nil {
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "load project", Entity: path, Detail: err.Error()}
	}
	return p, nil
}

// parse reads the text of a project file. Errors are as with Load, without the file's name.
func parse(data []byte) (*Project, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return nil, trim(yamltext.Explain(err, data))
	}
	p := &Project{Version: defaultVersion}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(p); err != nil && !errors.Is(err, io.EOF) {
		return nil, trim(err)
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, errors.New("the file holds more than one document")
	}
	return p, p.validate(lines(&root))
}

// validate joins all that is wrong with p, with the line of each.
func (p *Project) validate(line func(field string, i int) string) error {
	var problems []error
	wrong := func(field string, i int, format string, args ...any) {
		problems = append(problems, errors.New(line(field, i)+fmt.Sprintf(format, args...)))
	}
	if p.Name == "" {
		wrong("name", -1, "name is missing")
	} else if err := CheckName(p.Name); err != nil {
		wrong("name", -1, "%v", err)
	}
	if p.Version == "" || strings.ContainsFunc(p.Version, isOdd) {
		wrong("version", -1, "version %q: want text without spaces, such as 1.2.3", p.Version)
	}
	if p.Revision < 0 {
		wrong("revision", -1, "revision %d is negative", p.Revision)
	}
	if p.CallAlias != "" && !aliasForm.MatchString(p.CallAlias) {
		wrong("call_alias", -1, "call_alias %q: want lower-case letters, digits, _ and /, as in %q", p.CallAlias,
			normalAlias(p.CallAlias))
	}
	for i, c := range p.Capabilities {
		if err := CheckCapability(c); err != nil {
			wrong("capabilities", i, "%v", err)
		} else if slices.Contains(p.Capabilities[:i], c) {
			wrong("capabilities", i, "capability %q appears twice", c)
		}
	}
	for i, tag := range p.Tags {
		if tag == "" || strings.ContainsFunc(tag, isOdd) {
			wrong("tags", i, "tag %q: want text without spaces", tag)
		}
	}
	return errors.Join(problems...)
}

// CheckName reports whether name can be that of an actor project; the error says what is wanted.
func CheckName(name string) error {
	if !nameForm.MatchString(name) {
		return fmt.Errorf("name %q: want a lower-case letter, then up to 62 lower-case letters, digits and hyphens",
			lattice.Printable(name))
	}
	return nil
}

// normalAlias spells an alias as signing would.
func normalAlias(alias string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ' || r == '-' || r == '.':
			return '_'
		case r > 0x7e || r < '!':
			return -1
		}
		return r
	}, strings.ToLower(strings.TrimSpace(alias)))
}

func isOdd(r rune) bool { return r <= ' ' || r == 0x7f }

// lines finds the line of a field, or of an item of a list field, in a document: "line 3: ", or "" when it is not
// there.
func lines(root *yaml.Node) func(field string, i int) string {
	return func(field string, i int) string {
		if len(root.Content) == 0 || root.Content[0].Kind != yaml.MappingNode {
			return ""
		}
		pairs := root.Content[0].Content
		for k := 0; k+1 < len(pairs); k += 2 {
			if pairs[k].Value != field {
				continue
			}
			node := pairs[k+1]
			if i >= 0 && i < len(node.Content) {
				node = node.Content[i]
			}
			return fmt.Sprintf("line %d: ", node.Line)
		}
		return ""
	}
}

// trim takes away what the yaml package says about itself and our types.
func trim(err error) error {
	var types *yaml.TypeError
	if errors.As(err, &types) {
		problems := make([]error, len(types.Errors))
		for i, text := range types.Errors {
			text = strings.ReplaceAll(text, " not found in type scaffold.Project", " is not known")
			text = strings.ReplaceAll(text, " into scaffold.Project", ": want fields, such as name: hello")
			problems[i] = errors.New(text)
		}
		return errors.Join(problems...)
	}
	return errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
}
