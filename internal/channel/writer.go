package channel

import (
	"context"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weftlattice/weft/internal/process/socket"
)

const (
	// maxPending is how many bytes may wait to be written before senders wait, too.
	maxPending = 1 << 20
	// keptBuffer is the largest buffer that is kept for the next batch.
	keptBuffer = 256 << 10
	// stalled is how long the peer may take nothing of what is written before the connection ends.
	stalled = 10 * time.Second
)

// writer gathers frames and writes them in large pieces. A goroutine that adds a frame while no other one writes
// becomes the writer; others add theirs and go. What the socket does not take at once is left to the flusher, so that
// only the flusher ever waits.
type writer struct {
	conn   net.Conn
	fail   func(error)    // ends the connection
	socket *socket.Socket // nil where it can only be written to by waiting

	mu      sync.Mutex
	buf     []byte        // added, not yet being written; guarded by mu
	spare   []byte        // guarded by mu
	writing bool          // guarded by mu
	room    chan struct{} // closed when there is room again; nil when no sender waits; guarded by mu
	closed  bool          // guarded by mu
	kick    chan struct{} // wakes the flusher
	rest    []byte        // what the flusher is to write before buf; owned by the goroutine that writes
	torn    []byte        // the buffer that it is the end of
	pending atomic.Int64  // bytes in buf, for a look without mu
}

// added notes that frames were appended to buf. mu is held.
func (w *writer) added() { w.pending.Store(int64(len(w.buf))) }

// full reports whether senders should wait. mu is held.
func (w *writer) full() bool { return len(w.buf) >= maxPending }

// wait waits for room. mu is held, and is again when it returns.
func (w *writer) wait(ctx context.Context, ended <-chan struct{}) error {
	return w.below(ctx, ended, maxPending)
}

// below waits until less than so many bytes wait to be written. mu is held, and is again when it returns.
func (w *writer) below(ctx context.Context, ended <-chan struct{}, bytes int) error {
	for len(w.buf) >= bytes && !w.closed {
		if w.room == nil {
			w.room = make(chan struct{})
		}
		room := w.room
		w.mu.Unlock()
		var err error
		select {
		case <-room:
		case <-ended:
		case <-ctx.Done():
			err = ctx.Err()
		}
		w.mu.Lock()
		if err != nil {
			return err
		}
	}
	return nil
}

// flush writes what was added, unless somebody else does. With gather, goroutines that are ready to run may add theirs
// first.
func (w *writer) flush(gather bool) {
	if w.pending.Load() == 0 {
		return
	}
	w.mu.Lock()
	if w.writing || w.closed || len(w.buf) == 0 {
		w.mu.Unlock()
		return
	}
	w.writing = true
	w.mu.Unlock()
	if gather {
		runtime.Gosched()
	}
	if w.socket == nil {
		w.hand()
		return
	}
	// Twice, since much may have been added meanwhile; then the flusher goes on, so that no sender writes for others
	// for ever.
	for range 2 {
		out := w.next()
		if out == nil {
			return
		}
		n, err := w.socket.TryWrite(out)
		if err != nil {
			w.fail(err)
			return
		}
		if n < len(out) {
			w.rest, w.torn = out[n:], out
			break
		}
		w.done(out)
	}
	w.hand()
}

// next takes what is to be written; nil, and no longer writing, when there is nothing.
func (w *writer) next() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.buf) == 0 || w.closed {
		w.writing = false
		return nil
	}
	out := w.buf
	w.buf, w.spare = w.spare[:0], nil
	w.pending.Store(0)
	if w.room != nil {
		close(w.room)
		w.room = nil
	}
	return out
}

// done keeps a buffer for the next batch.
func (w *writer) done(out []byte) {
	if cap(out) > keptBuffer {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.spare == nil {
		w.spare = out[:0]
	}
}

// hand lets the flusher go on writing.
func (w *writer) hand() {
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// run is the flusher: it writes what was left to it until ended is closed.
func (w *writer) run(ended <-chan struct{}) {
	for {
		select {
		case <-ended:
			return
		case <-w.kick:
		}
		for out := w.take(); out != nil; out = w.next() {
			_ = w.conn.SetWriteDeadline(time.Now().Add(stalled))
			if _, err := w.conn.Write(out); err != nil {
				w.fail(err)
				return
			}
			_ = w.conn.SetWriteDeadline(time.Time{}) // before next lets others write
			if w.torn != nil {
				out, w.torn = w.torn, nil
			}
			w.done(out)
		}
	}
}

// take returns the rest of what somebody else began to write, or what is next.
func (w *writer) take() []byte {
	if rest := w.rest; rest != nil {
		w.rest = nil
		return rest
	}
	return w.next()
}

// close lets all senders go on that wait for room: the connection has ended.
func (w *writer) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.buf = nil
	w.pending.Store(0)
	if w.room != nil {
		close(w.room)
		w.room = nil
	}
}
