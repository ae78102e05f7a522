// Package metrics holds the instruments of a host. What is measured at a scrape, such as what runs, is with its
// subject.
package metrics

import (
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
)

// Metrics are the instruments of a host. They are safe for concurrent use. Labels come from bounded sets: actors and
// providers that run here, operations of which each actor may have maxOperations before the rest is "other", and the
// names of lattice codes.
type Metrics struct {
	invocations *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	hostCalls   *prometheus.CounterVec
	sentCalls   *prometheus.CounterVec
	callTime    *prometheus.HistogramVec
	PoolWait    *prometheus.HistogramVec
	Fuel        *prometheus.CounterVec
	Restarts    *prometheus.CounterVec
	Refusals    *prometheus.CounterVec
	LogDropped  *prometheus.CounterVec
	Twins       prometheus.Counter
	Healthy     *prometheus.GaugeVec
	RulesReads  *prometheus.CounterVec
	RulesStale  prometheus.Gauge
	operations  operationNames

	mu    sync.RWMutex
	known map[instrumentKey]*instruments // guarded by mu
}

var latency = []float64{.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

// New registers the instruments.
func New(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		reg.MustRegister(c)
		return c
	}
	histogram := func(name, help string, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: latency}, labels)
		reg.MustRegister(h)
		return h
	}
	m := &Metrics{
		invocations: counter("weft_invocations_total",
			"Invocations of actors on this host by outcome; code is ok or the kind of error.", "actor", "operation",
			"code"),
		duration: histogram("weft_invocation_duration_seconds",
			"Time to serve an invocation, waiting for an instance included.", "actor", "operation"),
		hostCalls: counter("weft_host_calls_total",
			"Calls that actors made to providers, actors and builtins by outcome.",
			"actor", "target", "operation", "code"),
		sentCalls: counter("weft_calls_sent_total",
			"Calls that left this process for another, by route (direct: to a host that was chosen, queue: "+
				"whoever the queue group chooses), by what authenticates them (mac, signature), "+
				"and whether they had been turned away elsewhere.", "route", "auth", "again"),
		callTime: histogram("weft_host_call_duration_seconds", "Time that calls of actors took.", "target",
			"operation"),
		PoolWait: histogram("weft_pool_wait_seconds", "Time invocations waited for an instance.", "actor"),
		Fuel: counter("weft_actor_fuel_total",
			"Work of an actor's guest code in units of about a simple instruction, initialisation included.", "actor"),
		Restarts: counter("weft_provider_restarts_total", "Restarts of crashed provider processes.", "provider",
			"link"),
		Refusals: counter("weft_refusals_total",
			"Calls, modules and providers refused for reasons of trust, by reason.",
			"reason"),
		LogDropped: counter("weft_log_lines_dropped_total", "Log lines of actors above the rate that is kept.",
			"actor"),
		Twins: counter("weft_host_twin_beats_total",
			"Beats of another process that has this host's key.").WithLabelValues(),
		Healthy: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "weft_provider_healthy",
			Help: "1 when the provider's last health check passed."}, []string{"provider", "link"}),
		RulesReads: counter("weft_policy_rules_reads_total", "Times that the file of rules was read, by outcome.",
			"outcome"),
		RulesStale: prometheus.NewGauge(prometheus.GaugeOpts{Name: "weft_policy_rules_stale",
			Help: "1 while the file of rules cannot be used and older rules are in force."}),
		operations: operationNames{seen: map[string]map[string]bool{}},
		known:      map[instrumentKey]*instruments{},
	}
	reg.MustRegister(m.Healthy, m.RulesStale)
	return m
}

// codeName is the value of the label "code".
func codeName(err error) string {
	if err == nil {
		return "ok"
	}
	return lattice.CodeOf(err).Name()
}

// Invoked counts an invocation that was served or refused here.
func (m *Metrics) Invoked(actor, operation string, took time.Duration, err error) {
	i := m.invocation(actor, operation)
	if err == nil {
		i.ok.Inc()
	} else {
		m.invocations.WithLabelValues(actor, i.operation, codeName(err)).Inc()
	}
	i.duration.Observe(took.Seconds())
	m.Refused(err)
}

// instruments are those of one actor's operation, found once.
type instruments struct {
	operation string // bounded
	ok        prometheus.Counter
	duration  prometheus.Observer
}

type instrumentKey struct{ actor, operation string }

func (m *Metrics) invocation(actor, operation string) *instruments {
	key := instrumentKey{actor, operation}
	m.mu.RLock()
	i := m.known[key]
	m.mu.RUnlock()
	if i != nil {
		return i
	}
	bound := m.operations.bound(actor, operation)
	i = &instruments{operation: bound, ok: m.invocations.WithLabelValues(actor, bound, codeName(nil)),
		duration: m.duration.WithLabelValues(actor, bound)}
	if bound == operation { // else callers could fill the table
		m.mu.Lock()
		m.known[key] = i
		m.mu.Unlock()
	}
	return i
}

// Called counts a call that an actor made.
func (m *Metrics) Called(actor, target, operation string, took time.Duration, err error) {
	operation = m.operations.bound(actor, operation)
	m.hostCalls.WithLabelValues(actor, target, operation, codeName(err)).Inc()
	m.callTime.WithLabelValues(target, operation).Observe(took.Seconds())
	m.Refused(err)
}

// Sent counts a call that left this host.
func (m *Metrics) Sent(p rpc.Attempt) {
	m.sentCalls.WithLabelValues(p.Labels()...).Inc()
}

// Refused counts err when it is a refusal made here, not one that the other side reports.
func (m *Metrics) Refused(err error) {
	if err == nil {
		return
	}
	if code := lattice.CodeOf(err); code.Refusal() {
		m.Refusals.WithLabelValues(code.Name()).Inc()
	}
}

// Forget drops the series of an actor that is gone.
func (m *Metrics) Forget(actor string) {
	by := prometheus.Labels{"actor": actor}
	m.invocations.DeletePartialMatch(by)
	m.duration.DeletePartialMatch(by)
	m.hostCalls.DeletePartialMatch(by)
	m.PoolWait.DeletePartialMatch(by)
	m.Fuel.DeletePartialMatch(by)
	m.LogDropped.DeletePartialMatch(by)
	m.operations.forget(actor)
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.known, func(k instrumentKey, _ *instruments) bool { return k.actor == actor })
}

// maxOperations bounds the label "operation" per actor, since callers choose it.
const maxOperations = 64

type operationNames struct {
	mu   sync.RWMutex
	seen map[string]map[string]bool // guarded by mu
}

func (o *operationNames) bound(actor, operation string) string {
	o.mu.RLock()
	known, n := o.seen[actor][operation], len(o.seen[actor])
	o.mu.RUnlock()
	if known {
		return operation
	}
	if n >= maxOperations || len(operation) > 80 {
		return "other"
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen[actor] == nil {
		o.seen[actor] = map[string]bool{}
	}
	o.seen[actor][operation] = true
	return operation
}

func (o *operationNames) forget(actor string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.seen, actor)
}
