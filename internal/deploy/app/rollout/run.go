package rollout

import (
	"fmt"
	"slices"
	"time"

	"github.com/weftlattice/weft/internal/deploy/app/manifest"
)

// Verdict is what came out for a metric.
type Verdict string

// The verdicts of a metric.
const (
	RunGoes         Verdict = "" // it is still measured
	RunPassed       Verdict = "passed"
	RunFailed       Verdict = "failed"
	RunInconclusive Verdict = "inconclusive"
	RunError        Verdict = "error"
)

// Run is one metric while it is watched.
type Run struct {
	Name   string `json:"name"`
	DryRun bool   `json:"dry_run,omitempty"`

	Good         int `json:"good"`
	Failed       int `json:"failed"`
	Inconclusive int `json:"inconclusive"`
	Errors       int `json:"errors"`  // in a row
	Skipped      int `json:"skipped"` // without data, which was waited for

	Next    time.Time     `json:"next"`              // when it is measured next
	NoData  time.Time     `json:"no_data,omitzero"`  // since when there is none
	Verdict Verdict       `json:"verdict,omitempty"` // RunGoes while it is measured
	Why     string        `json:"why,omitempty"`     // of the verdict, for people
	Last    []Measurement `json:"last,omitempty"`    // the newest last, at most maxLast
}

// maxLast bounds Run.Last, as Argo keeps ten measurements of a metric.
const maxLast = 10

// errorRetry is the wait after a measurement that could not be made, whatever the interval, as in Argo.
const errorRetry = 10 * time.Second

// Outcome is what one measurement is.
type Outcome string

// The outcomes.
const (
	Good         Outcome = "good"
	Bad          Outcome = "failed"
	Inconclusive Outcome = "inconclusive"
	NoData       Outcome = "no data"
	Error        Outcome = "error"
)

// Measurement is one measurement.
type Measurement struct {
	At      time.Time `json:"at"`
	Outcome Outcome   `json:"outcome"`
	Value   string    `json:"value,omitempty"`   // for people
	Samples int       `json:"samples,omitempty"` // requests that it is of; 0: not known
	Detail  string    `json:"detail,omitempty"`  // the limit, the window, or the error
	Traces  []string  `json:"traces,omitempty"`  // of requests that failed
}

// String is for people: value, limit, samples, window.
func (m Measurement) String() string {
	text := string(m.Outcome)
	if m.Value != "" {
		text = m.Value
	}
	if m.Detail != "" {
		text += ", " + m.Detail
	}
	if m.Samples > 0 {
		text += fmt.Sprintf(", of %d requests", m.Samples)
	}
	return text
}

func runs(metrics []manifest.Metric, now time.Time) []Run {
	var list []Run
	for i := range metrics {
		m := &metrics[i]
		list = append(list, Run{Name: m.Title(), DryRun: m.DryRun, Next: now.Add(m.InitialDelay)})
	}
	return list
}

// anew lets inconclusive metrics go on; what was counted of them before is forgotten.
func anew(list []Run, now time.Time) []Run {
	list = slices.Clone(list)
	for i, r := range list {
		if r.Verdict == RunInconclusive {
			list[i] = Run{Name: r.Name, DryRun: r.DryRun, Next: now, Last: r.Last}
		}
	}
	return list
}

// Measure names a measurement to make.
type Measure struct {
	Inline bool // of the step, not of the background
	Index  int
	Metric *manifest.Metric
}

// metrics are those of the background, or of the step.
func metrics(spec *manifest.Rollout, s State, inline bool) []manifest.Metric {
	switch {
	case !inline:
		return spec.Analysis
	case s.Step < len(spec.Steps):
		return spec.Steps[s.Step].Analysis
	}
	return nil
}

// Due is what is to be measured now, and again is when more is.
func Due(spec *manifest.Rollout, s State, now time.Time) (due []Measure, again time.Time) {
	if s.Phase != Progressing && s.Phase != Paused {
		return nil, time.Time{}
	}
	for _, inline := range []bool{false, true} {
		list := s.Background
		if inline {
			list = s.Inline
		}
		of := metrics(spec, s, inline)
		for i, r := range list {
			switch {
			case r.Verdict != RunGoes || i >= len(of):
			case !now.Before(r.Next):
				due = append(due, Measure{inline, i, &of[i]})
			case again.IsZero() || r.Next.Before(again):
				again = r.Next
			}
		}
	}
	return due, again
}

// Measured takes a measurement into account.
func Measured(spec *manifest.Rollout, s State, what Measure, m Measurement) State {
	list := &s.Background
	if what.Inline {
		list = &s.Inline
	}
	if what.Index >= len(*list) || (*list)[what.Index].Name != what.Metric.Title() {
		return s // the step has ended meanwhile
	}
	*list = slices.Clone(*list)
	r := &(*list)[what.Index]
	if r.Verdict == RunGoes {
		r.take(what, m)
	}
	return s
}

// take counts a measurement and decides.
func (r *Run) take(what Measure, m Measurement) {
	of := what.Metric
	r.Last = append(slices.Clone(r.Last), m)
	r.Last = r.Last[max(0, len(r.Last)-maxLast):]
	r.Next = m.At.Add(of.Interval)
	outcome := m.Outcome
	if outcome == NoData {
		outcome = r.without(of, m)
	} else {
		r.NoData = time.Time{}
	}
	if outcome != Error {
		r.Errors = 0
	}
	switch outcome {
	case Good:
		r.Good++
	case Bad:
		r.Failed++
	case Inconclusive:
		r.Inconclusive++
	case Error:
		r.Errors++
		r.Next = m.At.Add(errorRetry)
	default:
		r.Skipped++
		return
	}
	count := of.Count
	if count == 0 && what.Inline {
		count = 1
	}
	decide := func(v Verdict, text string) { r.Verdict, r.Why = v, r.Name+": "+text }
	switch {
	case of.ErrorLimit >= 0 && r.Errors > of.ErrorLimit:
		decide(RunError, fmt.Sprintf("%d measurements in a row could not be made: %s", r.Errors, m))
	case r.Inconclusive > of.InconclusiveLimit:
		decide(RunInconclusive, m.String())
	case of.FailureLimit >= 0 && r.Failed > of.FailureLimit:
		decide(RunFailed, fmt.Sprintf("%s; %d of %d measurements failed, %d are borne", m, r.Failed, r.made(),
			of.FailureLimit))
	case count > 0 && r.made() >= count:
		decide(RunPassed, fmt.Sprintf("%d of %d measurements were good", r.Good, r.made()))
	}
}

// made is how many measurements count: those that could not be made do not.
func (r *Run) made() int { return r.Good + r.Failed + r.Inconclusive }

// without says what no data is.
func (r *Run) without(of *manifest.Metric, m Measurement) Outcome {
	switch of.OnNoData {
	case manifest.Pass:
		return Good
	case manifest.Fail:
		return Bad
	case manifest.Pause:
		r.Inconclusive = of.InconclusiveLimit // a person is asked at once
		return Inconclusive
	}
	if r.NoData.IsZero() {
		r.NoData = m.At
	}
	if m.At.Sub(r.NoData) >= of.MaxWait {
		r.Inconclusive = of.InconclusiveLimit
		return Inconclusive
	}
	return NoData
}
