package load

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weftlattice/weft/lattice"
)

var start = time.Now()

func sinceStart() time.Duration { return time.Since(start) }

// host simulates one that serves calls one after another in virtual time, behind an entrance.
type host struct {
	*Entrance
	service time.Duration
	now     time.Duration
	calls   []time.Duration // when each in progress came, the first is being served
	done    time.Duration   // when it will be
	waits   []time.Duration // of those served
	refused int
}

func (h *host) clock() time.Duration { return h.now }

func (h *host) until(t time.Duration) {
	for len(h.calls) > 0 && h.done <= t {
		h.now = h.done
		took := h.now - h.calls[0]
		h.calls = h.calls[1:]
		h.waits = append(h.waits, took-h.service)
		h.Leave(h.clock, h.now, took, h.service)
		h.done = h.now + h.service
	}
	h.now = t
}

func (h *host) come(left time.Duration) error {
	err := h.Enter(h.clock, left)
	if err != nil {
		h.refused++
		return err
	}
	if h.calls = append(h.calls, h.now); len(h.calls) == 1 {
		h.done = h.now + h.service
	}
	return nil
}

// load is calls at a constant rate for a time.
func (h *host) load(gap, d time.Duration) {
	for end := h.now + d; h.now < end; h.until(h.now + gap) {
		_ = h.come(time.Second)
	}
}

func TestEntranceUnderOverload(t *testing.T) {
	h := &host{Entrance: new(Entrance), service: ms}
	h.load(ms/2, time.Second) // twice what can be served
	begun, refused, from := len(h.waits), h.refused, h.now
	h.load(ms/2, 5*time.Second)
	if goodput := float64(len(h.waits)-begun) * h.service.Seconds() / (h.now - from).Seconds(); goodput < .98 {
		t.Errorf("goodput %.3f of the capacity", goodput)
	}
	if n := h.refused - refused; n < 4500 || n > 5500 {
		t.Errorf("%d of 10000 were turned away, want half", n)
	}
	for _, w := range h.waits[begun:] {
		if w > 60*ms {
			t.Fatalf("one waited %v", w)
		}
	}
	// Nobody is turned away any more when there is less to do.
	h.until(h.now + time.Second)
	refused = h.refused
	if h.load(2*ms, time.Second); h.refused != refused {
		t.Errorf("%d were turned away at half of the capacity", h.refused-refused)
	}
}

func TestEntranceSaysWhy(t *testing.T) {
	h := &host{Entrance: new(Entrance), service: ms}
	h.load(ms/2, time.Second)
	var err error
	for err == nil {
		err = h.come(time.Second)
	}
	if !errors.Is(err, lattice.ErrBusy) || !strings.Contains(err.Error(), "calls wait about") {
		t.Errorf("got %v", err)
	}
	if got := h.active.Load(); got != int64(len(h.calls)) {
		t.Errorf("%d are counted, %d in progress", got, len(h.calls))
	}
}

// A burst is no overload, and long calls that do not wait are none, however many.
func TestEntranceLetsPass(t *testing.T) {
	h := &host{Entrance: new(Entrance), service: ms}
	for range 500 {
		if err := h.come(time.Second); err != nil {
			t.Fatal(err)
		}
	}
	h.until(time.Second)
	long := new(Entrance)
	for n := range 1000 {
		now := func() time.Duration { return time.Duration(n) * ms }
		if err := long.Enter(now, time.Minute); err != nil {
			t.Fatal(err)
		}
		if n >= 500 {
			long.Leave(now, now(), 500*ms, 499*ms)
		}
	}
}

// A host that has stood still, or whose answers say nothing, keeps nobody out for ever.
func TestEntranceOpensAgain(t *testing.T) {
	h := &host{Entrance: new(Entrance), service: ms}
	h.load(ms/2, time.Second)
	h.done += 5 * time.Second // it stands still
	h.load(ms/2, 6*time.Second)
	begun := len(h.waits)
	h.load(2*ms, time.Second)
	if n := len(h.waits) - begun; n < 480 {
		t.Errorf("%d of 500 were served afterwards", n)
	}
	old := new(Entrance)
	now := func() time.Duration { return 0 }
	for range 1000 {
		for range 2 {
			if err := old.Enter(now, time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			old.Leave(now, 0, 0, 0)
		}
	}
}

// A few calls pass whatever was measured.
func TestEntranceLetsAFewPass(t *testing.T) {
	h := &host{Entrance: new(Entrance), service: 100 * ms}
	h.load(5*ms, 10*time.Second)
	h.service = ms // those in progress are done soon, and the pace that is known is of another time
	for len(h.calls) >= few {
		h.until(h.now + ms)
	}
	if !h.admission.Queued() || h.admission.Pace(h.now) < 10*ms {
		t.Fatalf("queued %v, pace %v: this tests nothing", h.admission.Queued(), h.admission.Pace(h.now))
	}
	for len(h.calls) < few {
		if err := h.come(time.Second); err != nil {
			t.Fatalf("with %d in progress: %v", len(h.calls), err)
		}
	}
}

// Many at once: the count is right in the end.
func TestEntranceHammer(t *testing.T) {
	g := new(Entrance)
	var wg sync.WaitGroup
	for n := range 32 {
		wg.Go(func() {
			for i := range 2000 {
				if g.Enter(sinceStart, time.Second) == nil {
					g.Leave(sinceStart, sinceStart(), time.Duration(i+n)*ms, time.Duration(i%3)*ms)
				}
			}
		})
	}
	wg.Wait()
	if n := g.active.Load(); n != 0 || g.admission.Queued() {
		t.Errorf("%d in progress, queued %v", n, g.admission.Queued())
	}
}

func BenchmarkEntrance(b *testing.B) {
	g := new(Entrance)
	for b.Loop() {
		for range 2 {
			if err := g.Enter(sinceStart, time.Second); err != nil {
				b.Fatal(err)
			}
		}
		for range 2 {
			g.Leave(sinceStart, ms, ms, ms)
		}
	}
}
