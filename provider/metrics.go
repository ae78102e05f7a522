package provider

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// metrics are what the SDK counts. Every series has the label provider, the provider's name.
type metrics struct {
	registry   *prometheus.Registry
	registerer prometheus.Registerer
	operations []string
	calls      *prometheus.CounterVec
	seconds    *prometheus.HistogramVec
	left       *prometheus.CounterVec
	turnedAway prometheus.Counter
}

func newMetrics(info Info, links *table) *metrics {
	m := &metrics{registry: prometheus.NewRegistry(), operations: info.Operations,
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "weft_provider_calls_total",
			Help: "Invocations received, by operation and outcome; refused ones included."},
			[]string{"operation", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "weft_provider_call_seconds",
			Help:    "Time from receiving an invocation to its answer.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}},
			[]string{"operation"}),
		left: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "weft_provider_calls_sent_total",
			Help: "Calls sent over NATS, by route (direct: to a host that was chosen, queue: " +
				"whoever the queue group chooses), by what authenticates them (mac, signature), " +
				"and whether they had been turned away elsewhere."},
			[]string{"route", "auth", "again"}),
		turnedAway: prometheus.NewCounter(prometheus.CounterOpts{Name: "weft_provider_calls_turned_away_total",
			Help: "Calls that were not made, since they would have waited for too long at the host."}),
	}
	m.registerer = prometheus.WrapRegistererWith(prometheus.Labels{"provider": info.Name}, m.registry)
	m.registerer.MustRegister(m.calls, m.seconds, m.left, m.turnedAway, linkCollector{links})
	return m
}

// observe is an rpc.ServerConfig.Observe. Operations that the provider does not name become "other", since callers
// could make up any number of them.
func (m *metrics) observe(_ context.Context, inv *wire.Invocation, took time.Duration, err error) {
	op, code := "other", "ok"
	if inv != nil && slices.Contains(m.operations, inv.Operation) {
		op = inv.Operation
	}
	if err != nil {
		code = lattice.CodeOf(err).Name()
	}
	m.calls.WithLabelValues(op, code).Inc()
	m.seconds.WithLabelValues(op).Observe(took.Seconds())
}

// sent is an rpc.ClientConfig.Sent.
func (m *metrics) sent(p rpc.Attempt) { m.left.WithLabelValues(p.Labels()...).Inc() }

// text renders all metrics of the process in the Prometheus text format.
func (m *metrics) text() ([]byte, error) {
	families, err := m.registry.Gather()
	if err != nil {
		return nil, fmt.Errorf("gather metrics: %w", err)
	}
	var buf bytes.Buffer
	enc := expfmt.NewEncoder(&buf, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, f := range families {
		if err := enc.Encode(f); err != nil {
			return nil, fmt.Errorf("encode metrics: %w", err)
		}
	}
	return buf.Bytes(), nil
}

var linksDesc = prometheus.NewDesc("weft_provider_links", "Links of this process, by state.", []string{"state"}, nil)

// linkCollector reads the link table when somebody looks.
type linkCollector struct{ links *table }

func (c linkCollector) Describe(ch chan<- *prometheus.Desc) { ch <- linksDesc }

func (c linkCollector) Collect(ch chan<- prometheus.Metric) {
	count := map[string]int{}
	for _, s := range c.links.states() {
		count[s.State]++
	}
	for _, state := range []string{wire.LinkActive, wire.LinkFailed, wire.LinkAway} {
		ch <- prometheus.MustNewConstMetric(linksDesc, prometheus.GaugeValue, float64(count[state]), state)
	}
}
