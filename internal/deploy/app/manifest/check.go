package manifest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/weftlattice/weft/internal/deploy/image"
	"github.com/weftlattice/weft/internal/deploy/strictyaml"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/linkvalue"
)

// Check looks at an application that was not read from a file for what Parse looks at: names that are not there, values
// that a provider does not know, routes in conflict. The error is a *strictyaml.Problems without lines. What follows
// from the rest, such as a version, and defaults, where a zero cannot be meant, are filled in. The ranges of numbers
// and the letters of names are not looked at.
func (a *App) Check() error {
	c := checker{w: new(strictyaml.Walker), app: a, origin: func(p place) place { return p }}
	c.all()
	if len(c.w.Problems) > 0 {
		return &strictyaml.Problems{List: c.w.Problems, Columns: true}
	}
	a.version()
	return nil
}

// checker looks for what the form alone does not tell. Places are those of our own format; origin says where in the
// document they come from.
type checker struct {
	w      *strictyaml.Walker
	app    *App
	root   *yaml.Node // nil: there is no document
	origin func(place) place
	told   map[string]bool // fields of the document that have problems
}

// bad notes a problem of a value.
func (c *checker) bad(p place, format string, args ...any) {
	_, value, _ := find(c.root, c.origin(p))
	c.note(value, p, format, args...)
}

// badName notes a problem that the name of a field has.
func (c *checker) badName(p place, format string, args ...any) {
	name, _, _ := find(c.root, c.origin(p))
	c.note(name, p, format, args...)
}

func (c *checker) note(n *yaml.Node, p place, format string, args ...any) {
	path := c.origin(p).String()
	c.told[path] = true
	c.w.Unfit(n, path, format, args...)
}

// given reports whether the document has a value there.
func (c *checker) given(p place) bool {
	_, _, found := find(c.root, c.origin(p))
	return found
}

// or is a place where the document has a value, or the one above it.
func (c *checker) or(p, above place) place {
	if c.root == nil || c.given(p) {
		return p
	}
	return above
}

// line says where something is, " in line 3".
func (c *checker) line(p place) string {
	_, value, _ := find(c.root, c.origin(p))
	if line := c.w.Line(value); line > 0 {
		return fmt.Sprintf(" in line %d", line)
	}
	return ""
}

func (c *checker) all() {
	c.told = map[string]bool{}
	for _, p := range c.w.Problems {
		c.told[p.Field] = true
	}
	c.app.complete()
	if len(c.app.Actors)+len(c.app.Providers) == 0 && c.w.Misshapen() == 0 {
		c.bad(nil, "it has neither actors nor providers")
	}
	if strings.EqualFold(string(c.app.Version), "latest") {
		c.bad(place{"app", "version"}, "no version is called latest: it would not stay the same")
	}
	c.names()
	for i := range c.app.Actors {
		c.actor(i, place{"actors", i})
	}
	for i := range c.app.Providers {
		c.provider(i, place{"providers", i})
	}
	c.links()
	c.routes()
	c.secrets()
}

// names looks for two things of one name.
func (c *checker) names() {
	type item struct {
		what string
		at   place
	}
	taken := map[ItemName]item{}
	take := func(what string, name ItemName, at place) {
		first, ok := taken[name]
		switch {
		case name == "":
		case ok:
			c.bad(at, "there is %s %q%s already; links tell actors and providers by name", first.what,
				lattice.Printable(name), c.line(first.at))
		default:
			taken[name] = item{what, at}
		}
	}
	for i, a := range c.app.Actors {
		take("an actor", a.Name, place{"actors", i, "name"})
	}
	for i, v := range c.app.Providers {
		take("a provider", v.Name, place{"providers", i, "name"})
	}
}

func (c *checker) actor(i int, p place) {
	a := &c.app.Actors[i]
	switch kind, err := image.KindOf(string(a.Image)); {
	case a.Image == "":
	case err != nil:
		c.bad(p.at("image"), "%s", err)
	case a.Image.Builtin() != "":
		c.bad(p.at("image"), "it is the built-in provider %s; providers stand under providers", a.Image.Builtin())
	case kind == image.Other:
		c.bad(p.at("image"), "%q is no name, no file (a path, or *.wasm) and no reference with a registry",
			lattice.Printable(a.Image))
	case kind == image.Stored || kind == image.Registry:
		if j := slices.IndexFunc(c.app.Actors, func(o Actor) bool { return o.Image == a.Image }); j < i {
			c.bad(p.at("image"), "actor %q%s is of this image, too: they would be one actor, since they have one key",
				lattice.Printable(c.app.Actors[j].Name), c.line(place{"actors", j, "image"}))
		}
	}
	c.placement(&a.Placement, p)
	if s := a.Scale; s != nil && s.Min > s.Max {
		c.bad(p.at("scale", "min"), "it is more than max, %d", s.Max)
	}
	if a.Rollout != nil {
		c.rollout(a.Rollout, p.at("rollout"))
	}
}

func (c *checker) placement(l *Placement, p place) {
	for i, s := range l.Spread {
		at := p.at("spread", i)
		for _, name := range slices.Sorted(maps.Keys(s.Where)) {
			if want, ok := l.Where[name]; ok && want != s.Where[name] {
				c.bad(at.at("where", name), "no host can have %s=%s and, as where%s says, %s=%s",
					lattice.Printable(name),
					lattice.Printable(s.Where[name]), c.line(p.at("where", name)), lattice.Printable(name),
					lattice.Printable(want))
			}
		}
		for j, other := range l.Spread[:i] {
			switch {
			case maps.Equal(other.Where, s.Where):
				c.bad(at.at("where"), "the share%s is of the same labels; give them one weight",
					c.line(p.at("spread", j)))
			case s.Name != "" && other.Name == s.Name:
				c.bad(at.at("name"), "there is a share %q%s already", lattice.Printable(s.Name),
					c.line(p.at("spread", j, "name")))
			}
		}
		if l.Each > 0 && s.Weight != DefaultWeight {
			c.bad(at.at("weight"), "with each every host that matches runs the same; a weight divides replicas")
		}
	}
}

func (c *checker) provider(i int, p place) {
	v := &c.app.Providers[i]
	c.placement(&v.Placement, p)
	if v.Name == "" {
		return
	}
	builtin := v.Image.Builtin()
	switch kind, err := image.KindOf(string(v.Image)); {
	case v.Image == "":
		c.bad(p.at("image"), "it is missing; want a built-in provider (%s), a file or a reference", builtins())
	case builtin != "":
	case err != nil:
		c.bad(p.at("image"), "%s", err)
	case kind == image.Other || kind == image.Bare:
		c.bad(p.at("image"),
			"%q is no built-in provider (%s), no file (a path, or *.par) and no reference with a registry%s",
			lattice.Printable(v.Image), builtins(), strictyaml.Suggest(string(v.Image), image.Builtins()))
	case v.Contract == "":
		c.bad(p.at("contract"), "it is missing: what the provider serves, such as wasmcloud:keyvalue")
	}
	contract, isBuiltin := image.Contract(builtin)
	switch {
	case isBuiltin && v.Contract != contract:
		c.bad(p.at("contract"), "the contract of the built-in provider %s is %s", builtin, contract)
	case isContract(string(v.Name)) && v.Contract != lattice.ContractID(v.Name) && !c.given(p.at("contract")):
		c.bad(p.at("name"), "it is a contract, and the image stands for the built-in provider %s, whose contract is %s",
			builtin, v.Contract)
	}
	if isBuiltin && v.StartConfig != "" {
		c.startConfig(v, builtin, p.at("start_config"))
	}
	if v.Inline && !isBuiltin && v.Image != "" {
		c.bad(p.at("inline"), "only built-in providers (%s) run inside the host's process", builtins())
	}
	j := slices.IndexFunc(c.app.Providers, func(o Provider) bool {
		return o.LinkName == v.LinkName && unversioned(o.Image) == unversioned(v.Image)
	})
	if j < i && v.Image != "" {
		c.bad(p.at("name"), "provider %q%s is of the same image and link name, %s; give this one another link_name",
			lattice.Printable(c.app.Providers[j].Name), c.line(place{"providers", j, "name"}), v.LinkName)
	}
}

// startConfig looks at the configuration of a built-in provider, which is link values as JSON.
func (c *checker) startConfig(v *Provider, builtin string, p place) {
	values, err := linkvalue.ParseConfig(v.StartConfig)
	if err != nil {
		c.bad(p, "%s", strictyaml.DetailOf(err))
		return
	}
	for _, problem := range linkvalue.Builtin(builtin).Check(values) {
		c.bad(p, "%s: %s", problem.Name, problem.Detail)
	}
}

func builtins() string { return strings.Join(image.Builtins(), ", ") }

// unversioned is an image without tag and digest: what is the same provider whatever its version.
func unversioned(i Image) string {
	if b := i.Builtin(); b != "" {
		return b
	}
	name, _, _ := strings.Cut(string(i), "@")
	if tag := strings.LastIndexByte(name, ':'); tag > strings.LastIndexByte(name, '/') {
		name = name[:tag]
	}
	return name
}

// secrets looks for those that values name and the file does not, or the other way round.
func (c *checker) secrets() {
	used := map[SecretName]bool{}
	listed := make([]string, len(c.app.Secrets))
	for i, s := range c.app.Secrets {
		listed[i] = string(s)
		if j := slices.Index(c.app.Secrets, s); j < i && s != "" {
			c.bad(place{"secrets", i}, "it is listed twice, first%s", c.line(place{"secrets", j}))
		}
	}
	look := func(values map[string]Value, p place) {
		for _, name := range slices.Sorted(maps.Keys(values)) {
			s := values[name].Secret
			if s != "" && !slices.Contains(c.app.Secrets, s) {
				c.bad(p.at(name, "secret"), "secret %q is not listed under secrets%s", lattice.Printable(s),
					strictyaml.Suggest(string(s), listed))
			}
			used[s] = true
		}
	}
	metrics := func(list []Metric, p place) {
		for i, m := range list {
			if m.Prometheus != nil {
				look(m.Prometheus.Headers, p.at(i, "prometheus", "headers"))
			}
			if m.Web != nil {
				look(m.Web.Headers, p.at(i, "web", "headers"))
			}
		}
	}
	for i, a := range c.app.Actors {
		p := place{"actors", i}
		look(a.Config, p.at("config"))
		for j, l := range a.Links {
			look(l.Values, p.at("links", j, "values"))
		}
		if r := a.Rollout; r != nil {
			metrics(r.Analysis, p.at("rollout", "analysis"))
			for j, s := range r.Steps {
				metrics(s.Analysis, p.at("rollout", "steps", j, "analysis"))
			}
		}
	}
	for i, v := range c.app.Providers {
		look(v.Config, place{"providers", i, "config"})
	}
	for i, s := range c.app.Secrets {
		if !used[s] && s != "" && c.root != nil {
			q := c.origin(place{"secrets", i})
			_, value, _ := find(c.root, q)
			c.w.Warn(value, q.String(), "no value names the secret %q", lattice.Printable(s))
		}
	}
}
