package nodefile

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/artifact"
	"github.com/weftlattice/weft/lattice/linkvalue"
	"github.com/weftlattice/weft/lattice/wire"
)

// BuiltinScheme begins the reference of a built-in provider: "builtin://httpserver".
const BuiltinScheme = "builtin://"

// builtins are the providers inside weft, and the contract of each.
var builtins = map[string]string{
	"httpserver":     "wasmcloud:httpserver",
	"httpclient":     "wasmcloud:httpclient",
	"keyvalue-redis": "wasmcloud:keyvalue",
	"keyvalue-nats":  "wasmcloud:keyvalue",
}

// standIns are the images that a built-in provider stands for, by the last part of their name.
var standIns = map[string]string{"httpserver": "httpserver", "httpclient": "httpclient", "kvredis": "keyvalue-redis"}

// Provider is an entry of "providers".
type Provider struct {
	Line     int    // in the file
	Name     string // a contract or a built-in provider, as in the file
	Contract string
	Image    string // as in the file
	// Ref is what a host starts: builtin://NAME, lattice://..., the absolute path of an archive (after Locate), or a
	// registry's reference.
	Ref      string
	Missing  string // why there is no file to start; empty when there is, or none is needed. Locate sets it
	LinkName lattice.LinkName
	Values   map[string]string // of every link to it
}

func (w *walker) providers(n *yaml.Node, at string) []Provider {
	list := []Provider{}
	taken := map[string]int{} // contract and link name, to line
	w.items(n, at, func(item *yaml.Node, at string) {
		p := Provider{Line: w.line(item), LinkName: lattice.DefaultLink, Values: map[string]string{}}
		image, imageGood, config := item, true, (*yaml.Node)(nil)
		w.entries(item, at, []field{
			one("name", func(v *yaml.Node, at string) { p.Name, p.Contract = w.providerName(v, at) }),
			one("image", func(v *yaml.Node, at string) {
				image = v
				p.Image, imageGood = w.text(v, at)
			}),
			one("link_name", func(v *yaml.Node, at string) {
				if s, ok := w.text(v, at); ok {
					var err error
					if p.LinkName, err = lattice.ParseLinkName(s); err != nil {
						w.bad(v, at, "%q is no link name: want 1 to 64 letters, digits, '-' or '_'",
							lattice.Printable(s))
					}
				}
			}),
			one("config", func(v *yaml.Node, at string) {
				config = v
				p.Values = w.values(v, at)
			}),
		})
		if p.Name == "" {
			if item.Kind == yaml.MappingNode && !hasKey(item, "name") {
				w.bad(item, at, "name is missing")
			}
			return
		}
		key := p.Contract + " " + string(p.LinkName)
		if first, ok := taken[key]; ok {
			w.bad(item, at, "there is a provider of %s with link name %s in line %d already; give this one another link_name", p.Contract, p.LinkName, first)
		} else {
			taken[key] = p.Line
		}
		if imageGood {
			p.Ref = w.providerRef(&p, image, at)
			w.checkValues(p, config, join(at, "config"))
		}
		list = append(list, p) // with a problem nobody gets to see it
	})
	return list
}

// checkValues looks for values that a built-in provider does not know, or cannot use.
func (w *walker) checkValues(p Provider, config *yaml.Node, at string) {
	table := linkvalue.Builtin(strings.TrimPrefix(p.Ref, BuiltinScheme))
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
		w.bad(config, at, "%s", detailOf(err))
	}
	for _, problem := range table.Check(own) {
		node := config
		w.pairs(config, at, func(key, _ *yaml.Node, _ string) {
			if key.Value == problem.Name {
				node = key
			}
		})
		w.bad(node, join(at, problem.Name), "%s", problem.Detail)
	}
}

// hasKey reports whether a map gives a field a value.
func hasKey(n *yaml.Node, name string) bool {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name && !isNull(deref(n.Content[i+1])) {
			return true
		}
	}
	return false
}

// providerName reads a contract or the name of a built-in provider.
func (w *walker) providerName(n *yaml.Node, at string) (name, contract string) {
	name, ok := w.text(n, at)
	if !ok {
		return "", ""
	}
	if contract, ok := builtins[name]; ok {
		return name, contract
	}
	if namespace, rest, ok := strings.Cut(name, ":"); !ok || namespace == "" || rest == "" ||
		strings.ContainsAny(name, " \t\r\n/@") {
		w.bad(n, at, "want a contract such as wasmcloud:keyvalue, or a built-in provider (%s), found %q%s",
			strings.Join(builtinNames(), ", "), lattice.Printable(name), suggest(name, builtinNames()))
		return "", ""
	}
	return name, name
}

func builtinNames() []string { return slices.Sorted(maps.Keys(builtins)) }

// providerRef finds what an image means. "" means that a problem has been noted.
func (w *walker) providerRef(p *Provider, image *yaml.Node, at string) string {
	at = join(at, "image")
	if p.Image == "" {
		if _, ok := builtins[p.Name]; ok {
			return BuiltinScheme + p.Name
		}
		w.bad(image, at, "it is missing; want a built-in provider (%s), a file or a reference",
			strings.Join(builtinNames(), ", "))
		return ""
	}
	if name := builtinOf(p.Image); name != "" {
		if contract := builtins[name]; contract != p.Contract {
			w.bad(image, at, "it stands for the built-in provider %s, whose contract is %s, not %s", name, contract,
				p.Contract)
			return ""
		}
		if _, ok := builtins[p.Name]; ok && p.Name != name {
			w.bad(image, at, "it stands for the built-in provider %s, but the name is %s", name, p.Name)
			return ""
		}
		return BuiltinScheme + name
	}
	if _, ok := builtins[p.Name]; ok {
		w.bad(image, at, "%s is built in and needs no image; to run another provider, name it by its contract, %s",
			p.Name, p.Contract)
		return ""
	}
	return w.reference(image, at, p.Image, func(image string) string {
		return fmt.Sprintf("%q is no built-in provider (%s), no file (a path, or *.par) and no reference with a registry",
			lattice.Printable(image), strings.Join(builtinNames(), ", "))
	})
}

// builtinOf returns the built-in provider that an image names or that stands for it.
func builtinOf(image string) string {
	bare := strings.TrimPrefix(image, BuiltinScheme)
	if _, ok := builtins[bare]; ok {
		return bare
	}
	for _, prefix := range []string{"wasmcloud.azurecr.io/", "ghcr.io/wasmcloud/"} {
		if rest, ok := strings.CutPrefix(strings.TrimPrefix(image, "oci://"), prefix); ok {
			rest, _, _ = strings.Cut(rest, "@")
			rest, _, _ = strings.Cut(rest, ":")
			return standIns[rest]
		}
	}
	return ""
}

// reference sorts out what is neither built in nor bare: a file, a reference to the lattice's store, or to a registry.
// Of what is none of them it notes the problem that bare tells; an empty one means that the image stays open.
func (w *walker) reference(n *yaml.Node, at, image string, bare func(string) string) string {
	switch {
	case artifact.IsReference(image):
		if _, err := artifact.ParseReference(image); err != nil {
			w.bad(n, at, "%s", detailOf(err))
			return ""
		}
		return image
	case strings.HasPrefix(image, "file://"):
		if !strings.HasPrefix(image, "file:///") {
			w.bad(n, at, "want file:///absolute/path")
			return ""
		}
		return image
	case strings.Contains(image, "://") && !strings.HasPrefix(image, "oci://"):
		w.bad(n, at, "%q is no reference that weft knows", lattice.Printable(image))
		return ""
	case isPath(image), isRegistry(strings.TrimPrefix(image, "oci://")):
		return image
	}
	if detail := bare(image); detail != "" {
		w.bad(n, at, "%s", detail)
		return ""
	}
	return image
}

// isPath reports whether an image means a file by its form.
func isPath(image string) bool {
	if strings.HasPrefix(image, "/") || strings.HasPrefix(image, "./") || strings.HasPrefix(image, "../") {
		return true
	}
	for _, ext := range []string{".wasm", ".par", ".par.gz"} {
		if strings.HasSuffix(image, ext) && !strings.Contains(image, "://") {
			return true
		}
	}
	return false
}

// isRegistry reports whether an image begins with the address of a registry, by the rule that container tools share.
func isRegistry(image string) bool {
	host, rest, ok := strings.Cut(image, "/")
	return ok && rest != "" && (strings.ContainsAny(host, ".:") || host == "localhost") && path.Clean(host) == host &&
		host != ".."
}
