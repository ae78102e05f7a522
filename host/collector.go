package host

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// inventoryCollector shows the present state of the host: what runs and what it uses.
type inventoryCollector struct{ host *Host }

var (
	descInfo      = prometheus.NewDesc("weft_host_info", "Always 1; the labels say which host this is.", []string{"host", "name", "lattice", "version"}, nil)
	descUptime    = prometheus.NewDesc("weft_host_uptime_seconds", "Since the host was started.", nil, nil)
	descLost      = prometheus.NewDesc("weft_hosts_lost", "Hosts whose beats ended in the last ten minutes though they have not said that they end.", nil, nil)
	descInstances = prometheus.NewDesc("weft_instances", "Instances of an actor by state: in_use, idle, pending.", []string{"actor", "name", "state"}, nil)
	descMax       = prometheus.NewDesc("weft_instances_max", "How many calls the actor may serve at once here.", []string{"actor", "name"}, nil)
	descMemory    = prometheus.NewDesc("weft_guest_memory_bytes", "Linear memory of all instances of an actor.", []string{"actor", "name"}, nil)
	descWaiting   = prometheus.NewDesc("weft_pool_waiting", "Calls that wait for an instance now.", []string{"actor", "name"}, nil)
	descWaits     = prometheus.NewDesc("weft_pool_waits_total", "Calls that had to wait for an instance.", []string{"actor", "name"}, nil)
	descTurned    = prometheus.NewDesc("weft_calls_turned_away_total", "Calls of an actor that were busy at once, since they would have waited for too long for an instance.", []string{"actor", "name"}, nil)
	descWait      = prometheus.NewDesc("weft_expected_wait_seconds", "How long a call of the actor would wait for an instance now, as far as that is known.", []string{"actor", "name"}, nil)
	descCreated   = prometheus.NewDesc("weft_instances_created_total", "Instances made.", []string{"actor", "name"}, nil)
	descRestored  = prometheus.NewDesc("weft_instances_restored_total", "How often an instance was brought back to how it began.", []string{"actor", "name"}, nil)
	descDiscarded = prometheus.NewDesc("weft_instances_discarded_total", "Instances thrown away, by reason.", []string{"actor", "name", "reason"}, nil)
	descLarge     = prometheus.NewDesc("weft_large_payload_bytes", "Bytes of payloads above 900 KiB that are counted as in memory now.", nil, nil)
	descLargeMax  = prometheus.NewDesc("weft_large_payload_bytes_max", "Limit of weft_large_payload_bytes, beyond which calls wait and then are busy.", nil, nil)
	descLargeWait = prometheus.NewDesc("weft_large_payload_waiting", "Calls that wait for room for a large payload now.", nil, nil)
	descGuests    = prometheus.NewDesc("weft_guest_budget_bytes", "Memory that all actors hold, with snapshots, code and waiting requests, as if they had written to all of it.", nil, nil)
	descGuestsMax = prometheus.NewDesc("weft_guest_budget_bytes_max", "Limit of weft_guest_budget_bytes, beyond which calls are busy.", nil, nil)
	descProvider  = prometheus.NewDesc("weft_provider_up", "1 while the provider's process serves.", []string{"provider", "link", "contract", "id"}, nil)
)

// Describe sends nothing: the metrics depend on what runs.
func (inventoryCollector) Describe(chan<- *prometheus.Desc) {}

// Collect reads the state of all pools and processes.
func (c inventoryCollector) Collect(out chan<- prometheus.Metric) {
	h := c.host
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge(descInfo, 1, string(h.node.ID), h.node.Name, string(h.cfg.Lattice), Version)
	gauge(descUptime, time.Since(h.node.Started).Seconds())
	gauge(descLost, float64(len(h.company.Missed())))
	used, waiting := h.large.Used()
	gauge(descLarge, float64(used))
	gauge(descLargeMax, float64(h.large.Limit()))
	gauge(descLargeWait, float64(waiting))
	if h.memory != nil {
		gauge(descGuests, float64(h.memory.Used()))
		gauge(descGuestsMax, float64(h.memory.Limit()))
	}
	for _, a := range h.allActors() {
		v := a.current.Load()
		if v == nil {
			continue
		}
		id, name, stats := string(a.id), v.claims.Name, v.pool.Stats()
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
	for _, p := range h.allProviders() {
		up := 0.0
		if p.serves() {
			up = 1
		}
		gauge(descProvider, up, p.name, string(p.link), p.contract, string(p.id))
	}
}
