package rpc

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/weftlattice/weft/lattice/msgpack"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/lattice/wire"
)

// buffer holds a message until it is published: the connection copies it.
type buffer struct{ msgpack.Writer }

// keptBuffer is the largest buffer that is used again: a few large ones would else stay for ever, for small messages.
const keptBuffer = 64 << 10

var buffers = sync.Pool{New: func() any { return new(buffer) }}

func newBuffer() *buffer { return buffers.Get().(*buffer) }

// free gives the buffer back. Nothing may refer to its bytes any more.
func (b *buffer) free() {
	if cap(b.Bytes()) <= keptBuffer {
		b.Reset()
		buffers.Put(b)
	}
}

// newID returns a random UUID (version 4). It need not be hard to guess: what counts is what is signed with it.
func newID() string {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], rand.Uint64())
	binary.BigEndian.PutUint64(id[8:], rand.Uint64())
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id.String()
}

// setTrace puts the trace into the invocation and, for tools that look on, into the headers if there are any.
func setTrace(inv *wire.Invocation, h nats.Header, tc trace.Context) {
	parent := tc.Traceparent()
	inv.TraceContext = map[string]string{trace.ParentHeader: parent}
	if tc.State != "" {
		inv.TraceContext[trace.StateHeader] = tc.State
	}
	if h == nil {
		return
	}
	h[trace.ParentHeader] = []string{parent}
	if tc.State != "" {
		h[trace.StateHeader] = []string{tc.State}
	}
}

// traceOf is the trace of the sender, if it has one. The invocation's own field is preferred to the headers.
func traceOf(inv *wire.Invocation, h nats.Header) (trace.Context, bool) {
	parent, state := inv.TraceContext[trace.ParentHeader], inv.TraceContext[trace.StateHeader]
	if parent == "" {
		if v := h[trace.ParentHeader]; len(v) > 0 {
			parent = v[0]
			state = h.Get(trace.StateHeader)
		}
	}
	if parent == "" {
		return trace.Context{}, false
	}
	return trace.Parse(parent, state)
}
