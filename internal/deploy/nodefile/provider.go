package nodefile

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/weftlattice/weft/internal/deploy/image"
	"github.com/weftlattice/weft/internal/deploy/strictyaml"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/linkvalue"
	"github.com/weftlattice/weft/lattice/wire"
)

// Provider is an entry of "providers".
type Provider struct {
	Line     int    // in the file
	Name     string // a contract or a built-in provider, as in the file
	Contract lattice.ContractID
	Image    string // as in the file
	// Ref is what a host starts: builtin://NAME, lattice://..., the absolute path of an archive (after Locate), or a
	// registry's reference.
	Ref      string
	Missing  string // why there is no file to start; empty when there is, or none is needed. Locate sets it
	LinkName lattice.LinkName
	Values   map[string]string // of every link to it
}

func (w walker) providers(n *yaml.Node, at string) []Provider {
	list := []Provider{}
	type slot struct {
		contract lattice.ContractID
		link     lattice.LinkName
	}
	taken := map[slot]int{} // the lines
	w.Items(n, at, func(item *yaml.Node, at string) {
		p := Provider{Line: w.Line(item), LinkName: lattice.DefaultLink, Values: map[string]string{}}
		where, imageGood, config := item, true, (*yaml.Node)(nil)
		w.Entries(item, at, []strictyaml.Field{
			strictyaml.One("name", func(v *yaml.Node, at string) { p.Name, p.Contract = w.providerName(v, at) }),
			strictyaml.One("image", func(v *yaml.Node, at string) {
				where = v
				p.Image, imageGood = w.Text(v, at)
			}),
			strictyaml.One("link_name", func(v *yaml.Node, at string) {
				if s, ok := w.Text(v, at); ok {
					var err error
					if p.LinkName, err = lattice.ParseLinkName(s); err != nil {
						w.Bad(v, at, "%q is no link name: want 1 to 64 letters, digits, '-' or '_'",
							lattice.Printable(s))
					}
				}
			}),
			strictyaml.One("config", func(v *yaml.Node, at string) {
				config = v
				p.Values = w.Values(v, at)
			}),
		})
		if p.Name == "" {
			if item.Kind == yaml.MappingNode && !strictyaml.HasKey(item, "name") {
				w.Bad(item, at, "name is missing")
			}
			return
		}
		key := slot{p.Contract, p.LinkName}
		if first, ok := taken[key]; ok {
			w.Bad(item, at, "there is a provider of %s with link name %s in line %d already; "+
				"give this one another link_name", p.Contract, p.LinkName, first)
		} else {
			taken[key] = p.Line
		}
		if imageGood {
			p.Ref = w.providerRef(&p, where, at)
			w.checkValues(p, config, strictyaml.Join(at, "config"))
		}
		list = append(list, p) // with a problem nobody gets to see it
	})
	return list
}

// checkValues looks for values that a built-in provider does not know, or cannot use.
func (w walker) checkValues(p Provider, config *yaml.Node, at string) {
	table := linkvalue.Builtin(strings.TrimPrefix(p.Ref, image.BuiltinScheme))
	if table == nil || config == nil {
		return
	}
	own := linkvalue.Values{}
	for name, value := range p.Values {
		if !strings.HasPrefix(name, wire.ReservedValues) {
			own[name] = value
		}
	}
	if _, err := (wire.LinkDefinition{Values: p.Values}).Route(); err != nil {
		w.Bad(config, at, "%s", strictyaml.DetailOf(err))
	}
	for _, problem := range table.Check(own) {
		node := config
		w.Pairs(config, at, func(key, _ *yaml.Node, _ string) {
			if key.Value == problem.Name {
				node = key
			}
		})
		w.Bad(node, strictyaml.Join(at, problem.Name), "%s", problem.Detail)
	}
}

// providerName reads a contract or the name of a built-in provider.
func (w walker) providerName(n *yaml.Node, at string) (name string, contract lattice.ContractID) {
	name, ok := w.Text(n, at)
	if !ok {
		return "", ""
	}
	if contract, ok := image.Contract(name); ok {
		return name, contract
	}
	if namespace, rest, ok := strings.Cut(name, ":"); !ok || namespace == "" || rest == "" ||
		strings.ContainsAny(name, " \t\r\n/@") {
		w.Bad(n, at, "want a contract such as wasmcloud:keyvalue, or a built-in provider (%s), found %q%s",
			builtinNames(), lattice.Printable(name), strictyaml.Suggest(name, image.Builtins()))
		return "", ""
	}
	return name, lattice.ContractID(name)
}

func builtinNames() string { return strings.Join(image.Builtins(), ", ") }

// providerRef finds what an image means. "" means that a problem has been noted.
func (w walker) providerRef(p *Provider, n *yaml.Node, at string) string {
	at = strictyaml.Join(at, "image")
	if p.Image == "" {
		if _, ok := image.Contract(p.Name); ok {
			return image.BuiltinScheme + p.Name
		}
		w.Bad(n, at, "it is missing; want a built-in provider (%s), a file or a reference",
			builtinNames())
		return ""
	}
	if name := image.Builtin(p.Image); name != "" {
		if contract, _ := image.Contract(name); contract != p.Contract {
			w.Bad(n, at, "it stands for the built-in provider %s, whose contract is %s, not %s", name, contract,
				p.Contract)
			return ""
		}
		if _, ok := image.Contract(p.Name); ok && p.Name != name {
			w.Bad(n, at, "it stands for the built-in provider %s, but the name is %s", name, p.Name)
			return ""
		}
		return image.BuiltinScheme + name
	}
	if _, ok := image.Contract(p.Name); ok {
		w.Bad(n, at, "%s is built in and needs no image; to run another provider, name it by its contract, %s",
			p.Name, p.Contract)
		return ""
	}
	return w.reference(n, at, p.Image, func(image.Kind) string {
		return fmt.Sprintf("%q is no built-in provider (%s), no file (a path, or *.par) "+
			"and no reference with a registry",
			lattice.Printable(p.Image), builtinNames())
	})
}

// reference sorts out what is not built in: a file, a reference to the lattice's store, or to a registry. Of what is
// none of them it notes the problem that other tells; an empty one means that the image stays open.
func (w walker) reference(n *yaml.Node, at, text string, other func(image.Kind) string) string {
	kind, err := image.KindOf(text)
	if err != nil {
		w.Bad(n, at, "%s", err)
		return ""
	}
	if kind == image.Bare || kind == image.Other {
		if detail := other(kind); detail != "" {
			w.Bad(n, at, "%s", detail)
			return ""
		}
	}
	return text
}
