package stream

import (
	"context"
	"fmt"
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
	yield     func()
	after     []func()
	responded atomic.Bool
}

// NewOffer makes an offer. begin sends the head of the answer; it lets the call go on for longer than its caller waits
// for the head. yield, which may be nil, is called before the one who serves the call waits for something.
func NewOffer(s *Stream, body bool, begin func(head []byte) error, yield func()) *Offer {
	s.yield = yield
	return &Offer{Stream: s, Body: body, begin: begin, yield: yield}
}

// Yield says that the one who serves the call is about to wait for something else than the stream.
func (o *Offer) Yield() {
	if o.yield != nil {
		o.yield()
	}
}

// OnRespond lets f be called when the offer is accepted, on the goroutine that does so. It is for those through whose
// hands a call goes on its way to the one who serves it.
func (o *Offer) OnRespond(f func()) { o.after = append(o.after, f) }

// Respond sends the head of the answer: the payload of a plain answer. What is written to Stream follows it. The call
// has no deadline from then on: it ends when it returns, when the stream breaks, or when the target stops. After an
// error the offer is not accepted: what the call returns is its answer. lattice.ErrTooLarge: the head is larger than
// MaxHead.
func (o *Offer) Respond(head []byte) error {
	if len(head) > MaxHead {
		return &lattice.Error{Code: lattice.ErrTooLarge, Op: "answer",
			Detail: fmt.Sprintf("the head of a streamed answer has %d bytes, at most %d allowed", len(head), MaxHead)}
	}
	if o.responded.Swap(true) {
		return &lattice.Error{Code: lattice.ErrInternal, Op: "answer", Detail: "it was answered already"}
	}
	if err := o.begin(head); err != nil {
		o.responded.Store(false)
		return err
	}
	for _, f := range o.after {
		f()
	}
	return nil
}

// Responded reports whether the offer was accepted.
func (o *Offer) Responded() bool { return o.responded.Load() }

// errUnfinished breaks a stream whose writer returned before it had ended the body.
var errUnfinished = &lattice.Error{Code: lattice.ErrGuest, Op: "answer", Detail: "its body was not finished"}

// Close ends the stream when the call has returned with err: cleanly only if all of the answer was written. Where the
// offer was not accepted the other end hears nothing, since it gets a plain answer. Close reports whether it was.
func (o *Offer) Close(err error) (accepted bool) {
	switch {
	case !o.Responded():
		o.Stream.Abandon()
		return false
	case err != nil:
		o.Stream.Break(err)
	case !o.Stream.Ended():
		o.Stream.Break(errUnfinished)
	default: // what the caller still sends is not wanted
		o.Stream.Stop()
	}
	return true
}

// errPlain ends a stream that is not needed.
var errPlain = &lattice.Error{Code: lattice.ErrCanceled, Op: "stream", Detail: "the call got a plain answer"}

type key struct{}

// IsKey reports whether k is the key under which the context of a call has its *Offer.
func IsKey(k any) bool { return k == (key{}) }

// From returns the offer of the call that ctx belongs to; nil: its caller takes no stream. It is for the call itself:
// one that is made within it has its own.
func From(ctx context.Context) *Offer {
	o, _ := ctx.Value(key{}).(*Offer)
	return o
}

// With returns a context that has the offer, or hides that of an outer call when it is nil.
func With(ctx context.Context, o *Offer) context.Context { return context.WithValue(ctx, key{}, o) }

// Caller is what a caller gives along with a call to take a stream. When the call returns, nothing of it is in use.
type Caller struct {
	// Take takes an answer that is a stream, once, on any goroutine, before the call returns: its head, and its body in
	// s. It is not called for a plain answer. It must end soon after s breaks. Without an error the call goes on until
	// its target is done, and what Take has not read is not wanted. An error ends the call, and is what the call
	// returns, except for ErrEnough.
	Take func(head []byte, s *Stream) error
	// Body is sent while the call is served; nil: there is none. Its io.EOF is the clean end. An error of it breaks the
	// stream, and is what the call returns.
	Body io.Reader
	// Fill, in the place of Body, writes the body to s itself, once, on a goroutine of its own, until ctx ends. It says
	// whether the body is whole, whose end and trailers are then sent; or what is wrong with it, which breaks the
	// stream and is what the call returns. With neither, nobody wants the rest. s may be used until the call returns.
	Fill func(ctx context.Context, s *Stream) (whole bool, err error)
	// Trailers are those of the body, asked for after its end; nil: there are none.
	Trailers func() []Field
	// Release says that the rest of Body is not wanted: it makes a Read return that waits. It is called unless Body
	// came to its end; required with Body.
	Release func()
}

// ErrEnough is what Take returns to end a call whose rest nobody wants, which is no error of it.
var ErrEnough = &lattice.Error{Code: lattice.ErrCanceled, Op: "take an answer", Detail: "no more of it is wanted"}

// Sending is a body on its way. See Caller.Start.
type Sending struct {
	caller   *Caller
	stop     context.CancelFunc
	released atomic.Bool // what Body says is not its own word any more
	done     chan struct{}
	whole    bool  // all of it was read; written before done is closed
	err      error // of the body; written before done is closed
}

// HasBody reports whether a body is sent.
func (c *Caller) HasBody() bool { return c != nil && (c.Body != nil || c.Fill != nil) }

// Accept has Take take an answer, and waits until the stream is over. It is for those who carry calls.
func (c *Caller) Accept(ctx context.Context, head []byte, s *Stream) error {
	err := c.Take(head, s)
	if err != nil {
		s.Break(&lattice.Error{Code: lattice.ErrCanceled, Op: "take an answer", Detail: err.Error()})
		if err == ErrEnough {
			return nil
		}
		return err
	}
	s.Stop()
	select {
	case <-s.Over():
	case <-ctx.Done():
		s.Break(&lattice.Error{Code: lattice.CodeOf(ctx.Err()), Op: "take an answer"})
	}
	return nil
}

// Start begins to send the body of the caller on s; nil when there is none. sent is called when all of it was sent, or
// none of the rest is wanted: from then on the head of the answer is waited for. Wait must follow.
func (c *Caller) Start(ctx context.Context, s *Stream, sent func()) *Sending {
	if !c.HasBody() {
		return nil
	}
	w := &Sending{caller: c, done: make(chan struct{})}
	ctx, w.stop = context.WithCancel(ctx)
	go func() { // Wait waits for it
		defer close(w.done)
		defer sent()
		whole, wrong := c.fill(ctx, s)
		switch {
		case wrong != nil && !w.released.Load():
			w.err = wrong
			s.Break(&lattice.Error{Code: lattice.ErrCanceled, Op: "send a body", Detail: wrong.Error()})
		case wrong == nil && whole:
			w.whole = true
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

// fill writes the body to s. The error is the body's own.
func (c *Caller) fill(ctx context.Context, s *Stream) (whole bool, err error) {
	if c.Fill != nil {
		return c.Fill(ctx, s)
	}
	source := &Source{Reader: c.Body}
	err = s.copyFrom(ctx, source)
	return err == nil, source.Err
}

// release says that the rest of Body is not wanted.
func (c *Caller) release() {
	if c.Release != nil {
		c.Release()
	}
}

// Wait ends the sending, and returns what was wrong with the body itself.
func (w *Sending) Wait() error {
	if w == nil {
		return nil
	}
	defer w.stop()
	select {
	case <-w.done:
		if !w.whole {
			w.caller.release()
		}
	default:
		w.released.Store(true)
		w.stop()
		w.caller.release()
		<-w.done
	}
	return w.err
}

// Source remembers the error of a reader, which is told apart from one of what its bytes are written to.
type Source struct {
	io.Reader
	Err error // but for io.EOF
}

// Read notes an error of the reader itself.
func (s *Source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && err != io.EOF {
		s.Err = err
	}
	return n, err
}
