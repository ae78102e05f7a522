package channel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/weftlattice/weft/internal/clip"
	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// served is a call being served.
type served struct {
	callContext
	stream  uint32
	route   *knownRoute
	payload []byte
	left    time.Duration
	until   uint64        // when its caller gives up, by the machine's clock in microseconds; 0: it is not said
	beside  byte          // flagStream, flagBody: what its caller offers
	grant   chan struct{} // the caller has room for a large answer; guarded by Conn.out.mu
}

// errLate answers a call whose caller has given up. It is not begun.
var errLate = &lattice.Error{Code: lattice.ErrTimeout, Detail: "its caller no longer waits; it is not begun"}

// waited takes what the call has waited so far, be it in a process that was stopped, off what is left; true when that
// is nothing.
func (s *served) waited(moment time.Time) bool {
	if s.until == 0 {
		return false
	}
	s.left = min(s.left, time.Duration(int64(s.until-shared(moment.Sub(epoch))))*time.Microsecond)
	return s.left <= 0
}

// knownRoute is a route that the peer has told, with the decision about it.
type knownRoute struct {
	route
	refusal error
}

// partial is a payload of which not all has come.
type partial struct {
	call    *served // of a request
	header  header  // of a response
	payload []byte  // used by the reader only
	total   int
	granted bool // it may come; guarded by Conn.partialMu
}

// large reports whether a payload of that length waits until its receiver has room, and has let it come by kindGrant.
func large(total int) bool { return total > wire.MaxInlineBytes }

// learn takes a route that the peer tells. Numbers come in order and are never given anew, so both ends agree without
// an answer. Their count is bounded: the peer chooses the texts, and this end keeps them.
func (c *Conn) learn(h header, body []byte) error {
	if int(h.code) != len(c.known) || len(c.known) >= maxRoutes {
		return malformed("route %d after %d", h.code, len(c.known))
	}
	r, rest, err := parseRoute(body)
	if err != nil || len(rest) > 0 {
		return errors.Join(err, malformed("route of %d bytes", len(body)))
	}
	c.known = append(c.known, c.decide(r))
	return nil
}

// decide asks once whether the peer may take a route. Later calls over it find the answer: the check costs a call
// nothing.
func (c *Conn) decide(r *route) *knownRoute {
	return &knownRoute{route: *r, refusal: c.cfg.refusal(r.origin, r.target)}
}

// refusal is why calls over a route are refused; nil: they are not.
func (cfg *Config) refusal(origin, target wire.Entity) error {
	switch {
	case cfg.Handler == nil:
		return &lattice.Error{Code: lattice.ErrNotFound, Detail: "nothing is served over this channel"}
	case cfg.Admit != nil:
		return cfg.Admit(origin, target)
	}
	return nil
}

// servedAt returns the call of a stream; nil when it is over.
func (c *Conn) servedAt(stream uint32) *served {
	index := int(uint16(stream))
	if index >= len(c.served) {
		return nil
	}
	if s := c.served[index].Load(); s != nil && s.stream == stream {
		return s
	}
	return nil
}

// requested begins to serve a call. It reports false when the worker is not the reader any more. What a well-meaning
// peer may do is answered with an error of the call; what breaks the format is an error of the connection, since
// nothing that follows can be trusted.
func (c *Conn) requested(w *worker, h header, body []byte) (kept bool, err error) {
	head, payload, err := parseHead(h.flags, body)
	if err != nil {
		return true, err
	}
	if int(uint16(h.stream)) >= len(c.served) {
		return true, malformed("stream %d beyond the window", h.stream)
	}
	s := &served{stream: h.stream, payload: payload, left: head.left, until: head.until}
	moment := time.Now()
	waited := s.waited(moment)
	s.Begin(moment.Add(s.left))
	s.Trace, s.Traced = head.trace, head.traced
	s.stay = h.flags&flagStay != 0
	s.Room.Use(c.cfg.Budget)
	s.beside = h.flags & (flagStream | flagBody)
	switch {
	case head.route != nil:
		s.route = c.decide(head.route)
	case int(h.code) < len(c.known):
		s.route = c.known[h.code]
	default:
		return true, malformed("unknown route %d", h.code)
	}
	if s.route.refusal != nil {
		c.respond(h.stream, nil, s.route.refusal)
		return true, nil
	}
	if waited {
		c.respond(h.stream, nil, errLate)
		return true, nil
	}
	if head.total >= 0 {
		if uint64(head.total) > c.cfg.MaxBytes {
			c.respond(h.stream, nil, invocation.TooLarge("request", uint64(head.total), c.cfg.MaxBytes))
			return true, nil
		}
		return true, c.expect(h.stream, false, &partial{call: s, total: head.total}, payload)
	}
	if !c.cfg.Inline {
		// payload is a part of the reader's buffer, which the next frame overwrites.
		s.payload = append(make([]byte, 0, len(payload)), payload...)
		c.register(s)
		c.crew.Start(job{call: s})
		return true, nil
	}
	return c.inline(w, s), nil
}

// inline serves a call on the reader's goroutine, which saves a quick call two switches. Nothing else is read
// meanwhile, so Yield or the keeper takes the role of the reader away from a call that takes long. It reports false
// when that has happened.
func (c *Conn) inline(w *worker, s *served) bool {
	w.serial++
	s.worker, s.serial = w, w.serial
	c.register(s)
	mark := w.serial << stateBits
	w.state.Store(mark | inline)
	c.serve(w, &w.inv, s)
	return w.state.CompareAndSwap(mark|inline, mark|reading)
}

// took is how long the call has been served, without what it waited.
func (s *served) took() time.Duration {
	if !s.begun.IsZero() {
		return time.Since(s.begun)
	}
	deadline, _ := s.Deadline()
	return s.left - time.Until(deadline)
}

// register puts a call where its time is looked after. register ends a call that is still in its place: its caller
// gives a place to another call only when it waits for the first one no longer, and nothing else would end it.
func (c *Conn) register(s *served) {
	if s.beside&flagStream != 0 {
		c.offered(s, s.beside&flagBody != 0)
	}
	c.serving.Add(1)
	if before := c.served[uint16(s.stream)].Swap(s); before != nil {
		before.Cancel(context.DeadlineExceeded) // else it was canceled already
	}
	c.keeper.wake()
}

// serve runs the handler and sends the answer. The worker is the reader when the call is served inline, else nil.
func (c *Conn) serve(w *worker, inv *wire.Invocation, s *served) {
	r := s.route
	*inv = wire.Invocation{Origin: r.origin, Target: r.target, Operation: r.operation, Msg: s.payload,
		ContentLength: uint64(len(s.payload))}
	payload, err := c.cfg.Handler.Serve(s, inv, c.log)
	s.payload, inv.Msg = nil, nil
	if s.Offer != nil && s.Offer.Close(err) {
		c.conclude(w, s)
		return
	}
	if err == nil && uint64(len(payload)) > c.cfg.MaxBytes {
		err = invocation.TooLarge("response", uint64(len(payload)), c.cfg.MaxBytes)
	}
	offered := err == nil && large(len(payload))
	// A large answer waits for its caller's room. Until it has gone the call is in the table, so that a cancel reaches
	// it.
	if offered {
		c.deliver(s, payload)
	}
	c.served[uint16(s.stream)].CompareAndSwap(s, nil)
	c.serving.Add(-1)
	if !offered {
		c.reply(s.stream, payload, encodeServed(s.took()), err)
	}
	c.end(w, s)
}

// end ends a call whose answer has been added.
func (c *Conn) end(w *worker, s *served) {
	s.Room.End()
	// The reader flushes when it has handled all that it has read.
	if w == nil || w.state.Load() != s.serial<<stateBits|inline || c.out.pending.Load() > flushBytes {
		c.out.flush(false)
	}
	s.Close()
}

// flushBytes is how many bytes of answers are gathered at most while there is more to serve.
const flushBytes = 16 << 10

// respond is reply for a call that was not served.
func (c *Conn) respond(stream uint32, payload []byte, err error) { c.reply(stream, payload, 0, err) }

// reply adds the answer of a call; somebody flushes later. It waits for room while the peer takes nothing.
func (c *Conn) reply(stream uint32, payload []byte, took uint16, err error) {
	c.answer(stream, 0, payload, took, err)
}

// answer is reply with flags of the response.
func (c *Conn) answer(stream uint32, flags byte, payload []byte, took uint16, err error) {
	code := lattice.Code(0)
	if err != nil {
		flags, code, took = flagError, lattice.CodeOf(err), 0
		if invocation.NotBegun(err) {
			flags |= flagUnbegun
		}
		payload = []byte(clip.Text(invocation.Text(err), segment))
	}
	first := payload
	if len(first) > segment {
		first = first[:segment]
		flags |= flagMore
	}
	w := &c.out
	w.mu.Lock()
	if w.full() {
		_ = w.wait(context.Background(), c.done) // the connection ends when the peer takes nothing for long
	}
	if c.down {
		w.mu.Unlock()
		return
	}
	start := len(w.buf)
	b := begin(w.buf, kindResponse, flags, stream, uint16(code)|took)
	if flags&flagMore != 0 {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	}
	w.buf = end(append(b, first...), start)
	w.added()
	w.mu.Unlock()
	if flags&flagMore != 0 {
		c.out.flush(false)
		c.more(context.Background(), stream, flagResponse, payload[len(first):], func() bool { return false })
	}
}

// deliver sends a large answer once its caller has room, unless the call ends before.
func (c *Conn) deliver(s *served, payload []byte) {
	Yield(s) // the grant must be read
	grant := make(chan struct{}, 1)
	w := &c.out
	w.mu.Lock()
	_ = w.wait(s, c.done)
	if c.down {
		w.mu.Unlock()
		return
	}
	s.grant = grant
	start := len(w.buf)
	b := begin(w.buf, kindResponse, flagMore, s.stream, 0)
	w.buf = end(binary.LittleEndian.AppendUint32(b, uint32(len(payload))), start)
	w.added()
	w.mu.Unlock()
	w.flush(false)
	select {
	case <-grant:
		c.more(s, s.stream, flagResponse, payload, func() bool { return s.Err() != nil })
	case <-s.Done():
	case <-c.done:
	}
}

// granted lets a large payload go.
func (c *Conn) granted(h header) {
	if h.flags&flagResponse != 0 {
		if s := c.servedAt(h.stream); s != nil {
			c.out.mu.Lock()
			if s.grant != nil {
				signal(s.grant)
			}
			c.out.mu.Unlock()
		}
		return
	}
	c.out.mu.Lock()
	if index := int(uint16(h.stream)); index < len(c.calls) && c.calls[index] != nil &&
		c.calls[index].stream == h.stream {
		signal(c.calls[index].grant)
	}
	c.out.mu.Unlock()
}

// responded takes the answer of a call made, or its beginning.
func (c *Conn) responded(h header, body []byte) error {
	if h.flags&flagMore == 0 || h.flags&flagError != 0 {
		c.answered(h, body, false)
		return nil
	}
	total, body, err := parseTotal(body)
	if err != nil {
		return err
	}
	if uint64(total) > c.cfg.MaxBytes {
		c.control(kindCancel, 0, h.stream)
		h.flags, h.code = flagError, uint16(lattice.ErrTooLarge)
		c.answered(h, fmt.Appendf(nil, "response of %d bytes, limit %d", total, c.cfg.MaxBytes), false)
		return nil
	}
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	index := int(uint16(h.stream))
	if index >= len(c.calls) || c.calls[index] == nil || c.calls[index].stream != h.stream {
		return nil // given up
	}
	s := c.calls[index]
	if s.coming {
		return malformed("a second answer in stream %d", h.stream)
	}
	s.coming = true
	if err := c.expect(h.stream, true, &partial{header: h, total: total, granted: large(total)}, body); err != nil {
		return err
	}
	if large(total) { // its caller makes room; nothing comes before
		s.offer <- total
	}
	return nil
}

// expect begins to take a payload in several frames. Room for a large request is made first, for a large response by
// its caller.
func (c *Conn) expect(stream uint32, response bool, p *partial, first []byte) error {
	key := partialKey(stream, response)
	if large(p.total) && len(first) > 0 {
		return malformed("%d bytes of a large payload before there is room", len(first))
	}
	c.partialMu.Lock()
	if c.partial == nil { // down
		c.partialMu.Unlock()
		return nil
	}
	if c.partial[key] != nil {
		c.partialMu.Unlock()
		return malformed("a second payload in stream %d", stream)
	}
	if !large(p.total) {
		p.payload = append(make([]byte, 0, p.total), first...)
		p.granted = true
	} else if !response {
		p.granted = p.call.Room.Try(int64(p.total))
	}
	c.partial[key] = p
	granted := p.granted
	c.partialMu.Unlock()
	switch {
	case response || !large(p.total):
	case granted:
		c.control(kindGrant, 0, stream)
	default:
		c.wg.Go(func() { c.wait(stream, p) })
	}
	return nil
}

// wait waits for room for a large request. It lets the request come, or tells its caller that there is no room.
func (c *Conn) wait(stream uint32, p *partial) {
	err := p.call.Room.Request(&p.call.callContext, int64(p.total))
	if err != nil {
		c.drop(partialKey(stream, false))
		c.respond(stream, nil, err)
		c.out.flush(false)
		return
	}
	c.partialMu.Lock()
	p.granted = true
	here := c.partial[partialKey(stream, false)] == p
	c.partialMu.Unlock()
	if !here {
		p.call.Room.End() // it was dropped before there was something to give back
		return
	}
	c.control(kindGrant, 0, stream)
}

// drop forgets a payload whose rest is not wanted any more.
func (c *Conn) drop(key uint64) {
	c.partialMu.Lock()
	p := c.partial[key]
	delete(c.partial, key)
	c.partialMu.Unlock()
	p.end()
}

// dropAll forgets all, and lets no more come.
func (c *Conn) dropAll() {
	c.partialMu.Lock()
	all := c.partial
	c.partial = nil
	c.partialMu.Unlock()
	for _, p := range all {
		p.end()
	}
}

// end gives back what a dropped request holds.
func (p *partial) end() {
	if p != nil && p.call != nil {
		p.call.Cancel(context.Canceled)
		p.call.Room.End()
	}
}

// partialKey tells requests and responses apart: both ends number their streams for themselves.
func partialKey(stream uint32, response bool) uint64 {
	if response {
		return uint64(stream) | 1<<32
	}
	return uint64(stream)
}

// continued takes more of a payload. Data of a call that was refused or given up is passed over.
func (c *Conn) continued(w *worker, h header, body []byte) (kept bool, err error) {
	key := partialKey(h.stream, h.flags&flagResponse != 0)
	c.partialMu.Lock()
	p := c.partial[key]
	granted := p != nil && p.granted
	last := p != nil && len(p.payload)+len(body) == p.total
	if last {
		delete(c.partial, key)
	}
	c.partialMu.Unlock()
	if p == nil {
		return true, nil
	}
	// The peer has sent before it was told to, or more than it announced: room was made for neither.
	if !granted || len(p.payload)+len(body) > p.total || len(body) == 0 {
		return true, malformed("%d bytes of data after %d of %d", len(body), len(p.payload), p.total)
	}
	if p.payload == nil {
		p.payload = make([]byte, 0, p.total)
	}
	p.payload = append(p.payload, body...)
	if !last {
		return true, nil
	}
	if p.call == nil {
		c.answered(p.header, p.payload, true)
		return true, nil
	}
	p.call.payload = p.payload
	moment := time.Now()
	// It may have come slowly: its time began when its caller had sent all of it.
	if p.call.waited(moment) {
		p.call.Room.End()
		c.respond(h.stream, nil, errLate)
		return true, nil
	}
	p.call.Begin(moment.Add(p.call.left))
	c.register(p.call)
	c.crew.Start(job{call: p.call}) // large ones are not quick
	return true, nil
}
