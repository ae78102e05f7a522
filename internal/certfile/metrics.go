package certfile

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Expiring is a Pair or Roots.
type Expiring interface {
	File() string
	Expires() time.Time
}

// collector measures what open returns.
type collector struct {
	desc *prometheus.Desc
	open func() []Expiring
}

// NewCollector measures when what open returns ends, as weft_certificate_expiry_timestamp_seconds by file. Of several
// in one file the first counts.
func NewCollector(open func() []Expiring) prometheus.Collector {
	return collector{prometheus.NewDesc("weft_certificate_expiry_timestamp_seconds",
		"When the certificate in a file ends, or the last of the authorities in it, in seconds since 1970.",
		[]string{"file"}, nil), open}
}

// Describe is for prometheus.
func (c collector) Describe(to chan<- *prometheus.Desc) { to <- c.desc }

// Collect is for prometheus.
func (c collector) Collect(to chan<- prometheus.Metric) {
	seen := map[string]bool{}
	for _, e := range c.open() {
		if file := e.File(); !seen[file] {
			seen[file] = true
			to <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, float64(e.Expires().Unix()), file)
		}
	}
}
