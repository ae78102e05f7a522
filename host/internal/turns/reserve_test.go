package turns

import (
	"runtime"
	"testing"
	"time"
)

func TestGoHasMoreProcessorsOnlyWhileGuestsTakeThemAll(t *testing.T) {
	after := later
	later = func(time.Duration, func()) {} // the test looks itself
	defer func() { later = after }()
	reserve.used.Store(false)
	look() // other tests have raised it
	n := Processors()
	want := func(want int, when string) {
		t.Helper()
		if got := runtime.GOMAXPROCS(0); got != want {
			t.Errorf("%d processors %s, want %d", got, when, want)
		}
	}
	s := New(2)
	var now time.Duration
	s.now = func() time.Duration { return now }
	a, b := s.Share().Turn(), s.Share().Turn()
	hold := func(turn *Turn, length time.Duration) {
		turn.Take(t.Context())
		now += length
		turn.Give()
	}

	hold(a, time.Second)
	want(n, "when one of two turns was held")
	a.Take(t.Context())
	for range 100 { // as collections of guests' garbage do
		hold(b, 50*time.Microsecond)
		now += time.Millisecond
	}
	want(n, "when both were held now and then")
	for range 10 {
		hold(b, 500*time.Microsecond)
		now += 100 * time.Microsecond
	}
	want(n+spare, "when both were held for most of the time")

	look() // they were needed since the last look
	want(n+spare, "at first")
	b.Take(t.Context())
	now += 2 * time.Millisecond
	for range looks {
		b.Share(t.Context())
	}
	look()
	want(n+spare, "while a guest goes on")
	b.Give()
	reserve.used.Store(false)
	look()
	want(n, "after a lull")
	hold(b, time.Second)
	want(n+spare, "for the next guest")
	a.Give()
}
