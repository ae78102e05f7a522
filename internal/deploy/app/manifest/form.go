package manifest

import (
	"math"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/weftlattice/weft/internal/deploy/nodefile"
	"github.com/weftlattice/weft/internal/deploy/shape"
	"github.com/weftlattice/weft/internal/deploy/strictyaml"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
)

// The bounds of what a file may say.
const (
	maxWeight = 1_000_000
	maxTime   = 8760 * time.Hour
	maxText   = 64 << 10
)

var (
	token      = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	plainText  = regexp.MustCompile(`^[^\x00-\x1f\x7f]+$`)
	headerText = regexp.MustCompile(`^[A-Za-z0-9!#$%&'*+.^_|~-]+$`)

	appName  = shape.Text[Name](64, token, "a name of letters, digits, '-' and '_'")
	itemName = shape.Text[ItemName](128, plainText, "plain text")
	version  = shape.Text[Version](64, regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]*$`),
		"a version of letters, digits, '.', '_', '+' and '-'")
	secretName = shape.Text[SecretName](64, regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`),
		"a name of letters, digits, '.', '_' and '-'")
	linkName = shape.Text[lattice.LinkName](64, token, "a link name of letters, digits, '-' and '_'")
	contract = shape.Text[lattice.ContractID](256, regexp.MustCompile(`^[!-~]+$`),
		"a contract such as wasmcloud:keyvalue")
	imageText = shape.Text[Image](512, plainText, "plain text")
	anyText   = shape.Text[string](maxText, nil, "")
	word      = shape.Text[string](128, headerText, "a name as HTTP has it")
	labels    = shape.Map(shape.Loose())
	replicas  = shape.Whole(0, nodefile.MaxReplicas)
	percent   = shape.Whole(0, 100)
	count     = shape.Whole(0, nodefile.MaxReplicas)
	delay     = shape.Span(0, maxTime)
	span      = shape.Span(time.Millisecond, maxTime)
)

// document is a file of our own kind.
var document = shape.Object(func() App { return App{} }, []shape.Field[App]{
	shape.Required("app", func(a *App) *Head { return &a.Head }, headShape, "what the application is called"),
	shape.Optional("actors", func(a *App) *[]Actor { return &a.Actors }, shape.List(actorShape),
		"actors and components"),
	shape.Optional("providers", func(a *App) *[]Provider { return &a.Providers }, shape.List(providerShape),
		"capability providers"),
	shape.Optional("routes", func(a *App) *[]Route { return &a.Routes }, shape.List(routeShape),
		"which HTTP requests go to which actor; short for links to an httpserver"),
	shape.Optional("secrets", func(a *App) *[]SecretName { return &a.Secrets }, shape.List(secretName),
		"names of the secrets that values use; one that is missing is told before anything changes"),
})

var headShape = shape.Object(func() Head { return Head{} }, []shape.Field[Head]{
	shape.Required("name", func(h *Head) *Name { return &h.Name }, appName, "its name, one of which is in a lattice"),
	shape.Optional("version", func(h *Head) *Version { return &h.Version }, version,
		"names this content for ever; without one it is made of the content"),
	shape.Optional("description", func(h *Head) *string { return &h.Description }, anyText, "for people"),
})

var spreadShape = shape.Object(func() Spread { return Spread{Weight: DefaultWeight} }, []shape.Field[Spread]{
	shape.Optional("name", func(s *Spread) *string { return &s.Name }, shape.Text[string](128, plainText, "plain text"),
		"for people"),
	shape.Required("where", func(s *Spread) *map[string]string { return &s.Where }, labels,
		"labels that a host must have"),
	shape.Optional("weight", func(s *Spread) *int { return &s.Weight }, shape.Whole(1, maxWeight),
		"its share of the replicas, beside the weights of the others"),
})

// placement are the fields of a Placement that actors and providers share.
func placement[T any](at func(*T) *Placement, most string) []shape.Field[T] {
	return []shape.Field[T]{
		shape.Optional("replicas", func(t *T) *int { return &at(t).Replicas }, replicas, most),
		shape.Optional("each", func(t *T) *int { return &at(t).Each }, zero(shape.Whole(1, nodefile.MaxReplicas)),
			"so many on each host that matches, instead of replicas"),
		shape.Optional("where", func(t *T) *map[string]string { return &at(t).Where }, labels,
			"labels that a host must have"),
		shape.Optional("spread", func(t *T) *[]Spread { return &at(t).Spread }, shape.List(spreadShape),
			"shares of hosts with further labels"),
	}
}

// zero is a shape of numbers for which 0 is none, and not written.
func zero[N ~int | ~int64 | ~uint64](s shape.Shape[N]) shape.Shape[N] {
	write := s.Write
	s.Write = func(v N) *yaml.Node {
		if v == 0 {
			return nil
		}
		return write(v)
	}
	return s
}

var actorShape = shape.Object(actorBlank,
	concat([]shape.Field[Actor]{
		shape.Required("name", func(a *Actor) *ItemName { return &a.Name }, itemName,
			"its name, which no other actor or provider of the file has"),
		shape.Required("image", func(a *Actor) *Image { return &a.Image }, imageText,
			"a file, lattice://NAME:TAG, a registry's reference, or a bare name:tag"),
	}, placement(func(a *Actor) *Placement { return &a.Placement }, "the most instances in all, over all hosts"),
		[]shape.Field[Actor]{
			shape.Optional("scale", func(a *Actor) **Scale { return &a.Scale }, shape.Pointer(scaleShape),
				"as many replicas as its load asks for"),
			shape.Optional("limits", func(a *Actor) *Limits { return &a.Limits }, limitsShape,
				"of one instance; what is left out is the host's default"),
			shape.Optional("config", func(a *Actor) *map[string]Value { return &a.Config }, values, "its settings"),
			shape.Optional("links", func(a *Actor) *[]Link { return &a.Links }, shape.KeptList(linkShape),
				"what it may use; without it every provider of the file whose contract its claims name"),
			shape.Optional("rollout", func(a *Actor) **Rollout { return &a.Rollout }, shape.Pointer(rolloutShape),
				"how a new revision takes over; without it at once"),
		}), shape.AtMostOne("replicas", "each", "scale"))

// actorBlank is an actor of which the file says nothing.
func actorBlank() Actor { return Actor{Placement: Placement{Replicas: 1}} }

// providerBlank is a provider of which the file says nothing.
func providerBlank() Provider {
	return Provider{LinkName: lattice.DefaultLink, Placement: Placement{Replicas: 1}}
}

func concat[T any](lists ...[]T) (all []T) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

var scaleShape = shape.Object(func() Scale { return Scale{Idle: DefaultIdle} }, []shape.Field[Scale]{
	shape.Optional("min", func(s *Scale) *int { return &s.Min }, replicas, "the fewest instances"),
	shape.Required("max", func(s *Scale) *int { return &s.Max }, shape.Whole(1, nodefile.MaxReplicas),
		"the most instances"),
	shape.Optional("idle", func(s *Scale) *time.Duration { return &s.Idle }, shape.Span(time.Second, maxTime),
		"without calls for so long it goes to none, where min is 0"),
})

var limitsShape = shape.Object(func() Limits { return Limits{} }, []shape.Field[Limits]{
	shape.Optional("memory", func(l *Limits) *uint64 { return &l.Memory }, shape.Bytes(64<<10, 4<<30),
		"of one instance"),
	shape.Optional("time", func(l *Limits) *time.Duration { return &l.Time }, zero(span), "of one call"),
	shape.Optional("fuel", func(l *Limits) *uint64 { return &l.Fuel }, zero(shape.Whole(1, uint64(control.MaxFuel))),
		"work of one call, in units of about a simple instruction"),
	shape.Optional("instances", func(l *Limits) *string { return &l.Instances },
		shape.Word(control.FreshInstances, control.SharedInstances),
		"whether an instance begins anew for each call; without it components do and modules do not"),
	shape.Optional("recycle_calls", func(l *Limits) *uint64 { return &l.RecycleCalls },
		zero(shape.Whole[uint64](1, 1<<40)), "calls after which an instance begins anew"),
	shape.Optional("recycle_memory", func(l *Limits) *uint64 { return &l.RecycleMemory }, shape.Bytes(64<<10, 4<<30),
		"bytes above which an instance begins anew after a call"),
})

// linkShape is a link, or the name of a provider alone.
var linkShape = shape.Either(
	shape.Convert(itemName, func(to ItemName) Link { return Link{To: to} }, func(l Link) ItemName { return l.To }),
	shape.Object(func() Link { return Link{} }, []shape.Field[Link]{
		shape.Required("to", func(l *Link) *ItemName { return &l.To }, itemName,
			"the name of a provider of the file, or of an actor"),
		shape.Optional("interface", func(l *Link) *lattice.ContractID { return &l.Interface }, contract,
			"of a link to an actor: what that one exports and this one imports, acme:edge/filter"),
		shape.Optional("name", func(l *Link) *lattice.LinkName { return &l.Name }, linkName,
			"the link name; without it the provider's"),
		shape.Optional("values", func(l *Link) *map[string]Value { return &l.Values }, values,
			"link values, over the provider's config"),
	}),
	func(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode },
	func(l Link) bool { return l.Interface == "" && l.Name == "" && l.Values == nil })

var providerShape = shape.Object(func() Provider {
	return Provider{LinkName: lattice.DefaultLink, Placement: Placement{Replicas: 1}}
},
	concat([]shape.Field[Provider]{
		shape.Required("name", func(p *Provider) *ItemName { return &p.Name }, itemName,
			"its name, which no other provider or actor of the file has: any, a built-in provider, or a contract"),
		shape.Optional("image", func(p *Provider) *Image { return &p.Image }, imageText,
			"a built-in provider, a file (.par), lattice://NAME:TAG or a registry's reference; not needed when the "+
				"name is a built-in provider"),
		shape.Optional("contract", func(p *Provider) *lattice.ContractID { return &p.Contract }, contract,
			"what it serves; not needed when it is built in, or the name is a contract"),
		shape.Optional("link_name", func(p *Provider) *lattice.LinkName { return &p.LinkName }, linkName,
			"tells several providers of one contract apart; without it default"),
		shape.Optional("inline", func(p *Provider) *bool { return &p.Inline }, shape.Truth(),
			"whether it runs inside the host's process; built-in ones only"),
	}, placement(func(p *Provider) *Placement { return &p.Placement }, "how many hosts run it"),
		[]shape.Field[Provider]{
			shape.Optional("config", func(p *Provider) *map[string]Value { return &p.Config }, values,
				"the values of every link to it"),
			shape.Optional("start_config", func(p *Provider) *string { return &p.StartConfig }, anyText,
				"the configuration that its process starts with, usually JSON"),
		}), shape.AtMostOne("replicas", "each"))

var routeShape = shape.Object(func() Route { return Route{} }, []shape.Field[Route]{
	shape.Required("path", func(r *Route) *string { return &r.Path }, shape.Convert(
		shape.Text[string](1024, regexp.MustCompile(`^/`), "a path that begins with '/'"), trimStar,
		func(s string) string { return s }),
		"the beginning of the path, by whole segments; /shop and /shop/* are the same"),
	shape.Required("actor", func(r *Route) *ItemName { return &r.Actor }, itemName, "the name of an actor of the file"),
	shape.Optional("host", func(r *Route) *string { return &r.Host }, shape.Text[string](253, plainText, "plain text"),
		"a host, or *. and one; without it any"),
	shape.Optional("to", func(r *Route) *ItemName { return &r.To }, itemName,
		"the name of the httpserver; not needed when the file has one"),
})

// trimStar is a path without the "/*" that many write at its end.
func trimStar(path string) string {
	if path = strings.TrimSuffix(path, "/*"); path == "" {
		return "/"
	}
	return path
}

var metricShape = shape.Object(func() Metric {
	return Metric{Window: DefaultWindow, Interval: DefaultInterval, MinRequests: DefaultMinRequests,
		ErrorLimit: DefaultErrorLimit, OnNoData: Wait, MaxWait: DefaultMaxWait}
}, []shape.Field[Metric]{
	shape.Optional("name", func(m *Metric) *string { return &m.Name }, shape.Text[string](128, plainText, "plain text"),
		"for people; without it what is measured"),
	shape.Optional("metric", func(m *Metric) *Measure { return &m.Metric },
		shape.Word(SuccessRate, LatencyP50, LatencyP95, LatencyP99, TrapRate, FuelPerCall),
		"what hosts measure of each revision"),
	shape.Optional("prometheus", func(m *Metric) **Prometheus { return &m.Prometheus }, shape.Pointer(prometheusShape),
		"a query of Prometheus"),
	shape.Optional("web", func(m *Metric) **Web { return &m.Web }, shape.Pointer(webShape),
		"an answer of HTTP in JSON"),
	shape.Optional("min", func(m *Metric) **Bound { return &m.Min }, shape.Pointer(bound), "the least that is good"),
	shape.Optional("max", func(m *Metric) **Bound { return &m.Max }, shape.Pointer(bound), "the most that is good"),
	shape.Optional("condition", func(m *Metric) *string { return &m.Condition }, shape.Text[string](4096, nil, ""),
		"what is good, in the language of expr-lang: result[0] >= 0.95"),
	shape.Optional("failure_condition", func(m *Metric) *string { return &m.FailureCondition },
		shape.Text[string](4096, nil, ""), "what is bad, in the same language"),
	shape.Optional("window", func(m *Metric) *time.Duration { return &m.Window }, shape.Span(time.Second, 24*time.Hour),
		"of metrics of hosts: over the last so long"),
	shape.Optional("interval", func(m *Metric) *time.Duration { return &m.Interval },
		shape.Span(time.Second, 24*time.Hour), "between measurements"),
	shape.Optional("initial_delay", func(m *Metric) *time.Duration { return &m.InitialDelay }, delay,
		"before the first measurement"),
	shape.Optional("count", func(m *Metric) *int { return &m.Count }, zero(shape.Whole(1, 1_000_000)),
		"measurements; without it as long as the rollout lasts, in a step one"),
	shape.Optional("min_requests", func(m *Metric) *int { return &m.MinRequests }, shape.Whole(0, 1_000_000_000),
		"of metrics of hosts: with fewer there is no data"),
	shape.Optional("failure_limit", func(m *Metric) *int { return &m.FailureLimit }, count,
		"failed measurements that are borne"),
	shape.Optional("error_limit", func(m *Metric) *int { return &m.ErrorLimit }, count,
		"measurements in a row that could not be made and are borne"),
	shape.Optional("inconclusive_limit", func(m *Metric) *int { return &m.InconclusiveLimit }, count,
		"inconclusive measurements that are borne"),
	shape.Optional("on_no_data", func(m *Metric) *OnNoData { return &m.OnNoData }, shape.Word(Wait, Pause, Fail, Pass),
		"what a measurement without data is"),
	shape.Optional("max_wait", func(m *Metric) *time.Duration { return &m.MaxWait }, span,
		"of on_no_data wait; then the rollout pauses"),
	shape.Optional("dry_run", func(m *Metric) *bool { return &m.DryRun }, shape.Truth(), "measured, and of no effect"),
}, shape.OneOf("metric", "prometheus", "web"))

var prometheusShape = shape.Object(func() Prometheus { return Prometheus{Timeout: DefaultQueryTimeout} },
	[]shape.Field[Prometheus]{
		shape.Required("address", func(p *Prometheus) *string { return &p.Address }, webAddress, "URL of the server"),
		shape.Required("query", func(p *Prometheus) *string { return &p.Query }, anyText, "the query, in PromQL"),
		shape.Optional("headers", func(p *Prometheus) *map[string]Value { return &p.Headers }, values,
			"of the request"),
		shape.Optional("timeout", func(p *Prometheus) *time.Duration { return &p.Timeout }, span, "of the answer"),
	})

var webShape = shape.Object(func() Web { return Web{Method: "GET", Timeout: DefaultWebTimeout} }, []shape.Field[Web]{
	shape.Required("url", func(w *Web) *string { return &w.URL }, webAddress, "what is asked"),
	shape.Optional("method", func(w *Web) *string { return &w.Method }, shape.Word("GET", "POST", "PUT"),
		"of the request"),
	shape.Optional("headers", func(w *Web) *map[string]Value { return &w.Headers }, values, "of the request"),
	shape.Optional("body", func(w *Web) *string { return &w.Body }, anyText, "of the request"),
	shape.Optional("json_path", func(w *Web) *string { return &w.JSONPath },
		shape.Text[string](1024, regexp.MustCompile(`^(\{\$.*\}|\$.*)$`), "a path such as {$.data.ok}"),
		"where in the answer the value is; without it the whole"),
	shape.Optional("timeout", func(w *Web) *time.Duration { return &w.Timeout }, span, "of the answer"),
})

var webAddress = shape.Text[string](2048, regexp.MustCompile(`^https?://[^\x00-\x20]+$`),
	"a URL that begins with http:// or https://")

// bound is a number, or a time with its unit, which is kept in seconds.
var bound = func() shape.Shape[Bound] {
	number := shape.Convert(shape.Number(), func(f float64) Bound { return Bound{Value: f} },
		func(b Bound) float64 { return b.Value })
	time := shape.Convert(shape.Span(0, maxTime), func(d time.Duration) Bound { return Bound{d.Seconds(), true} },
		func(b Bound) time.Duration { return time.Duration(math.Round(b.Value * float64(time.Second))) })
	return shape.Either(time, number,
		func(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" },
		func(b Bound) bool { return b.Time })
}()

var stepShape = shape.Object(func() Step { return Step{} }, []shape.Field[Step]{
	shape.Optional("weight", func(s *Step) **int { return &s.Weight }, shape.Pointer(percent),
		"percent of the calls that the new revision gets"),
	shape.Optional("where", func(s *Step) *map[string]string { return &s.Where }, labels,
		"of a weight: labels of the hosts that it is for"),
	shape.Optional("pause", func(s *Step) *time.Duration { return &s.Pause }, pause,
		"how long the rollout stays as it is, or forever: until a person goes on"),
	shape.Optional("analysis", func(s *Step) *[]Metric { return &s.Analysis }, shape.List(metricShape),
		"what is measured before the rollout goes on"),
}, shape.OneOf("weight", "pause", "analysis"))

// pause is a time, or the word forever.
var pause = shape.Either(
	shape.Convert(foreverWord, func(string) time.Duration { return Forever },
		func(time.Duration) string { return forever }),
	zero(shape.Span(time.Millisecond, maxTime)),
	func(n *yaml.Node) bool {
		return n.Kind == yaml.ScalarNode && strictyaml.Suggest(n.Value, []string{forever}) != ""
	},
	func(d time.Duration) bool { return d == Forever })

const forever = "forever"

var foreverWord = shape.Word(forever)

var stickyShape = shape.Object(func() Sticky { return Sticky{} }, []shape.Field[Sticky]{
	shape.Optional("header", func(s *Sticky) *string { return &s.Header }, word,
		"of the request, that tells callers apart"),
	shape.Optional("cookie", func(s *Sticky) *string { return &s.Cookie }, word, "that the callers are given"),
	shape.Optional("max_age", func(s *Sticky) *time.Duration { return &s.MaxAge },
		zero(shape.Span(time.Second, maxTime)), "of the cookie; without it 24h"),
}, shape.OneOf("header", "cookie"), shape.AtMostOne("header", "max_age"))

var rolloutShape = shape.Object(func() Rollout {
	return Rollout{Strategy: Canary, KeepOld: DefaultKeep, KeepNew: DefaultKeep, Deadline: DefaultDeadline}
}, []shape.Field[Rollout]{
	shape.Optional("strategy", func(r *Rollout) *Strategy { return &r.Strategy },
		shape.Word(Canary, BlueGreen, Shadow), "a growing share, all at once, or copies of calls"),
	shape.Optional("steps", func(r *Rollout) *[]Step { return &r.Steps }, shape.List(stepShape),
		"one after the other; then the new revision gets all calls"),
	shape.Optional("analysis", func(r *Rollout) *[]Metric { return &r.Analysis }, shape.List(metricShape),
		"what is watched all the time; where it fails, the old revision gets all calls back"),
	shape.Optional("from_step", func(r *Rollout) *int { return &r.FromStep }, shape.Whole(0, 1000),
		"the step, from 0, with which the analysis begins"),
	shape.Optional("sticky", func(r *Rollout) *Sticky { return &r.Sticky }, stickyShape,
		"a caller that got the new revision keeps it"),
	shape.Optional("promote", func(r *Rollout) *Promotion { return &r.Promote }, shape.Word(Auto, Manual),
		"who ends it after the last step; without it auto, for a shadow manual"),
	shape.Optional("keep_old", func(r *Rollout) *time.Duration { return &r.KeepOld }, delay,
		"how long the old revision stays warm after the end"),
	shape.Optional("keep_new", func(r *Rollout) *time.Duration { return &r.KeepNew }, delay,
		"how long the new revision stays warm after it was aborted"),
	shape.Optional("deadline", func(r *Rollout) *time.Duration { return &r.Deadline }, span,
		"a new revision that does not start within it has failed"),
})
