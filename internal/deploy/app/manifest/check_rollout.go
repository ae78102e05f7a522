package manifest

import (
	"maps"
	"slices"

	"github.com/weftlattice/weft/lattice"
)

func (c *checker) rollout(r *Rollout, p place) {
	c.steps(r, p)
	switch {
	case r.FromStep == 0:
	case len(r.Analysis) == 0:
		c.bad(p.at("from_step"), "there is no analysis that would begin with it")
	case r.FromStep >= len(r.Steps):
		c.bad(p.at("from_step"), "want the number of a step, 0 to %d", max(0, len(r.Steps)-1))
	}
	if r.Strategy == Shadow && r.Sticky != (Sticky{}) {
		c.bad(p.at("sticky"), "nobody is served by a shadow, so nobody keeps it")
	}
	c.metrics(r.Analysis, p.at("analysis"))
	for i, s := range r.Steps {
		c.metrics(s.Analysis, p.at("steps", i, "analysis"))
	}
}

// steps looks at the weights, which never fall.
func (c *checker) steps(r *Rollout, p place) {
	most := 0 // of all hosts, and of any
	weights, served := 0, 0
	var before []Step
	for i, s := range r.Steps {
		at := p.at("steps", i)
		if s.Where != nil && s.Weight == nil {
			c.bad(at.at("where"), "it says for which hosts a weight is, and there is none")
		}
		if s.Weight == nil {
			continue
		}
		weights++
		served += *s.Weight
		low := most
		for _, b := range before {
			if s.Where == nil || b.Where == nil || maps.Equal(b.Where, s.Where) {
				low = max(low, *b.Weight)
			}
		}
		if *s.Weight < low {
			c.bad(at.at("weight"), "it is less than the %d before; a rollout that goes wrong goes back by itself", low)
		}
		if r.Strategy == BlueGreen && *s.Weight != 100 {
			c.bad(at.at("weight"), "blue-green gives the new revision all calls at once: want 100, or a canary")
		}
		before = append(before, s)
	}
	switch {
	case r.Strategy == Canary && weights == 0:
		c.bad(p, "a canary needs steps with a weight, as steps: [{weight: 10}, {pause: 5m}, {weight: 50}, {pause: 5m}]")
	case weights > 0 && served == 0:
		i := slices.IndexFunc(r.Steps, func(s Step) bool { return s.Weight != nil })
		c.bad(p.at("steps", i, "weight"),
			"no step gives the new revision any call; it would get all of them at once in the end")
	}
}

func (c *checker) metrics(list []Metric, p place) {
	names := map[string]int{}
	for i := range list {
		m := &list[i]
		at := p.at(i)
		c.metric(m, at)
		name := m.Title()
		if first, ok := names[name]; ok && name != "" {
			c.bad(c.or(at.at("name"), at), "there is a metric %q%s already; give this one a name",
				lattice.Printable(name), c.line(p.at(first)))
		} else {
			names[name] = i
		}
	}
}

func (c *checker) metric(m *Metric, p place) {
	bounds := []struct {
		name  string
		bound *Bound
	}{{"min", m.Min}, {"max", m.Max}}
	for _, b := range bounds {
		switch {
		case b.bound == nil:
		case m.Metric.IsTime() && !b.bound.Time:
			c.bad(p.at(b.name), "%s is a time: want one such as 250ms", m.Metric)
		case !m.Metric.IsTime() && b.bound.Time && (m.Metric != "" || m.Prometheus != nil || m.Web != nil):
			c.bad(p.at(b.name), "%s is a number, not a time", m.Title())
		case (m.Metric == SuccessRate || m.Metric == TrapRate) && (b.bound.Value < 0 || b.bound.Value > 1):
			c.bad(p.at(b.name), "%s is from 0 to 1", m.Metric)
		case b.bound.Value < 0 && m.Metric != "":
			c.bad(p.at(b.name), "%s is never less than 0", m.Metric)
		}
	}
	switch {
	case m.Metric == "" && m.Prometheus == nil && m.Web == nil: // told before
	case m.Min == nil && m.Max == nil && m.Condition == "" && m.FailureCondition == "":
		c.bad(p, "it does not say what is good: want min, max, condition or failure_condition")
	case (m.Min != nil || m.Max != nil) && (m.Condition != "" || m.FailureCondition != ""):
		c.bad(p, "min and max, and conditions, exclude each other")
	case m.Min != nil && m.Max != nil && m.Min.Value > m.Max.Value:
		c.bad(p.at("min"), "it is more than max: nothing would be good")
	}
	if m.Metric == "" && m.Window != DefaultWindow {
		c.badName(p.at("window"), "it is of what hosts measure; the query says it itself")
	}
	if m.Metric == "" && m.MinRequests != DefaultMinRequests {
		c.badName(p.at("min_requests"), "it is of what hosts measure; the query says it itself")
	}
	if m.OnNoData != Wait && m.MaxWait != DefaultMaxWait {
		c.badName(p.at("max_wait"), "it is of on_no_data: wait")
	}
	if m.Window < m.Interval && m.Metric != "" {
		c.bad(p.at("window"), "it is shorter than the interval, so that calls between would not be looked at")
	}
}
