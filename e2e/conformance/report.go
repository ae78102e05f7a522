package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// check is one thing that the protocol demands.
type check struct {
	id      string // unique and stable
	section string // of the protocol
	title   string
	run     func(*suite) (seen string,
		err error) // an error is a failure, or why the check does not apply: see notApplicable
}

// inapplicable says why a check cannot be made here.
type inapplicable string

func (e inapplicable) Error() string { return string(e) }

func notApplicable(format string, args ...any) error {
	return inapplicable(fmt.Sprintf(format, args...))
}

// Outcomes of checks.
const (
	pass          = "pass"
	fail          = "fail"
	notApplied    = "not applicable"
	internalError = "the check itself broke: "
)

// result is what came of a check.
type result struct {
	ID      string `json:"id"`
	Section string `json:"section"`
	Title   string `json:"title"`
	Outcome string `json:"outcome"`
	Reason  string `json:"reason,omitempty"` // of a failure, or of not being applicable
	Seen    string `json:"seen,omitempty"`
	Millis  int64  `json:"ms"`
}

// perform makes one check.
func (c check) perform(s *suite) (r result) {
	r = result{ID: c.id, Section: c.section, Title: c.title, Outcome: pass}
	begun := time.Now()
	defer func() {
		if broken := recover(); broken != nil { // one bad answer must not hide the other checks
			r.Outcome, r.Reason = fail, fmt.Sprint(internalError, broken)
		}
		r.Millis = time.Since(begun).Milliseconds()
	}()
	seen, err := c.run(s)
	r.Seen = seen
	var na inapplicable
	switch {
	case errors.As(err, &na):
		r.Outcome, r.Reason = notApplied, na.Error()
	case err != nil:
		r.Outcome, r.Reason = fail, err.Error()
	}
	return r
}

// problems collects what is wrong in one check.
type problems []string

func (p *problems) addf(format string, args ...any) { *p = append(*p, fmt.Sprintf(format, args...)) }

func (p *problems) want(ok bool, format string, args ...any) {
	if !ok {
		p.addf(format, args...)
	}
}

func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return errors.New(strings.Join(p, "; "))
}

// report is the outcome of a run.
type report struct {
	Lattice string         `json:"lattice"`
	Hosts   []string       `json:"hosts"`
	Totals  map[string]int `json:"totals"`
	Results []result       `json:"results"`
}

func (r *report) add(res result) {
	r.Results = append(r.Results, res)
	r.Totals[res.Outcome]++
}

func (r *report) json(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// line is a result as text.
func (r result) line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-14s %-34s %-9s %s", r.Outcome, r.ID, r.Section, r.Title)
	if r.Reason != "" {
		fmt.Fprintf(&b, "\n               %s", r.Reason)
	}
	if r.Seen != "" && r.Outcome != notApplied {
		fmt.Fprintf(&b, "\n               seen: %s", r.Seen)
	}
	return b.String()
}
