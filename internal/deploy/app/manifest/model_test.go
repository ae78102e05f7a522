package manifest_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/deploy/app/manifest"
	"github.com/weftlattice/weft/lattice"
)

func parse(t testing.TB, text string) *manifest.App {
	t.Helper()
	f, err := manifest.Parse("", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f.App
}

// Traits decide what runs of a component, as wadm has them.
func TestOAMTraits(t *testing.T) {
	const head = "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata: {name: a, annotations: {}}\n" +
		"spec:\n  components:\n  - name: x\n    type: %s\n    properties: {image: registry.example.com/x:1%s}\n%s"
	none := map[string]string(nil)
	for name, tc := range map[string]struct {
		kind, traits string
		want         manifest.Placement
	}{
		"an actor without traits is not started":       {"actor", "", manifest.Placement{}},
		"an actor without a scaler is not started":     {"actor", "    traits: []\n", manifest.Placement{}},
		"a capability without traits runs once":        {"capability", "", manifest.Placement{Replicas: 1}},
		"a capability without a scaler is not started": {"capability", "    traits: []\n", manifest.Placement{}},
		"instances": {"actor", "    traits: [{type: spreadscaler, properties: {instances: 4}}]\n",
			manifest.Placement{Replicas: 4}},
		"replicas say the same": {"actor", "    traits: [{type: spreadscaler, properties: {replicas: 4}}]\n",
			manifest.Placement{Replicas: 4}},
		"none": {"actor", "    traits: [{type: spreadscaler, properties: {replicas: 0, spread: []}}]\n",
			manifest.Placement{}},
		"on every host": {"capability", "    traits: [{type: daemonscaler, properties: {instances: 2}}]\n",
			manifest.Placement{Each: 2}},
		"a share has a weight of 100": {"actor",
			"    traits: [{type: spreadscaler, properties: {instances: 4, spread: [" +
				"{name: a, requirements: {zone: eu, disk: ssd}}, {name: b, requirements: {}, weight: 50}]}}]\n",
			manifest.Placement{Replicas: 4, Spread: []manifest.Spread{
				{Name: "a", Where: map[string]string{"zone": "eu", "disk": "ssd"}, Weight: 100},
				{Name: "b", Where: none, Weight: 50}}}},
	} {
		t.Run(name, func(t *testing.T) {
			contract := ""
			if tc.kind == "capability" {
				contract = ", contract: acme:x"
			}
			app := parse(t, fmt.Sprintf(head, tc.kind, contract, tc.traits))
			var got manifest.Placement
			if tc.kind == "actor" {
				got = app.Actors[0].Placement
				if app.Actors[0].Links == nil {
					t.Error("linked to all that its claims name; wadm links nothing by itself")
				}
			} else {
				got = app.Providers[0].Placement
			}
			if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", tc.want) {
				t.Errorf("%+v, want %+v", got, tc.want)
			}
		})
	}
}

// A file without a version has one of its content: the same for the same content, in whatever order and format.
func TestDigest(t *testing.T) {
	const text = "app: {name: a}\nproviders: [{name: kv, image: keyvalue-redis, where: {x: '1', y: '2', z: '3'}, " +
		"config: {url: redis://a, db: 3, prefix: p}}]\n"
	app := parse(t, text)
	for name, same := range map[string]string{
		"another order": "providers: [{config: {prefix: p, db: '3', url: 'redis://a'}, " +
			"where: {z: '3', x: '1', y: '2'}, image: keyvalue-redis, name: kv}]\napp: {name: a}\n",
		"defaults in words": strings.Replace(text, "image:", "replicas: 1, link_name: default, image:", 1),
		"JSON": `{"app": {"name": "a"}, "providers": [{"name": "kv", "image": "keyvalue-redis", ` +
			`"where": {"x": "1", "y": "2", "z": "3"}, "config": {"url": "redis://a", "db": 3, "prefix": "p"}}]}`,
	} {
		if got := parse(t, same); got.Digest() != app.Digest() || got.Version != app.Version {
			t.Errorf("%s: %s %s, want %s %s", name, got.Version, got.Digest(), app.Version, app.Digest())
		}
	}
	versioned := parse(t, strings.Replace(text, "name: a", "name: a, version: '2'", 1))
	if versioned.Digest() != app.Digest() || versioned.Version != "2" {
		t.Errorf("with a version: %s %s", versioned.Version, versioned.Digest())
	}
	for _, other := range []string{"db: 4", "db: 3, ca_file: x", "db: {secret: s}"} {
		got := parse(t, strings.Replace(text, "db: 3", other, 1)+"secrets: [s]\n")
		if got.Digest() == app.Digest() || got.Version == app.Version {
			t.Errorf("%s has the digest of other content", other)
		}
	}
	if !strings.HasPrefix(app.Digest(), "sha256:") || !strings.HasPrefix(app.Digest(), "sha256:"+string(app.Version)) {
		t.Errorf("version %s of digest %s", app.Version, app.Digest())
	}
}

// What an actor may use follows from its links, its routes, and without links from its claims.
func TestLinksOf(t *testing.T) {
	app := parse(t, `
app: {name: shop}
actors:
- {name: all, image: all}
- {name: some, image: some, links: [kv, {to: all, interface: acme:edge/filter, name: strict}, {to: http,
	values: {path: /a, weft.route: any}}]}
- {name: none, image: none, links: []}
- {name: routed, image: routed, links: []}
- {name: both, image: both}
providers:
- {name: http, image: httpserver, link_name: public, config: {port: 8080}}
- {name: kv, image: keyvalue-redis, config: {url: {secret: url}, db: 1}}
- {name: bucket, image: keyvalue-nats, link_name: other}
routes:
- {path: /shop/*, host: a.example.com, actor: routed}
- {path: /both, actor: both}
secrets: [url]
`)
	contracts := []lattice.ContractID{"wasmcloud:httpserver", "wasmcloud:keyvalue", "wasmcloud:builtin:logging",
		"wasmcloud:messaging"}
	redis := "wasmcloud:keyvalue default kv map[db:1 url:(secret url)]"
	for name, want := range map[string]struct{ links, missing []string }{
		"all": {[]string{"wasmcloud:httpserver public http map[port:8080]", redis,
			"wasmcloud:keyvalue other bucket map[]"}, []string{"wasmcloud:messaging"}},
		"some": {[]string{redis, "acme:edge/filter strict all map[]",
			"wasmcloud:httpserver public http map[path:/a port:8080 weft.route:any]"}, []string{"wasmcloud:messaging"}},
		"none": {nil, []string{"wasmcloud:httpserver", "wasmcloud:keyvalue", "wasmcloud:messaging"}},
		"routed": {[]string{"wasmcloud:httpserver public http map[host:a.example.com path:/shop port:8080]"},
			[]string{"wasmcloud:keyvalue", "wasmcloud:messaging"}},
		"both": {[]string{"wasmcloud:httpserver public http map[path:/both port:8080]", redis,
			"wasmcloud:keyvalue other bucket map[]"}, []string{"wasmcloud:messaging"}},
	} {
		grants, missing, err := app.LinksOf(app.ActorNamed(manifest.ItemName(name)), contracts)
		var links []string
		for _, g := range grants {
			to := manifest.ItemName("")
			if g.Provider != nil {
				to = g.Provider.Name
			} else {
				to = g.Actor.Name
			}
			links = append(links, fmt.Sprintf("%s %s %s %v", g.Contract, g.Name, to, g.Values))
			g.Values["x"] = manifest.Value{} // the caller's own
		}
		if err != nil || !slices.Equal(links, want.links) || !slices.Equal(lattice.Texts(missing), want.missing) {
			t.Errorf("%s: %v\n%q, missing %q, want\n%q, missing %q", name, err, links, missing, want.links,
				want.missing)
		}
	}
	if len(app.Providers[0].Config) != 1 {
		t.Errorf("values changed: %v", app.Providers[0].Config)
	}
	app = parse(t, "app: {name: a}\nactors: [{name: a, image: a}]\nproviders: [{name: x, image: keyvalue-nats}, "+
		"{name: y, image: keyvalue-redis}]\n")
	_, _, err := app.LinksOf(&app.Actors[0], contracts)
	if !errors.Is(err, lattice.ErrConflict) || !strings.Contains(err.Error(), "providers x and y both serve") {
		t.Errorf("two providers as one link: %v", err)
	}
	if _, _, err := app.LinksOf(&app.Actors[0], contracts[:1]); err != nil {
		t.Errorf("an actor that asks for neither: %v", err)
	}
}

// A node's file names no application: its own name does.
func TestNodeFileNamesTheApplication(t *testing.T) {
	for path, want := range map[string]manifest.Name{
		"": "app", "/etc/weft/edge node.1.yaml": "edge-node-1", "node.yml": "node", "äöü.yaml": "app",
		strings.Repeat("x", 100) + ".yaml": manifest.Name(strings.Repeat("x", 64)),
	} {
		f, err := manifest.Parse(path, []byte("actors: [{name: a, image: a}]"))
		if err != nil || f.App.Name != want || f.Format != manifest.Node {
			t.Errorf("%q: %v %+v", path, err, f)
		}
	}
}

// An application that a program makes is checked as one of a file.
func TestCheckWithoutFile(t *testing.T) {
	app := &manifest.App{Head: manifest.Head{Name: "a"}, Actors: []manifest.Actor{{Name: "web",
		Image: "lattice://web:1",
		Links: []manifest.Link{{To: "htp"}}}},
		Providers: []manifest.Provider{{Name: "http", Image: "httpserver", LinkName: "default"}}}
	err := app.Check()
	want := `actors[0].links[0].to: there is no provider and no actor "htp" in this file; did you mean "http"?`
	if !errors.Is(err, lattice.ErrInvalid) || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	app.Actors[0].Links[0].To = "http"
	if err := app.Check(); err != nil || app.Version == "" || app.Providers[0].Contract != "wasmcloud:httpserver" {
		t.Errorf("%v: %+v", err, app)
	}
}

// Whatever an application says, it is the same after it was written and read again.
func TestExportIsTheSame(t *testing.T) {
	tries := uint64(100)
	if testing.Short() {
		tries = 50
	}
	for seed := range tries {
		app := generate(rand.New(rand.NewPCG(seed, 0)))
		if err := app.Check(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		text, err := app.YAML()
		if err != nil {
			t.Fatal(err)
		}
		same(t, app, text)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// generate makes an application of all that one can say.
func generate(rng *rand.Rand) *manifest.App {
	some := func(n int) bool { return rng.IntN(n) == 0 }
	text := func() string {
		return []string{"a", "true", "3", "1e3", "null", "~", "2024-01-02", "a: b", "- x", "ä ö", "{x}", "*x", "x\ny\n",
			" x ",
			"\ttab", "#no", "'", `"`, "\u2028", "😀", "0x1f", "yes", "\\u0041", "<<", "=", "", "\x7f",
			"a\r\nb"}[rng.IntN(28)]
	}
	labels := func() map[string]string {
		var all map[string]string
		for range rng.IntN(3) {
			if all == nil {
				all = map[string]string{}
			}
			all[[]string{"zone", "3", "true", "a.b/c"}[rng.IntN(4)]] = text()
		}
		return all
	}
	values := func() map[string]manifest.Value {
		var all map[string]manifest.Value
		for range rng.IntN(4) {
			if all == nil {
				all = map[string]manifest.Value{}
			}
			v := manifest.Value{Text: text()}
			if some(3) {
				v = manifest.Value{Secret: "s.1"}
			}
			all[[]string{"url", "3", "a: b", "null"}[rng.IntN(4)]] = v
		}
		return all
	}
	span := func() time.Duration { return time.Duration(1+rng.Int64N(1e6)) * time.Millisecond }
	place := func() manifest.Placement {
		l := manifest.Placement{Where: labels()}
		if some(3) {
			l.Each = 1 + rng.IntN(5)
		} else {
			l.Replicas = rng.IntN(5)
		}
		for _, zone := range []string{"eu", "us"}[:rng.IntN(3)] {
			s := manifest.Spread{Where: map[string]string{"region": zone}, Weight: manifest.DefaultWeight}
			if some(2) {
				s.Name = zone
			}
			if l.Each == 0 {
				s.Weight = 1 + rng.IntN(200)
			}
			l.Spread = append(l.Spread, s)
		}
		return l
	}
	metrics := func() (list []manifest.Metric) {
		for i := range rng.IntN(4) {
			bound := manifest.Bound{Value: float64(rng.IntN(1000)) / 1000}
			m := manifest.Metric{Window: span() + time.Hour, Interval: time.Second + span(), MinRequests: rng.IntN(99),
				ErrorLimit: rng.IntN(9), FailureLimit: rng.IntN(9), InconclusiveLimit: rng.IntN(3), Count: rng.IntN(3),
				OnNoData: []manifest.OnNoData{manifest.Wait, manifest.Pause, manifest.Fail, manifest.Pass}[rng.IntN(4)],
				MaxWait:  span(), DryRun: some(3), Name: fmt.Sprint("m", i)}
			if m.OnNoData != manifest.Wait {
				m.MaxWait = manifest.DefaultMaxWait
			}
			switch rng.IntN(4) {
			case 0:
				m.Metric = []manifest.Measure{manifest.SuccessRate, manifest.TrapRate,
					manifest.FuelPerCall}[rng.IntN(3)]
			case 1:
				m.Metric, bound.Time = manifest.LatencyP95, true
			case 2:
				m.Prometheus = &manifest.Prometheus{Address: "http://p:9090", Query: "sum(rate(a{b=\"c\"}[5m]))\n  > 0",
					Headers: values(), Timeout: span()}
			case 3:
				m.Web = &manifest.Web{URL: "https://a/b?c=d#e", Method: "POST", Headers: values(), Body: "x",
					JSONPath: "{$.a}",
					Timeout:  span()}
			}
			if m.Metric == "" {
				m.Window, m.MinRequests = manifest.DefaultWindow, manifest.DefaultMinRequests
			}
			switch rng.IntN(3) {
			case 0:
				m.Min = &bound
			case 1:
				m.Max = &bound
			case 2:
				m.Condition, m.FailureCondition = "result[0] >= 0.95", "isNaN(result[0])"
			}
			list = append(list, m)
		}
		return list
	}
	rollout := func() *manifest.Rollout {
		r := &manifest.Rollout{Strategy: manifest.Canary, Analysis: metrics(), KeepOld: span(), KeepNew: span(),
			Deadline: span(), Promote: manifest.Manual}
		weight := rng.IntN(50) + 1
		for range 1 + rng.IntN(4) {
			w := weight
			weight += rng.IntN(10)
			r.Steps = append(r.Steps, manifest.Step{Weight: &w, Where: labels()}, manifest.Step{Pause: span()},
				manifest.Step{Pause: manifest.Forever})
			if list := metrics(); list != nil {
				r.Steps = append(r.Steps, manifest.Step{Analysis: list})
			}
		}
		if r.Analysis != nil {
			r.FromStep = rng.IntN(len(r.Steps))
		}
		switch rng.IntN(3) {
		case 0:
			r.Sticky = manifest.Sticky{Header: "x-user"}
		case 1:
			r.Sticky = manifest.Sticky{Cookie: "c", MaxAge: time.Second + span()}
		}
		return r
	}
	app := &manifest.App{Head: manifest.Head{Name: "app", Description: text()}, Secrets: []manifest.SecretName{"s.1"}}
	if some(2) {
		app.Version = []manifest.Version{"1", "1.0", "true", "2024-01-02", "v1-rc.1+b_2"}[rng.IntN(5)]
	}
	for i := range 1 + rng.IntN(4) {
		a := manifest.Actor{Name: manifest.ItemName(fmt.Sprintf("actor %d", i)),
			Image:  manifest.Image(fmt.Sprintf("lattice://a%d:1", i)),
			Config: values(), Placement: place()}
		if some(2) {
			a.Links = []manifest.Link{}
			for range rng.IntN(2) {
				a.Links = append(a.Links, manifest.Link{To: "acme:mail", Values: values()})
			}
			if i > 0 && some(2) {
				a.Links = append(a.Links, manifest.Link{To: "actor 0", Interface: "acme:edge/filter", Name: "n",
					Values: map[string]manifest.Value{"weft.route": {Text: "any"}}})
			}
		}
		if some(3) {
			a.Scale = &manifest.Scale{Min: rng.IntN(3), Max: 3 + rng.IntN(9), Idle: time.Second + span()}
			a.Each, a.Spread = 0, nil
		}
		if some(2) {
			a.Limits = manifest.Limits{Memory: 64<<10 + rng.Uint64N(1<<30), Time: span(), Fuel: rng.Uint64N(1 << 53),
				Instances: "shared", RecycleCalls: rng.Uint64N(99), RecycleMemory: 64 << 20}
		}
		if some(2) {
			a.Rollout = rollout()
		}
		app.Actors = append(app.Actors, a)
	}
	app.Providers = []manifest.Provider{
		{Name: "acme:mail", Image: "registry.example.com/mail:2", LinkName: "l-1", Config: values(),
			StartConfig: text(),
			Placement:   place()},
		{Name: "http", Image: "httpserver", Contract: "wasmcloud:httpserver", LinkName: lattice.DefaultLink,
			Inline:    some(2),
			Placement: place()},
	}
	for i, a := range app.Actors {
		if a.Links != nil && some(2) {
			app.Routes = append(app.Routes, manifest.Route{Path: fmt.Sprintf("/%d", i), Host: "*.example.com",
				Actor: a.Name,
				To:    []manifest.ItemName{"", "http"}[rng.IntN(2)]})
		}
	}
	maps.DeleteFunc(app.Providers[0].Config, func(string, manifest.Value) bool { return some(9) })
	if len(app.Providers[0].Config) == 0 {
		app.Providers[0].Config = nil
	}
	return app
}

// A secret counts as given where values go together, whatever it says.
func TestSecretCountsAsGiven(t *testing.T) {
	const text = "app: {name: a}\nproviders:\n- {name: kv, image: keyvalue-redis, config: {%s}}\nsecrets: [s]\n"
	parse(t, fmt.Sprintf(text, "sentinel_master: {secret: s}, sentinel_username: u"))
	parse(t, fmt.Sprintf(text, "db: {secret: s}"))
	_, err := manifest.Parse("a.yaml", fmt.Appendf(nil, text, "sentinel_password: {secret: s}"))
	if err == nil || !strings.Contains(err.Error(), "credentials of sentinels need the name of a master") {
		t.Errorf("a password without what it is for: %v", err)
	}
}
