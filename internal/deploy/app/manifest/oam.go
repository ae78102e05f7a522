package manifest

import (
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/weftlattice/weft/internal/deploy/shape"
	"github.com/weftlattice/weft/internal/deploy/strictyaml"
	"github.com/weftlattice/weft/lattice"
)

// What wadm of 0.7 to 0.10 reads.
const (
	oamVersion  = "core.oam.dev/v1beta1"
	oamKind     = "Application"
	oamActor    = "actor"
	oamProvider = "capability"
	spreadTrait = "spreadscaler"
	daemonTrait = "daemonscaler"
	linkTrait   = "linkdef"
)

// oamManifest is a document of wadm's.
type oamManifest struct {
	version, kind string
	metadata      oamMetadata
	spec          oamSpec
}

type oamMetadata struct {
	name        Name
	annotations map[string]string
	labels      map[string]string
}

type oamSpec struct{ components []oamComponent }

type oamComponent struct {
	name       ItemName
	kind       string
	properties oamProperties
	traits     []oamTrait // nil: there is no list, which is not the same as an empty one
}

type oamProperties struct {
	image    Image
	contract lattice.ContractID
	linkName lattice.LinkName
	config   string
}

type oamTrait struct {
	kind       string
	properties oamTraitProperties
}

// oamTraitProperties are those of all traits: a scaler has instances and spread, a link the others.
type oamTraitProperties struct {
	instances int // 0 also when there are none: see missing
	spread    []oamSpread
	target    ItemName
	values    map[string]Value
}

type oamSpread struct {
	name         string
	requirements map[string]string
	weight       int
}

// oamText is text of any kind that wadm takes.
var oamText = shape.Text[string](512, plainText, "plain text")

var oamDocument = shape.Object(func() oamManifest { return oamManifest{} }, []shape.Field[oamManifest]{
	shape.Required("apiVersion", func(m *oamManifest) *string { return &m.version }, shape.Word(oamVersion), ""),
	shape.Required("kind", func(m *oamManifest) *string { return &m.kind }, shape.Word(oamKind), ""),
	shape.Required("metadata", func(m *oamManifest) *oamMetadata { return &m.metadata }, shape.Object(
		func() oamMetadata { return oamMetadata{} }, []shape.Field[oamMetadata]{
			shape.Required("name", func(m *oamMetadata) *Name { return &m.name }, appName, ""),
			shape.Required("annotations", func(m *oamMetadata) *map[string]string { return &m.annotations },
				shape.Map(shape.Loose()), ""),
			shape.Optional("labels", func(m *oamMetadata) *map[string]string { return &m.labels },
				shape.Map(shape.Loose()), ""),
		}), ""),
	shape.Required("spec", func(m *oamManifest) *oamSpec { return &m.spec }, shape.Object(
		func() oamSpec { return oamSpec{} }, []shape.Field[oamSpec]{
			shape.Required("components", func(s *oamSpec) *[]oamComponent { return &s.components },
				shape.List(oamComponentShape), ""),
		}), ""),
})

var oamComponentShape = shape.Object(func() oamComponent { return oamComponent{} }, []shape.Field[oamComponent]{
	shape.Required("name", func(c *oamComponent) *ItemName { return &c.name }, itemName, ""),
	shape.Required("type", func(c *oamComponent) *string { return &c.kind }, shape.Word(oamActor, oamProvider), ""),
	shape.Required("properties", func(c *oamComponent) *oamProperties { return &c.properties }, shape.Object(
		func() oamProperties { return oamProperties{} }, []shape.Field[oamProperties]{
			shape.Required("image", func(p *oamProperties) *Image { return &p.image }, imageText, ""),
			shape.Optional("contract", func(p *oamProperties) *lattice.ContractID { return &p.contract }, contract, ""),
			shape.Optional("link_name", func(p *oamProperties) *lattice.LinkName { return &p.linkName }, linkName, ""),
			shape.Optional("config", func(p *oamProperties) *string { return &p.config }, oamConfig, ""),
		}), ""),
	shape.Optional("traits", func(c *oamComponent) *[]oamTrait { return &c.traits }, shape.KeptList(oamTraitShape), ""),
})

// oamConfig is text as it is, or a map, as JSON.
var oamConfig = shape.Shape[string]{
	Read: func(w *strictyaml.Walker, n *yaml.Node, path string) (string, bool) {
		if n.Kind != yaml.MappingNode {
			return shape.Loose().Read(w, n, path)
		}
		return w.Value(n, path)
	},
	Write: shape.TextNode, Schema: shape.Schema{},
}

// oamValues are link values: text, and what is written without quotes.
var oamValues = shape.Map(shape.Shape[Value]{
	Read: func(w *strictyaml.Walker, n *yaml.Node, path string) (Value, bool) {
		if n.Kind != yaml.ScalarNode {
			w.Bad(n, path, "want text, found %s", strictyaml.Describe(n))
			return Value{}, false
		}
		text, ok := w.Value(n, path)
		return Value{Text: text}, ok
	},
	Write: func(v Value) *yaml.Node { return shape.TextNode(v.Text) }, Schema: shape.Schema{},
})

var oamTraitShape = shape.Object(func() oamTrait { return oamTrait{} }, []shape.Field[oamTrait]{
	shape.Required("type", func(t *oamTrait) *string { return &t.kind }, shape.Word(spreadTrait, daemonTrait,
		linkTrait), ""),
	shape.Required("properties", func(t *oamTrait) *oamTraitProperties { return &t.properties }, shape.Object(
		func() oamTraitProperties { return oamTraitProperties{} }, []shape.Field[oamTraitProperties]{
			shape.Optional("instances", func(p *oamTraitProperties) *int { return &p.instances }, replicas, ""),
			shape.Optional("replicas", func(p *oamTraitProperties) *int { return &p.instances }, replicas, ""),
			shape.Optional("spread", func(p *oamTraitProperties) *[]oamSpread { return &p.spread },
				shape.List(oamSpreadShape), ""),
			shape.Optional("target", func(p *oamTraitProperties) *ItemName { return &p.target }, itemName, ""),
			shape.Optional("values", func(p *oamTraitProperties) *map[string]Value { return &p.values }, oamValues, ""),
		}, shape.OneOf("instances", "replicas", "target")), ""),
})

var oamSpreadShape = shape.Object(func() oamSpread { return oamSpread{weight: DefaultWeight} },
	[]shape.Field[oamSpread]{
		shape.Required("name", func(s *oamSpread) *string { return &s.name }, oamText, ""),
		shape.Required("requirements", func(s *oamSpread) *map[string]string { return &s.requirements }, labels, ""),
		shape.Optional("weight", func(s *oamSpread) *int { return &s.weight }, shape.Whole(0, maxWeight), ""),
	})

// readOAM reads wadm's format as an application. origin finds places of the application in the document.
func readOAM(w *strictyaml.Walker, root *yaml.Node) (app *App, origin func(place) place) {
	m, _ := oamDocument.Read(w, root, "")
	r := oamReader{w: w, root: root, from: map[string]place{"app.version": {"metadata", "annotations", "version"}}}
	app = &App{Head: Head{Name: m.metadata.name, Version: Version(m.metadata.annotations["version"]),
		Description: m.metadata.annotations["description"]}}
	r.app = app
	if at := (place{"metadata", "annotations", "version"}); app.Version != "" {
		_, value, _ := find(root, at)
		version.Read(w, value, at.String())
	}
	for i, c := range m.spec.components {
		if c.kind != "" { // told before
			r.component(i, c)
		}
	}
	return app, r.origin
}

// oamReader makes an application of components.
type oamReader struct {
	w    *strictyaml.Walker
	root *yaml.Node
	app  *App
	from map[string]place // places of the application, and where in the document they come from
}

// origin is the place in the document of one in the application: of it, or of the nearest above it.
func (r *oamReader) origin(p place) place {
	for n := len(p); n > 0; n-- {
		if from, ok := r.from[p[:n].String()]; ok {
			return from.at(p[n:]...)
		}
	}
	return nil
}

func (r *oamReader) bad(p place, format string, args ...any) {
	_, value, _ := find(r.root, p)
	r.w.Unfit(value, p.String(), format, args...)
}

func (r *oamReader) component(i int, c oamComponent) {
	at := place{"spec", "components", i}
	var links []Link
	var here place
	scaled := false
	var l Placement
	if c.kind == oamProvider {
		here = place{"providers", len(r.app.Providers)}
		if c.traits == nil { // no list at all, which wadm takes for one instance
			l.Replicas = 1
		}
	} else {
		here = place{"actors", len(r.app.Actors)}
		links = []Link{} // wadm links nothing by itself
	}
	r.from[here.String()] = at
	r.from[here.at("image").String()] = at.at("properties", "image")
	r.from[here.at("contract").String()] = at.at("properties", "contract")
	r.from[here.at("start_config").String()] = at.at("properties", "config")
	for j, t := range c.traits {
		p := at.at("traits", j, "properties")
		switch {
		case t.kind == linkTrait && c.kind == oamProvider:
			r.bad(at.at("traits", j, "type"), "a linkdef belongs to the actor, with the provider as its target")
		case t.kind == linkTrait:
			if link, ok := r.link(t.properties, p, here.at("links", len(links))); ok {
				links = append(links, link)
			}
		case t.kind == "":
		case scaled:
			r.bad(at.at("traits", j), "the component has a scaler already; make two components of it")
		default:
			scaled = true
			l = r.scaler(t, p, here)
		}
	}
	if c.kind == oamProvider {
		r.app.Providers = append(r.app.Providers, Provider{Name: c.name, Image: c.properties.image,
			Contract: c.properties.contract, LinkName: c.properties.linkName.OrDefault(),
			StartConfig: c.properties.config, Placement: l})
		return
	}
	for _, name := range []string{"contract", "link_name", "config"} {
		if p := at.at("properties", name); r.has(p) {
			r.bad(p, "it is of capabilities; an actor has an image alone")
		}
	}
	r.app.Actors = append(r.app.Actors, Actor{Name: c.name, Image: c.properties.image, Links: links, Placement: l})
}

func (r *oamReader) has(p place) bool {
	_, _, found := find(r.root, p)
	return found
}

func (r *oamReader) link(p oamTraitProperties, at, here place) (Link, bool) {
	r.from[here.String()] = at
	r.from[here.at("to").String()] = at.at("target")
	for _, name := range []string{"instances", "replicas", "spread"} {
		if r.has(at.at(name)) {
			r.bad(at.at(name), "it is of a scaler; a linkdef has target and values")
			return Link{}, false
		}
	}
	if i := slices.IndexFunc(r.names(oamActor), func(name string) bool { return name == string(p.target) }); i >= 0 {
		r.bad(at.at("target"), "%q is an actor; want the name of a capability%s", lattice.Printable(p.target),
			strictyaml.Suggest(string(p.target), r.names(oamProvider)))
		return Link{}, false
	}
	return Link{To: p.target, Values: p.values}, true
}

// names are those of the components of a kind.
func (r *oamReader) names(kind string) []string {
	var names []string
	_, list, _ := find(r.root, place{"spec", "components"})
	for i := range list.Content {
		_, t, _ := find(r.root, place{"spec", "components", i, "type"})
		_, name, found := find(r.root, place{"spec", "components", i, "name"})
		if found && t.Value == kind {
			names = append(names, name.Value)
		}
	}
	return names
}

// scaler is where a trait puts a component.
func (r *oamReader) scaler(t oamTrait, at, here place) Placement {
	for _, name := range []string{"target", "values"} {
		if r.has(at.at(name)) {
			r.bad(at.at(name), "it is of a linkdef; a scaler has instances and spread")
		}
	}
	instances := t.properties.instances
	l := Placement{Replicas: instances}
	if t.kind == daemonTrait {
		l = Placement{Each: instances}
	}
	for _, name := range []string{"instances", "replicas"} {
		if r.has(at.at(name)) {
			r.from[here.at("replicas").String()], r.from[here.at("each").String()] = at.at(name), at.at(name)
		}
	}
	total := 0
	for _, s := range t.properties.spread {
		total += s.weight
	}
	if len(t.properties.spread) > 0 && total == 0 && t.kind == spreadTrait {
		r.bad(at.at("spread"), "all weights are 0: no host would get any")
	}
	for k, s := range t.properties.spread {
		p := at.at("spread", k)
		if t.kind == daemonTrait { // weights count for nothing
			s.weight = DefaultWeight
		}
		if s.weight == 0 {
			_, value, _ := find(r.root, p.at("weight"))
			r.w.Warn(value, p.at("weight").String(), "of weight 0 it gets none, and is left out")
			continue
		}
		q := here.at("spread", len(l.Spread))
		r.from[q.String()], r.from[q.at("where").String()] = p, p.at("requirements")
		l.Spread = append(l.Spread, Spread{Name: s.name, Where: s.requirements, Weight: s.weight})
	}
	return l
}
