package providers

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/subject"
)

// scrapeTimeout bounds how long a scrape waits for the metrics of providers.
const scrapeTimeout = 500 * time.Millisecond

var descUp = prometheus.NewDesc("weft_provider_up", "1 while the provider's process serves.",
	[]string{"provider", "link", "contract", "id"}, nil)

// Describe sends nothing: the metrics depend on what runs.
func (ps *Providers) Describe(chan<- *prometheus.Desc) {}

// Collect tells which providers serve.
func (ps *Providers) Collect(out chan<- prometheus.Metric) {
	for _, p := range ps.list() {
		up := 0.0
		if p.serves() {
			up = 1
		}
		out <- prometheus.MustNewConstMetric(descUp, prometheus.GaugeValue, up, p.name, string(p.link),
			string(p.contract), string(p.id))
	}
}

// Gather asks the providers that run here for their metrics and says of each whose they are, so that one
// scrape of the host has all. Providers that are not built on weft's SDK have none.
func (ps *Providers) Gather() ([]*dto.MetricFamily, error) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	var mu sync.Mutex
	merged := map[string]*dto.MetricFamily{}
	var wg sync.WaitGroup
	for _, p := range ps.list() {
		wg.Go(func() {
			reply, err := ps.cfg.Conn.RequestWithContext(ctx, subject.ProviderMetrics(ps.cfg.Self.Lattice, p.id, p.link,
				ps.cfg.Self.ID), nil)
			if err != nil {
				return
			}
			parser := expfmt.NewTextParser(model.UTF8Validation)
			families, err := parser.TextToMetricFamilies(bytes.NewReader(reply.Data))
			if err != nil {
				ps.cfg.Logger.Warn("metrics of a provider are not readable", lattice.LogProvider, p.name,
					lattice.LogErr, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for name, f := range families {
				for _, m := range f.Metric {
					m.Label = withLabel(withLabel(m.Label, "provider", p.name), "link", string(p.link))
				}
				if have := merged[name]; have == nil {
					merged[name] = f
				} else if have.GetType() == f.GetType() {
					have.Metric = append(have.Metric, f.Metric...)
				}
			}
		})
	}
	wg.Wait()
	out := make([]*dto.MetricFamily, 0, len(merged))
	for _, f := range merged {
		out = append(out, f)
	}
	return out, nil
}

// withLabel adds a label, in the order of names that the format wants, unless it is there.
func withLabel(labels []*dto.LabelPair, name, value string) []*dto.LabelPair {
	at, found := slices.BinarySearchFunc(labels, name, func(l *dto.LabelPair,
		name string) int {
		return strings.Compare(l.GetName(), name)
	})
	if found {
		return labels
	}
	return slices.Insert(labels, at, &dto.LabelPair{Name: &name, Value: &value})
}
