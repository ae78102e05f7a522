package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest"
)

// load sends requests at an even rate, whatever becomes of those before, as many clients would. It notes each outcome.
type load struct {
	t       *testing.T
	client  *http.Client
	request func(n int) (method, url string, body []byte)
	check   func(status int, body string) error

	stopped chan struct{}
	all     sync.WaitGroup

	mu       sync.Mutex
	outcomes []outcome // guarded by mu
	inFlight int       // guarded by mu
	most     int       // in flight at once; guarded by mu
}

// outcome is what became of one request.
type outcome struct {
	begin time.Time
	took  time.Duration
	body  string // of a good answer
	err   error
}

// wantStatus makes a check of the status alone.
func wantStatus(status int) func(int, string) error {
	return func(got int, body string) error {
		if got != status {
			return fmt.Errorf("status %d: %.200s", got, body)
		}
		return nil
	}
}

// gets makes requests of one URL.
func gets(url string) func(int) (string, string, []byte) {
	return func(int) (string, string, []byte) { return "GET", url, nil }
}

// startLoad begins to send perSecond requests a second. The test calls stop.
func startLoad(t *testing.T, perSecond int, request func(int) (string, string, []byte),
	check func(int, string) error) *load {
	transport := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	l := &load{t: t, client: &http.Client{Transport: transport, Timeout: 20 * time.Second}, request: request,
		check: check, stopped: make(chan struct{})}
	l.all.Add(1)
	go func() {
		defer l.all.Done()
		ticker := time.NewTicker(time.Second / time.Duration(perSecond))
		defer ticker.Stop()
		for n := 0; ; n++ {
			select {
			case <-l.stopped:
				return
			case <-ticker.C:
			}
			l.all.Add(1)
			go func() {
				defer l.all.Done()
				l.send(n)
			}()
		}
	}()
	t.Cleanup(l.finish)
	return l
}

func (l *load) send(n int) {
	l.mu.Lock()
	l.inFlight++
	l.most = max(l.most, l.inFlight)
	l.mu.Unlock()
	o := outcome{begin: time.Now()}
	method, url, body := l.request(n)
	o.body, o.err = l.do(method, url, body)
	o.took = time.Since(o.begin)
	l.mu.Lock()
	l.inFlight--
	l.outcomes = append(l.outcomes, o)
	l.mu.Unlock()
}

func (l *load) do(method, url string, body []byte) (string, error) {
	req, err := http.NewRequestWithContext(context.Background(), method, url, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	resp, err := l.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	return string(b), l.check(resp.StatusCode, string(b))
}

func (l *load) finish() {
	select {
	case <-l.stopped:
	default:
		close(l.stopped)
	}
	l.all.Wait()
	l.client.CloseIdleConnections()
}

// sofar are the outcomes up to now.
func (l *load) sofar() []outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.outcomes)
}

// more waits until so many further requests that begin from now on have succeeded.
func (l *load) more(n int) {
	l.t.Helper()
	from := time.Now()
	latticetest.Eventually(l.t, func() error {
		good, last := 0, error(nil)
		for _, o := range l.sofar() {
			if o.begin.After(from) {
				if o.err == nil {
					good++
				} else {
					last = o.err
				}
			}
		}
		if good < n {
			return fmt.Errorf("%d of %d requests succeeded under load; last failure: %v", good, n, last)
		}
		return nil
	})
}

// report is the sum of a load.
type report struct {
	outcomes []outcome // in the order of their beginnings
	most     int       // in flight at once
}

// stop ends the load, waits for the answers and returns all outcomes.
func (l *load) stop() report {
	l.finish()
	slices.SortFunc(l.outcomes, func(a, b outcome) int { return a.begin.Compare(b.begin) })
	return report{l.outcomes, l.most}
}

// failures lists the requests that failed.
func (r report) failures() []outcome {
	return slices.DeleteFunc(slices.Clone(r.outcomes), func(o outcome) bool { return o.err == nil })
}

// between are the outcomes of requests that began in a span of time.
func (r report) between(from, to time.Time) report {
	var out report
	for _, o := range r.outcomes {
		if !o.begin.Before(from) && o.begin.Before(to) {
			out.outcomes = append(out.outcomes, o)
		}
	}
	return out
}

// recovered is how long after a fault the last request began that failed; 0 when none did.
func (r report) recovered(fault time.Time) time.Duration {
	var last time.Duration
	for _, o := range r.failures() {
		last = max(last, o.begin.Sub(fault))
	}
	return last
}

// flawless fails the test when one request failed or there were too few of them.
func (r report) flawless(t *testing.T, atLeast int) {
	t.Helper()
	failed := r.failures()
	t.Log(r)
	if len(failed) > 0 {
		t.Errorf("%d of %d requests failed, the first: %v", len(failed), len(r.outcomes), failed[0].err)
	}
	if len(r.outcomes) < atLeast {
		t.Errorf("only %d requests, want at least %d", len(r.outcomes), atLeast)
	}
}

// String sums the report up.
func (r report) String() string {
	var took []time.Duration
	kinds := map[string]int{}
	for _, o := range r.outcomes {
		took = append(took, o.took)
		if o.err != nil {
			text, _, _ := strings.Cut(o.err.Error(), "trace_id")
			kinds[text]++
		}
	}
	if len(took) == 0 {
		return "no requests"
	}
	slices.Sort(took)
	s := fmt.Sprintf("%d requests, up to %d in flight, median %v, 99th percentile %v, slowest %v, %d failed",
		len(took), r.most,
		took[len(took)/2].Round(100*time.Microsecond), took[len(took)*99/100].Round(100*time.Microsecond),
		took[len(took)-1].Round(time.Millisecond), len(r.failures()))
	for text, n := range kinds {
		s += fmt.Sprintf("\n  %d x %s", n, text)
	}
	return s
}
