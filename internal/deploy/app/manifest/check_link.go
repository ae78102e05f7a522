package manifest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weftlattice/weft/internal/deploy/strictyaml"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/linkvalue"
	"github.com/weftlattice/weft/lattice/wire"
)

// targets are the names that links may name.
func (c *checker) targets() []string {
	var all []string
	for _, v := range c.app.Providers {
		all = append(all, string(v.Name))
	}
	for _, a := range c.app.Actors {
		all = append(all, string(a.Name))
	}
	return all
}

func (c *checker) links() {
	linked := map[ItemName]bool{}
	for i := range c.app.Actors {
		a := &c.app.Actors[i]
		p := place{"actors", i}
		seen := map[string]int{} // contract and link name
		for j, l := range a.Links {
			if target := c.link(a, l, p.at("links", j), seen, j); target != "" {
				linked[target] = true
			}
		}
		for _, r := range c.app.Routes {
			if r.Actor != a.Name {
				continue
			}
			if to := c.app.server(r); to != nil {
				linked[to.Name] = true
			}
		}
		c.granted(a, i)
	}
	for i := range c.app.Providers {
		if v := &c.app.Providers[i]; !linked[v.Name] { // links come with the claims of actors
			c.values(v, v.Config, func(name string) place { return place{"providers", i, "config", name} })
		}
	}
}

// link looks at one link, and returns the provider that it is to.
func (c *checker) link(a *Actor, l Link, p place, seen map[string]int, j int) ItemName {
	to := c.or(p.at("to"), p) // the name alone, or a map
	provider, actor := c.app.ProviderNamed(l.To), c.app.ActorNamed(l.To)
	var contract lattice.ContractID
	name := l.Name.OrDefault()
	switch {
	case l.To == "":
		return ""
	case provider != nil:
		contract, name = provider.Contract, provider.LinkName
		if l.Interface != "" {
			c.bad(p.at("interface"), "%s is a provider, whose contract is %s; interfaces are of actors",
				lattice.Printable(l.To), lattice.Printable(contract))
		}
		if l.Name != "" && l.Name != provider.LinkName {
			c.bad(p.at("name"), "the link name of %s is %s%s", lattice.Printable(l.To), provider.LinkName,
				strictyaml.Suggest(string(l.Name), []string{string(provider.LinkName)}))
		}
	case actor == nil:
		c.bad(to, "there is no provider and no actor %q in this file%s", lattice.Printable(l.To),
			strictyaml.Suggest(string(l.To), c.targets()))
		return ""
	case l.To == a.Name:
		c.bad(to, "it is a link of the actor to itself")
		return ""
	case l.Interface == "":
		c.bad(p, "%q is an actor: want the interface that it exports, {to: %s, interface: acme:edge/filter}",
			lattice.Printable(l.To), lattice.Printable(l.To))
		return ""
	case !l.Interface.IsInterface():
		c.bad(p.at("interface"), "%q is no interface without its version; want such as acme:edge/filter",
			lattice.Printable(l.Interface))
		return ""
	default:
		contract = l.Interface
		c.actorValues(l, p)
	}
	if contract == "" {
		return l.To
	}
	key := string(contract) + " " + string(name)
	if first, ok := seen[key]; ok {
		c.bad(to, "the link%s is for %s with link name %s, too, and an actor has one of each",
			c.line(p[:len(p)-1].at(first)),
			lattice.Printable(contract), name)
	} else {
		seen[key] = j
	}
	if provider == nil {
		return ""
	}
	return l.To
}

// actorValues looks at the values of a link to an actor, which has none but those of weft.
func (c *checker) actorValues(l Link, p place) {
	for _, name := range slices.Sorted(maps.Keys(l.Values)) {
		if !strings.HasPrefix(name, wire.ReservedValues) {
			c.badName(p.at("values", name), "a link to an actor has no values but %s; put it into config of %q",
				wire.RouteValue, lattice.Printable(l.To))
		}
	}
	c.reserved(l.Values, func(name string) place { return p.at("values", name) })
}

// reserved looks at the values that are weft's own.
func (c *checker) reserved(values map[string]Value, where func(string) place) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		v := values[name]
		if !strings.HasPrefix(name, wire.ReservedValues) || v.Secret != "" {
			continue
		}
		if _, err := (wire.LinkDefinition{Values: map[string]string{name: v.Text}}).Route(); err != nil {
			c.bad(where(name), "%s", strictyaml.DetailOf(err))
		}
	}
}

// granted looks at the values of an actor's links to providers as they are laid over one another.
func (c *checker) granted(a *Actor, i int) {
	for _, l := range c.app.explicit(a) {
		v := c.app.ProviderNamed(l.To)
		if v == nil {
			continue
		}
		c.values(v, over(l.Values, v.Config), func(name string) place { return c.origins(a, i, v, name) })
	}
}

// origins says where the value of an actor's link to a provider comes from.
func (c *checker) origins(a *Actor, i int, v *Provider, name string) place {
	for j, l := range a.Links {
		if _, ok := l.Values[name]; ok && l.To == v.Name {
			return place{"actors", i, "links", j, "values", name}
		}
	}
	if _, ok := v.Config[name]; !ok {
		for k, r := range c.app.Routes {
			if _, ok := r.values()[name]; ok && r.Actor == a.Name && c.app.server(r) == v {
				return place{"routes", k, name}
			}
		}
	}
	return place{"providers", slices.IndexFunc(c.app.Providers, func(p Provider) bool { return p.Name == v.Name }),
		"config", name}
}

// values looks for values that a built-in provider does not know, or cannot use. Each problem is told once.
func (c *checker) values(v *Provider, values map[string]Value, where func(name string) place) {
	c.reserved(values, where)
	table := linkvalue.Builtin(v.Image.Builtin())
	if table == nil {
		return
	}
	start, _ := linkvalue.ParseConfig(v.StartConfig) // an error is told with the provider
	secret := secretsIn(values)
	unset := checkValues(table, values, start, "")
	for _, problem := range checkValues(table, values, start, "secret") {
		// what a secret says is not known yet: whether there is such a value is
		if secret[problem.Name] != "" && !slices.Contains(unset, problem) {
			continue
		}
		p := where(problem.Name)
		if _, ok := start.Lookup(problem.Name); ok && !c.given(p) {
			continue // of the configuration, which is told with the provider
		}
		if !c.told[c.origin(p).String()] { // perhaps by another link with the same value
			c.badName(p, "%s", problem.Detail)
		}
	}
}

// checkValues asks a provider's table about values over those that its process starts with; secret stands for each
// secret.
func checkValues(table *linkvalue.Table, values map[string]Value, start linkvalue.Values,
	secret string) []linkvalue.Problem {
	own := linkvalue.Values{}
	for name, v := range values {
		if strings.HasPrefix(name, wire.ReservedValues) {
			continue
		}
		own[name] = v.Text
		if v.Secret != "" {
			own[name] = secret
		}
	}
	return table.Check(own.Over(start))
}

// entry is where requests come in.
type entry struct {
	server              *Provider
	address, host, path string
}

// String returns "127.0.0.1:8000 shop.example.com/shop".
func (e entry) String() string {
	return fmt.Sprintf("%s %s%s", e.address, lattice.Printable(e.host), lattice.Printable(e.path))
}

// routes looks for routes to what is not there, and for two actors on one route.
func (c *checker) routes() {
	for i, r := range c.app.Routes {
		c.route(i, r, place{"routes", i})
	}
	taken := map[entry]place{}
	owner := map[entry]ItemName{}
	for i := range c.app.Actors {
		a := &c.app.Actors[i]
		for _, l := range c.app.explicit(a) {
			v := c.app.ProviderNamed(l.To)
			if v == nil || v.Image.Builtin() != linkvalue.HTTPServer.Provider {
				continue
			}
			text := linkvalue.Values{}
			for name, value := range over(l.Values, v.Config) {
				if value.Secret == "" && !strings.HasPrefix(name, wire.ReservedValues) {
					text[name] = value.Text
				}
			}
			start, _ := linkvalue.ParseConfig(v.StartConfig)
			s, err := linkvalue.HTTPServer.Read(text, start)
			if err != nil {
				continue
			}
			at := entry{v, linkvalue.ListenAddress(s), s.Text("host"), s.Text("path")}
			p := c.routePlace(a, i, v)
			if first, ok := taken[at]; ok && owner[at] != a.Name {
				c.bad(p, "actor %q has %s%s already; give one of them another path or host",
					lattice.Printable(owner[at]), at, c.line(first))
				continue
			}
			taken[at], owner[at] = p, a.Name
		}
	}
}

// routePlace is where a file says that an actor is linked to an httpserver.
func (c *checker) routePlace(a *Actor, i int, v *Provider) place {
	for k, r := range c.app.Routes {
		if r.Actor == a.Name && c.app.server(r) == v {
			return place{"routes", k}
		}
	}
	j := slices.IndexFunc(a.Links, func(l Link) bool { return l.To == v.Name })
	return place{"actors", i, "links", j}
}

func (c *checker) route(i int, r Route, p place) {
	a := c.app.ActorNamed(r.Actor)
	if r.Actor != "" && a == nil {
		var names []string
		for _, a := range c.app.Actors {
			names = append(names, string(a.Name))
		}
		c.bad(p.at("actor"), "there is no actor %q in this file%s", lattice.Printable(r.Actor),
			strictyaml.Suggest(string(r.Actor), names))
	}
	var servers []string
	for _, v := range c.app.servers() {
		servers = append(servers, string(v.Name))
	}
	to := c.app.server(r)
	switch {
	case r.To == "" && len(servers) == 0:
		c.bad(p, "there is no httpserver under providers to serve it")
	case r.To == "" && len(servers) > 1:
		c.bad(p, "there are several httpservers, %s: say which with to", strings.Join(servers, ", "))
	case to == nil:
		c.bad(p.at("to"), "there is no provider %q in this file%s", lattice.Printable(r.To),
			strictyaml.Suggest(string(r.To), servers))
	case to.Contract != serverContract:
		c.bad(p.at("to"), "%q serves %s; routes are of a provider of %s", lattice.Printable(r.To),
			lattice.Printable(to.Contract), serverContract)
	}
	if to == nil || a == nil {
		return
	}
	for k, other := range c.app.Routes[:i] {
		if other.Actor == r.Actor && c.app.server(other) == to {
			c.bad(p, "actor %q has a route of %q%s already, and one link has one path and host",
				lattice.Printable(r.Actor),
				lattice.Printable(to.Name), c.line(place{"routes", k}))
		}
	}
	for j, l := range a.Links {
		if l.To != to.Name {
			continue
		}
		for name, v := range r.values() {
			if have, ok := l.Values[name]; ok && have != v {
				k := slices.IndexFunc(c.app.Actors, func(x Actor) bool { return x.Name == a.Name })
				c.bad(p.at(name), "the link%s says %s %q; leave it out in one of them",
					c.line(place{"actors", k, "links", j}), name, lattice.Printable(have.Text))
			}
		}
	}
}
