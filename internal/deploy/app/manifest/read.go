package manifest

import (
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/weftlattice/weft/internal/deploy/image"
	"github.com/weftlattice/weft/internal/deploy/nodefile"
	"github.com/weftlattice/weft/internal/deploy/strictyaml"
	"github.com/weftlattice/weft/internal/nearest"
	"github.com/weftlattice/weft/lattice"
)

// MaxBytes is how large a file may be: 1 MiB.
const MaxBytes = strictyaml.MaxBytes

//go:embed example.yaml
var example string

// Example returns an example of a file of our own format.
func Example() string { return example }

// Format is the kind of a file.
type Format string

// The formats that Parse tells apart by the content.
const (
	Weft Format = "weft" // see the package's documentation
	OAM  Format = "oam"  // wadm's of 0.7 to 0.10
	Node Format = "node" // a node's file, see package nodefile
)

// File is what a file says.
type File struct {
	Path      string // where it was read from; "" when it was not
	Format    Format
	App       *App
	ActorDirs []string // folders in which bare images are looked up, as in the file; of a node's file only
	// Warnings tell what is not as it should be and does no harm, and what was left out.
	Warnings []strictyaml.Problem
}

// Parse reads the content of a file, YAML or JSON, alone or in a Kubernetes ConfigMap; path is for messages, and names
// the application of a node's file. It may be empty. Nothing else is touched: images are not looked up. The error is a
// *strictyaml.Problems with everything that is wrong, each with line and column; it is lattice.ErrInvalid.
func Parse(path string, data []byte) (*File, error) {
	w := new(strictyaml.Walker)
	f := &File{Path: path}
	if root := w.Document(data, "application"); root != nil {
		f.read(w, root, data)
	}
	if len(w.Problems) > 0 {
		strictyaml.Sort(w.Problems)
		return nil, &strictyaml.Problems{Path: path, List: w.Problems, Columns: true}
	}
	f.App.version()
	strictyaml.Sort(w.Warnings)
	f.Warnings = w.Warnings
	return f, nil
}

// read reads the root of a document by its format.
func (f *File) read(w *strictyaml.Walker, root *yaml.Node, data []byte) {
	check := checker{w: w, root: root, origin: func(p place) place { return p }}
	switch f.Format = formatOf(root); f.Format {
	case Weft:
		app, _ := document.Read(w, root, "")
		check.app = &app
	case OAM:
		check.app, check.origin = readOAM(w, root)
	case Node:
		if check.app = f.readNode(w, root, data); check.app == nil {
			return
		}
	default:
		w.Bad(root, "", "%s", unknownFormat(root))
		return
	}
	f.App = check.app
	check.all()
}

// formatOf tells the format by the fields at the top.
func formatOf(root *yaml.Node) Format {
	if root.Kind != yaml.MappingNode {
		return ""
	}
	has := func(name string) bool { return field(root, name) != nil }
	switch kind := field(root, "kind"); {
	case kind != nil && strictyaml.Deref(kind).Value == "Application",
		kind == nil && has("apiVersion") && has("spec"):
		return OAM
	case kind != nil || has("apiVersion"):
		return ""
	case has("app"):
		return Weft
	}
	node := has("wasmcloud") || has("weft") || has("actor_dirs")
	for i := 0; i+1 < len(root.Content); i += 2 {
		if near := nearest.Names(root.Content[i].Value, []string{"app"}); len(near) > 0 && !node {
			return Weft // its name is misspelt
		}
	}
	if node || has("actors") || has("providers") {
		return Node
	}
	return ""
}

// unknownFormat says what was expected.
func unknownFormat(root *yaml.Node) string {
	const want = "it is no application: want a map with app (weft's own), with kind: Application (wadm's), " +
		"or with actors or providers (a node's file)"
	if root.Kind != yaml.MappingNode {
		return fmt.Sprintf("%s; found %s", want, strictyaml.Describe(root))
	}
	if kind := field(root, "kind"); kind != nil {
		if kind = strictyaml.Deref(kind); slices.Contains([]string{"Rollout", "AnalysisTemplate", "Canary"},
			kind.Value) {
			return "it is a " + kind.Value + ", not an application; read it with `weft app import`"
		}
		return fmt.Sprintf("%s; found kind: %s", want, lattice.Printable(kind.Value))
	}
	var found []string
	for i := 0; i+1 < len(root.Content) && len(found) < 5; i += 2 {
		found = append(found, lattice.Printable(root.Content[i].Value))
	}
	return fmt.Sprintf("%s; found %s", want, strings.Join(found, ", "))
}

// readNode reads a node's file as an application; nil: it has problems, which are noted.
func (f *File) readNode(w *strictyaml.Walker, root *yaml.Node, data []byte) *App {
	node, err := nodefile.Parse(f.Path, data)
	var p *strictyaml.Problems
	if errors.As(err, &p) {
		w.Problems = append(w.Problems, p.List...)
		return nil
	}
	for _, section := range []string{"wasmcloud", "weft"} {
		if name, _, found := find(root, place{section}); found {
			w.Warn(name, section, "it is of the host, and no part of the application: it is left out")
		}
	}
	f.ActorDirs = node.ActorDirs
	app := &App{Head: Head{Name: nameOf(f.Path)}}
	for _, p := range node.Providers {
		image := Image(p.Image)
		if image == "" {
			image = Image(p.Name)
		}
		app.Providers = append(app.Providers, Provider{Name: ItemName(p.Name), Image: image, Contract: p.Contract,
			LinkName: p.LinkName, Config: plain(p.Values), Placement: Placement{Replicas: 1}})
	}
	for _, a := range node.Actors {
		actor := Actor{Name: ItemName(a.Name), Image: Image(a.Image), Config: plain(a.Config),
			Placement: Placement{Replicas: a.Replicas}, Limits: Limits{Fuel: a.Fuel, Instances: a.Instances,
				RecycleCalls: a.RecycleCalls, RecycleMemory: a.RecycleMemory}}
		if a.Links != nil {
			actor.Links = []Link{}
		}
		for _, to := range a.Links {
			actor.Links = append(actor.Links, Link{To: ItemName(to)})
		}
		app.Actors = append(app.Actors, actor)
	}
	return app
}

// plain are values without secrets.
func plain(values map[string]string) map[string]Value {
	if len(values) == 0 {
		return nil
	}
	all := make(map[string]Value, len(values))
	for name, text := range values {
		all[name] = Value{Text: text}
	}
	return all
}

// nameOf makes the name of an application of the name of its file.
func nameOf(path string) Name {
	base := filepath.Base(path)
	base = strings.TrimSuffix(base, filepath.Ext(base))
	name := strings.Map(func(r rune) rune {
		if token.MatchString(string(r)) {
			return r
		}
		return '-'
	}, base)
	if name = strings.Trim(name, "-"); name == "" {
		return "app"
	}
	return Name(name[:min(len(name), 64)])
}

// version makes a version of the content where there is none.
func (a *App) version() {
	if a.Version == "" {
		a.Version = a.contentVersion()
	}
}

// complete fills in what follows from the rest, and defaults.
func (a *App) complete() {
	for i := range a.Providers {
		a.Providers[i].complete()
	}
	for i := range a.Actors {
		x := &a.Actors[i]
		x.Placement.complete()
		if x.Scale != nil {
			x.Replicas = 0
			x.Scale.Idle = cmp.Or(x.Scale.Idle, DefaultIdle)
		}
		if x.Rollout != nil {
			x.Rollout.complete()
		}
	}
}

func (l *Placement) complete() {
	if l.Each > 0 {
		l.Replicas = 0
	}
	for i := range l.Spread {
		l.Spread[i].Weight = cmp.Or(l.Spread[i].Weight, DefaultWeight)
	}
}

func (p *Provider) complete() {
	p.Placement.complete()
	p.LinkName = p.LinkName.OrDefault()
	if _, builtin := image.Contract(string(p.Name)); builtin && p.Image == "" {
		p.Image = Image(p.Name)
	}
	if p.Contract != "" {
		return
	}
	if contract, ok := image.Contract(p.Image.Builtin()); ok {
		p.Contract = contract
	} else if isContract(string(p.Name)) {
		p.Contract = lattice.ContractID(p.Name)
	}
}

// isContract reports whether the name of a provider is its contract, "wasmcloud:keyvalue".
func isContract(name string) bool {
	namespace, rest, ok := strings.Cut(name, ":")
	return ok && namespace != "" && rest != "" && !strings.ContainsAny(name, " \t\r\n/@")
}

func (r *Rollout) complete() {
	r.Strategy = cmp.Or(r.Strategy, Canary)
	if r.Promote == "" {
		r.Promote = Auto
		if r.Strategy == Shadow {
			r.Promote = Manual
		}
	}
	if r.Sticky.Cookie != "" {
		r.Sticky.MaxAge = cmp.Or(r.Sticky.MaxAge, DefaultCookieMaxAge)
	}
	r.Deadline = cmp.Or(r.Deadline, DefaultDeadline)
	for i := range r.Analysis {
		r.Analysis[i].complete()
	}
	for _, s := range r.Steps {
		for i := range s.Analysis {
			s.Analysis[i].complete()
		}
	}
}

func (m *Metric) complete() {
	m.Name = m.Title()
	m.Window, m.Interval = cmp.Or(m.Window, DefaultWindow), cmp.Or(m.Interval, DefaultInterval)
	m.OnNoData, m.MaxWait = cmp.Or(m.OnNoData, Wait), cmp.Or(m.MaxWait, DefaultMaxWait)
	if m.Prometheus != nil {
		m.Prometheus.Timeout = cmp.Or(m.Prometheus.Timeout, DefaultQueryTimeout)
	}
	if m.Web != nil {
		m.Web.Method, m.Web.Timeout = cmp.Or(m.Web.Method, "GET"), cmp.Or(m.Web.Timeout, DefaultWebTimeout)
	}
}

// Title is what a metric is called.
func (m *Metric) Title() string {
	switch {
	case m.Name != "":
		return m.Name
	case m.Prometheus != nil:
		return "prometheus"
	case m.Web != nil:
		return "web"
	}
	return string(m.Metric)
}
