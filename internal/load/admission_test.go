package load

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const ms = time.Millisecond

// queue simulates instances that take a fixed time for each call, in virtual time, and the Admission in front of them.
type queue struct {
	Admission
	instances int
	service   time.Duration
	now       time.Duration
	busy      []time.Duration // when each call in progress is done, ascending
	waiting   []time.Duration // when each call that waits came
	waits     []time.Duration // of those that were begun
	refused   int
}

// until lets time pass.
func (q *queue) until(t time.Duration) {
	for len(q.busy) > 0 && q.busy[0] <= t {
		q.now = q.busy[0]
		q.busy = q.busy[1:]
		if len(q.waiting) == 0 {
			q.Rest(q.now)
			continue
		}
		q.Done(q.now)
		q.waits = append(q.waits, q.now-q.waiting[0])
		q.waiting = q.waiting[1:]
		q.busy = append(q.busy, q.now+q.service)
	}
	q.now = t
}

// come is a call at this moment; it reports whether it was admitted.
func (q *queue) come(w Waiter) bool {
	if len(q.busy) < q.instances {
		q.busy = append(q.busy, q.now+q.service)
		q.waits = append(q.waits, 0)
		return true
	}
	w.Ahead, w.Service = len(q.waiting)+1, q.Pace(q.now)*time.Duration(q.instances)
	q.Wait(q.now, w.Service)
	if _, ok := q.Admit(q.now, w); !ok {
		q.refused++
		return false
	}
	q.waiting = append(q.waiting, q.now)
	return true
}

// load is calls at a constant rate for a time, of n at a moment.
func (q *queue) load(rate float64, n int, d time.Duration) (came int) {
	gap := time.Duration(float64(n) * float64(time.Second) / rate)
	for end := q.now + d; q.now < end; q.until(q.now + gap) {
		for range n {
			q.come(Waiter{})
		}
		came += n
	}
	return came
}

func (q *queue) longest(after int) (most time.Duration) {
	for _, w := range q.waits[after:] {
		most = max(most, w)
	}
	return most
}

func TestAdmissionUnderOverload(t *testing.T) {
	for _, c := range []struct {
		name      string
		instances int
		service   time.Duration
		most      time.Duration // in a queue that stands
	}{
		{"two of 1 ms", 2, ms, 55 * ms},
		{"one of 100 µs", 1, 100 * time.Microsecond, 55 * ms},
		{"64 of 30 ms", 64, 30 * ms, 75 * ms},
		{"one of 100 ms", 1, 100 * ms, 300 * ms},
	} {
		for _, times := range []float64{2, 5} {
			q := &queue{instances: c.instances, service: c.service}
			capacity := float64(c.instances) / c.service.Seconds()
			q.load(times*capacity, 1, max(time.Second, 20*c.service))
			begun, came, refused, from := len(q.waits), 0, q.refused, q.now
			came = q.load(times*capacity, 1, max(5*time.Second, 100*c.service))
			goodput := float64(len(q.waits)-begun) / (q.now - from).Seconds() / capacity
			if goodput < .98 {
				t.Errorf("%s, %.0f times the capacity: goodput %.3f of it", c.name, times, goodput)
			}
			if most := q.longest(begun); most > c.most {
				t.Errorf("%s, %.0f times the capacity: one waited %v, want at most %v", c.name, times, most, c.most)
			}
			if share, want := float64(q.refused-refused)/float64(came), 1-1/times; share < want-.05 ||
				share > want+.05 {
				t.Errorf("%s, %.0f times the capacity: %.2f turned away, want %.2f", c.name, times, share, want)
			}
			if got := q.Refused(); got != uint64(q.refused) {
				t.Errorf("%s: %d counted, %d turned away", c.name, got, q.refused)
			}
		}
	}
}

// The queue of an overload that begins is never longer than half of what a burst may be, and short soon.
func TestAdmissionOnset(t *testing.T) {
	q := &queue{instances: 2, service: ms}
	q.load(4000, 1, 250*ms)
	if most := q.longest(0); most > 110*ms {
		t.Errorf("one waited %v", most)
	}
	begun := len(q.waits)
	q.load(4000, 1, time.Second)
	if most := q.longest(begun); most > 55*ms {
		t.Errorf("one waited %v later", most)
	}
	// A pause in which the queue goes away does not let another long one in.
	for range 20 {
		q.until(q.now + 60*ms)
		begun := len(q.waits)
		q.load(4000, 1, 200*ms)
		if most := q.longest(begun); most > 70*ms {
			t.Fatalf("one waited %v after a pause of 60 ms", most)
		}
	}
}

// Below the capacity nobody is turned away, and bursts are not overload.
func TestAdmissionBelowCapacity(t *testing.T) {
	for _, c := range []struct {
		name  string
		rate  float64
		burst int
	}{
		{"0.95 of it", 1900, 1},
		{"0.9 of it, 50 at a time", 1800, 50},
		{"0.75 of it, 300 at a time", 1500, 300},
	} {
		q := &queue{instances: 2, service: ms}
		if q.load(c.rate, c.burst, 10*time.Second); q.refused > 0 {
			t.Errorf("%s: %d were turned away", c.name, q.refused)
		}
	}
}

func TestAdmissionKnowsNothing(t *testing.T) {
	q := &queue{instances: 2, service: ms}
	for range 5000 {
		if !q.come(Waiter{}) {
			t.Fatal("one was turned away at first")
		}
	}
	q.until(10 * time.Second)
	if pace := q.Pace(q.now); pace < 400*time.Microsecond || pace > 600*time.Microsecond {
		t.Errorf("the pace is %v, want about 500µs", pace)
	}
	q.until(20 * time.Second) // it is forgotten
	if pace := q.Pace(q.now); pace != 0 {
		t.Errorf("the pace is %v", pace)
	}
	for range 5000 {
		if !q.come(Waiter{}) {
			t.Fatal("one was turned away when nothing was known any more")
		}
	}
}

// Long calls: some may wait, but not longer than their callers do.
func TestAdmissionOfLongCalls(t *testing.T) {
	q := &queue{instances: 1, service: 2 * time.Second}
	for range 2 {
		q.come(Waiter{})
	}
	q.until(5 * time.Second) // both are done, and the pace is known
	q.come(Waiter{})
	for n := range 2 {
		if !q.come(Waiter{Left: time.Minute}) {
			t.Errorf("number %d may not wait", n)
		}
	}
	if q.come(Waiter{Left: 3 * time.Second}) {
		t.Error("one may wait longer than its caller does")
	}
}

// A call from within another may wait in an old queue as if it were new.
func TestAdmissionOfInnerCalls(t *testing.T) {
	q := &queue{instances: 2, service: ms}
	q.load(4000, 1, time.Second)
	for q.come(Waiter{}) {
	}
	inner := 0
	for ; q.come(Waiter{Inner: true}); inner++ {
	}
	if inner < 200 || inner > 400 {
		t.Errorf("%d inner calls may wait, want about as many as are done in 175 ms", inner)
	}
	if q.come(Waiter{Inner: true, Left: 10 * ms}) {
		t.Error("an inner call may wait longer than its caller does")
	}
}

// One long pause, as of a stopped process, does not turn everybody away for long.
func TestAdmissionAfterAPause(t *testing.T) {
	q := &queue{instances: 2, service: ms}
	q.load(4000, 1, time.Second)
	for n := range q.busy { // nothing is done for a second
		q.busy[n] += time.Second
	}
	q.until(q.now + 999*ms)
	q.load(4000, 1, 300*ms)
	if pace := q.Pace(q.now); pace > time.Millisecond {
		t.Errorf("the pace is %v, 300 ms after a pause", pace)
	}
}

// Many at once: the state stays sane, and nobody is turned away for ever.
func TestAdmissionHammer(t *testing.T) {
	var a Admission
	var active atomic.Int64
	begin := time.Now()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20_000 {
				now := time.Since(begin)
				n := active.Add(1)
				ok := true
				if n > 2 {
					a.Wait(now, 2*a.Pace(now))
					_, ok = a.Admit(now, Waiter{Ahead: int(n - 2), Service: 2 * a.Pace(now)})
				}
				if n = active.Add(-1); n < 2 {
					a.Rest(time.Since(begin))
				} else if ok {
					a.Done(time.Since(begin))
				}
			}
		})
	}
	wg.Wait()
	now := time.Since(begin)
	if pace := a.Pace(now); pace < 0 || pace > now {
		t.Errorf("the pace is %v after %v", pace, now)
	}
	a.Rest(now)
	if a.Queued() {
		t.Error("there is a queue although nobody waits")
	}
	if _, ok := a.Admit(now+time.Minute, Waiter{Ahead: 1 << 20}); !ok {
		t.Error("turned away although nothing is known any more")
	}
}

func BenchmarkAdmission(b *testing.B) {
	b.Run("admit", func(b *testing.B) {
		var a Admission
		now := time.Duration(0)
		for b.Loop() {
			now += time.Microsecond
			a.Wait(now, 0)
			a.Admit(now, Waiter{Ahead: 1})
			a.Done(now)
		}
	})
}
