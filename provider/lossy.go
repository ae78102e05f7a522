package provider

import (
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	lossyLines    = 1024        // that wait at most to be written
	lossyPatience = time.Second // for close to have them written
)

// lossy writes lines on a goroutine of its own, so that the code that logs them does not wait. A host that hangs does
// not read what its providers say; they must not wait for it. What finds no room is dropped, and counted. It is safe
// for concurrent use.
type lossy struct {
	to    io.Writer
	lines chan []byte
	done  chan struct{} // closed when the writer has ended

	mu      sync.Mutex
	dropped int  // guarded by mu
	closed  bool // guarded by mu
}

func newLossy(to io.Writer) *lossy {
	l := &lossy{to: to, lines: make(chan []byte, lossyLines), done: make(chan struct{})}
	go l.run()
	return l
}

// Write implements io.Writer. It never waits and never fails.
func (l *lossy) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return len(b), nil
	}
	select {
	case l.lines <- append([]byte(nil), b...):
	default:
		l.dropped++
	}
	return len(b), nil
}

func (l *lossy) run() {
	defer close(l.done)
	for line := range l.lines {
		_, _ = l.to.Write(line)
		l.mu.Lock()
		n := l.dropped
		l.dropped = 0
		l.mu.Unlock()
		if n > 0 {
			_, _ = fmt.Fprintf(l.to, "%d lines of this log are missing: nobody read them in time\n", n)
		}
	}
}

// close ends it once what is there has been written, or after a second. While the output is not read, the goroutine
// stays until the process ends.
func (l *lossy) close() {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.lines)
	}
	l.mu.Unlock()
	select {
	case <-l.done:
	case <-time.After(lossyPatience):
	}
}
