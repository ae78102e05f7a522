package turns

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// compute plays a guest that computes until it has used so much, or until ctx ends, and returns how long that took.
func compute(ctx context.Context, share *Share, work time.Duration) (took time.Duration) {
	const step = 100 * time.Microsecond
	t := share.Turn()
	defer t.Give()
	begin := share.scheduler.now()
	if !t.Take(ctx) {
		return 0
	}
	for ; work > 0 && ctx.Err() == nil; work -= step {
		time.Sleep(step) // of a test's clock
		if !t.Share(ctx) {
			break
		}
	}
	return share.scheduler.now() - begin
}

func TestAQuickActorIsNotLateAmongThoseThatCompute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(2)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		hog, quick := s.Share(), s.Share()
		for range 50 {
			wg.Go(func() { compute(ctx, hog, time.Hour) })
		}
		time.Sleep(time.Second)
		for range 100 {
			if took := compute(ctx, quick, 300*time.Microsecond); took > 300*time.Microsecond+2*Slice {
				t.Errorf("300 µs of work took %v", took)
			}
			time.Sleep(10 * time.Millisecond)
		}
		stop()
		wg.Wait()
		if s.free != 2 || len(s.queue) != 0 || s.full.Load() {
			t.Errorf("left over: %d free, %d in the queue, all held: %v", s.free, len(s.queue), s.full.Load())
		}
	})
}

func TestActorsThatComputeGetTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(2)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		shares := []*Share{s.Share(), s.Share(), s.Share()}
		for i, n := range []int{40, 1, 3} { // guests at once
			if i == 2 { // a late one has no arrears
				time.Sleep(5 * time.Second)
			}
			for range n {
				wg.Go(func() { compute(ctx, shares[i], time.Hour) })
			}
		}
		begin := [3]time.Duration{}
		s.mu.Lock()
		for i, share := range shares {
			begin[i] = share.used
		}
		s.mu.Unlock()
		time.Sleep(6 * time.Second) // two processors: 12 s of work
		stop()
		wg.Wait()
		for i, share := range shares {
			used := share.used
			if i < 2 {
				used -= begin[i]
			} else {
				used -= 5 * time.Second // where it began
			}
			if used < 3900*time.Millisecond || used > 4100*time.Millisecond {
				t.Errorf("actor %d got %v of 12 s", i, used)
			}
		}
	})
}

func TestCallsOfOneActorTakeTheirTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(1)
		share := s.Share()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if took := compute(t.Context(), share, 20*time.Millisecond); took < 150*time.Millisecond ||
					took > 201*time.Millisecond {
					t.Errorf("one of ten calls that compute for 20 ms took %v", took)
				}
			})
		}
		wg.Wait()
	})
}

func TestTurnsAreNotLostWhenCallsEndWhileTheyWait(t *testing.T) {
	s := New(2)
	shares := []*Share{s.Share(), s.Share(), s.Share()}
	var wg sync.WaitGroup
	for g := range 12 {
		wg.Go(func() {
			turn := shares[g%3].Turn()
			for i := range 2000 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%7)*time.Microsecond)
				if turn.Take(ctx) {
					turn.Share(ctx)
				}
				turn.Give()
				cancel()
			}
		})
	}
	wg.Wait()
	if s.free != 2 || len(s.queue) != 0 || s.full.Load() {
		t.Errorf("left over: %d free, %d in the queue, all held: %v", s.free, len(s.queue), s.full.Load())
	}
	for i, share := range shares {
		if share.holds != 0 {
			t.Errorf("share %d holds %d", i, share.holds)
		}
	}
}

func BenchmarkTurn(b *testing.B) {
	t := New(1).Share().Turn()
	for b.Loop() {
		if !t.Take(b.Context()) || !t.Share(b.Context()) {
			b.Fatal("no turn")
		}
		t.Give()
	}
}
