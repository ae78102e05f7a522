package rpc

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weftlattice/weft/lattice"
)

func TestWindow(t *testing.T) {
	w, now := window{past: 5 * time.Minute, future: 2 * time.Minute}, time.Unix(1_700_000_000, 0)
	const host = "NABC"
	for _, tt := range []struct {
		name   string
		issued time.Time
		want   lattice.Code
		text   string
	}{
		{"now", now, 0, ""},
		{"as old as may be", now.Add(-5 * time.Minute), 0, ""},
		{"as far ahead as may be", now.Add(2 * time.Minute), 0, ""},
		{"too old", now.Add(-5*time.Minute - time.Second), lattice.ErrTokenExpired,
			"clock of host NABC is 5m1s behind"},
		{"much too old", now.Add(-12*time.Minute - 2*time.Second), lattice.ErrTokenExpired, "12m0s behind"},
		{"too far ahead", now.Add(2*time.Minute + time.Second), lattice.ErrTokenNotYetValid,
			"clock of host NABC is 2m1s ahead"},
		{"a clock that was never set", time.Unix(0, 0), lattice.ErrTokenExpired, "behind"},
		{"beyond what a duration holds", time.Unix(1<<40, 0), lattice.ErrTokenNotYetValid, "ahead"},
		{"not said", time.Time{}, lattice.ErrTokenMalformed, "iat is missing"},
	} {
		err := w.check(host, tt.issued, now)
		if lattice.CodeOf(err) != tt.want || err != nil && !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v; want %s with %q", tt.name, err, tt.want.Name(), tt.text)
		}
	}
	if err := w.check("evil\nhost", time.Unix(0, 0), now); !errors.Is(err, lattice.ErrTokenExpired) ||
		strings.Contains(err.Error(), "\n") {
		t.Errorf("a host id with a line break: %v", err)
	}
}

// add is seen.add without the second result.
func add(s *seen, id string, at time.Time) bool {
	fresh, _ := s.add(id, at)
	return fresh
}

func TestSeenRemembersForItsLife(t *testing.T) {
	start := time.Now()
	for _, first := range []time.Duration{0, 30 * time.Second, 59 * time.Second} {
		for _, again := range []time.Duration{0, time.Second, 30 * time.Second, time.Minute} {
			s := newSeen(time.Minute, 1000)
			add(s, "opens the generation", start)
			if !add(s, "id", start.Add(first)) {
				t.Fatalf("%s: a new id is refused", first)
			}
			if add(s, "id", start.Add(first+again)) {
				t.Errorf("seen at %s, forgotten %s later", first, again)
			}
		}
	}
	s := newSeen(time.Minute, 1000)
	for i, at := range []time.Duration{0, 2 * time.Minute, 10 * time.Minute} {
		if !add(s, "id", start.Add(at)) {
			t.Errorf("case %d: still there after two lives", i)
		}
	}
	s.remove("id")
	if !add(s, "id", start.Add(10*time.Minute)) {
		t.Error("not removed")
	}
	s.add("other", start.Add(11*time.Minute)) // "id" is in the older generation now
	s.remove("id")
	if !add(s, "id", start.Add(11*time.Minute)) {
		t.Error("not removed from the older generation")
	}
}

func TestSeenIsBounded(t *testing.T) {
	now, s := time.Now(), newSeen(time.Minute, 100)
	shortened := 0
	for i := range 1050 {
		fresh, short := s.add(strconv.Itoa(i), now)
		if !fresh {
			t.Fatalf("id %d is refused", i)
		}
		if short > 0 {
			shortened++
		}
		if n := len(s.ids) + len(s.old); n > 200 {
			t.Fatalf("%d ids are kept", n)
		}
	}
	if shortened != 10 {
		t.Errorf("%d generations ended early, want 10", shortened)
	}
	if add(s, "1049", now) || add(s, "950", now) {
		t.Error("the latest ids are forgotten")
	}
}

// Of many deliveries at the same time exactly one is served.
func TestSeenConcurrent(t *testing.T) {
	now, s := time.Now(), newSeen(time.Minute, 10)
	for round := range 50 {
		var won atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if add(s, strconv.Itoa(round), now) {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d of 8 won", won.Load())
		}
	}
}

func TestClocksAreToldOnceInAWhile(t *testing.T) {
	var c clocks
	now := time.Now()
	if !c.due("a", now) || c.due("a", now.Add(clockQuiet-1)) || !c.due("a", now.Add(clockQuiet)) {
		t.Error("want a word at once, and again after the quiet time")
	}
	told := 0
	for i := range 1000 {
		if c.due(lattice.HostID(fmt.Sprint("made up ", i)), now.Add(clockQuiet)) {
			told++
		}
	}
	if told != clockHosts-1 || len(c.told) != clockHosts {
		t.Errorf("told of %d hosts, %d remembered", told, len(c.told))
	}
	if !c.due("later", now.Add(3*clockQuiet)) {
		t.Error("room is never made")
	}
}

func BenchmarkSeen(b *testing.B) {
	ids := make([]string, 1<<20)
	for i := range ids {
		ids[i] = fmt.Sprintf("5ed5eabc-38fa-4c61-9a1c-5b1c%08x", i)
	}
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		s, now, i := newSeen(time.Minute, maxSeen), time.Now(), 0
		for b.Loop() {
			if i%len(ids) == 0 {
				s.ids = nil
			}
			if !add(s, ids[i%len(ids)], now) {
				b.Fatal("refused")
			}
			i++
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		s, now := newSeen(time.Minute, maxSeen), time.Now()
		var next atomic.Int64
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				add(s, ids[int(next.Add(1))%len(ids)], now)
			}
		})
	})
	b.Run("memory", func(b *testing.B) {
		var before, after runtime.MemStats
		for b.Loop() {
			runtime.GC()
			runtime.ReadMemStats(&before)
			s, now := newSeen(time.Minute, maxSeen), time.Now()
			for _, id := range ids {
				s.add(id, now)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB/generation")
			runtime.KeepAlive(s)
		}
	})
}
