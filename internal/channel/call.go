package channel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/trace"
)

// maxRoutes bounds the table of routes. Calls beyond it carry their texts.
const maxRoutes = 4096

// slot is a call in progress at its caller. Whoever takes it out of Conn.calls finishes it.
type slot struct {
	done     chan struct{} // has room for one
	offer    chan int      // the length of a large answer that wants room; has room for one
	grant    chan struct{} // the peer has room for a large request, or the call is over; has room for one
	stream   uint32
	began    time.Duration // by now()
	deadline time.Duration
	coming   bool           // an answer in several frames; guarded by Conn.out.mu
	attached *stream.Stream // beside the call; nil: there is none
	flowing  bool           // the head of a streamed answer has come; guarded by Conn.out.mu

	payload []byte
	err     error
	served  time.Duration // as the answer tells
}

var slots = sync.Pool{New: func() any {
	return &slot{done: make(chan struct{}, 1), offer: make(chan int, 1), grant: make(chan struct{}, 1)}
}}

// finish hands the outcome to the caller. The slot has been taken out of the table by then, so it comes once. grant is
// signalled, too, for a caller that still waits to send.
func (s *slot) finish(payload []byte, err error) {
	s.payload, s.err = payload, err
	signal(s.grant)
	s.done <- struct{}{}
}

// signal leaves a token where one has room.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// recycle makes a slot whose call is over fit for another one.
func (s *slot) recycle() {
	if s.attached != nil { // the table of calls may still have it
		return
	}
	s.payload, s.err, s.served, s.coming = nil, nil, 0, false
	if len(s.grant) > 0 {
		<-s.grant
	}
	if len(s.offer) > 0 {
		<-s.offer
	}
	slots.Put(s)
}

// unbegun is the error of a call that the other end has certainly not begun. Which errors have it decides whether a
// call may be made twice, so only code that knows makes one.
type unbegun struct{ error }

func (u unbegun) Unwrap() error { return u.error }

// Unbegun reports whether the other end has certainly not begun the call, so that it may be made again elsewhere.
func Unbegun(err error) bool {
	if err == nil {
		return false
	}
	var u unbegun
	return errors.As(err, &u)
}

// Elsewhere reports whether the call was turned away because nothing here could serve it, so that it should be made
// elsewhere.
func Elsewhere(err error) bool { return Unbegun(err) && lattice.CodeOf(err) == lattice.ErrNoResponders }

// callError is an error that this end makes, with the call's names.
func callError(call *Call, code lattice.Code, detail string, cause error) error {
	e := &lattice.Error{Code: code, Op: "call", Detail: detail, Err: cause}
	if call != nil {
		e.Op, e.Entity = "call "+call.Operation+" of", call.Target.PublicKey
	}
	return e
}

func downError(call *Call) error {
	return unbegun{callError(call, lattice.ErrNoResponders, "the channel to the other process is down", nil)}
}

func tooLarge(call *Call, limit uint64) error {
	return callError(call, lattice.ErrTooLarge, fmt.Sprintf("request of %d bytes, limit %d", call.size(), limit), nil)
}

// full is the error of a call that finds no free slot.
func full(call *Call, window int) error {
	return unbegun{callError(call, lattice.ErrBusy,
		fmt.Sprintf("%d calls in progress on the channel, none more admitted", window), nil)}
}

// Call makes a call and returns the payload of the answer, which is the caller's to keep. It ends when ctx does, or
// after the timeout if that is sooner. Errors: what the other end answered (lattice.Error with Remote set), ErrTimeout
// and ErrCanceled. ErrBusy means that the window is full, ErrTooLarge that the payload is. ErrNoResponders means that
// the connection is down, ErrUnavailable that it went down during the call. See also Unbegun and Lost.
func (c *Conn) Call(ctx context.Context, call *Call, timeout time.Duration) ([]byte, error) {
	if call.size() > c.cfg.MaxBytes {
		return nil, tooLarge(call, c.cfg.MaxBytes)
	}
	if err := ctx.Err(); err != nil {
		return nil, unbegun{contextError(call, err)}
	}
	if d, ok := ctx.Deadline(); ok { // which counts instead
		if timeout = time.Until(d); timeout <= 0 { // though the context has not ended yet
			return nil, unbegun{contextError(call, context.DeadlineExceeded)}
		}
	}
	s := slots.Get().(*slot)
	defer s.recycle()
	if err := c.send(ctx, s, call, timeout); err != nil {
		return nil, err
	}
	if call.Stream != nil {
		return c.attended(ctx, s, call, timeout)
	}
	return c.await(ctx, s, call)
}

// await waits for the answer of a call. Whether the answer or the end of ctx came first is decided by abandon, under
// out.mu: after it has said that the call is over, the answer is there or about to be.
func (c *Conn) await(ctx context.Context, s *slot, call *Call) ([]byte, error) {
	for over := false; !over; {
		var err error
		select {
		case <-s.done:
			over = true
		case total := <-s.offer:
			err = c.makeRoom(ctx, s, call, total)
		case <-ctx.Done():
			err = contextError(call, ctx.Err())
		}
		if err == nil {
			continue
		}
		if c.abandon(s, ctx.Err() != context.DeadlineExceeded) { // a deadline the peer knows itself
			c.cfg.Budget.Release(call.Held)
			call.Held = 0
			return nil, err
		}
		<-s.done
		over = true
	}
	payload, err := s.payload, s.err
	at := now()
	late := at+lazyTick >= s.deadline
	if s.served > 0 && call.Body == nil && !large(int(call.size())) { // else the caller's own waiting would be in it
		call.Ended, call.Lasted, call.Served = at, at-s.began, s.served
	}
	if !call.Keep || err != nil {
		c.cfg.Budget.Release(call.Held)
		call.Held = 0
	}
	if late && err != nil && lattice.CodeOf(err) == lattice.ErrTimeout { // whichever end saw it first
		return nil, callError(call, lattice.ErrTimeout, "", nil)
	}
	if e, ok := err.(*lattice.Error); ok && !e.Remote && e.Op == "" { // made by fail, which does not know the call
		e.Op, e.Entity = "call "+call.Operation+" of", call.Target.PublicKey
	}
	return payload, err
}

// contextError is that of a context, as the codes of the lattice say it.
func contextError(call *Call, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return callError(call, lattice.ErrTimeout, "", nil)
	}
	return callError(call, lattice.ErrCanceled, "", nil)
}

// makeRoom waits for room for a large answer, and lets it come.
func (c *Conn) makeRoom(ctx context.Context, s *slot, call *Call, total int) error {
	wait, cancel := context.WithTimeout(ctx, s.deadline-now())
	defer cancel()
	held, err := c.cfg.Budget.Hold(wait, "response", int64(total))
	if err != nil { // it has been carried out: not the caller's to try again
		return callError(call, lattice.CodeOf(err), "its answer found no place", err)
	}
	call.Held = held
	c.control(kindGrant, flagResponse, s.stream)
	return nil
}

// size is the length of the whole payload.
func (c *Call) size() uint64 { return uint64(len(c.Payload)) + uint64(c.BodyLength) }

// send gives the call a slot and writes its frames. All that decides about the call is done with out.mu held once, the
// lock that the frame needs anyway. An error that is not unbegun comes from the body of the call.
func (c *Conn) send(ctx context.Context, s *slot, call *Call, timeout time.Duration) error {
	r := route{origin: call.Origin, target: call.Target, operation: call.Operation}
	w := &c.out
	w.mu.Lock()
	if w.full() {
		if err := w.wait(ctx, c.done); err != nil {
			w.mu.Unlock()
			return unbegun{contextError(call, err)}
		}
	}
	if c.down {
		w.mu.Unlock()
		return downError(call)
	}
	if n := len(c.free); n == 0 || n <= c.cfg.Window/spareShare && !call.Urgent {
		w.mu.Unlock()
		return full(call, c.cfg.Window)
	}
	id, flags, ok := c.route(&r)
	if !ok {
		w.mu.Unlock()
		return callError(call, lattice.ErrTooLarge, fmt.Sprintf("names of %d bytes", r.size()), nil)
	}
	index := c.free[len(c.free)-1]
	c.free = c.free[:len(c.free)-1]
	// A stream is the slot with a number that grows: a late answer to an earlier call in the same slot finds no taker.
	c.turn++
	s.stream, s.began = c.turn<<16|uint32(index), now()
	s.deadline = s.began + timeout
	c.calls[index] = s
	c.active.Add(1)
	var tc *trace.Context
	if t, ok := childTrace(ctx); ok {
		tc = &t
		flags |= flagTrace
	}
	if call.Stay {
		flags |= flagStay
	}
	if call.Stream != nil {
		flags |= c.attach(s, call.Stream)
	}
	var until uint64
	if !call.once() && c.shared.Load() { // else the time begins when it has been read
		until = shared(s.deadline)
		flags |= flagUntil
	}
	first := call.Payload
	big := large(int(call.size()))
	switch {
	case big: // the peer makes room first
		first = nil
	case len(first) > segment: // which leaves room for the head
		first = first[:segment]
	}
	if uint64(len(first)) < call.size() {
		flags |= flagMore
	}
	// The time of a body is its sender's; until it has been read, the longest that the format can say holds.
	if call.once() {
		s.deadline = now() + maxLeft
	}
	start := len(w.buf)
	b := begin(w.buf, kindRequest, flags, s.stream, id)
	b = appendHead(b, timeout, until, tc)
	if flags&flagExplicit != 0 {
		b = r.append(b)
	}
	if flags&flagMore != 0 {
		b = binary.LittleEndian.AppendUint32(b, uint32(call.size()))
	}
	w.buf = end(append(b, first...), start)
	w.added()
	stream := s.stream
	w.mu.Unlock()
	c.keeper.wake()
	w.flush(c.active.Load() > 2) // else no other call is likely to add a frame, and looking for one wakes processors
	if flags&flagMore == 0 {
		return nil
	}
	if big {
		select {
		case <-s.grant:
		case <-ctx.Done():
		}
	}
	over := func() bool { return len(s.done) > 0 || ctx.Err() != nil }
	complete := c.more(ctx, stream, 0, call.Payload[len(first):], over)
	var err error
	if call.Body != nil {
		if complete {
			complete, err = c.pass(ctx, stream, call, over)
		}
		w.mu.Lock()
		s.deadline = now() + timeout
		w.mu.Unlock()
	}
	if !complete {
		c.control(kindCancel, 0, stream) // the peer has a part, and waits for the rest
	}
	if err != nil && !c.abandon(s, false) {
		<-s.done // it was over already
	}
	return err
}

// pass sends the body of a call on, as long as somebody waits for the answer. It reports whether all was sent.
func (c *Conn) pass(ctx context.Context, stream uint32, call *Call, over func() bool) (complete bool, err error) {
	buf := make([]byte, segment)
	for left := call.BodyLength; left > 0; {
		if over() {
			return false, nil
		}
		n, err := io.ReadFull(call.Body, buf[:min(int64(len(buf)), left)])
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return false, err
		}
		left -= int64(n)
		if !c.more(ctx, stream, 0, buf[:n], over) {
			return false, nil
		}
	}
	return true, nil
}

// control sends a frame without a body.
func (c *Conn) control(kind, flags byte, stream uint32) {
	w := &c.out
	w.mu.Lock()
	if !c.down {
		start := len(w.buf)
		w.buf = end(begin(w.buf, kind, flags, stream, 0), start)
		w.added()
	}
	w.mu.Unlock()
	w.flush(false)
}

// more sends the rest of a payload, until over says that what is left is not needed. It reports whether all was sent.
func (c *Conn) more(ctx context.Context, stream uint32, flags byte, payload []byte, over func() bool) bool {
	w := &c.out
	for len(payload) > 0 {
		if over() {
			return false
		}
		part := payload[:min(segment, len(payload))]
		payload = payload[len(part):]
		w.mu.Lock()
		if err := w.wait(ctx, c.done); err != nil || c.down {
			w.mu.Unlock()
			return false
		}
		start := len(w.buf)
		w.buf = end(append(begin(w.buf, kindData, flags, stream, 0), part...), start)
		w.added()
		w.mu.Unlock()
		w.flush(false)
	}
	return true
}

// route finds the number of a route, and adds the frame that tells it to the peer when it is new. out.mu is held. It
// reports false when the texts are too long for any frame.
func (c *Conn) route(r *route) (id uint16, flags byte, ok bool) {
	if id, ok := c.routes[*r]; ok {
		return id, 0, true
	}
	if r.size() > maxTexts {
		return 0, 0, false
	}
	if len(c.routes) >= maxRoutes {
		return 0, flagExplicit, true
	}
	id = uint16(len(c.routes))
	c.routes[*r] = id
	start := len(c.out.buf)
	c.out.buf = end(r.append(begin(c.out.buf, kindRoute, 0, 0, id)), start)
	return id, 0, true
}

// take takes a call out of the table; nil when it is over. out.mu is held.
func (c *Conn) take(stream uint32) *slot {
	index := uint16(stream)
	if int(index) >= len(c.calls) {
		return nil
	}
	s := c.calls[index]
	if s == nil || s.stream != stream {
		return nil
	}
	c.calls[index] = nil
	if s.coming {
		c.drop(partialKey(stream, true))
		s.coming = false
	}
	c.free = append(c.free, index)
	c.active.Add(-1)
	return s
}

// abandon gives a call up, and tells the peer. It reports false when it was over already.
func (c *Conn) abandon(s *slot, tell bool) bool {
	w := &c.out
	w.mu.Lock()
	mine := c.take(s.stream) != nil
	if mine && tell && !c.down {
		start := len(w.buf)
		w.buf = end(begin(w.buf, kindCancel, 0, s.stream, 0), start)
		w.added()
	}
	w.mu.Unlock()
	w.flush(false)
	return mine
}

// answered finishes the call that a response is for. The payload is copied when it is part of the reader's buffer.
func (c *Conn) answered(h header, payload []byte, copied bool) {
	c.out.mu.Lock()
	var s *slot
	if h.flags&(flagStream|flagError) == flagStream {
		s = c.flows(h.stream)
	} else {
		s = c.take(h.stream)
	}
	c.out.mu.Unlock()
	if s == nil {
		return // given up
	}
	if h.flags&flagError != 0 {
		var err error = lattice.FromWire(lattice.Code(h.code).Name(), string(payload))
		if h.flags&flagUnbegun != 0 {
			err = unbegun{err}
		}
		s.finish(nil, err)
		return
	}
	if !copied {
		payload = append(make([]byte, 0, len(payload)), payload...)
	}
	s.served = time.Duration(h.code) * servedUnit
	s.finish(payload, nil)
}

// expire finishes the calls whose time is over.
func (c *Conn) expire(at time.Duration) {
	if c.active.Load() == 0 {
		return
	}
	var late []*slot
	c.out.mu.Lock()
	for _, s := range c.calls {
		if s != nil && s.deadline <= at {
			late = append(late, c.take(s.stream))
		}
	}
	c.out.mu.Unlock()
	for _, s := range late {
		if s.attached != nil && s.attached.Err() == nil {
			s.attached.Lost(lattice.ErrTimeout)
		}
		s.finish(nil, &lattice.Error{Code: lattice.ErrTimeout})
	}
}
