package heap

import (
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"
)

func TestPercent(t *testing.T) {
	const mib = 1 << 20
	for _, row := range []struct {
		live uint64
		want int
	}{{0, maxPercent}, {2 * mib, maxPercent}, {8 * mib, 400}, {32 * mib, 100}, {1 << 40, 100}} {
		if got := percent(32*mib, row.live); got != row.want {
			t.Errorf("%d live: %d, want %d", row.live, got, row.want)
		}
	}
}

var kept []byte

func TestRoomFollowsTheHeap(t *testing.T) {
	t.Setenv("GOGC", "")
	once = sync.Once{} // also where the test is repeated
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	Room(32 << 20)
	setting := func() int {
		p := debug.SetGCPercent(100)
		debug.SetGCPercent(p)
		return p
	}
	if p := setting(); p <= 100 {
		t.Fatalf("a small heap has %d percent", p)
	}
	kept = make([]byte, 256<<20)
	for deadline := time.Now().Add(time.Minute); setting() != 100; {
		if time.Now().After(deadline) {
			t.Fatalf("a large heap has %d percent", setting())
		}
		runtime.GC()
	}
	runtime.KeepAlive(kept)
	kept = nil
	for deadline := time.Now().Add(time.Minute); setting() == 100; {
		if time.Now().After(deadline) {
			t.Fatal("the heap is small again and has 100 percent")
		}
		runtime.GC()
	}
}
