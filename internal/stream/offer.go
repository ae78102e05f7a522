package stream

import (
	"context"
	"io"
	"sync/atomic"

	"github.com/weftlattice/weft/lattice"
)

// Offer is what comes with a call whose caller takes a stream. The one who serves the call may accept it, once, by
// Respond. It belongs to that one until the call returns.
type Offer struct {
	// Stream has the body that the caller sends, where Body is set, and takes that of the answer after Respond.
	Stream *Stream
	Body   bool // a body comes with the call; its payload ends where the body begins

	begin     func(head []byte) error
	responded atomic.Bool
}

// NewOffer makes an offer. begin sends the head of the answer; it lets the call go on for longer than its caller waits
// for the head.
func NewOffer(s *Stream, body bool, begin func(head []byte) error) *Offer {
	return &Offer{Stream: s, Body: body, begin: begin}
}

// Respond sends the head of the answer: the payload of a plain answer. What is written to Stream follows it. The call
// has no deadline from then on: it ends when it returns, when the stream breaks, or when the target stops.
func (o *Offer) Respond(head []byte) error {
	if o.responded.Swap(true) {
		return &lattice.Error{Code: lattice.ErrInternal, Op: "answer", Detail: "it was answered already"}
	}
	return o.begin(head)
}

// Responded reports whether the offer was accepted.
func (o *Offer) Responded() bool { return o.responded.Load() }

// errUnfinished breaks a stream whose writer returned before it had ended the body.
var errUnfinished = &lattice.Error{Code: lattice.ErrGuest, Op: "answer", Detail: "its body was not finished"}

// Close ends the stream when the call has returned with err: cleanly only if all of the answer was written.
func (o *Offer) Close(err error) {
	switch {
	case err == nil && o.Responded() && !o.Stream.Ended():
		err = errUnfinished
	case err == nil: // what the caller still sends is not wanted
		o.Stream.Stop()
		if o.Responded() {
			return
		}
		err = lattice.ErrCanceled
	}
	o.Stream.Break(err)
}

type key struct{}

// IsKey reports whether k is the key under which the context of a call has its *Offer.
func IsKey(k any) bool { return k == (key{}) }

// From returns the offer of the call that ctx belongs to; nil: its caller takes no stream. It is for the call itself: one
// that is made within it has its own.
func From(ctx context.Context) *Offer {
	o, _ := ctx.Value(key{}).(*Offer)
	return o
}

// With returns a context that has the offer, or hides that of an outer call when it is nil.
func With(ctx context.Context, o *Offer) context.Context { return context.WithValue(ctx, key{}, o) }

// Caller is what a caller gives along with a call to take a stream. When the call returns, nothing of it is in use.
type Caller struct {
	// Take takes an answer that is a stream, once, on any goroutine, before the call returns: its head, and its body in
	// s, which is over when Take returns. It is not called for a plain answer. It must end when s breaks.
	Take func(head []byte, s *Stream) error
	// Body is sent while the call is served; nil: there is none. Its io.EOF is the clean end. An error of it breaks the
	// stream, and is what the call returns.
	Body io.Reader
	// Trailers are those of Body, asked for after its end; nil: there are none.
	Trailers func() []Field
	// Release makes a Read of Body return that waits, and those that follow, once the rest is not wanted; required with
	// Body.
	Release func()
}

// Sending is a body on its way. See Caller.Start.
type Sending struct {
	caller *Caller
	stop   context.CancelFunc
	done   chan struct{}
	err    error // of the body; written before done is closed
}

// Start begins to send the body of the caller on s; nil when there is none. Wait must follow.
func (c *Caller) Start(ctx context.Context, s *Stream) *Sending {
	if c.Body == nil {
		return nil
	}
	w := &Sending{caller: c, done: make(chan struct{})}
	ctx, w.stop = context.WithCancel(ctx)
	go func() { // Wait waits for it
		defer close(w.done)
		source := &source{Reader: c.Body}
		err := s.CopyFrom(ctx, source)
		switch {
		case source.err != nil:
			w.err = source.err
			s.Break(&lattice.Error{Code: lattice.ErrCanceled, Op: "send a body", Detail: source.err.Error()})
		case err == nil:
			var trailers []Field
			if c.Trailers != nil {
				trailers = c.Trailers()
			}
			if err := s.End(ctx, trailers); lattice.CodeOf(err) == lattice.ErrTooLarge {
				w.err = err
				s.Break(err)
			}
		}
	}()
	return w
}

// Wait ends the sending, and returns what was wrong with the body itself.
func (w *Sending) Wait() error {
	if w == nil {
		return nil
	}
	select {
	case <-w.done:
	default:
		w.stop()
		w.caller.Release()
		<-w.done
	}
	w.stop()
	return w.err
}

// source remembers the error of a reader.
type source struct {
	io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}
