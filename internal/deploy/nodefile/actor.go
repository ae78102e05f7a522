package nodefile

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/weftlattice/weft/internal/deploy/image"
	"github.com/weftlattice/weft/internal/deploy/strictyaml"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
)

// MaxReplicas bounds an actor's replicas.
const MaxReplicas = 10_000

// Actor is an entry of "actors".
type Actor struct {
	Line  int    // in the file
	Name  string // for people; unique in the file
	Image string // as in the file
	// Ref is lattice://..., a registry's reference, or after Locate the absolute path of a file.
	Ref      string
	Missing  string            // why there is no file to start; empty when there is, or none is needed. Locate sets it
	Replicas int               // instances at most; default 1, 0 starts none
	Config   map[string]string // settings, as text
	Links    []string          // names of providers to link to; nil: see File.Links

	Fuel          uint64 // work of one call, in units of about a simple instruction; 0: the host's default
	Instances     string // "shared" or "fresh"; empty: fresh for components, shared for modules
	RecycleCalls  uint64 // calls after which an instance begins again; 0: the host's default
	RecycleMemory uint64 // bytes above which it does; 0: never
}

func (w walker) actors(n *yaml.Node, at string, providers []string) []Actor {
	list := []Actor{}
	taken := map[string]int{}
	w.Items(n, at, func(item *yaml.Node, at string) {
		a := Actor{Line: w.Line(item), Replicas: 1, Config: map[string]string{}}
		replicas := (*yaml.Node)(nil)
		w.Entries(item, at, []strictyaml.Field{
			strictyaml.One("name", func(v *yaml.Node, at string) {
				a.Name, _ = w.Text(v, at)
				if strings.ContainsFunc(a.Name, func(r rune) bool { return r < 0x20 || r == 0x7f }) ||
					len(a.Name) > 128 {
					w.Bad(v, at, "want at most 128 bytes of plain text")
				}
				if first, ok := taken[a.Name]; ok && a.Name != "" {
					w.Bad(v, at, "there is an actor %q in line %d already", lattice.Printable(a.Name), first)
				}
				taken[a.Name] = w.Line(v)
			}),
			strictyaml.One("image", func(v *yaml.Node, at string) {
				if s, ok := w.Text(v, at); ok {
					a.Image = s
					a.Ref = w.actorRef(v, at, s)
				}
			}),
			{Names: []string{"replicas", "max_instances"}, Read: func(v *yaml.Node, at string) {
				if replicas != nil {
					w.Bad(v, at, "it is the same setting as in line %d", w.Line(replicas))
				}
				replicas = v
				if i, ok := w.Integer(v, at, 0, MaxReplicas); ok {
					a.Replicas = int(i)
				}
			}},
			strictyaml.One("config", func(v *yaml.Node, at string) { a.Config = w.Values(v, at) }),
			strictyaml.One("fuel", func(v *yaml.Node, at string) {
				if i, ok := w.Integer(v, at, 1, control.MaxFuel); ok {
					a.Fuel = uint64(i)
				}
			}),
			strictyaml.One("instances", func(v *yaml.Node, at string) {
				if a.Instances, _ = w.Text(v, at); a.Instances != control.SharedInstances &&
					a.Instances != control.FreshInstances {
					w.Bad(v, at, "want %s or %s", control.SharedInstances, control.FreshInstances)
				}
			}),
			strictyaml.One("recycle_calls", func(v *yaml.Node, at string) {
				if i, ok := w.Integer(v, at, 1, 1<<40); ok {
					a.RecycleCalls = uint64(i)
				}
			}),
			strictyaml.One("recycle_memory_bytes", func(v *yaml.Node, at string) {
				if i, ok := w.Integer(v, at, 64<<10, 4<<30); ok {
					a.RecycleMemory = uint64(i)
				}
			}),
			strictyaml.One("links", func(v *yaml.Node, at string) {
				a.Links = []string{}
				w.Texts(v, at, func(item *yaml.Node, s, at string) {
					if !slices.Contains(providers, s) {
						w.Bad(item, at, "there is no provider %q in this file%s", lattice.Printable(s),
							strictyaml.Suggest(s, providers))
					}
					a.Links = append(a.Links, s)
				})
			}),
		})
		for _, name := range []string{"name", "image"} {
			if item.Kind == yaml.MappingNode && !strictyaml.HasKey(item, name) {
				w.Bad(item, at, "%s is missing", name)
			}
		}
		list = append(list, a) // with a problem nobody gets to see it
	})
	return list
}

func (w walker) actorRef(n *yaml.Node, at, text string) string {
	return w.reference(n, at, text, func(kind image.Kind) string {
		if kind == image.Bare {
			return ""
		}
		return fmt.Sprintf("%q is no name, no file (a path, or *.wasm) and no reference with a registry",
			lattice.Printable(text))
	})
}
