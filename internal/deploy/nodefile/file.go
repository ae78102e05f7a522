package nodefile

import (
	_ "embed"
	"io"
	"os"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/weftlattice/weft/internal/deploy/localfile"
	"github.com/weftlattice/weft/internal/deploy/strictyaml"
	"github.com/weftlattice/weft/lattice"
)

// MaxBytes is how large a file may be: 1 MiB, as a ConfigMap.
const MaxBytes = strictyaml.MaxBytes

// Problem is one thing wrong, or worth knowing, in a file; Problems is the error for a file.
type (
	Problem  = strictyaml.Problem
	Problems = strictyaml.Problems
)

// walker reads a node's file.
type walker struct{ *strictyaml.Walker }

//go:embed example.yaml
var example string

// Example returns an example of a file, with the settings that edge nodes usually have.
func Example() string { return example }

// File is the configuration of one node.
type File struct {
	Path      string // where it was read from; "" when it was not
	Host      Host
	Providers []Provider
	Actors    []Actor
	ActorDirs []string // folders in which bare images are looked up, as in the file
	Warnings  []string // each with its line
}

// Link is one link between an actor and a provider of the file.
type Link struct {
	Provider Provider
	Values   map[string]string // may be changed
}

// Load reads a file and locates what it names; see Parse and File.Locate. Errors: *Problems, which is
// lattice.ErrInvalid; those of localfile.Error when it cannot be read.
func Load(path string, actorDirs ...string) (*File, error) {
	data, err := read(path)
	if err != nil {
		return nil, localfile.Error("read configuration file", path, err)
	}
	f, err := Parse(path, data)
	if err != nil {
		return nil, err
	}
	if err := f.Locate(actorDirs...); err != nil {
		return nil, err
	}
	return f, nil
}

func read(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, MaxBytes+1))
}

// Parse reads the content of a file; path is for messages and may be empty. It touches nothing else: images are not
// looked up. The error is a *Problems with everything that is wrong.
func Parse(path string, data []byte) (*File, error) {
	w := walker{new(strictyaml.Walker)}
	f := &File{Path: path, Providers: []Provider{}, Actors: []Actor{}}
	if root := w.Document(data, "node"); root != nil {
		w.root(f, root)
	}
	if len(w.Problems) > 0 {
		strictyaml.Sort(w.Problems)
		return nil, &Problems{Path: path, List: w.Problems}
	}
	strictyaml.Sort(w.Warnings)
	for _, warning := range w.Warnings {
		f.Warnings = append(f.Warnings, warning.String())
	}
	return f, nil
}

// root reads the top of a node's file.
func (w walker) root(f *File, n *yaml.Node) {
	f.Host = Host{}
	var section *yaml.Node
	var actors, providers *yaml.Node
	var names []string
	host := func(v *yaml.Node, at string) {
		if section != nil {
			w.Bad(v, at, "it is the same section as in line %d; give wasmcloud or weft, not both", w.Line(section))
			return
		}
		section = v
		f.Host = w.host(v, at)
	}
	w.Entries(n, "", []strictyaml.Field{
		strictyaml.One("wasmcloud", host), strictyaml.One("weft", host),
		strictyaml.One("providers", func(v *yaml.Node, at string) {
			providers = v
			f.Providers = w.providers(v, at)
		}),
		strictyaml.One("actors", func(v *yaml.Node, at string) { actors = v }),
		strictyaml.One("actor_dirs", func(v *yaml.Node, at string) {
			w.Texts(v, at, func(_ *yaml.Node, s, _ string) { f.ActorDirs = append(f.ActorDirs, s) })
		}),
	})
	if section == nil {
		f.Host = w.host(&yaml.Node{}, "")
	}
	if providers != nil {
		names = providerNames(providers)
	}
	if actors != nil { // after the providers, wherever they are
		f.Actors = w.actors(actors, "actors", names)
	}
}

// providerNames returns the names in the file, also of providers that have problems, so that those are told once.
func providerNames(n *yaml.Node) (names []string) {
	if n.Kind != yaml.SequenceNode {
		return nil
	}
	for _, item := range n.Content {
		item = strictyaml.Deref(item)
		for i := 0; item.Kind == yaml.MappingNode && i+1 < len(item.Content); i += 2 {
			if item.Content[i].Value == "name" {
				names = append(names, strictyaml.Deref(item.Content[i+1]).Value)
			}
		}
	}
	return names
}

// Links returns the links that an actor of the file gets, once its claims are known: caps are the contracts that they
// request. Without "links" the actor is linked to every provider of the file whose contract it requests; with "links"
// to those named and no others. missing are the requested contracts for which there is no link; the two that every host
// has inside, wasmcloud:builtin:*, are never among them.
func (f *File) Links(a Actor, caps []lattice.ContractID) (links []Link,
	missing []lattice.ContractID) {
	covered := map[lattice.ContractID]bool{}
	for _, p := range f.Providers {
		wanted := slices.Contains(caps, p.Contract)
		if a.Links != nil {
			wanted = slices.Contains(a.Links, p.Name)
		}
		if !wanted {
			continue
		}
		values := make(map[string]string, len(p.Values))
		for k, v := range p.Values {
			values[k] = v
		}
		links = append(links, Link{Provider: p, Values: values})
		covered[p.Contract] = true
	}
	for _, c := range caps {
		if !covered[c] && !c.IsBuiltin() {
			missing = append(missing, c)
		}
	}
	return links, missing
}
