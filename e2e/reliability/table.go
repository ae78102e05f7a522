//go:build linux

package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// row is what a fault came to.
type row struct {
	fault
	lasted     time.Duration
	requests   int
	failed     int
	failedFor  time.Duration // from the first that failed, by when it was due, to the last
	worst      time.Duration // of those that were answered 200
	echoFailed int           // of routes that need no store
	examples   []request     // the first and the last that failed
	elsewhere  int           // failed before the fault
	perSecond  []int         // failed of those that were due in each second from the fault on
}

// sum counts what came of the requests of a fault that began at a moment.
func sum(f fault, lasted time.Duration, begun time.Time, all []request) row {
	r := row{fault: f, lasted: lasted, requests: len(all)}
	slices.SortFunc(all, func(a, b request) int { return a.Due.Compare(b.Due) })
	var first, last time.Time
	for _, q := range all {
		if !q.failed() {
			r.worst = max(r.worst, q.Took)
			continue
		}
		r.failed++
		if strings.Contains(q.URL, fmt.Sprintf(":%d/", echoPort)) {
			r.echoFailed++
		}
		if q.Due.Add(q.Took).Before(begun) {
			r.elsewhere++
		}
		if first.IsZero() {
			first = q.Due
		}
		for second := int(q.Due.Sub(begun) / time.Second); len(r.perSecond) <= second; {
			r.perSecond = append(r.perSecond, 0)
		}
		if second := int(q.Due.Sub(begun) / time.Second); second >= 0 {
			r.perSecond[second]++
		}
		last = q.Due
		if len(r.examples) < 6 {
			r.examples = append(r.examples, q)
		} else {
			copy(r.examples[3:], r.examples[4:])
			r.examples[5] = q
		}
	}
	r.failedFor = last.Sub(first)
	return r
}

func (r row) String() string {
	s := fmt.Sprintf("%-15s %d requests, %d failed (%d of routes without a store), for %s; worst answered %s", r.name,
		r.requests, r.failed, r.echoFailed,
		r.failedFor.Round(100*time.Millisecond), r.worst.Round(time.Millisecond))
	if r.failed > 0 {
		s += fmt.Sprintf("; each second %v", r.perSecond)
	}
	if r.elsewhere > 0 {
		s += fmt.Sprintf("; %d FAILED BEFORE THE FAULT", r.elsewhere)
	}
	for _, q := range r.examples {
		s += fmt.Sprintf("\n    %s: %d after %s: %s", q.URL, q.Status, q.Took.Round(time.Millisecond), q.Error)
	}
	return s
}

// Markers around the tables in the document.
const (
	beginTable   = "<!-- made by make reliability: begin -->\n"
	endTable     = "<!-- made by make reliability: end -->\n"
	beginStreams = "<!-- made by make reliability, streams: begin -->\n"
	endStreams   = "<!-- made by make reliability, streams: end -->\n"
)

func table(rows []row) string {
	var b strings.Builder
	b.WriteString("| what happens | requests | failed | of these without a store | failed for | worst answered | " +
		"what a person sees |\n|---|--:|--:|--:|--:|--:|---|\n")
	for _, r := range rows {
		what := r.what
		if strings.Contains(what, "%s") {
			what = fmt.Sprintf(what, r.lasted)
		}
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %.1f s | %d ms | %s |\n", what, r.requests, r.failed, r.echoFailed,
			r.failedFor.Seconds(), r.worst.Milliseconds(), r.sees)
	}
	return b.String()
}

func streamTable(rows []streamRow) string {
	var b strings.Builder
	b.WriteString("| what happens | streams that broke | the last after | streams that went on to their end |" +
		" the oldest | requests beside them | failed |\n|---|--:|--:|--:|--:|--:|--:|\n")
	for _, r := range rows {
		after := "-"
		if r.broken > 0 {
			after = fmt.Sprintf("%.1f s", r.brokenAfter.Seconds())
		}
		fmt.Fprintf(&b, "| %s | %d | %s | %d | %.0f s | %d | %d |\n", r.what, r.broken, after, r.whole,
			r.lived.Seconds(), r.requests, r.failed)
	}
	return b.String()
}

// replace puts a table into a document, between its markers.
func replace(path, begin, table, end string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok1 := strings.Cut(string(b), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		return fmt.Errorf("%s has no place for the table, between %q and %q", path, begin, end)
	}
	return os.WriteFile(path, []byte(before+begin+table+end+after), 0o644)
}
