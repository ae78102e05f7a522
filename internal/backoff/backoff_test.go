package backoff

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

func TestPausesDoubleUpToTheLimitAndBeginAnew(t *testing.T) {
	s := Series{Policy: Policy{First: 100 * time.Millisecond, Max: time.Second}}
	for _, want := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
		if got := s.Next(); got != want*time.Millisecond {
			t.Errorf("got %s, want %s", got, want*time.Millisecond)
		}
	}
	s.Reset()
	if got := s.Next(); got != 100*time.Millisecond {
		t.Errorf("after a success: %s", got)
	}
}

func TestPauseOfManyFailuresIsTheLimit(t *testing.T) {
	for _, p := range []Policy{
		{First: time.Second, Max: time.Minute},
		{First: 1, Max: math.MaxInt64},
		{First: time.Hour, Max: time.Minute},
		{First: 0, Max: time.Minute},
	} {
		if got := p.Pause(1 << 40); got != p.Max {
			t.Errorf("%+v: %s", p, got)
		}
	}
	if got := (Policy{}).Pause(3); got != 0 {
		t.Errorf("no policy: %s", got)
	}
}

func TestJitterIsAShareUpAndDown(t *testing.T) {
	p := Policy{First: time.Second, Max: 4 * time.Second, Jitter: 0.25}
	for _, tc := range []struct {
		before int
		chance float64
		want   time.Duration
	}{
		{0, 0, 750 * time.Millisecond}, {0, 0.5, time.Second}, {0, 1, 1250 * time.Millisecond}, {9, 1, 5 * time.Second},
	} {
		if got := p.PauseAt(tc.before, tc.chance); got != tc.want {
			t.Errorf("%+v: %s", tc, got)
		}
	}
	seen := map[time.Duration]bool{}
	for range 1000 {
		got := p.Pause(1)
		if seen[got] = true; got < 1500*time.Millisecond || got > 2500*time.Millisecond {
			t.Fatal(got)
		}
	}
	if len(seen) < 100 {
		t.Errorf("%d different pauses of 1000", len(seen))
	}
}

func TestSleepEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		begin := time.Now()
		if err := Sleep(ctx, time.Minute); err != nil || time.Since(begin) != time.Minute {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
		if err := Sleep(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) ||
			time.Since(begin) != 90*time.Second {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
	})
}
