package main

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// What is due while the generator sleeps too long is due when it wakes; what it sends and when does not change the
// rate.
func TestArrivals(t *testing.T) {
	const gap = 2 * time.Millisecond
	for name, c := range map[string]struct {
		late time.Duration   // of each sleep
		send time.Duration   // how long handing over takes
		want []time.Duration // in ms since the start
	}{
		"on time":             {0, 0, []time.Duration{0, 2, 4, 6, 8}},
		"wakes a little late": {1, 0, []time.Duration{0, 3, 5, 7, 9}},
		"oversleeps":          {5, 0, []time.Duration{0, 7, 7, 7, 13}},
		"is itself slow":      {0, 3, []time.Duration{0, 3, 6, 6, 12}},
	} {
		clock := time.Unix(0, 0)
		var got []time.Duration
		arrivals(gap, 5*gap, func() time.Time { return clock },
			func(d time.Duration) { clock = clock.Add(d + c.late*time.Millisecond) },
			func(due time.Time) {
				got = append(got, due.Sub(time.Unix(0, 0))/time.Millisecond)
				clock = clock.Add(c.send * time.Millisecond)
			})
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: due at %v ms, want %v", name, got, c.want)
		}
	}
}

// One call that takes long delays those after it on the only connection, and their latencies say so.
func TestNoCoordinatedOmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		got, err := openCalls(1, 100, 60*time.Millisecond, func(int) error { // one each 10 ms
			if calls++; calls == 2 {
				time.Sleep(35 * time.Millisecond) // from 10 to 45
			}
			time.Sleep(time.Millisecond)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		// Due at 0, 10, 20, 30, 40, 50; done at 1, 46, 47, 48, 49, 51.
		if want := (latencies{1e6, 1e6, 9e6, 18e6, 27e6, 36e6}); !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	})
}

// With more connections nothing waits, and an error ends the run as one.
func TestOpenCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := make([]bool, 8)
		got, err := openCalls(8, 100, time.Second, func(i int) error {
			if busy[i] {
				t.Errorf("two calls on connection %d", i)
			}
			busy[i] = true
			time.Sleep(55 * time.Millisecond)
			busy[i] = false
			return nil
		})
		if err != nil || len(got) != 100 || got.at(0) != 55*time.Millisecond || got.at(1) != 55*time.Millisecond {
			t.Errorf("%d calls, %v to %v, %v", len(got), got.at(0), got.at(1), err)
		}
		broken := errors.New("broken")
		if _, err := openCalls(2, 100, time.Second, func(int) error { return broken }); !errors.Is(err, broken) {
			t.Error(err)
		}
	})
}
