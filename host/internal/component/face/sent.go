package face

import (
	"context"
	"sync"

	"github.com/weftlattice/weft/lattice"
)

// Sent is a call that was made by State.Send. Its answer is held until Drop.
type Sent struct {
	done chan struct{}

	mu      sync.Mutex
	cancel  context.CancelFunc // guarded by mu, as all below; nil: it is not on its way
	result  []byte
	err     error
	release func() // gives back what holds the result; nil: there is nothing to give back
	dropped bool
}

// NewSent makes a call for State.Send, which ends when somebody calls End.
func NewSent() *Sent { return &Sent{done: make(chan struct{})} }

// Begin says how to give the call up, and reports whether it is still wanted.
func (s *Sent) Begin(cancel context.CancelFunc) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancel = cancel
	return !s.dropped
}

// Cancel makes the call end soon.
func (s *Sent) Cancel() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		s.cancel()
	}
}

// End says how the call ended. It is called once, by whoever was to make the call. release gives back the room of the
// result when that is not needed any more.
func (s *Sent) End(result []byte, err error, release func()) {
	s.mu.Lock()
	if s.dropped && release != nil {
		release()
		result, release = nil, nil
	}
	s.result, s.err, s.release = result, err, release
	s.mu.Unlock()
	close(s.done)
}

// Done is closed when the call has ended.
func (s *Sent) Done() <-chan struct{} { return s.done }

// Result is the answer of a call that has ended.
func (s *Sent) Result() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.result, s.err
}

// Drop gives the call up, or its answer. It may be called several times.
func (s *Sent) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		s.cancel()
	}
	if s.release != nil {
		s.release()
	}
	s.result, s.release, s.dropped = nil, nil, true
	if s.err == nil {
		s.err = lattice.ErrCanceled
	}
}
