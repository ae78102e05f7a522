package channel

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/weftlattice/weft/lattice/wire"
)

// inputBytes holds any frame, and many small ones.
const inputBytes = 2 * (headerBytes + maxBody)

// input is what was read and not yet handled. It belongs to the reader; a payload that is served inline is part of it.
type input struct {
	buf  []byte
	r, w int
}

var inputs = sync.Pool{New: func() any { return &input{buf: make([]byte, inputBytes)} }}

// newInput returns an input that begins with the given bytes.
func newInput(rest []byte) *input {
	in := inputs.Get().(*input)
	in.r, in.w = 0, copy(in.buf, rest)
	return in
}

// frame returns the next frame if all of it is here.
func (in *input) frame() (h header, body []byte, ok bool, err error) {
	have := in.w - in.r
	if have < headerBytes {
		return h, nil, false, nil
	}
	if h, err = parseHeader(in.buf[in.r:in.w]); err != nil || have < headerBytes+h.length {
		return h, nil, false, err
	}
	body = in.buf[in.r+headerBytes : in.r+headerBytes+h.length : in.r+headerBytes+h.length]
	in.r += headerBytes + h.length
	return h, body, true, nil
}

// fill reads more. There is room for a whole frame, since those that were complete are handled.
func (in *input) fill(read func([]byte) (int, error)) error {
	if in.r == in.w {
		in.r, in.w = 0, 0
	} else if len(in.buf)-in.r < inputBytes/2 {
		in.w = copy(in.buf, in.buf[in.r:in.w])
		in.r = 0
	}
	n, err := read(in.buf[in.w:])
	in.w += n
	if n > 0 {
		return nil
	}
	return err
}

// States of a worker; the rest of its state is the serial of the call.
const (
	reading  = 0 // or parked
	inline   = 1 // serves a call that it has read; the role may be taken away
	relieved = 2 // the role was taken away

	stateBits = 2
)

// worker is a goroutine of a connection. One of them has the role of the reader; others serve calls or are parked.
type worker struct {
	conn   *Conn
	state  atomic.Uint64 // serial<<stateBits | state
	serial uint64        // used by the worker only
	in     *input        // with the role, or until the call served from it is over
	inv    wire.Invocation
}

// job is what a worker is woken for: the role of the reader, or one call.
type job struct {
	in   *input
	call *served
}

// hire makes a worker.
func (c *Conn) hire() (serve func(job), leave func()) {
	w := &worker{conn: c}
	return w.do, nil
}

// do is one job of a worker: to be the reader, or to serve one call. The invocation is cleared so that an idle worker
// holds no payload.
func (w *worker) do(j job) {
	if j.in != nil {
		w.read(j.in)
	} else {
		w.conn.serve(nil, &w.inv, j.call)
	}
	w.inv = wire.Invocation{}
}

// read is the reader, until the role is taken away or the connection ends.
func (w *worker) read(in *input) {
	c := w.conn
	w.in = in
	c.reader.Store(w)
	for {
		h, body, ok, err := in.frame()
		if err == nil && !ok {
			c.out.flush(false) // answers of what was read before
			err = in.fill(c.read)
		} else if err == nil {
			var kept bool
			if kept, err = c.handle(w, h, body); !kept {
				inputs.Put(in)
				return
			}
		}
		if err != nil {
			c.fail(err)
			inputs.Put(in)
			return
		}
	}
}

// handle handles a frame. It reports false when the role of the reader was taken away meanwhile.
func (c *Conn) handle(w *worker, h header, body []byte) (kept bool, err error) {
	switch h.kind {
	case kindRequest:
		return c.requested(w, h, body)
	case kindResponse:
		return true, c.responded(h, body)
	case kindData:
		return c.continued(w, h, body)
	case kindRoute:
		return true, c.learn(h, body)
	case kindCancel:
		if s := c.servedAt(h.stream); s != nil {
			s.Cancel(context.Canceled)
		} else {
			c.drop(partialKey(h.stream, false))
		}
	case kindGrant:
		c.granted(h)
	case kindStream:
		return true, c.streamed(h, body)
	case kindNotice:
		c.noticed(body)
	}
	return true, nil
}

// handOver gives the role of the reader to another worker, if the call with that serial is still being served inline.
func (w *worker) handOver(serial uint64) {
	if !w.state.CompareAndSwap(serial<<stateBits|inline, serial<<stateBits|relieved) {
		return
	}
	in := w.in // stays with this worker: the call's payload is in it
	w.conn.out.flush(false)
	w.conn.crew.Start(job{in: newInput(in.buf[in.r:in.w])})
}
