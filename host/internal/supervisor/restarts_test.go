package supervisor

import (
	"strings"
	"testing"
	"time"
)

func TestTracker(t *testing.T) {
	now := time.Unix(0, 0)
	random := 0.5 // no jitter
	tr := newTracker(Policy{}, func() time.Time { return now }, func() float64 { return random })
	ended := func(want time.Duration, text string) {
		t.Helper()
		delay, reason := tr.ended("exit status 1", false)
		if delay != want || !strings.Contains(reason, text) {
			t.Errorf("delay %s, reason %q; want %s, %q", delay, reason, want, text)
		}
	}
	ended(100*time.Millisecond, "exit status 1; restart in 100ms")
	ended(200*time.Millisecond, "failure 2 in a row, restart in 200ms")
	ended(400*time.Millisecond, "failure 3")
	for range 5 {
		tr.ended("", false)
	}
	ended(25600*time.Millisecond, "failure 9")
	ended(30*time.Second, "failure 10") // the ceiling
	ended(30*time.Second, "failure 11")

	tr.ready()
	now = now.Add(defaultResetAfter - 1)
	ended(30*time.Second, "failure 12") // not healthy for long enough
	tr.ready()
	now = now.Add(defaultResetAfter)
	ended(100*time.Millisecond, "restart in 100ms")
	now = now.Add(time.Hour)
	ended(200*time.Millisecond, "failure 2") // time while not ready is no health

	tr.failures, random = 0, 0
	ended(75*time.Millisecond, "75ms")
	tr.failures, random = 0, 0.999999
	if d, _ := tr.ended("", false); d < 124*time.Millisecond || d > 125*time.Millisecond {
		t.Errorf("delay %s", d)
	}
	tr.failures = 1 << 20
	ended(30*time.Second, "30s") // jitter does not exceed the ceiling
}

func TestTransitions(t *testing.T) {
	for from, targets := range transitions {
		for to := range phaseNames {
			want := false
			for _, p := range targets {
				want = want || p == to
			}
			if s, err := (State{Phase: from, Retry: 1}).transition(to); (err == nil) != want || want &&
				(s.Phase != to || s.Retry != 0) {
				t.Errorf("%s to %s: %+v, %v", from, to, s, err)
			}
		}
	}
}
