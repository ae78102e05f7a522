package host

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weftlattice/weft/host/internal/company"
	"github.com/weftlattice/weft/host/internal/identity"
	"github.com/weftlattice/weft/host/internal/memory"
	"github.com/weftlattice/weft/internal/load"
)

// collector shows the present state of the host: what it is and what it uses.
type collector struct {
	self    *identity.Self
	company *company.Company
	large   *load.Budget
	guests  *memory.Budget // nil: no limit
}

var (
	descInfo = prometheus.NewDesc("weft_host_info", "Always 1; the labels say which host this is.",
		[]string{"host", "name", "lattice", "version"}, nil)
	descUptime = prometheus.NewDesc("weft_host_uptime_seconds", "Since the host was started.", nil, nil)
	descLost   = prometheus.NewDesc("weft_hosts_lost",
		"Hosts whose beats ended in the last ten minutes though they have not said that they end.", nil, nil)
	descLarge = prometheus.NewDesc("weft_large_payload_bytes",
		"Bytes of payloads above 900 KiB that are counted as in memory now.", nil, nil)
	descLargeMax = prometheus.NewDesc("weft_large_payload_bytes_max",
		"Limit of weft_large_payload_bytes, beyond which calls wait and then are busy.", nil, nil)
	descLargeWait = prometheus.NewDesc("weft_large_payload_waiting",
		"Calls that wait for room for a large payload now.",
		nil, nil)
	descGuests = prometheus.NewDesc("weft_guest_budget_bytes",
		"Memory that all actors hold, with snapshots, code and waiting requests, as if they had written to all of it.",
		nil,
		nil)
	descGuestsMax = prometheus.NewDesc("weft_guest_budget_bytes_max",
		"Limit of weft_guest_budget_bytes, beyond which calls are busy.", nil, nil)
)

// Describe sends nothing, so that the registry takes it unseen.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect reads the state.
func (c collector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(descInfo, 1, string(c.self.ID), c.self.Name, string(c.self.Lattice), Version)
	gauge(descUptime, c.self.Uptime().Seconds())
	gauge(descLost, float64(len(c.company.Missed())))
	used, waiting := c.large.Used()
	gauge(descLarge, float64(used))
	gauge(descLargeMax, float64(c.large.Limit()))
	gauge(descLargeWait, float64(waiting))
	if c.guests != nil {
		gauge(descGuests, float64(c.guests.Used()))
		gauge(descGuestsMax, float64(c.guests.Limit()))
	}
}

// registerStorage measures the disk of the NATS server in this process.
func registerStorage(reg prometheus.Registerer, now func() Storage) {
	gauge := func(name, help string, value func(Storage) float64) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help},
			func() float64 { return value(now()) }))
	}
	gauge("weft_nats_disk_free_bytes",
		"Bytes that the file system of the embedded NATS server has left; -1: not known.",
		func(s Storage) float64 { return float64(s.FreeBytes) })
	gauge("weft_nats_disk_bytes", "Size of that file system; -1: not known.",
		func(s Storage) float64 { return float64(s.TotalBytes) })
	gauge("weft_nats_disk_full",
		"1 while the embedded NATS server cannot store data, since the disk is full or refuses writes, "+
			"or --store-max is reached.", func(s Storage) float64 {
			if s.Err != nil {
				return 1
			}
			return 0
		})
	gauge("weft_nats_store_bytes", "Bytes in JetStream's streams of the embedded NATS server.",
		func(s Storage) float64 { return float64(s.UsedBytes) })
}
