package actors

import "github.com/prometheus/client_golang/prometheus"

var (
	descInstances = prometheus.NewDesc("weft_instances", "Instances of an actor by state: in_use, idle, pending.",
		[]string{"actor", "name", "state"}, nil)
	descMax = prometheus.NewDesc("weft_instances_max", "How many calls the actor may serve at once here.",
		[]string{"actor", "name"}, nil)
	descMemory = prometheus.NewDesc("weft_guest_memory_bytes", "Linear memory of all instances of an actor.",
		[]string{"actor", "name"}, nil)
	descWaiting = prometheus.NewDesc("weft_pool_waiting", "Calls that wait for an instance now.",
		[]string{"actor", "name"}, nil)
	descWaits = prometheus.NewDesc("weft_pool_waits_total", "Calls that had to wait for an instance.",
		[]string{"actor", "name"}, nil)
	descTurned = prometheus.NewDesc("weft_calls_turned_away_total",
		"Calls of an actor that were busy at once, since they would have waited for too long for an instance.",
		[]string{"actor", "name"}, nil)
	descWait = prometheus.NewDesc("weft_expected_wait_seconds",
		"How long a call of the actor would wait for an instance now, as far as that is known.",
		[]string{"actor", "name"},
		nil)
	descCreated  = prometheus.NewDesc("weft_instances_created_total", "Instances made.", []string{"actor", "name"}, nil)
	descRestored = prometheus.NewDesc("weft_instances_restored_total",
		"How often an instance was brought back to how it began.", []string{"actor", "name"}, nil)
	descDiscarded = prometheus.NewDesc("weft_instances_discarded_total", "Instances thrown away, by reason.",
		[]string{"actor", "name", "reason"}, nil)
)

// Describe sends nothing, which makes the collector an unchecked one: its series depend on which actors run.
func (as *Actors) Describe(chan<- *prometheus.Desc) {}

// Collect reads the state of all pools.
func (as *Actors) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	for _, a := range as.list() {
		r := a.current.Load()
		if r == nil {
			continue
		}
		id, name, stats := string(a.id), r.claims.Name, r.pool.Stats()
		gauge(descInstances, float64(stats.InUse), id, name, "in_use")
		gauge(descInstances, float64(stats.Idle), id, name, "idle")
		gauge(descInstances, float64(stats.Pending), id, name, "pending")
		a.mu.Lock()
		gauge(descMax, float64(a.total()), id, name)
		a.mu.Unlock()
		gauge(descMemory, float64(stats.MemoryBytes), id, name)
		gauge(descWaiting, float64(stats.Waiting), id, name)
		counter(descWaits, stats.Waits, id, name)
		if sub := a.sub.Load(); sub != nil {
			load := sub.Load()
			counter(descTurned, load.Refused, id, name)
			gauge(descWait, load.Wait.Seconds(), id, name)
		}
		counter(descCreated, stats.Created, id, name)
		counter(descRestored, stats.Restored, id, name)
		for reason, n := range stats.Discarded {
			counter(descDiscarded, n, id, name, string(reason))
		}
	}
}
