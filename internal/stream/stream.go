package stream

import (
	"context"
	"encoding/binary"
	"io"
	"sync"

	"github.com/weftlattice/weft/lattice"
)

// Send carries a frame to the other end, in order. It must not keep the payload. It may wait for room, until ctx ends.
// An error says that the other end cannot be reached: the stream breaks.
type Send func(ctx context.Context, kind Kind, payload []byte) error

// Stream is one end of a stream. Receive and Break are safe for concurrent use with everything. Each direction has one
// user at a time: one goroutine reads, and one writes.
type Stream struct {
	send  Send
	meter *Meter
	over  chan struct{} // closed when it is broken, or when both directions have ended
	yield func()        // called before its user waits; may be nil

	mu  sync.Mutex
	err error // why it is broken; guarded by mu

	// What is read. All of it is guarded by mu.
	blocks   [][]byte // bytes that wait for their reader, from at on in the first one
	at       int
	lent     []byte // the block that Next has given last, when nothing else is in it
	waits    int    // bytes in blocks
	allowed  int    // bytes that the other end may still send
	due      int    // bytes that were read and for which the other end has no new room yet
	ended    bool   // all has come
	trailers []Field
	stopped  bool // nothing more is wanted
	readable signal

	// What is written. All of it is guarded by mu.
	credit   int  // bytes that the other end has room for
	closed   bool // its end has been sent
	unwanted bool // the other end wants no more
	writable signal
}

// Side says which end of a call a stream is.
type Side byte

// Sides of a call.
const (
	Calling Side = iota // it makes the call
	Serving             // it serves the call
)

// New returns an end whose frames go by send. Where the caller sends no body, that direction has ended from the
// beginning, at both ends. meter may be nil. The end is to be closed by Break, at the latest, when nobody uses it any
// more; on an end that is over that does nothing.
func New(side Side, body bool, send Send, meter *Meter) *Stream {
	if meter == nil {
		meter = new(Meter)
	}
	meter.open.Add(1)
	return &Stream{send: send, meter: meter, over: make(chan struct{}), allowed: Window, credit: Window,
		closed: side == Calling && !body, ended: side == Serving && !body}
}

// Pipe returns the two ends of a stream within a process.
func Pipe(body bool, callers, servers *Meter) (calling, serving *Stream) {
	calling = New(Calling, body, func(_ context.Context, k Kind, p []byte) error {
		return serving.Receive(k, p)
	}, callers)
	serving = New(Serving, body, func(_ context.Context, k Kind, p []byte) error {
		return calling.Receive(k, p)
	}, servers)
	return calling, serving
}

// signal wakes those that wait for something. The mutex of its owner guards it.
type signal struct{ c chan struct{} }

// wait is closed by the next fire. A stream that nobody waits for makes no channel. The stream's mu is held, as for
// fire.
func (s *signal) wait() <-chan struct{} {
	if s.c == nil {
		s.c = make(chan struct{})
	}
	return s.c
}

func (s *signal) fire() {
	if s.c != nil {
		close(s.c)
		s.c = nil
	}
}

// Over is closed when the stream is broken, or when both directions have ended.
func (s *Stream) Over() <-chan struct{} { return s.over }

// Err is why the stream is broken; nil while it is not.
func (s *Stream) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// done notes that a direction has ended. mu is held.
func (s *Stream) done() {
	if s.err != nil || (s.ended || s.stopped) && (s.closed || s.unwanted) {
		select {
		case <-s.over:
		default:
			close(s.over)
			s.meter.open.Add(-1)
		}
	}
	s.readable.fire()
	s.writable.fire()
}

// Break ends both directions, unless both have ended, and tells the other end why. What has come and was not read is
// lost. It does not wait.
func (s *Stream) Break(err error) {
	s.mu.Lock()
	tell := s.err == nil && !s.isOver()
	if tell {
		s.err = err
	}
	s.discard()
	s.done()
	s.mu.Unlock()
	if tell {
		_ = s.send(context.Background(), Broken, encodeError(err))
	}
}

func (s *Stream) isOver() bool {
	select {
	case <-s.over:
		return true
	default:
		return false
	}
}

// Lost breaks the stream without a word: the other end has gone, or cannot be reached. What has come is still there to
// be read.
func (s *Stream) Lost(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil && !s.isOver() {
		s.err = err
		s.done()
	}
}

// Abandon ends the stream without a word, since the other end knows that nobody uses it.
func (s *Stream) Abandon() {
	s.Lost(errPlain)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	s.discard()
}

// discard drops what waits for the reader, who may still look at what Next has given. mu is held.
func (s *Stream) discard() {
	s.meter.held.Add(-int64(s.waits))
	s.blocks, s.at, s.waits = nil, 0, 0
}

// Receive takes a frame of the other end. It does not wait, and copies what it keeps. An error says that the other end
// does not keep to the format, by which the stream is broken.
func (s *Stream) Receive(k Kind, payload []byte) error {
	s.mu.Lock()
	err := s.receive(k, payload)
	s.mu.Unlock()
	if err != nil {
		s.Break(err)
	}
	return err
}

// Take is Receive for one that tells the other end itself what is wrong: it sends nothing.
func (s *Stream) Take(k Kind, payload []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.receive(k, payload)
}

// receive takes a frame that has come. mu is held. What goes beyond what this end has allowed is an error that breaks
// the stream: the sender does not keep to its credit, and would fill the memory. Frames after a break are passed over,
// since they were on their way.
func (s *Stream) receive(k Kind, payload []byte) (err error) {
	if s.err != nil {
		return nil
	}
	switch k {
	case Data:
		if len(payload) > s.allowed || len(payload) > Piece || s.ended {
			return errFormat("%d bytes where there is room for %d", len(payload), s.allowed)
		}
		s.allowed -= len(payload)
		s.meter.in.Add(uint64(len(payload)))
		if !s.stopped && len(payload) > 0 {
			s.keep(payload)
			s.readable.fire()
		}
	case End:
		if s.ended {
			return errFormat("it ends twice")
		}
		if s.trailers, err = decodeTrailers(payload); err != nil {
			return err
		}
		s.ended = true
		s.done()
	case Broken:
		s.err = decodeError(payload)
		s.done()
	case Credit:
		if len(payload) != 4 {
			return errFormat("credit of %d bytes", len(payload))
		}
		n := binary.LittleEndian.Uint32(payload)
		if n > Window || s.credit+int(n) > Window {
			return errFormat("room for %d bytes, at most %d allowed", s.credit+int(n), Window)
		}
		s.credit += int(n)
		s.writable.fire()
	case Stop:
		s.unwanted = true
		s.done()
	case Alive:
	default:
		return errFormat("frame of kind %d", k)
	}
	return nil
}

// keep stores bytes for the reader. mu is held.
func (s *Stream) keep(p []byte) {
	s.waits += len(p)
	s.meter.hold(int64(len(p)))
	if n := len(s.blocks); n > 0 {
		last := s.blocks[n-1]
		k := min(len(p), cap(last)-len(last))
		s.blocks[n-1], p = append(last, p[:k]...), p[k:]
	}
	if len(p) > 0 {
		s.blocks = append(s.blocks, append(block(len(p)), p...))
	}
}

// Next waits for bytes and returns some, at most max. They are the caller's until it calls Next again. io.EOF is the
// clean end. Any other error says that not all has come: that of ctx, or why the stream broke. Bytes that came before
// that are returned first.
func (s *Stream) Next(ctx context.Context, max int) ([]byte, error) {
	for {
		b, credit, wait, err := s.take(max)
		s.grant(ctx, credit)
		if wait == nil {
			return b, err
		}
		s.rest()
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Try is Next without waiting: nil and no error where nothing is there.
func (s *Stream) Try(max int) ([]byte, error) {
	b, credit, _, err := s.take(max)
	s.grant(context.Background(), credit)
	return b, err
}

// grant tells the other end of room.
func (s *Stream) grant(ctx context.Context, bytes int) {
	if bytes == 0 {
		return
	}
	if err := s.send(ctx, Credit, binary.LittleEndian.AppendUint32(nil, uint32(bytes))); err != nil &&
		ctx.Err() == nil {
		s.Lost(err)
	}
}

// take takes some bytes, and says how much room the other end is to be told of; or what to wait for.
func (s *Stream) take(max int) (b []byte, credit int, wait <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lent != nil {
		recycle(s.lent)
		s.lent = nil
	}
	if len(s.blocks) > 0 && max > 0 {
		first := s.blocks[0]
		n := min(max, len(first)-s.at)
		b = first[s.at : s.at+n : s.at+n]
		if s.at += n; s.at == len(first) {
			s.lent, s.blocks, s.at = first, s.blocks[1:], 0
		}
		s.waits -= n
		s.meter.held.Add(-int64(n))
		if s.due += n; s.due >= Window/4 && !s.ended && s.err == nil {
			credit, s.due = s.due, 0
			s.allowed += credit
		}
		return b, credit, nil, nil
	}
	switch {
	case len(s.blocks) > 0: // max is 0
		return nil, 0, nil, nil
	case s.ended:
		return nil, 0, nil, io.EOF
	case s.err != nil:
		return nil, 0, nil, s.err
	case s.stopped:
		return nil, 0, nil, io.EOF
	}
	return nil, 0, s.readable.wait(), nil
}

// Readable is closed when Try returns something or an error; nil: it does now.
func (s *Stream) Readable() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.blocks) > 0 || s.ended || s.err != nil || s.stopped {
		return nil
	}
	return s.readable.wait()
}

// Trailers are those of the body that is read. They are there once Next has returned io.EOF.
func (s *Stream) Trailers() []Field {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trailers
}

// Stop says that nothing more is read: what waits is dropped, and the other end may spare what it has not sent.
func (s *Stream) Stop() {
	s.mu.Lock()
	tell := !s.stopped && !s.ended && s.err == nil
	s.stopped = true
	s.discard()
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.done()
	}()
	if tell {
		if err := s.send(context.Background(), Stop, nil); err != nil {
			s.Lost(err)
		}
	}
}

// Errors of writing.
var (
	// errUnwanted says that the other end wants no more of the body.
	errUnwanted = &lattice.Error{Code: lattice.ErrCanceled, Op: "write to a stream",
		Detail: "the other end reads no more of it"}
	errClosed = &lattice.Error{Code: lattice.ErrInvalid, Op: "write to a stream", Detail: "it has ended"}
)

// Write sends bytes, and waits while the other end has no room. The error is that of ctx, errUnwanted, or why the
// stream broke; how much was sent before it does not matter, since the body is not whole then.
func (s *Stream) Write(ctx context.Context, p []byte) error {
	for len(p) > 0 {
		n, wait, err := s.reserve(len(p))
		if err != nil {
			return err
		}
		if wait != nil {
			s.rest()
			select {
			case <-wait:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := s.send(ctx, Data, p[:n]); err != nil {
			s.Break(err) // the other end must not take what it has for all
			return err
		}
		s.meter.out.Add(uint64(n))
		p = p[n:]
	}
	return nil
}

// rest lets others have the goroutine's place before it waits, as with channel.Yield.
func (s *Stream) rest() {
	if s.yield != nil {
		s.yield()
	}
}

// reserve takes room for a piece of so many bytes, or says what to wait for.
func (s *Stream) reserve(bytes int) (n int, wait <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
		return 0, nil, s.err
	case s.closed:
		return 0, nil, errClosed
	case s.unwanted:
		return 0, nil, errUnwanted
	}
	if n = min(bytes, s.credit, Piece); n == 0 {
		return 0, s.writable.wait(), nil
	}
	s.credit -= n
	return n, nil, nil
}

// Room is how many bytes Write takes without waiting, or why it takes none any more.
func (s *Stream) Room() (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
		return 0, s.err
	case s.unwanted:
		return 0, errUnwanted
	}
	return s.credit, nil
}

// Writable is closed when Room is not 0; nil: it is not now.
func (s *Stream) Writable() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.credit > 0 || s.err != nil || s.unwanted {
		return nil
	}
	return s.writable.wait()
}

// End is the clean end of what is written, with trailers, which may be nil. Ending twice is an error.
func (s *Stream) End(ctx context.Context, trailers []Field) error {
	b, err := encodeTrailers(trailers)
	if err != nil {
		return err
	}
	s.mu.Lock()
	switch {
	case s.err != nil:
		err = s.err
	case s.closed:
		err = errClosed
	}
	s.closed = true
	unwanted := s.unwanted
	s.mu.Unlock()
	if err != nil {
		return err
	}
	if !unwanted { // sent before it is over: the way may go with it
		err = s.send(ctx, End, b)
	}
	s.mu.Lock()
	s.done()
	s.mu.Unlock()
	if err != nil {
		s.Lost(err)
	}
	return err
}

// Ended reports whether End has been called.
func (s *Stream) Ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// Alive tells the other end that this one is still there.
func (s *Stream) Alive(ctx context.Context) error { return s.send(ctx, Alive, nil) }

// copyFrom writes what r gives until its end, as it comes, and returns r's error or that of Write. It does not end the
// body. A Read of r that waits holds it up: its owner must end that.
func (s *Stream) copyFrom(ctx context.Context, r io.Reader) error {
	buf := block(Piece)
	defer recycle(buf)
	for {
		n, err := r.Read(buf[:cap(buf)])
		if n > 0 {
			if werr := s.Write(ctx, buf[:n]); werr != nil {
				return werr
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// CopyTo writes what comes to w until the clean end. flush, which may be nil, is called whenever nothing more is there
// at once. The error is that of Next, or of w.
func (s *Stream) CopyTo(ctx context.Context, w io.Writer, flush func() error) error {
	written := false
	for {
		b, err := s.Try(Piece)
		if b == nil && err == nil {
			if written && flush != nil {
				if err := flush(); err != nil {
					return err
				}
			}
			written = false
			b, err = s.Next(ctx, Piece)
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		written = true
	}
}

// All reads the whole body into memory, at most limit bytes: more is lattice.ErrTooLarge. room, which may be nil, is
// asked for each stretch that the body may take before it is read.
func (s *Stream) All(ctx context.Context, into []byte, limit int, room func(bytes int) error) ([]byte, error) {
	for {
		b, err := s.Next(ctx, Piece)
		switch {
		case err == io.EOF:
			return into, nil
		case err != nil:
			return nil, err
		case len(into)+len(b) > limit:
			return nil, &lattice.Error{Code: lattice.ErrTooLarge, Op: "read a body",
				Detail: "it has more bytes than the limit, " + lattice.Size(int64(limit))}
		}
		if need := len(into) + len(b); need > cap(into) && room != nil {
			if err := room(need); err != nil {
				return nil, err
			}
		}
		into = append(into, b...)
	}
}
