package channel

import (
	"context"
	"math"
	"time"

	"github.com/weftlattice/weft/internal/callctx"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
)

// Streams beside calls. A request says that its caller takes one, and whether a body comes. Its frames, and those of
// the answer once a response has brought the head, have the number of the call. The call keeps its place in the tables
// of both ends until the one that serves it is done, which the last frame says.

// WantStreams is the notice by which a provider says that it streams: it takes streams from its host, and wants to know
// which actors take them. It comes before WantActors. Older peers ignore it.
const WantStreams = "streams?"

// TakesStreams is the notice by which a provider says that it uses what its callers offer beside calls: the body that
// one sends is part of the request.
const TakesStreams = "streams!"

// lingers is how long a call whose stream is over keeps its place, when its target is not done.
const lingers = time.Minute

// carry sends frames of the stream of a call.
func (c *Conn) carry(call uint32, flags byte) stream.Send {
	return func(ctx context.Context, k stream.Kind, payload []byte) error {
		w := &c.out
		w.mu.Lock()
		if k == stream.Data {
			// Streams leave room for others, and the buffers keep a size that is used again.
			if err := w.below(ctx, c.done, keptBuffer/2); err != nil {
				w.mu.Unlock()
				return err
			}
		}
		if c.down {
			w.mu.Unlock()
			return downError(nil)
		}
		start := len(w.buf)
		w.buf = end(append(append(begin(w.buf, kindStream, flags, call, 0), byte(k)), payload...), start)
		w.added()
		w.mu.Unlock()
		w.flush(false)
		return nil
	}
}

// attach gives a call its stream, and returns the flags of its request. out.mu is held.
func (c *Conn) attach(s *slot, caller *stream.Caller) (flags byte) {
	flags = flagStream
	if caller.HasBody() {
		flags |= flagBody
	}
	s.attached = stream.New(stream.Calling, caller.HasBody(), c.carry(s.stream, 0), c.cfg.Streams)
	return flags
}

// attended waits for the answer of a call that has a stream, and has it taken when it is one.
func (c *Conn) attended(ctx context.Context, s *slot, call *Call, timeout time.Duration) ([]byte, error) {
	beside := s.attached
	sending := call.Stream.Start(ctx, beside, func() {
		c.out.mu.Lock()
		defer c.out.mu.Unlock()
		if !s.flowing {
			s.deadline = now() + timeout
		}
	})
	payload, err := c.await(ctx, s, call)
	c.out.mu.Lock()
	flowing := s.flowing
	c.out.mu.Unlock()
	if flowing && err == nil {
		err = c.taken(ctx, s, call, payload)
		payload = nil
	} else {
		beside.Abandon()
		if call.Stream.HasBody() { // the peer does not know how long its caller waits
			c.control(kindCancel, 0, s.stream)
		}
	}
	if failed := sending.Wait(); failed != nil { // which is why the rest failed, if it did
		err = failed
	}
	return payload, err
}

// taken has a streamed answer taken.
func (c *Conn) taken(ctx context.Context, s *slot, call *Call, head []byte) error {
	beside := s.attached
	defer callctx.After(ctx, func() {
		beside.Break(&lattice.Error{Code: lattice.CodeOf(ctx.Err()), Op: "take an answer"})
	})()
	err := call.Stream.Accept(ctx, head, beside)
	if beside.Err() != nil { // whoever broke it
		c.abandon(s, true)
		return err
	}
	// The call keeps its place until its target is done, which has no reason to be for long.
	c.out.mu.Lock()
	s.deadline = now() + lingers
	c.out.mu.Unlock()
	return err
}

// flows notes that the head of a streamed answer has come, and returns the call; nil: it has been given up, or takes no
// stream. out.mu is held.
func (c *Conn) flows(number uint32) *slot {
	index := int(uint16(number))
	if index >= len(c.calls) || c.calls[index] == nil {
		return nil
	}
	s := c.calls[index]
	if s.stream != number || s.attached == nil || s.flowing {
		return nil
	}
	if s.coming {
		c.drop(partialKey(number, true))
		s.coming = false
	}
	s.flowing, s.deadline = true, math.MaxInt64
	return s
}

// streamed takes a frame of a stream.
func (c *Conn) streamed(h header, body []byte) error {
	var beside *stream.Stream
	if h.flags&flagResponse != 0 {
		c.out.mu.Lock()
		if index := int(uint16(h.stream)); index < len(c.calls) && c.calls[index] != nil &&
			c.calls[index].stream == h.stream {
			beside = c.calls[index].attached
			if len(body) == 0 && c.calls[index].flowing {
				c.take(h.stream)
			}
		}
		c.out.mu.Unlock()
	} else if s := c.servedAt(h.stream); s != nil && s.Offer != nil {
		beside = s.Offer.Stream
	}
	if beside == nil || len(body) == 0 {
		return nil // it is over
	}
	if err := beside.Receive(stream.Kind(body[0]), body[1:]); err != nil {
		return malformed("stream of call %d: %v", h.stream, err)
	}
	return nil
}

// offered lets a call that is served have what its caller offers.
func (c *Conn) offered(s *served, body bool) {
	beside := stream.New(stream.Serving, body, c.carry(s.stream, flagResponse), c.cfg.Streams)
	if body { // the time of its caller begins when that has been read; the caller says when it is over
		s.Endless()
	}
	s.Offer = stream.NewOffer(beside, body, func(head []byte) error { return c.respondHead(s, head) },
		func() { Yield(s) })
}

// respondHead answers a call with the head of a stream.
func (c *Conn) respondHead(s *served, head []byte) error {
	s.Endless()
	c.answer(s.stream, flagStream, head, 0, nil)
	c.out.flush(false)
	return nil
}

// conclude ends a call whose answer was a stream. The last frame follows those of the stream.
func (c *Conn) conclude(w *worker, s *served) {
	c.served[uint16(s.stream)].CompareAndSwap(s, nil)
	c.serving.Add(-1)
	c.control(kindStream, flagResponse, s.stream)
	c.end(w, s)
}

// passage is the stream of a call over an End: one pipe, and a goroutine that takes the answer while the one of the
// call serves it.
type passage struct {
	caller  *stream.Caller
	within  *callContext
	mine    *stream.Stream
	sending *stream.Sending
	timeout time.Duration // for the head, once the body was sent
	late    *time.Timer   // of that; written before sending has ended
	taking  chan struct{} // closed when the answer has been taken; nil: it is none
	err     error         // of taking it
	fault   any           // its panic
}

// pass gives a call its stream; nil when it has none.
func (e *End) pass(call *Call, within *callContext, cfg *Config, timeout time.Duration) *passage {
	if call.Stream == nil {
		return nil
	}
	var meter *stream.Meter
	if mine := e.cfg.Load(); mine != nil {
		meter = mine.Streams
	}
	body := call.Stream.HasBody()
	p := &passage{caller: call.Stream, within: within, timeout: timeout}
	if body {
		within.Endless()
	}
	var theirs *stream.Stream
	p.mine, theirs = stream.Pipe(body, meter, cfg.Streams)
	within.Offer = stream.NewOffer(theirs, body, p.begin, func() { Yield(within) })
	return p
}

// start begins to send the body.
func (p *passage) start() {
	if p != nil {
		p.sending = p.caller.Start(p.within, p.mine, func() {
			p.late = time.AfterFunc(p.timeout, func() {
				if !p.within.Offer.Responded() {
					p.within.Cancel(context.DeadlineExceeded)
				}
			})
		})
	}
}

// begin lets the answer be taken.
func (p *passage) begin(head []byte) error {
	p.within.Endless()
	head = append([]byte(nil), head...)
	p.taking = make(chan struct{})
	go func() { // end waits for it
		defer close(p.taking)
		defer func() { p.fault = recover() }()
		defer callctx.After(p.within, func() {
			p.mine.Break(&lattice.Error{Code: lattice.CodeOf(p.within.Err()), Op: "take an answer"})
		})()
		p.err = p.caller.Accept(p.within, head, p.mine)
		if p.mine.Err() != nil {
			p.within.Cancel(context.Canceled)
		}
	}()
	return nil
}

// end ends the stream when the call has been served with err. It reports whether the answer was a stream, and then what
// comes of the call.
func (p *passage) end(err error) (error, bool) {
	if p == nil {
		return err, false
	}
	accepted := p.within.Offer.Close(err)
	if accepted {
		<-p.taking
		if err = p.err; p.fault != nil {
			defer panic(p.fault)
		}
	} else {
		p.mine.Abandon()
	}
	failed := p.sending.Wait()
	if p.late != nil {
		p.late.Stop()
	}
	if failed != nil {
		return failed, true
	}
	return err, accepted
}
