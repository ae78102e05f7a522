package httpclient

import (
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/httpclient"
)

// maxHosts is how many values the label host has at most; all further hosts are "other".
const maxHosts = 200

// metrics of the process. The label host is a host as a link allows it, so that no actor can make up values.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	bytes    *prometheus.CounterVec

	mu    sync.Mutex
	hosts map[string]bool // that are label values. guarded by mu
}

func newMetrics(reg prometheus.Registerer, connections func() float64) (*metrics, error) {
	m := &metrics{hosts: map[string]bool{},
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "weft_httpclient_requests_total",
			Help: "HTTP requests of actors, by host as a link allows it and by status, or by the name of the failure " +
				"or error."},
			[]string{"host", "result"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "weft_httpclient_request_seconds",
			Help:    "Time of an HTTP request from its judgement to the end of the response.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}},
			[]string{"host"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "weft_httpclient_bytes_total",
			Help: "Bytes of bodies, by host and direction."}, []string{"host", "direction"}),
	}
	open := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "weft_httpclient_connections",
		Help: "Connections that are open."}, connections)
	for _, c := range []prometheus.Collector{m.requests, m.seconds, m.bytes, open} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// host is the label value of a grant.
func (m *metrics) host(grant string) string {
	if grant == "" {
		return "denied"
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.hosts[grant] && len(m.hosts) >= maxHosts {
		return "other"
	}
	m.hosts[grant] = true
	return grant
}

// flow counts the bytes of bodies to and from a host.
type flow struct{ in, out prometheus.Counter }

// none counts nothing: of a request that no link allows.
var none = &flow{prometheus.NewCounter(prometheus.CounterOpts{}), prometheus.NewCounter(prometheus.CounterOpts{})}

func (m *metrics) flow(grant string) *flow {
	if grant == "" {
		return none
	}
	host := m.host(grant)
	return &flow{m.bytes.WithLabelValues(host, "in"), m.bytes.WithLabelValues(host, "out")}
}

// observe counts a request that is over; grant is the pattern of the link that allows it, "" when none does.
func (m *metrics) observe(grant string, status int, err error, took time.Duration) {
	host, result := m.host(grant), lattice.CodeOf(err).Name()
	var f *contract.Failure
	switch {
	case err == nil:
		result = strconv.Itoa(status/100) + "xx"
	case errors.As(err, &f):
		result = f.Name
	}
	m.requests.WithLabelValues(host, result).Inc()
	if grant != "" {
		m.seconds.WithLabelValues(host).Observe(took.Seconds())
	}
}
