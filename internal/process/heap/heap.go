// Package heap gives the garbage collector of a small process room, since collecting a few megabytes again and again
// costs more than the memory is worth.
package heap

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// DefaultRoom is how much garbage a process of weft may make between two collections.
const DefaultRoom = 32 << 20

// Room lets this process make at least so many bytes of garbage between two collections, and as much as is in use when
// that is more, which is Go's own default. It follows the size of the heap for as long as the process runs. The first
// call counts; where GOGC is set in the environment, that does. A limit by GOMEMLIMIT stays in force.
func Room(bytes uint64) {
	once.Do(func() {
		if os.Getenv("GOGC") != "" {
			return
		}
		t := &tuner{room: bytes, percent: 100, sample: []metrics.Sample{{Name: "/gc/heap/live:bytes"}}}
		t.adjust()
		t.arm()
	})
}

var once sync.Once

// tuner adjusts the collector after each collection: it is called by the finalizer of an object that nobody holds.
type tuner struct {
	room    uint64
	percent int
	sample  []metrics.Sample
}

func (t *tuner) arm() {
	runtime.SetFinalizer(new([16]byte), func(*[16]byte) {
		t.adjust()
		t.arm()
	})
}

// adjust sets the percentage, which stops the world for a moment, only when it differs much.
func (t *tuner) adjust() {
	metrics.Read(t.sample)
	if next := percent(t.room, t.sample[0].Value.Uint64()); next*5 < t.percent*4 || next*4 > t.percent*5 {
		t.percent = next
		debug.SetGCPercent(next)
	}
}

// percent is the setting with which so much room comes on top of what is live. The runtime's smallest heap grows with
// it, so it is bounded.
func percent(room, live uint64) int {
	return int(min(max(room*100/max(live, 1), 100), maxPercent))
}

const maxPercent = 800
