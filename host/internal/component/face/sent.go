package face

import (
	"context"
	"sync"

	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
)

// Sent is a call that was made by State.Send. Its answer is held until Drop.
type Sent struct {
	done chan struct{} // closed when the answer is there, or the head of a streamed one
	let  chan struct{} // closed when nobody reads a streamed answer any more

	mu      sync.Mutex
	cancel  context.CancelFunc // guarded by mu, as all below; nil: it is not on its way
	result  []byte
	beside  *stream.Stream // what follows result; nil: nothing does
	err     error
	release func() // gives back what holds the result; nil: there is nothing to give back
	ended   func() // told when the call has ended; nil: nobody is
	dropped bool
	isLet   bool
	why     error // of Let
}

// NewSent makes a call for State.Send, which ends when somebody calls End.
func NewSent() *Sent { return &Sent{done: make(chan struct{}), let: make(chan struct{})} }

// OnEnd lets f, which is quick, be called when the call has ended. It comes before State.Send.
func (s *Sent) OnEnd(f func()) { s.ended = f }

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
	s.leave(stream.ErrEnough)
}

// Take is for stream.Caller: it takes an answer whose body is still to come, and returns when that is not read any
// more.
func (s *Sent) Take(head []byte, beside *stream.Stream) error {
	s.mu.Lock()
	if s.dropped {
		s.mu.Unlock()
		return stream.ErrEnough
	}
	s.result, s.beside = head, beside
	close(s.done)
	s.mu.Unlock()
	<-s.let
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why
}

// Let says that the body of a streamed answer is not read any more: nil when all was read, why it broke, or
// stream.ErrEnough.
func (s *Sent) Let(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leave(why)
}

// leave is Let. mu is held.
func (s *Sent) leave(why error) {
	if !s.isLet {
		s.isLet, s.why = true, why
		close(s.let)
	}
}

// End says how the call ended. It is called once, by whoever was to make the call. release gives back the room of the
// result when that is not needed any more.
func (s *Sent) End(result []byte, err error, release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		s.ended()
	}
	if s.beside != nil { // Take has said all
		return
	}
	if s.dropped && release != nil {
		release()
		result, release = nil, nil
	}
	s.result, s.err, s.release = result, err, release
	close(s.done)
}

// Done is closed when the call has ended, or when the head of a streamed answer is there.
func (s *Sent) Done() <-chan struct{} { return s.done }

// Result is the answer of a call that is done: all of it, or the head of one whose body comes in beside.
func (s *Sent) Result() (result []byte, beside *stream.Stream, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.result, s.beside, s.err
}

// Drop gives the call up, or its answer. It may be called several times.
func (s *Sent) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil && s.beside == nil { // else it ends as Let says
		s.cancel()
	}
	s.leave(stream.ErrEnough)
	if s.release != nil {
		s.release()
	}
	s.result, s.release, s.dropped = nil, nil, true
	if s.err == nil {
		s.err = lattice.ErrCanceled
	}
}
