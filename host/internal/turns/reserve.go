package turns

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// spare is how many processors Go's scheduler has beyond those that guests may take, while guests take them all.
	// At other times they only make it wake up threads that find nothing to do.
	spare = 2

	// window and enough say when guests take them all: for so much of such a time. A guest's own garbage collections
	// are far below that.
	window = 10 * time.Millisecond
	enough = window / 10

	// lull is the time without that after which Go's scheduler has no more processors than guests may take.
	lull = 100 * time.Millisecond
)

var processors = sync.OnceValue(func() int { return runtime.GOMAXPROCS(0) })

// Processors is how many guests may compute at the same time: GOMAXPROCS as it was at first. While guests take them
// all, Go's scheduler has two more, for everything else; the kernel shares the real processors among them.
func Processors() int { return processors() }

// pressure is how long all turns have been held of late.
type pressure struct {
	window time.Duration // when the present window began
	since  time.Duration // up to when held counts, while all turns are held
	held   time.Duration // how long they were, in the present window
}

// add counts the time until now, in which all turns were held, and sees to processors for everything else.
func (p *pressure) add(now time.Duration) {
	if p.since-p.window > window {
		p.window, p.held = p.since, 0
	}
	p.held += now - p.since
	p.since = now
	if p.held >= enough {
		need()
	}
}

// reserve raises GOMAXPROCS for a while. There is one in the process, as there is one GOMAXPROCS.
var reserve struct {
	used   atomic.Bool // since look was last there
	raised atomic.Bool // written with mu held
	mu     sync.Mutex
}

// later is time.AfterFunc, except in tests.
var later = func(d time.Duration, f func()) { time.AfterFunc(d, f) }

func need() {
	reserve.used.Store(true)
	if reserve.raised.Load() {
		return
	}
	reserve.mu.Lock()
	defer reserve.mu.Unlock()
	if reserve.raised.Load() {
		return
	}
	runtime.GOMAXPROCS(processors() + spare)
	reserve.raised.Store(true)
	later(lull, look)
}

// look lowers GOMAXPROCS when it was not needed since the last look, and looks again otherwise.
func look() {
	reserve.mu.Lock()
	defer reserve.mu.Unlock()
	if reserve.used.Swap(false) {
		later(lull, look)
		return
	}
	runtime.GOMAXPROCS(processors())
	reserve.raised.Store(false)
}
