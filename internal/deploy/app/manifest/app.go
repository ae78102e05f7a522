package manifest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weftlattice/weft/internal/deploy/image"
	"github.com/weftlattice/weft/lattice"
)

// The names in an application.
type (
	// Name is that of an application: 1 to 64 letters, digits, '-' and '_'. One of each name is in a lattice.
	Name string
	// Version names one content of an application for ever: 1 to 64 letters, digits, '.', '_', '+' and '-'.
	Version string
	// ItemName is that of an actor or provider, unique in the application: at most 128 characters.
	ItemName string
	// SecretName is that of a secret of the lattice: 1 to 64 letters, digits, '.', '_' and '-'.
	SecretName string
)

// App is an application: what is to run, how it is linked, and how a new version of it comes.
type App struct {
	Head
	Actors    []Actor
	Providers []Provider
	Routes    []Route
	Secrets   []SecretName // those that values may name
}

// Head is what an application is called.
type Head struct {
	Name        Name
	Version     Version // never empty: without one in the file it is made of the content
	Description string  // for people
}

// Image says which artefact runs, as in the file: a built-in provider (see package image), a file, lattice://NAME:TAG,
// a registry's reference, or for actors a bare name.
type Image string

// Builtin returns the built-in provider that an image names or that stands for it; "": none does.
func (i Image) Builtin() string { return image.Builtin(string(i)) }

// Actor is an actor or component.
type Actor struct {
	Name   ItemName
	Image  Image
	Config map[string]Value // its settings
	// Links are those that it has; nil: to each provider of the application whose contract its claims name. Routes make
	// more of them. See App.LinksOf.
	Links []Link
	Placement
	Scale   *Scale // instead of Replicas and Each; nil: none
	Limits  Limits
	Rollout *Rollout // how a new revision comes; nil: at once, without loss
}

// Provider is a capability provider.
type Provider struct {
	Name     ItemName
	Image    Image
	Contract lattice.ContractID
	LinkName lattice.LinkName
	Inline   bool             // it runs inside the host's process; built-in ones only
	Config   map[string]Value // the values of every link to it
	// StartConfig is the configuration that its process starts with, usually JSON; "" is none.
	StartConfig string
	Placement
}

// Placement says how many of a thing run, and where.
type Placement struct {
	Replicas int               // of an actor the most instances in all, of a provider the hosts that run it
	Each     int               // so many on each host that matches; Replicas is then 0
	Where    map[string]string // labels that a host must have
	Spread   []Spread          // shares of hosts with further labels; nil: all hosts alike
}

// Spread is the share of the hosts that have labels. Without Each the weights divide Replicas; with it hosts that match
// any of them match.
type Spread struct {
	Name   string // for people and for other software; may be empty
	Where  map[string]string
	Weight int // default DefaultWeight
}

// Scale bounds an actor that is scaled by its load.
type Scale struct {
	Min, Max int
	Idle     time.Duration // without calls for so long it goes to Min, where that is 0; default DefaultIdle
}

// Limits are those of one actor on each host. Zero fields are the host's defaults.
type Limits struct {
	Memory        uint64        // bytes of one instance
	Time          time.Duration // of one call
	Fuel          uint64        // work of one call, in units of about a simple instruction
	Instances     string        // control.SharedInstances or control.FreshInstances
	RecycleCalls  uint64        // calls after which an instance begins again
	RecycleMemory uint64        // bytes above which it does
}

// Value is a setting or a link value: text, or the name of a secret that is put in its place.
type Value struct {
	Text   string
	Secret SecretName // instead of Text; "" is none
}

// String returns the text, or "(secret NAME)".
func (v Value) String() string {
	if v.Secret != "" {
		return "(secret " + string(v.Secret) + ")"
	}
	return v.Text
}

// Link lets an actor use a provider, or what another actor exports.
type Link struct {
	To        ItemName
	Interface lattice.ContractID // of a link to an actor, "acme:edge/filter"; "" of one to a provider
	Name      lattice.LinkName   // that of the provider; "" is that, and of a link to an actor lattice.DefaultLink
	Values    map[string]Value   // over the provider's Config
}

// Route sends HTTP requests to an actor: it is short for a link to an httpserver with values path and host.
type Route struct {
	Path  string // a prefix by whole segments
	Host  string // "" is any
	Actor ItemName
	To    ItemName // the httpserver; "": the application has one
}

// serverContract is the contract of providers that routes are of.
const serverContract lattice.ContractID = "wasmcloud:httpserver"

// Defaults of what a file leaves out.
const (
	DefaultWeight = 100
	DefaultIdle   = 5 * time.Minute
)

// Grant is a link with all that makes it.
type Grant struct {
	Provider *Provider // nil: Actor serves it
	Actor    *Actor
	Contract lattice.ContractID
	Name     lattice.LinkName
	Values   map[string]Value // may be changed
}

// ActorNamed returns an actor, nil where there is none.
func (a *App) ActorNamed(name ItemName) *Actor {
	if i := slices.IndexFunc(a.Actors, func(x Actor) bool { return x.Name == name }); i >= 0 {
		return &a.Actors[i]
	}
	return nil
}

// ProviderNamed returns a provider, nil where there is none.
func (a *App) ProviderNamed(name ItemName) *Provider {
	if i := slices.IndexFunc(a.Providers, func(x Provider) bool { return x.Name == name }); i >= 0 {
		return &a.Providers[i]
	}
	return nil
}

// LinksOf returns the links that an actor of the application gets once its claims are known, which name contracts.
// missing are the contracts among them for which there is no link; the two that every host has inside,
// wasmcloud:builtin:*, are never among them. An actor without links in the file that would be linked to two providers
// as one is lattice.ErrConflict.
func (a *App) LinksOf(actor *Actor, contracts []lattice.ContractID) (links []Grant,
	missing []lattice.ContractID, err error) {
	for _, l := range a.explicit(actor) {
		links = append(links, a.grant(l))
	}
	for i := range a.Providers {
		p := &a.Providers[i]
		if actor.Links != nil || !slices.Contains(contracts, p.Contract) ||
			slices.ContainsFunc(links, func(g Grant) bool { return g.Provider == p }) {
			continue
		}
		for _, g := range links {
			if g.Contract == p.Contract && g.Name == p.LinkName {
				return nil, nil, &lattice.Error{Code: lattice.ErrConflict, Op: "link actor", Entity: string(actor.Name),
					Detail: fmt.Sprintf("providers %s and %s both serve %s with link name %s; name one in its links",
						g.Provider.Name, p.Name, p.Contract, p.LinkName)}
			}
		}
		links = append(links, a.grant(Link{To: p.Name}))
	}
	for _, c := range contracts {
		if !slices.ContainsFunc(links, func(g Grant) bool { return g.Contract == c }) &&
			!strings.HasPrefix(string(c), "wasmcloud:builtin:") {
			missing = append(missing, c)
		}
	}
	return links, missing, nil
}

// explicit returns the links that the file tells of an actor, with its routes in them.
func (a *App) explicit(actor *Actor) []Link {
	links := slices.Clone(actor.Links)
	for _, r := range a.Routes {
		if r.Actor != actor.Name {
			continue
		}
		to := a.server(r)
		if to == nil || to.Contract != serverContract {
			continue
		}
		i := slices.IndexFunc(links, func(l Link) bool { return l.To == to.Name })
		if i < 0 {
			i = len(links)
			links = append(links, Link{To: to.Name})
		}
		links[i].Values = over(r.values(), links[i].Values)
	}
	return links
}

// values are those of the link that a route stands for.
func (r Route) values() map[string]Value {
	values := map[string]Value{"path": {Text: r.Path}}
	if r.Host != "" {
		values["host"] = Value{Text: r.Host}
	}
	return values
}

// server returns the provider that a route is of: the one it names, or the only httpserver; nil: there is none.
func (a *App) server(r Route) *Provider {
	if r.To != "" {
		return a.ProviderNamed(r.To)
	}
	if servers := a.servers(); len(servers) == 1 {
		return servers[0]
	}
	return nil
}

// servers are the providers that routes can be of.
func (a *App) servers() (all []*Provider) {
	for i := range a.Providers {
		if a.Providers[i].Contract == serverContract {
			all = append(all, &a.Providers[i])
		}
	}
	return all
}

// grant fills a link. Its target must be there.
func (a *App) grant(l Link) Grant {
	if p := a.ProviderNamed(l.To); p != nil {
		return Grant{Provider: p, Contract: p.Contract, Name: p.LinkName, Values: over(l.Values, p.Config)}
	}
	return Grant{Actor: a.ActorNamed(l.To), Contract: l.Interface, Name: l.Name.OrDefault(), Values: over(l.Values,
		nil)}
}

// over returns values over others, never nil.
func over(values, below map[string]Value) map[string]Value {
	all := make(map[string]Value, len(values)+len(below))
	for name, v := range below {
		all[name] = v
	}
	for name, v := range values {
		all[name] = v
	}
	return all
}
