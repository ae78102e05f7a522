package httpserver

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weftlattice/weft/lattice"
)

// metrics of the process. The label actor is empty for requests without a route.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	active   prometheus.Gauge
	refused  *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "weft_httpserver_requests_total",
			Help: "HTTP requests answered, by actor and status."}, []string{"actor", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "weft_httpserver_request_seconds",
			Help:    "Time from the header of an HTTP request to the end of its response.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}},
			[]string{"actor"}),
		active: prometheus.NewGauge(prometheus.GaugeOpts{Name: "weft_httpserver_requests_active",
			Help: "HTTP requests in progress."}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "weft_httpserver_refused_total",
			Help: "What there was no room for: a connection, a request's body or a response that wait for a client; " +
				"by whose limit, the client's or that of all."},
			[]string{"what", "limit"}),
	}
	for _, c := range []prometheus.Collector{m.requests, m.seconds, m.active, m.refused} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// counts are the metrics of one actor, found once.
type counts struct {
	metrics *metrics
	actor   lattice.ActorID
	ok      prometheus.Counter
	seconds prometheus.Observer
}

func (m *metrics) of(actor lattice.ActorID) *counts {
	return &counts{metrics: m, actor: actor, ok: m.requests.WithLabelValues(string(actor), "200"),
		seconds: m.seconds.WithLabelValues(string(actor))}
}

// observe counts a request. The usual answer finds its series without a look at labels.
func (c *counts) observe(status int, took time.Duration) {
	if status != http.StatusOK {
		c.metrics.observe(c.actor, status, took)
		return
	}
	c.ok.Inc()
	c.seconds.Observe(took.Seconds())
}

// observe counts by the code where it has a name, else by its class: an actor could make a series of each number.
func (m *metrics) observe(actor lattice.ActorID, status int, took time.Duration) {
	code := strconv.Itoa(status)
	if http.StatusText(status) == "" { // an actor may make up any
		code = code[:1] + "xx"
	}
	m.requests.WithLabelValues(string(actor), code).Inc()
	m.seconds.WithLabelValues(string(actor)).Observe(took.Seconds())
}

// forget drops the series of an actor whose link is gone.
func (m *metrics) forget(actor lattice.ActorID) {
	m.requests.DeletePartialMatch(prometheus.Labels{"actor": string(actor)})
	m.seconds.DeletePartialMatch(prometheus.Labels{"actor": string(actor)})
}
